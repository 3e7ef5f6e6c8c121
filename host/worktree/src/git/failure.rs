//! How a git command ends early: an exit code and what it says on standard error, in git's own form.

use std::io;

/// A command that does not go through.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: u8,
    pub(super) message: Vec<u8>,
}

/// What the commands of this module return.
pub(super) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// `fatal: …` with exit code 128.
    pub(super) fn fatal(text: impl AsRef<[u8]>) -> Self {
        Self::said(128, b"fatal: ", text.as_ref())
    }

    /// `error: …` with exit code 1.
    pub(super) fn error(text: impl AsRef<[u8]>) -> Self {
        Self::said(1, b"error: ", text.as_ref())
    }

    /// `error: …` with exit code 129, for a command line that is not understood.
    pub(super) fn usage(text: impl AsRef<[u8]>) -> Self {
        Self::said(129, b"error: ", text.as_ref())
    }

    /// Nothing on standard error: the exit code alone is the answer.
    pub(super) fn silent(code: u8) -> Self {
        Self { code, message: Vec::new() }
    }

    /// A message as it is, which ends in a newline already.
    pub(super) fn plain(code: u8, message: impl Into<Vec<u8>>) -> Self {
        Self { code, message: message.into() }
    }

    /// The same with a line that tells what would work.
    pub(super) fn hint(mut self, text: impl AsRef<[u8]>) -> Self {
        self.message.extend_from_slice(b"hint: ");
        self.message.extend_from_slice(text.as_ref());
        self.message.push(b'\n');
        self
    }

    fn said(code: u8, kind: &[u8], text: &[u8]) -> Self {
        let mut message = kind.to_vec();
        message.extend_from_slice(text);
        message.push(b'\n');
        Self { code, message }
    }
}

/// The texts of libgit2 name paths of the host, so only the kind of error is told.
impl From<git2::Error> for Failure {
    fn from(error: git2::Error) -> Self {
        match error.code() {
            git2::ErrorCode::Locked => Self::fatal("a lock is held by another git command")
                .hint("try again when it has ended; the user can remove a stale lock"),
            code => Self::fatal(format!("repository: {:?} ({:?})", code, error.class())),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::fatal(format!("working tree: {}", error.kind()))
    }
}
