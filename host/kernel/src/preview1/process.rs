//! `proc_*`, `sched_yield` and `random_get`.

use sandpiper_core::DenialReason;

use crate::fault::{Attempt, Failure};
use crate::{Errno, Fault, Process, Stop, memory};

/// Most random bytes of one call: the host's thread makes them in some milliseconds.
const MAX_RANDOM_BYTES: u32 = 16 << 20;

/// The last signal of the witx, `SYS`.
const LAST_SIGNAL: u32 = 30;

impl Process {
    /// Ends the guest; of the status the low 8 bits count, as POSIX has it.
    ///
    /// # Errors
    /// Always [`Stop::Exit`].
    pub fn proc_exit(&mut self, status: u32) -> Result<(), Fault> {
        let [low, ..] = status.to_le_bytes();
        Err(Fault::Stop(Stop::Exit(low)))
    }

    /// Raises a signal. There are no handlers on this side of the guest, so those that end a process
    /// end it, with 128 and the signal's usual number, and the others do nothing.
    ///
    /// # Errors
    /// [`Stop::Exit`], `INVAL` for an unknown signal.
    pub fn proc_raise(&mut self, signal: u32) -> Result<(), Fault> {
        match signal {
            // None; and by default ignored or about stopping: CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH.
            0 | 16..=22 | 27 => Ok(()),
            _ if signal <= LAST_SIGNAL => {
                // The witx numbers as Linux does, but has no STKFLT (16), so what follows is one less.
                let number = if signal < 16 { signal } else { signal + 1 };
                let [low, ..] = (128 + number).to_le_bytes();
                Err(Fault::Stop(Stop::Exit(low)))
            }
            _ => Err(Fault::Errno(Errno::INVAL)),
        }
    }

    /// Lets other tasks of the host run.
    ///
    /// # Errors
    /// None.
    pub async fn sched_yield(&mut self) -> Result<(), Fault> {
        self.wait_for(tokio::task::yield_now()).await;
        Ok(())
    }

    /// Fills a buffer with random bytes.
    ///
    /// # Errors
    /// `FAULT`, and `INVAL` (recorded) for more than 16 MiB.
    pub fn random_get(&mut self, memory: &mut [u8], buffer: u32, length: u32) -> Result<(), Fault> {
        let result = self.random(memory, buffer, length);
        self.settle("random_get", None, result)
    }

    fn random(&self, memory: &mut [u8], buffer: u32, length: u32) -> Attempt<()> {
        let bytes = memory::bytes_mut(memory, buffer, length)?;
        if length > MAX_RANDOM_BYTES {
            return Err(Failure::denied(Errno::INVAL, DenialReason::SizeLimit));
        }
        Ok(self.world.random(bytes)?)
    }
}
