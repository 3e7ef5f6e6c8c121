//! What sandpiper claims, shown through its library and its command.

#![allow(clippy::unwrap_used, clippy::panic, clippy::pedantic, missing_docs, reason = "tests")]

mod bad_input;
mod command;
mod components;
mod conformance;
mod cpython;
mod elsewhere;
mod escape;
mod files;
mod harness;
mod house;
mod invariants;
mod journal;
mod limits;
mod modules;
mod policy;
mod preview1;
mod processes;
mod program;
mod python;
mod readme;
mod routes;
mod sandboxes;
mod served;
mod shell;
#[cfg(unix)]
mod subprocesses;
mod wall;
mod worktree;
