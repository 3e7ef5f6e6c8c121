//! HTTP faces over any backend.
//!
//! A [`Server`] keeps sandboxes of one [`Backend`](sandpiper_core::Backend) and lets programs work with them that
//! were written for another service: their SDKs are pointed at its address and stay as they are. Each face is a
//! folder that knows the words of one service; what a sandbox is, which commands run in it, and how long it lives,
//! is the same for all of them.

mod app;
mod config;
mod connections;
mod daytona;
mod e2b;
mod failure;
mod guest_path;
mod held;
mod interpreter;
mod keys;
mod lifetime;
mod output;
mod process;
mod processes;
mod random;
mod registry;
mod server;
mod watchers;

pub use config::{ConfigError, ServerConfig, ServerLimits, Template};
pub use keys::ApiKeys;
pub use server::{Server, Stopped};
