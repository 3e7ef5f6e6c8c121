//! Fetching, pushing and cloning, with git itself on the other side.

mod clone;
mod credentials;
mod fetch;
mod harness;
mod hostile;
mod http;
mod push;
mod refused;
mod server;
mod ssh;
