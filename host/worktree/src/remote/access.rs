//! How remotes are reached: what of the world outside comes in.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::RemoteError;

/// The program for `ssh://` addresses, which is to understand OpenSSH's options. No other variant of
/// `ssh.variant` is supported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ssh {
    /// A program, as in `GIT_SSH`.
    Program(OsString),
    /// A line for the shell, as in `GIT_SSH_COMMAND` and `core.sshCommand`.
    Command(String),
}

/// How remotes are reached, for how long, and until when.
///
/// Programs that are run (`ssh`, credential helpers, `sh` for those that are a line of shell) inherit this
/// process's environment without the variables that name a repository, and nothing prompts at a terminal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Access {
    /// The program for `ssh://`; else what `core.sshCommand` of the user's own configuration says; else `ssh`.
    pub ssh: Option<Ssh>,
    /// The user's configuration, in place of the files where git has it (`GIT_CONFIG_GLOBAL`).
    /// Credential helpers and `core.sshCommand` are taken from it, never from a repository's.
    pub user_configuration: Option<PathBuf>,
    /// For how long a connection may take to be made.
    pub connect_timeout: Duration,
    /// For how long a server may say nothing.
    pub silence_timeout: Duration,
    /// More bytes than this are not fetched.
    pub max_bytes: u64,
    /// Set to true, by any thread, it ends what is going on.
    pub cancelled: Arc<AtomicBool>,
}

impl Default for Access {
    /// Half a minute for connecting, two for silence (a server packs a large repository before it speaks),
    /// and 16 GiB.
    fn default() -> Self {
        Self {
            ssh: None,
            user_configuration: None,
            connect_timeout: Duration::from_secs(30),
            silence_timeout: Duration::from_mins(2),
            max_bytes: 16 << 30,
            cancelled: Arc::new(AtomicBool::new(false)),
        }
    }
}

impl Access {
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(super) fn check_cancelled(&self) -> Result<(), RemoteError> {
        if self.is_cancelled() { Err(RemoteError::Cancelled) } else { Ok(()) }
    }
}

/// How far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteProgress {
    /// A line that the server says, without control characters.
    Said(String),
    /// Objects that arrived.
    Received {
        /// So many.
        objects: usize,
        /// Of so many.
        total: usize,
        /// In so many bytes.
        bytes: usize,
    },
    /// Objects that were checked before they are kept.
    Checked {
        /// So many.
        objects: usize,
        /// Of so many.
        total: usize,
    },
    /// Objects that were sent.
    Sent {
        /// So many.
        objects: usize,
        /// Of so many.
        total: usize,
        /// In so many bytes.
        bytes: usize,
    },
    /// Files of a clone that were written.
    Written(crate::Progress),
}
