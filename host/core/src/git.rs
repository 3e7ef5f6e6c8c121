//! Git for guests: a command line goes out, and the host works on the repository that a guest has not.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{BoxError, BoxFuture, Stream};

/// One command line of git, as a guest gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitCommand {
    /// The arguments after `git`.
    pub arguments: Vec<Vec<u8>>,
    /// The variables that are git's: their names begin with `GIT_`.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// The working directory, an absolute path of the guest.
    pub directory: String,
    /// Standard input, where the command takes any.
    pub stdin: Vec<u8>,
    /// The guest's time, in nanoseconds after the Unix epoch.
    pub now_ns: u64,
}

/// What a command of git gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitEvent {
    /// The bytes of files and objects that it has written since the event before.
    pub written_bytes: u64,
    /// What happened.
    pub what: GitOutput,
}

/// What happens while a command of git runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitOutput {
    /// It prints, 64 KiB at most.
    Bytes {
        /// Where to.
        stream: Stream,
        /// The bytes.
        bytes: Bytes,
    },
    /// It has ended.
    Ended {
        /// The exit code.
        code: u8,
    },
}

/// Carries out git's commands for guests, on one repository.
pub trait Git: Send + Sync + fmt::Debug {
    /// Starts a command.
    ///
    /// # Errors
    /// When nobody is there to carry it out.
    fn start(&self, command: GitCommand) -> Result<Box<dyn GitRunning>, BoxError>;
}

/// A command of git that runs. Dropping it ends the command early, as Ctrl-C does.
pub trait GitRunning: Send + Sync {
    /// Lets it run to its next event, and write `disk_bytes` at most until then. Between events it stands
    /// still, so it does not get ahead of its reader.
    ///
    /// # Errors
    /// When whoever carries it out is gone.
    fn next(&mut self, disk_bytes: u64) -> BoxFuture<'static, Result<GitEvent, BoxError>>;
}
