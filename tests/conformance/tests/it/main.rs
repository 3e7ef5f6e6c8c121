//! The suite checks itself: a double that is right passes, and one with a fault does not.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::pedantic, missing_docs, reason = "tests")]

mod double;
mod fault;
mod faults;
mod right;
mod seeded;
