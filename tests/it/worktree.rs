//! `sandpiper worktree` and `sandpiper run --worktree`, with git itself to say what is right.

mod command;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod crash;
mod repository;
