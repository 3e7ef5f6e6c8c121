//! What can go wrong with remotes.

use std::path::PathBuf;

use crate::{Id, WorktreeError};

/// A repository elsewhere cannot be reached, or what it says or what is asked for is refused. Addresses
/// are shown without what may be a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The repository's configuration has no such remote.
    #[error("{reason}")]
    NoRemote {
        /// Which one is missing, and what would name one.
        reason: String,
    },
    /// An address, a setting or a kind of repository is not supported, or is not to be trusted.
    #[error("{what}: {reason}")]
    Refused {
        /// What is refused.
        what: String,
        /// Why, and the way out.
        reason: String,
    },
    /// The server cannot be reached, or broke off.
    #[error("cannot reach {address}: {reason}")]
    Unreachable {
        /// The server.
        address: String,
        /// As far as it is known.
        reason: String,
    },
    /// The server said nothing for as long as [`Access`](super::Access) allows.
    #[error("{address} said nothing for {seconds} s")]
    Silent {
        /// The server.
        address: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The server wants to know who asks, and no credentials were found or accepted.
    #[error("{address} asks for credentials: {reason}")]
    Credentials {
        /// The server.
        address: String,
        /// What was tried, and what would help.
        reason: String,
    },
    /// The server refuses, or says what no server of git says.
    #[error("{address} says: {text}")]
    Server {
        /// The server.
        address: String,
        /// In its words, or what is wrong with them.
        text: String,
    },
    /// What the server sent is broken or dangerous. Nothing of it was kept.
    #[error("{address} sent {what}: {reason}")]
    Content {
        /// The server.
        address: String,
        /// An object, a name or a file.
        what: String,
        /// Why it is not kept.
        reason: String,
    },
    /// A program cannot be run, or failed.
    #[error("the program {program}: {reason}")]
    Program {
        /// Its name.
        program: String,
        /// Why, and what would help.
        reason: String,
    },
    /// The branch there has commits that would be lost.
    #[error("{branch} of {remote} has commits that this branch has not; fetch and merge them first")]
    NotFastForward {
        /// The remote.
        remote: String,
        /// The branch there.
        branch: String,
    },
    /// The branch there is not where it was said to be.
    #[error("{branch} of {remote} is at {found}, not at {expected}; fetch, look, and try again")]
    Stale {
        /// The remote.
        remote: String,
        /// The branch there.
        branch: String,
        /// The commit that was expected, or that none was.
        expected: String,
        /// The commit that is there, or that none is.
        found: String,
    },
    /// The server took the commits and did not move the branch.
    #[error("{remote} rejected {branch}: {reason}")]
    Rejected {
        /// The remote.
        remote: String,
        /// The branch there.
        branch: String,
        /// In the server's words.
        reason: String,
        /// What else the server said: by its hooks, say.
        said: Vec<String>,
    },
    /// The worktree's branch has no commit.
    #[error("the worktree {id} has no commit to push")]
    NothingToPush {
        /// The worktree.
        id: Id,
    },
    /// The directory for a clone has something in it.
    #[error("{} is not empty; choose a directory that is not there yet", .path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The server has no such branch.
    #[error("{address} has no branch {name:?}")]
    NoBranch {
        /// The server.
        address: String,
        /// What was asked for.
        name: String,
    },
    /// It was told to stop. Nothing was changed here; a push may have arrived.
    #[error("cancelled")]
    Cancelled,
    /// Something of this machine's repository.
    #[error(transparent)]
    Local(#[from] WorktreeError),
}

impl RemoteError {
    pub(super) fn refused(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), reason: reason.into() }
    }
}
