//! Tests of the router through its public face.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod corpus;
mod hostile;
mod image;
mod latency;
mod mounted;
mod reasons;
