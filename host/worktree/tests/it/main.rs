//! Worktrees of real repositories, with git itself to say what is right.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod apply;
mod collect;
mod commit;
mod create;
mod harness;
mod merge;
mod remote;
mod remove;
