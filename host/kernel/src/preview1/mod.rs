//! The 46 functions of WASI preview 1, as methods of [`Process`](crate::Process).
//!
//! Names, order of arguments and layouts are the witx's. Each takes the guest's linear memory, where
//! it touches it, and the raw values of the call; addresses that do not fit give `FAULT` before
//! anything is done. A function is `async` where it may wait, and then a future dropped at its waiting
//! has changed nothing that a next call would miss.

mod arguments;
mod clocks;
mod descriptors;
mod directories;
mod file_metadata;
mod open;
mod outward;
mod path_metadata;
mod poll;
mod process;
mod read;
mod remove;
mod rename;
mod seek;
mod sockets;
mod write;
