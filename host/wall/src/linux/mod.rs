//! The two parts on Linux, and why one could not be raised.

mod filter;
pub(crate) mod landlock;
pub(crate) mod seccomp;

use std::path::PathBuf;

/// Why a part could not be raised.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the kernel has no Landlock of 5.19 or later")]
    NoLandlock,
    #[error("{threads} threads run already, and this kernel's Landlock would hold for one")]
    Threads { threads: usize },
    #[error("the threads of this process cannot be counted: {0}")]
    Uncounted(#[source] std::io::Error),
    #[error("{} cannot be opened: {source}", .path.display())]
    Folder { path: PathBuf, source: ::landlock::PathFdError },
    #[error(transparent)]
    Ruleset(#[from] ::landlock::RulesetError),
    #[error("the kernel takes no filter: {0}")]
    Refused(#[from] seccompiler::Error),
}
