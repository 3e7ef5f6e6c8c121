//! From bytes to a tree.
//!
//! Own code, not the brush-parser crate that was planned, because that (0.4.0, tried) parses only whole programs, so that nothing
//! before a syntax error runs, aliases and `shopt` have no effect on later lines, and a script on standard input cannot be
//! read line by line; takes UTF-8 only; refuses `for ((;;))`, `$(case a in a) ...;; esac)` and `[[ x =~ <a> ]]`; and takes
//! 22 s for 18 nested `case`.

pub mod ast;
mod commands;
mod compound;
mod here;
mod parameter;
pub mod print;
mod source;
mod test;
mod token;
mod words;

pub use source::{Parser, Settings};
pub use words::{parse_arithmetic_text, parse_assignment_text, parse_double_quoted_text, parse_word_text};

/// What is wrong with a script, and where.
#[derive(Debug, Clone)]
pub struct SyntaxError {
    pub message: Vec<u8>,
    pub line: u32,
    /// The source line to show, where bash shows it.
    pub shown: Option<Vec<u8>>,
    /// The text ended too early.
    pub incomplete: bool,
}

/// Nested constructs beyond this are refused, so that no text overflows the stack.
const DEPTH_MAX: u32 = 200;
