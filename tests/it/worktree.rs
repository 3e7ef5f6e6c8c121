//! `sandpiper worktree` and `sandpiper run --worktree`, with git itself to say what is right.

mod command;
mod concurrency;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod crash;
#[cfg(unix)]
mod guest_git;
pub(crate) mod repository;
