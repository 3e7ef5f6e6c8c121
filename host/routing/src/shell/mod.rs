//! Shell text: parsed forgivingly, and walked for the commands that it runs.
//!
//! Own code beside the guest's parser: that one gives up at the first error and is made for running, where this
//! one wants the commands of any text, in time and stack that the text does not choose.

mod builtins;
mod compound;
mod expand;
mod here;
mod parse;
mod tree;
mod walk;
mod words;

pub use walk::Shell;
