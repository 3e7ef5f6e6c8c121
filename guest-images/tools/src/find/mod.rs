//! find and xargs.

mod act;
mod parse;
mod printf;
mod walk;
mod xargs;

pub use walk::main;
pub use xargs::main as xargs;
