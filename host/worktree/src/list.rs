//! What worktrees there are, and in what state.

use std::fs;
use std::path::Path;

use git2::ErrorCode;

use crate::record::now_seconds;
use crate::{Record, State, WorktreeError, Worktrees, administration};

/// In what state a worktree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nobody uses it.
    Idle,
    /// A process uses it.
    InUse {
        /// Which.
        pid: u32,
    },
    /// Its making or its removal was interrupted; [`Worktrees::collect`] ends it.
    Interrupted,
    /// Its directory, or what git knows of it, is gone.
    Damaged,
}

impl Condition {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::InUse { .. } => "in-use",
            Self::Interrupted => "interrupted",
            Self::Damaged => "damaged",
        }
    }
}

/// A worktree in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What is noted about it.
    pub record: Record,
    /// In what state it is.
    pub condition: Condition,
    /// How long ago it was made.
    pub age_seconds: u64,
    /// What its files hold, in bytes.
    pub size_bytes: u64,
    /// Commits on its branch since its base.
    pub commits: usize,
}

impl Worktrees {
    /// All worktrees of the repository, by id.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, WorktreeError> {
        let mut listed = Vec::new();
        for id in self.records.ids()? {
            // It may have been removed since.
            let Some(record) = self.records.read(&id)? else { continue };
            let administration = administration::directory(self.repository.commondir(), &id);
            let condition = match self.records.user(&id) {
                Some(pid) => Condition::InUse { pid },
                None if record.state != State::Ready => Condition::Interrupted,
                None if !record.path.is_dir() || !administration.is_dir() => Condition::Damaged,
                None => Condition::Idle,
            };
            listed.push(Listed {
                condition,
                age_seconds: now_seconds().saturating_sub(record.created_seconds),
                size_bytes: size(&record.path),
                commits: self.commits(&record)?,
                record,
            });
        }
        Ok(listed)
    }

    fn commits(&self, record: &Record) -> Result<usize, WorktreeError> {
        let failed = |source| WorktreeError::Git { action: "count commits", source };
        let mut walk = self.repository.revwalk().map_err(failed)?;
        match walk.push_ref(&record.id.branch_ref()) {
            Err(err) if err.code() == ErrorCode::NotFound => return Ok(0),
            pushed => pushed.map_err(failed)?,
        }
        if let Some(base) = record.base()? {
            walk.hide(base).map_err(failed)?;
        }
        Ok(walk.count())
    }
}

/// What the files of a directory hold. What cannot be read is left out: it is for a person to see.
fn size(directory: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes += size(&entry.path()),
            Ok(metadata) => bytes += metadata.len(),
            Err(_) => {}
        }
    }
    bytes
}
