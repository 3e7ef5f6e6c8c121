//! What can go wrong with worktrees.

use std::io;
use std::path::PathBuf;

use crate::Id;
use crate::git::LookError;

/// A worktree cannot be made, read, changed or removed. Nothing is left half done: what was begun is
/// undone, or recorded so that [`Worktrees::collect`](crate::Worktrees::collect) finishes it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorktreeError {
    /// A name cannot be part of an id.
    #[error(
        "{name:?} cannot name a {what}: expected 1 to 64 letters, digits, '_' or '-', not beginning with '-'"
    )]
    Name {
        /// Task or run.
        what: &'static str,
        /// The name given.
        name: String,
    },
    /// The id, or one that differs in case only, is in use.
    #[error("there is already a worktree {taken}; choose another run id, or remove it first")]
    Taken {
        /// The id that exists.
        taken: Id,
    },
    /// A branch stands where the new one would be.
    #[error("there is already a branch {branch}, which is in the way of {wanted}")]
    BranchTaken {
        /// The branch that exists.
        branch: String,
        /// The branch to be made.
        wanted: String,
    },
    /// No worktree has this id or branch.
    #[error("there is no worktree {name:?}; `worktree list` shows those of this repository")]
    Unknown {
        /// What was given.
        name: String,
    },
    /// The directory is in no git repository.
    #[error("{} is in no git repository", .path.display())]
    NoRepository {
        /// The directory.
        path: PathBuf,
    },
    /// The repository, a file or an option is of a kind that is not supported.
    #[error("{what}: {reason}")]
    Unsupported {
        /// What is not supported.
        what: String,
        /// Why, and what would work.
        reason: String,
    },
    /// Another process uses the worktree.
    #[error("the worktree {id} is in use by process {pid}; wait until it ends")]
    InUse {
        /// The worktree.
        id: Id,
        /// The process.
        pid: u32,
    },
    /// A commit or a branch cannot be found.
    #[error("{name:?} names no commit of this repository")]
    NoCommit {
        /// What was given.
        name: String,
    },
    /// There is work in the worktree that is nowhere else.
    #[error("the worktree {id} holds work that is nowhere else: {}", .held.join(", "))]
    HoldsWork {
        /// The worktree.
        id: Id,
        /// What it holds, each in a few words.
        held: Vec<String>,
    },
    /// Both sides changed the same lines; nothing was changed.
    #[error("{} of the files changed on both sides: {}", .conflicts.len(), paths(.conflicts))]
    Conflicts {
        /// Where.
        conflicts: Vec<Conflict>,
    },
    /// Files that would be overwritten have changes that are not committed; nothing was changed.
    #[error("these files have changes that would be lost: {}", .paths.join(", "))]
    Dirty {
        /// The files, relative to the checkout.
        paths: Vec<String>,
    },
    /// Somebody moved the branch meanwhile; nothing was changed.
    #[error("the branch {branch} was moved by somebody else meanwhile; try again")]
    Moved {
        /// The branch.
        branch: String,
    },
    /// There is nothing to commit.
    #[error("the worktree {id} has no changes to commit")]
    NothingToCommit {
        /// The worktree.
        id: Id,
    },
    /// A commit needs a name and an address.
    #[error(
        "no author: set user.name and user.email in git's configuration, or give one as 'Name <address>'"
    )]
    NoAuthor,
    /// A file or directory cannot be read or written.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// libgit2 refused.
    #[error("cannot {action}")]
    Git {
        /// What was tried, as a verb with its object.
        action: &'static str,
        /// The cause.
        source: git2::Error,
    },
    /// The files of a worktree cannot be compared or kept.
    #[error("cannot read the files of the worktree")]
    Look(#[source] LookError),
    /// A record of a worktree cannot be read.
    #[error("the record {} is damaged", .path.display())]
    Record {
        /// The record.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
}

impl From<LookError> for WorktreeError {
    fn from(source: LookError) -> Self {
        match source {
            LookError::InnerRepository { path } => Self::Unsupported {
                what: format!("the repository {path} within the worktree"),
                reason: "its files would not be saved; remove or rename its .git, or move it out".to_owned(),
            },
            source => Self::Look(source),
        }
    }
}

/// A file that both sides changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Conflict {
    /// Relative to the root of the worktree.
    pub path: String,
    /// What each side did.
    pub reason: String,
    /// The lines in conflict, as ranges of the merged text with its markers; empty where the conflict
    /// is not in the text.
    pub hunks: Vec<Hunk>,
}

/// A range of lines, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Hunk {
    /// The first line.
    pub start: usize,
    /// How many.
    pub lines: usize,
}

fn paths(conflicts: &[Conflict]) -> String {
    let named: Vec<String> =
        conflicts.iter().map(|conflict| format!("{} ({})", conflict.path, conflict.reason)).collect();
    named.join(", ")
}

/// Says what was tried when something fails.
pub(crate) trait Trying<T> {
    fn trying(self, action: &'static str) -> Result<T, WorktreeError>;
}

impl<T> Trying<T> for Result<T, git2::Error> {
    fn trying(self, action: &'static str) -> Result<T, WorktreeError> {
        self.map_err(|source| WorktreeError::Git { action, source })
    }
}

/// Says which file was meant when something fails.
pub(crate) trait At<T> {
    fn at(self, action: &'static str, path: &std::path::Path) -> Result<T, WorktreeError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &std::path::Path) -> Result<T, WorktreeError> {
        self.map_err(|source| WorktreeError::Io { action, path: path.to_owned(), source })
    }
}
