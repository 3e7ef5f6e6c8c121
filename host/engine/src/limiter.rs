//! The limits on a store's memories and tables.

use sandpiper_core::Limits;
use wasmtime::ResourceLimiter;

/// Counts what an instance holds, refuses what is above the limits, and remembers that it did.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: u64,
    table_elements: u64,
    peak_memory_bytes: u64,
    tables_held: u64,
    refused_memory: Option<u64>,
    refused_table: Option<u64>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes: limits.memory_bytes,
            table_elements: u64::from(limits.table_elements),
            peak_memory_bytes: 0,
            tables_held: 0,
            refused_memory: None,
            refused_table: None,
        }
    }

    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        self.peak_memory_bytes
    }

    /// The size last asked for above the memory limit, in bytes.
    pub(crate) fn refused_memory(&self) -> Option<u64> {
        self.refused_memory
    }

    /// The limit of table elements.
    pub(crate) fn table_elements(&self) -> u64 {
        self.table_elements
    }

    /// The number of table elements last asked for above the limit.
    pub(crate) fn refused_table(&self) -> Option<u64> {
        self.refused_table
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let desired_bytes = u64::try_from(desired)?;
        if desired_bytes > self.memory_bytes {
            self.refused_memory = Some(desired_bytes);
            return Ok(false);
        }
        if maximum.is_none_or(|maximum| desired <= maximum) {
            self.peak_memory_bytes = self.peak_memory_bytes.max(desired_bytes);
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let held = self.tables_held + u64::try_from(desired.saturating_sub(current))?;
        if held > self.table_elements {
            self.refused_table = Some(held);
            return Ok(false);
        }
        self.tables_held = held;
        Ok(true)
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}
