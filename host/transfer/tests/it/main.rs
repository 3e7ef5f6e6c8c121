//! The tests of transfers from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod applying;
mod hostile;
mod limits;
mod packing;
mod round_trip;
mod speed;
mod tree;
