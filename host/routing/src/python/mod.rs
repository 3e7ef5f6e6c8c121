//! Python programs: which of their imports are there, and what the code that is reached does.
//!
//! Code is reached by name: the module that is run, what it imports, and functions whose names are mentioned by
//! code that is reached. Of installed packages only what they import counts.

mod calls;
mod conditions;
mod effects;
mod entry;
mod imports;
mod lexer;
mod literals;
mod names;
mod program;
mod resolve;
mod statements;

use std::rc::Rc;

use crate::analysis::{Analysis, Context, Word};

/// What Python is told to run.
#[derive(Clone, Debug)]
pub enum Entry {
    /// `-c`, or standard input.
    Code(Rc<[u8]>),
    /// A file, by its absolute path.
    File(String),
    /// `-m`.
    Module(String),
}

impl Analysis<'_> {
    /// Notes what a Python program needs.
    pub fn python(&mut self, entry: &Entry, arguments: &[Word], context: &Context) {
        program::Program::new(self, context).run(entry, arguments);
    }
}
