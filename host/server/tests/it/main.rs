//! The faces, over a backend that plays its part; clients are raw HTTP.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod client;
mod control;
mod daytona;
mod double;
mod files;
mod filesystem;
mod interpreter;
mod limits;
mod memory;
mod process;
