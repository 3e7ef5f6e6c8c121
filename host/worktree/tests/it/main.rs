//! Worktrees of real repositories, with git itself to say what is right.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod apply;
mod collect;
mod commit;
mod create;
#[cfg(unix)]
#[path = "../git/edits.rs"]
mod edits;
mod harness;
#[cfg(unix)]
mod looks;
mod merge;
mod plain;
mod remote;
mod remove;
mod sparse;
