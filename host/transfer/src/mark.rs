//! What tells one state of an entry from the next, without reading it.

use std::fmt;
use std::io;
use std::path::Path;

use crate::platform;

/// An entry as its metadata are: whoever changes it gives it another. That of a directory says nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    text: String,
    is_directory: bool,
    has_other_names: bool,
}

impl Mark {
    /// The mark of what is at a path, a symlink itself; `None` if nothing is there.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        let metadata = match std::fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(err) => return Err(err),
        };
        let is_directory = metadata.is_dir();
        Ok(Some(Self {
            text: platform::mark(&metadata),
            is_directory,
            has_other_names: !is_directory && platform::has_other_names(&metadata),
        }))
    }

    /// Whether it is of a directory.
    pub fn is_directory(&self) -> bool {
        self.is_directory
    }

    /// Whether the entry can be changed by another name too, as far as the system says.
    pub fn has_other_names(&self) -> bool {
        self.has_other_names
    }
}

/// Two are equal if their texts are.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
