//! The limits of a sandbox: finite by default, with no "unlimited".

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the work of a guest is metered; part of the compiled code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metering {
    /// Fuel is counted and limited; deterministic, and carries the deadline by yielding.
    #[default]
    Fuel,
    /// Only the wall deadline interrupts; faster code, and the outcome has no fuel figure.
    Deadline,
}

/// The limits of one sandbox.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use sandpiper_core::Limits;
/// let limits = Limits { wall: Duration::from_secs(5), ..Limits::default() };
/// assert!(limits.check().is_ok());
/// assert!(Limits { memory_bytes: 1, ..Limits::default() }.check().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Metering mode; with [`Metering::Deadline`] the field `fuel` does not apply.
    pub metering: Metering,
    /// Fuel: about one unit for each WebAssembly instruction executed.
    pub fuel: u64,
    /// Wall-clock time from the start of instantiation to the end.
    pub wall: Duration,
    /// Linear memory, in bytes.
    pub memory_bytes: u64,
    /// Elements over all tables of an instance.
    pub table_elements: u32,
    /// Private in-memory file system (`/tmp` and `/home/user`), in bytes.
    pub tmp_bytes: u64,
    /// Bytes written to mounted directories.
    pub disk_bytes: u64,
    /// Files, directories and links that may be created, in memory and in mounts.
    pub files: u64,
    /// Open descriptors of a process.
    pub descriptors: u32,
    /// Processes at one time; one that has ended counts until its parent has asked how.
    pub processes: u32,
    /// Bytes that a command writes to stdout and stderr together.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            metering: Metering::Fuel,
            // About five minutes of computing on a 2026 server core.
            fuel: 500_000_000_000,
            wall: Duration::from_secs(30),
            memory_bytes: 256 << 20,
            // CPython has some 15,000 functions in its table; nothing real has 100,000.
            table_elements: 100_000,
            tmp_bytes: 64 << 20,
            disk_bytes: 1 << 30,
            files: 100_000,
            descriptors: 1024,
            processes: 256,
            output_bytes: 16 << 20,
        }
    }
}

impl Limits {
    /// One WebAssembly page, below which no memory limit makes sense.
    const MIN_MEMORY_BYTES: u64 = 64 << 10;
    /// The address space of a 32-bit guest.
    const MAX_MEMORY_BYTES: u64 = 4 << 30;
    /// A year; `Instant` arithmetic beyond it overflows on some platforms.
    pub(crate) const MAX_WALL: Duration = Duration::from_hours(365 * 24);

    /// Checks that every limit can be enforced.
    ///
    /// # Errors
    /// [`LimitsError`] names the limit, its value and what would work.
    pub fn check(&self) -> Result<(), LimitsError> {
        let refuse = |limit, value: String, expected| Err(LimitsError { limit, value, expected });
        if self.wall.is_zero() || self.wall > Self::MAX_WALL {
            return refuse("timeout", format!("{:?}", self.wall), "more than 0 and at most 365 days");
        }
        if self.metering == Metering::Fuel && self.fuel == 0 {
            return refuse("fuel", self.fuel.to_string(), "at least 1");
        }
        if !(Self::MIN_MEMORY_BYTES..=Self::MAX_MEMORY_BYTES).contains(&self.memory_bytes) {
            return refuse("memory", format!("{} bytes", self.memory_bytes), "64KiB to 4GiB");
        }
        if self.descriptors < 4 {
            return refuse("descriptors", self.descriptors.to_string(), "at least 4");
        }
        if self.processes == 0 {
            return refuse("processes", self.processes.to_string(), "at least 1");
        }
        Ok(())
    }
}

/// A limit that cannot be enforced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit {limit} is {value}, expected {expected}")]
pub struct LimitsError {
    /// The limit's name, as the command line spells it.
    pub limit: &'static str,
    /// The value given.
    pub value: String,
    /// What would work.
    pub expected: &'static str,
}
