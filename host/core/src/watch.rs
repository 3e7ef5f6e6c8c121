//! What changes in a directory of a sandbox, found by looking at it again and again.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{FileError, FileErrorKind, FileStat, FileType, Files, FindQuery};

/// A change below a directory that is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEvent {
    /// What happened.
    pub kind: FileEventKind,
    /// The guest path.
    pub path: String,
    /// What is there now; `None` when it was removed.
    pub stat: Option<FileStat>,
}

/// A kind of change. A file that is renamed is removed and created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileEventKind {
    /// It is new.
    Created,
    /// Its content has changed, or its kind.
    Written,
    /// Its permission bits have changed.
    Chmod,
    /// It is no longer there.
    Removed,
}

/// A directory that is watched. Nothing is looked at but in [`Watch::next`].
///
/// What changes back between two looks is not seen, as with any watch that coalesces.
pub struct Watch {
    files: Arc<dyn Files>,
    directory: String,
    recursive: bool,
    interval: Duration,
    known: BTreeMap<String, FileStat>,
    waiting: VecDeque<FileEvent>,
}

impl Watch {
    /// Most files that are watched; a directory with more is refused.
    pub const MAX_FILES: usize = 20_000;

    /// Begins to watch a directory, alone or with all below it, and looks at it each `interval`.
    ///
    /// # Errors
    /// [`FileErrorKind::NotADirectory`], [`FileErrorKind::TooMany`] above [`Watch::MAX_FILES`]; those of
    /// [`Files::list`].
    pub async fn begin(
        files: Arc<dyn Files>,
        directory: &str,
        recursive: bool,
        interval: Duration,
    ) -> Result<Self, FileError> {
        let mut watch = Self {
            files,
            directory: directory.to_owned(),
            recursive,
            interval,
            known: BTreeMap::new(),
            waiting: VecDeque::new(),
        };
        watch.known = watch.look().await?;
        Ok(watch)
    }

    /// Waits for the next change.
    ///
    /// # Errors
    /// [`FileErrorKind::NotFound`] when the directory itself is gone; those of [`Watch::begin`].
    pub async fn next(&mut self) -> Result<FileEvent, FileError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            tokio::time::sleep(self.interval).await;
            self.look_again().await?;
        }
    }

    /// Looks once, and takes all changes since the last look.
    ///
    /// # Errors
    /// As [`Watch::next`].
    pub async fn take(&mut self) -> Result<Vec<FileEvent>, FileError> {
        self.look_again().await?;
        Ok(self.waiting.drain(..).collect())
    }

    async fn look_again(&mut self) -> Result<(), FileError> {
        let now = self.look().await?;
        let before = std::mem::take(&mut self.known);
        let event = |kind, path: &str, stat| FileEvent { kind, path: path.to_owned(), stat };
        for path in before.keys().filter(|path| !now.contains_key(*path)) {
            self.waiting.push_back(event(FileEventKind::Removed, path, None));
        }
        for (path, stat) in &now {
            let kind = match before.get(path) {
                None => FileEventKind::Created,
                Some(old) if old.kind != stat.kind => FileEventKind::Written,
                // A directory's own times change with its entries, which are told by themselves.
                Some(old)
                    if stat.kind != FileType::Directory
                        && (old.size, old.modified_ns) != (stat.size, stat.modified_ns) =>
                {
                    FileEventKind::Written
                }
                Some(old) if old.mode != stat.mode => FileEventKind::Chmod,
                Some(_) => continue,
            };
            self.waiting.push_back(event(kind, path, Some(*stat)));
        }
        self.known = now;
        Ok(())
    }

    async fn look(&self) -> Result<BTreeMap<String, FileStat>, FileError> {
        let too_many = || FileError {
            operation: "watch",
            path: self.directory.clone(),
            kind: FileErrorKind::TooMany { limit: Self::MAX_FILES },
        };
        if self.recursive {
            let query = FindQuery {
                directory: self.directory.clone(),
                pattern: "**".to_owned(),
                hidden: true,
                limit: Self::MAX_FILES + 1,
            };
            let results = self.files.find(query).await?;
            if results.found.len() > Self::MAX_FILES {
                return Err(too_many());
            }
            return Ok(results.found.into_iter().map(|found| (found.path, found.stat)).collect());
        }
        let entries = self.files.list(&self.directory).await?;
        if entries.len() > Self::MAX_FILES {
            return Err(too_many());
        }
        let prefix = self.directory.trim_end_matches('/');
        Ok(entries.into_iter().map(|entry| (format!("{prefix}/{}", entry.name), entry.stat)).collect())
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Watch")
            .field("directory", &self.directory)
            .field("recursive", &self.recursive)
            .finish_non_exhaustive()
    }
}
