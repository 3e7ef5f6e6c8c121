//! A run's journal for other programs: lines of JSON that say which run they are of.

use std::io::{self, Write};

use serde::Serialize;

use crate::error::At;
use crate::{Damage, Found, Journal, JournalError, RunId, Tail};

/// What is exported where no record is.
#[derive(Serialize)]
#[serde(untagged)]
enum Flaw {
    Damage(Damage),
    Tail { tail: Tail },
}

impl Journal {
    /// Writes a run's records, each as its line with `"run"` as the first field. Without that field, it is
    /// byte for byte what was hashed. What is damaged has a line with `"damage"` in its place, and a torn tail
    /// one with `"tail"` at the end.
    ///
    /// # Errors
    /// As [`Journal::read`]; [`ExportError::Output`] when `output` fails.
    pub fn export(&self, run: &RunId, output: &mut impl Write) -> Result<(), ExportError> {
        let path = self.layout().run(run);
        let mut reader = self.read(run)?;
        for found in &mut reader {
            match found.at("read", &path)? {
                Found::Record(entry) => line(run, entry.line(), output)?,
                Found::Damage(damage) => flaw(run, &Flaw::Damage(damage), output)?,
            }
        }
        match reader.tail() {
            Tail::Whole => Ok(()),
            tail @ Tail::Torn { .. } => flaw(run, &Flaw::Tail { tail }, output),
        }
    }
}

fn flaw(run: &RunId, flaw: &Flaw, output: &mut impl Write) -> Result<(), ExportError> {
    let object = serde_json::to_string(flaw).map_err(|source| JournalError::Encode { source })?;
    line(run, &object, output)
}

/// An object with one more field in front.
fn line(run: &RunId, object: &str, output: &mut impl Write) -> Result<(), ExportError> {
    let fields = object.strip_prefix('{').unwrap_or(object);
    writeln!(output, r#"{{"run":"{run}",{fields}"#).map_err(|source| ExportError::Output { source })
}

/// A journal cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It cannot be written to where it was to go.
    #[error("cannot write the export")]
    Output {
        /// The cause.
        source: io::Error,
    },
}
