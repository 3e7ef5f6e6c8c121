//! The adapters against servers on loopback that a test scripts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod client;
#[cfg(target_os = "linux")]
mod daytona;
mod docker;
mod e2b;
mod fake;
mod lacks;
mod server;
mod websocket;
