//! What a run gives back: events while it goes, an outcome at its end.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Denial, Exit};

/// One of the two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What happens while a command runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Output, in the order in which the guest wrote it.
    Output {
        /// The stream.
        stream: Stream,
        /// The bytes; 64 KiB at most.
        bytes: Bytes,
    },
}

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Fuel used; `None` where it is not metered.
    pub fuel: Option<u64>,
    /// Wall-clock time, in milliseconds.
    pub wall_ms: u64,
    /// CPU time of the host thread while it ran the guest, in milliseconds.
    pub cpu_ms: u64,
    /// The most linear memory that was held at a time, in bytes.
    pub peak_memory_bytes: u64,
    /// Bytes that the guest read from files and standard input.
    pub bytes_read: u64,
    /// Bytes that the guest wrote to files and output streams.
    pub bytes_written: u64,
    /// Processes that were started.
    pub processes: u64,
}

/// What one process of a command used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessUsage {
    /// Its number.
    pub pid: u32,
    /// The number of the process that started it; 1 is the host.
    pub parent: u32,
    /// Its arguments, joined by spaces, as far as 200 characters show them.
    pub command: String,
    /// How it ended; `None` when it was ended with the command.
    pub exit: Option<Exit>,
    /// Fuel used; `None` where it is not metered.
    pub fuel: Option<u64>,
    /// Wall-clock time, in milliseconds.
    pub wall_ms: u64,
    /// The most linear memory that it held at a time, in bytes.
    pub peak_memory_bytes: u64,
}

/// The output kept of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the guest wrote more than is here.
    pub cut: bool,
}

/// How a run ended and what it used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How the guest ended.
    pub exit: Exit,
    /// What it used.
    pub usage: Usage,
    /// Its processes, in the order of their numbers: the first thousand of them; none where the backend does
    /// not know them.
    pub processes: Vec<ProcessUsage>,
    /// What it was refused.
    pub denials: Vec<Denial>,
    /// Standard output, empty where the events were taken as a stream.
    pub stdout: Captured,
    /// Standard error, empty where the events were taken as a stream.
    pub stderr: Captured,
}
