//! `clock_*`.

use crate::abi::ClockId;
use crate::{Fault, Process, memory};

impl Process {
    /// Writes a clock's resolution, in nanoseconds.
    ///
    /// # Errors
    /// `INVAL` for an unknown clock, `FAULT`.
    pub fn clock_res_get(&mut self, memory: &mut [u8], clock: u32, resolution: u32) -> Result<(), Fault> {
        ClockId::parse(clock)?;
        Ok(memory::store_u64(memory, resolution, self.world.clock().resolution_ns())?)
    }

    /// Writes a clock's time, in nanoseconds; the precision asked for does not matter.
    ///
    /// # Errors
    /// `INVAL` for an unknown clock, `FAULT`.
    pub fn clock_time_get(
        &mut self,
        memory: &mut [u8],
        clock: u32,
        _precision_ns: u64,
        time: u32,
    ) -> Result<(), Fault> {
        let clock = ClockId::parse(clock)?;
        memory::check(memory, time, 8)?;
        Ok(memory::store_u64(memory, time, self.time_ns(clock))?)
    }
}
