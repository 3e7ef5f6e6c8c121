//! What a guest of a sandbox sees: a complete WASI preview 1 of our own, and every decision about it.
//!
//! A [`World`] is one sandbox: mounts, `/tmp`, budgets, clock, randomness and the log of what was
//! refused. A [`Process`] is one program in it; its methods are the functions of preview 1 by their
//! names, over the guest's linear memory as bytes. No engine is in here: whoever runs the guest passes
//! its memory and the raw arguments, and gets a [`Fault`] where a call does not succeed.
//!
//! Host directories are reached through cap-std, one name at a time; see the walk in `namespace`.

#![forbid(unsafe_code)]

mod abi;
mod budget;
mod changes;
mod clock;
mod description;
mod descriptors;
mod diagnostics;
mod fault;
mod file_system;
mod files;
mod host;
mod input;
mod listing;
mod memory;
mod namespace;
mod output;
mod path;
mod pipe;
mod preview1;
mod process;
mod processes;
mod queue;
mod random;
mod reserved;
mod signals;
mod strings;
mod vectors;
mod view;
mod world;

pub use abi::Errno;
pub use clock::Clock;
pub use fault::{Fault, Stop};
pub use file_system::{SystemTree, SystemTreeBuilder};
pub use files::Files;
pub use host::{Executable, GitStep};
pub use input::Input;
pub use process::Process;
pub use processes::{ProcessEntry, Status};
pub use queue::OutputQueue;
pub use reserved::path_is_reserved;
pub use signals::Signal;
pub use world::{Found, World};
