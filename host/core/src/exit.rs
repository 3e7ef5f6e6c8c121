//! How a guest ended, and the exit code that says so.

use serde::{Deserialize, Serialize};

/// How a command ended. A guest fault is a value; only host faults are errors.
///
/// # Examples
/// ```
/// use sandpiper_core::{Exit, Quota};
/// assert_eq!(Exit::Code { code: 3 }.code(), 3);
/// assert_eq!(Exit::Timeout.code(), 124);
/// assert_eq!(Exit::Quota { quota: Quota::Output }.code(), 153);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Exit {
    /// The guest ended by itself, by returning or by `proc_exit`.
    Code {
        /// The guest's own exit status, 0 to 255.
        code: u8,
    },
    /// The wall-clock deadline passed.
    Timeout,
    /// The fuel was used up.
    Fuel,
    /// Memory growth was refused by the limit and the guest died of it.
    Memory,
    /// A quota on what the guest may write was reached.
    Quota {
        /// The quota.
        quota: Quota,
    },
    /// The guest trapped.
    Trap {
        /// The trap.
        trap: Trap,
    },
    /// A signal ended the guest: from another process of the sandbox, or for a write that nobody reads.
    Signal {
        /// The signal's number, as Linux has it.
        signal: u8,
    },
    /// The guest needs what the sandbox does not offer, and was ended when it asked for that, because
    /// [`Exec::stop_at_unsupported`](crate::Exec::stop_at_unsupported) said so.
    Unsupported {
        /// The kind of what it needs, such as `threads` or `sockets`: the operation of the denial.
        operation: String,
        /// What it was needed for: the subject of the denial.
        subject: String,
    },
    /// The host asked the guest to end (Ctrl-C, [`Control::cancel`](crate::Control::cancel)).
    Cancelled,
    /// The command is nothing that can be run: a file or directory that is no program of the image, or
    /// an image that is no command.
    NotRunnable {
        /// The command as it was given.
        command: String,
        /// Why, in one phrase.
        reason: String,
    },
    /// The command is not in the image.
    NotFound {
        /// The command as it was given.
        command: String,
    },
}

impl Exit {
    /// The process exit code that stands for this end, in the manner of `timeout(1)` and of bash
    /// (128 + signal number).
    pub fn code(&self) -> u8 {
        match self {
            Self::Code { code } => *code,
            Self::Timeout => 124,
            // The sandbox refuses it, not the guest.
            Self::Unsupported { .. } => 125,
            Self::NotRunnable { .. } => 126,
            Self::NotFound { .. } => 127,
            Self::Cancelled => 130,
            Self::Trap { .. } => 134,
            Self::Memory => 137,
            Self::Fuel => 152,
            Self::Signal { signal } => signal.saturating_add(128),
            Self::Quota { .. } => 153,
        }
    }

    /// Whether the guest ended by itself with status 0.
    pub fn success(&self) -> bool {
        matches!(self, Self::Code { code: 0 })
    }
}

/// The quotas that end a guest when they are reached, as `SIGXFSZ` does under `RLIMIT_FSIZE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// Bytes written to stdout and stderr together.
    Output,
    /// Bytes written to files outside the private in-memory file system.
    Disk,
}

/// Why a guest trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trap {
    /// The `unreachable` instruction: a C `abort`, a Rust panic.
    Unreachable,
    /// The WebAssembly stack was exhausted.
    StackOverflow,
    /// A load or store outside of memory.
    MemoryOutOfBounds,
    /// A table access outside of its bounds.
    TableOutOfBounds,
    /// An indirect call of a null or wrongly typed function.
    IndirectCall,
    /// Integer overflow, division by zero or a bad float conversion.
    Arithmetic,
    /// Any other trap.
    Other,
}
