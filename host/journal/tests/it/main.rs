//! Journals as a program that uses them sees them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod harness;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod crash;
mod damage;
mod follow;
mod list;
mod retention;
mod secrets;
mod size;
mod tail;
mod together;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod traced;
