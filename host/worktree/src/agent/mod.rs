//! A process of its own that does the worktree's part of a run.
//!
//! The process that runs a guest may be locked in, so that it reaches nothing but the worktree's files.
//! What has to be done in the repository is then asked of a second process, which was started before:
//! requests and replies are lines of JSON, and what a guest's git prints follows its line as it is. The
//! second process ends, and lets go of the worktree, when its input ends, and so also when the first
//! was killed.

mod client;
mod serve;
mod wire;

pub use client::{Agent, AgentGit};
pub use serve::serve;

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Create, Id};

/// A worktree to be made for a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begin {
    /// A directory in the user's checkout.
    pub start: PathBuf,
    /// Where worktrees are.
    pub root: PathBuf,
    /// Which one it is.
    pub id: Id,
    /// What it begins with.
    pub create: Create,
    /// The path at which the guest sees it.
    pub guest_path: String,
}

/// A worktree that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begun {
    /// Its directory.
    pub path: PathBuf,
    /// The directory in it that is what the start is in the user's checkout, with slashes; empty for the root,
    /// also where the worktree has no such directory.
    pub directory: String,
    /// Whether it is of a repository, on which guests can have git's commands carried out.
    pub has_git: bool,
    /// What was repaired before, and what a person should know.
    pub notes: Vec<String>,
}

/// What is done with the worktree when the run has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// It is kept; without changes it is removed.
    Keep,
    /// It is kept, whatever is in it.
    KeepAlways,
    /// Its changes are committed on its branch.
    Commit {
        /// The message.
        message: String,
    },
    /// Its changes are applied to the user's checkout, and it is removed.
    Apply,
    /// It is removed. What it held can be had back.
    Discard,
}

/// What became of the worktree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finished {
    /// What the run changed, as `git diff --stat` has it.
    pub stat: String,
    /// How many files.
    pub files: usize,
    /// The commit that was made.
    pub commit: Option<String>,
    /// Whether the changes are in the user's checkout.
    pub applied: bool,
    /// Whether the worktree is gone.
    pub removed: bool,
    /// The reference to what it held.
    pub trash: Option<String>,
}

/// What could not be done, in words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// What, and why.
    pub message: String,
    /// What would work.
    pub hint: Option<String>,
}

/// The other process could not be asked, or could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It could not be started, or has ended.
    #[error("cannot reach the process that keeps the worktree")]
    Io(#[from] io::Error),
    /// What it said cannot be read.
    #[error("the process that keeps the worktree is of another version")]
    Reply(#[from] serde_json::Error),
    /// It refused.
    #[error("{}", .0.message)]
    Refused(Refusal),
}
