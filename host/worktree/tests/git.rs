//! The git command of guests against git itself: the same command lines on the same repositories.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::missing_docs_in_private_items)]

#[path = "git/changing.rs"]
mod changing;
#[path = "git/edits.rs"]
mod edits;
#[path = "git/harness.rs"]
mod harness;
#[path = "git/random.rs"]
mod random;
#[path = "git/reading.rs"]
mod reading;
#[path = "git/refused.rs"]
mod refused;
