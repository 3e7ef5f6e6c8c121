//! How running something ends other than with a status.

/// What leaves the commands that are being run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// `break`, by how many loops.
    Break(u32),
    Continue(u32),
    /// `return` from a function or a sourced file.
    Return(u8),
    /// The shell ends.
    Exit(u8),
    /// An error in an expansion: the rest of the line is not run.
    Discard(u8),
}

pub type Result<T> = std::result::Result<T, Flow>;

/// The status of a command.
pub type Status = u8;
