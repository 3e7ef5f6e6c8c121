//! Why a claim does not hold: what was expected, and what was seen.

use std::fmt::{Debug, Write};

use sandpiper_core::{Error, Exit, FileError, FileErrorKind, Outcome, Refusal, SpecError};

/// Most bytes of a value that a message shows.
const MAX_SHOWN_BYTES: usize = 600;

/// Why a claim does not hold, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(String);

impl Wrong {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    /// Something else was seen than was expected.
    pub(crate) fn other(what: &str, expected: &str, seen: &impl Debug) -> Self {
        Self(format!("{what}: expected {expected}, saw {}", shown(&format!("{seen:?}"))))
    }

    /// The same, said of a step.
    #[must_use]
    pub(crate) fn at(self, step: &str) -> Self {
        Self(format!("{step}: {}", self.0))
    }
}

impl From<Error> for Wrong {
    fn from(err: Error) -> Self {
        let mut text = format!("unexpected error: {err}");
        let mut cause = std::error::Error::source(&err);
        while let Some(err) = cause {
            // Writing to a text does not fail.
            let _ = write!(text, ": {err}");
            cause = err.source();
        }
        Self(text)
    }
}

impl From<FileError> for Wrong {
    fn from(err: FileError) -> Self {
        Self(format!("unexpected error: {err}"))
    }
}

impl From<Refusal> for Wrong {
    fn from(err: Refusal) -> Self {
        Self(format!("unexpected refusal: {err}"))
    }
}

impl From<std::io::Error> for Wrong {
    fn from(err: std::io::Error) -> Self {
        Self(format!("the suite's own input or output failed: {err}"))
    }
}

/// Two values are equal.
pub(crate) fn same<T: PartialEq + Debug + ?Sized>(what: &str, seen: &T, expected: &T) -> Result<(), Wrong> {
    if seen == expected {
        return Ok(());
    }
    Err(Wrong::other(what, &shown(&format!("{expected:?}")), &seen))
}

/// Two long byte strings are equal; where not, their lengths and first difference are told.
pub(crate) fn same_bytes(what: &str, seen: &[u8], expected: &[u8]) -> Result<(), Wrong> {
    if seen == expected {
        return Ok(());
    }
    let at = seen.iter().zip(expected).take_while(|(one, other)| one == other).count();
    let piece = |bytes: &[u8]| {
        let around = bytes.get(at..bytes.len().min(at + 60)).unwrap_or_default();
        format!("{:?}", String::from_utf8_lossy(around))
    };
    Err(Wrong(format!(
        "{what}: expected {} bytes, saw {}; from byte {at} on {} was expected, {} seen",
        expected.len(),
        seen.len(),
        piece(expected),
        piece(seen),
    )))
}

/// Something is so.
pub(crate) fn holds(what: &str, is_so: bool, seen: &impl Debug) -> Result<(), Wrong> {
    if is_so {
        Ok(())
    } else {
        Err(Wrong(format!("expected that {what}, saw {}", shown(&format!("{seen:?}")))))
    }
}

/// A command ended in this way; what it printed is shown where not.
pub(crate) fn ended(outcome: &Outcome, exit: &Exit) -> Result<(), Wrong> {
    if outcome.exit == *exit {
        return Ok(());
    }
    Err(Wrong(format!(
        "the exit: expected {exit:?}, saw {:?} with {} on stdout and {} on stderr",
        outcome.exit,
        quoted(&outcome.stdout.bytes),
        quoted(&outcome.stderr.bytes),
    )))
}

/// A command succeeded.
pub(crate) fn succeeded(outcome: &Outcome) -> Result<(), Wrong> {
    ended(outcome, &Exit::Code { code: 0 })
}

/// A command succeeded, printed this, and nothing to stderr.
pub(crate) fn printed(outcome: &Outcome, stdout: impl AsRef<[u8]>) -> Result<(), Wrong> {
    succeeded(outcome)?;
    same_bytes("stdout", &outcome.stdout.bytes, stdout.as_ref())?;
    same_bytes("stderr", &outcome.stderr.bytes, b"")
}

/// An operation on files failed for this reason.
pub(crate) fn failed<T: Debug>(
    what: &str,
    seen: Result<T, FileError>,
    kind: &FileErrorKind,
) -> Result<(), Wrong> {
    match seen {
        Err(err) if err.kind == *kind => Ok(()),
        seen => Err(Wrong::other(what, &format!("{kind:?}"), &seen)),
    }
}

/// An operation is not offered, and says so with the name of its backend.
pub(crate) fn unsupported<T>(what: &str, seen: Result<T, Error>, backend: &str) -> Result<(), Wrong> {
    match seen {
        Err(Error::Unsupported { backend: named, .. }) => same("the backend that is named", &*named, backend),
        Err(err) => Err(Wrong::other(what, "Error::Unsupported", &err)),
        Ok(_) => Err(Wrong::other(what, "Error::Unsupported", &"that it was done")),
    }
}

/// A lifetime is refused, because its limit is none.
pub(crate) fn in_minutes_alone(seen: &Refusal) -> Result<(), Wrong> {
    match seen {
        Refusal::Spec(SpecError::Limits(err)) => same("the limit that is named", err.limit, "lifetime"),
        seen => Err(Wrong::other("the refusal", "that of the limit lifetime", &seen)),
    }
}

/// A sandbox is no longer there.
pub(crate) fn gone<T>(what: &str, seen: Result<T, Error>) -> Result<(), Wrong> {
    match seen {
        Err(Error::Gone { .. }) => Ok(()),
        Err(err) => Err(Wrong::other(what, "Error::Gone", &err)),
        Ok(_) => Err(Wrong::other(what, "Error::Gone", &"that it is there")),
    }
}

fn quoted(bytes: &[u8]) -> String {
    shown(&format!("{:?}", String::from_utf8_lossy(bytes)))
}

fn shown(text: &str) -> String {
    let mut end = text.len().min(MAX_SHOWN_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    match text.get(..end) {
        Some(start) if start.len() < text.len() => format!("{start}… ({} bytes)", text.len()),
        _ => text.to_owned(),
    }
}
