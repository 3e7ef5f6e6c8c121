//! Git worktrees for runs: made beside the user's repository, looked at, committed, merged back and
//! removed, without touching the user's checkout and without losing anything.
//!
//! It knows no sandbox; it hands out a path. libgit2 does the work, so that no `git` program is
//! needed and none of the commands that a configuration names (hooks, filters, `core.fsmonitor`) is
//! ever run; but for repositories elsewhere ([`remote`]) the user's `ssh` and credential helpers.
//!
//! ```no_run
//! use sandpiper_worktree::{Commit, Create, Id, Worktrees};
//!
//! let worktrees = Worktrees::open("/home/me/project".as_ref(), "/home/me/.cache/worktrees".as_ref())?;
//! let id = Id::new("fix-login", "1")?;
//! let worktree = worktrees.create(&id, &Create::default(), &mut |_| {})?;
//! std::fs::write(worktree.path().join("notes.txt"), "done")?;
//! worktree.commit(&Commit::new("Add notes"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod administration;
pub mod agent;
mod apply;
mod changes;
mod checkout;
mod collect;
mod commit;
mod conflicts;
mod conversion;
mod create;
mod error;
mod export;
pub mod git;
mod id;
mod list;
mod lock;
mod merge;
mod pending;
mod place;
mod plain;
mod platform;
mod record;
pub mod remote;
mod remove;
mod snapshot;
mod sparse;
mod update;
mod worktrees;

pub use apply::Applied;
pub use changes::{ChangedContent, ChangedFile, Changes};
pub use checkout::Progress;
pub use collect::{Collect, Collected};
pub use commit::Commit;
pub use create::Create;
pub use error::{Conflict, Hunk, WorktreeError};
pub use id::Id;
pub use list::{Condition, Listed};
pub use merge::{Merge, MergeKind, Merged};
pub use plain::{Plain, PlainOrigin};
pub use record::{Record, State};
pub use remove::{Remove, Removed};
pub use worktrees::{RunLock, Worktree, Worktrees};
