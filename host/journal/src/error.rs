//! What can go wrong with journals.

use std::io;
use std::path::{Path, PathBuf};

use crate::RunId;

/// A journal cannot be written or read. What has been read so far, and what was whole before a write, stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The operating system refused; where it was a write, the file ends with the last whole record, and the
    /// writer can go on.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// No journal has this id.
    #[error("there is no journal of the run {name}; `journal list` shows those that there are")]
    Unknown {
        /// What was given.
        name: String,
    },
    /// Several journals have it in their ids.
    #[error("{name:?} is part of several run ids, {first} and {second} among them; give more of it")]
    Ambiguous {
        /// What was given.
        name: String,
        /// One of them.
        first: RunId,
        /// Another.
        second: RunId,
    },
    /// The index knows the run, and its file is gone.
    #[error("the journal of the run {run} was removed by something else than sandpiper")]
    Missing {
        /// The run.
        run: RunId,
    },
    /// Another process has locked the index for too long.
    #[error("another process has locked {}; find and end it, or let it go on", .path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// There is a journal of this run.
    #[error("there is already a journal of the run {run}; each run needs an id of its own")]
    Taken {
        /// The run.
        run: RunId,
    },
    /// The size is too small for a first and a last record.
    #[error("a journal of at most {bytes} bytes is too small, expected at least {least}")]
    TooSmall {
        /// The size given.
        bytes: u64,
        /// The least that works.
        least: u64,
    },
    /// What a run begins with is longer than a record can be.
    #[error("what the run began with takes {bytes} bytes, more than a record can have ({most})")]
    StartTooLong {
        /// Its length.
        bytes: usize,
        /// The most that a record can have.
        most: usize,
    },
    /// A record has no JSON.
    #[error("cannot write the record as JSON")]
    Encode {
        /// The cause.
        source: serde_json::Error,
    },
}

/// Says where an error of the operating system came from.
pub(crate) trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, JournalError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, JournalError> {
        self.map_err(|source| JournalError::Io { action, path: path.to_owned(), source })
    }
}
