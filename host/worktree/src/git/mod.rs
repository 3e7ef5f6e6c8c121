//! The `git` command of a guest, whose work the host does.
//!
//! A guest has the files of a git worktree and no git of its own: it hands a command line over, and
//! [`git`] carries it out on the repository, with the output and the exit codes of git itself.
//! libgit2 serves as the object, reference and index library only. Every file of the working tree is
//! reached here one directory at a time without following symbolic links, and nothing that a
//! configuration or an attribute names (hooks, filters, drivers, aliases) is ever run. The only things
//! changed are objects, the index, the one branch of the run with its reflog, and its stashes.

mod allowance;
mod arguments;
mod attributes;
mod changes;
mod command;
mod commands;
mod content;
mod dates;
mod diff_request;
mod environment;
mod failure;
mod hunks;
mod ident;
mod identity;
mod ignore;
mod line_ends;
mod look;
mod obstacles;
mod output;
mod patch;
mod path;
mod pathspec;
mod pattern;
mod pretty;
mod quote;
mod renames;
mod restore;
mod revision;
mod run_branch;
mod running;
mod session;
mod similarity;
mod snapshot;
mod stage;
mod staging;
mod stat;
mod status;
mod status_text;
mod walk;
mod wildcard;
mod work_tree;

pub use allowance::Allowance;
pub use changes::Change;
pub use command::{git, git_to};
pub(crate) use look::Difference;
pub use look::{LookError, Status, status};
pub(crate) use obstacles::{Step, obstacles};
pub use output::Output;
pub use running::{Running, WorktreeGit};
pub(crate) use snapshot::{Snapshot, What};
pub use status::{Changed, Conflict, State, StatusEntry, Untracked};

use std::path::PathBuf;

/// Where git commands work and what they may change.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The git directory of the worktree on the host (`…/.git/worktrees/NAME`).
    pub git_directory: PathBuf,
    /// The working tree on the host.
    pub work_tree: PathBuf,
    /// The one branch that commands may move, in full: `refs/heads/sandpiper/TASK/RUN`.
    pub branch: String,
    /// The path at which the guest sees the working tree: `/workspace`.
    pub guest_path: String,
}

/// A point in time with the offset that it is told in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Minutes east of UTC.
    pub offset_minutes: i32,
}

/// Who makes a commit, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Name; without one `user.name` of the user's configuration counts.
    pub name: Option<String>,
    /// Address; without one `user.email` of the user's configuration counts.
    pub email: Option<String>,
    /// When.
    pub time: Moment,
}

/// One command line of git.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// The arguments after `git`.
    pub arguments: Vec<Vec<u8>>,
    /// The working directory, as the guest sees it or relative to the root of the worktree.
    pub directory: Vec<u8>,
    /// What stands on standard input, for `commit -F -`.
    pub stdin: Vec<u8>,
    /// Who wrote what is committed (`GIT_AUTHOR_NAME` and so on).
    pub author: Person,
    /// Who commits, and the time that counts as now.
    pub committer: Person,
}

/// What a command answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The exit code.
    pub code: u8,
    /// What goes to standard output.
    pub stdout: Vec<u8>,
    /// What goes to standard error.
    pub stderr: Vec<u8>,
}
