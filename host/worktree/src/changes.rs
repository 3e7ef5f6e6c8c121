//! What a run changed: all between the worktree's beginning and its files of now, committed or not,
//! files that git does not track included.

use git2::Oid;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::git::{self, Change, Difference, Scope, Status, Untracked};
use crate::{Worktree, WorktreeError};

/// A file that a run changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedFile {
    /// Relative to the worktree; what is no UTF-8 is replaced.
    pub path: String,
    /// Where it was before, if it was renamed.
    pub old_path: Option<String>,
    /// `added`, `deleted`, `modified`, `renamed` or `type-changed`.
    pub change: &'static str,
    /// Lines that were added; none of a binary file.
    pub added_lines: Option<usize>,
    /// Lines that were taken out; none of a binary file.
    pub deleted_lines: Option<usize>,
}

/// A file that a run changed, by what it held before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedContent {
    /// Relative to the worktree.
    pub path: Vec<u8>,
    /// Where it was before, if it was renamed.
    pub old_path: Option<Vec<u8>>,
    /// What happened to it.
    pub change: Change,
    /// SHA-256 of the content or target before; none where there was none, or it is above 512 MiB.
    pub before: Option<[u8; 32]>,
    /// The same of what is there now.
    pub after: Option<[u8; 32]>,
}

/// What a run changed, as git tells it of two trees: its algorithms, its renames, its texts.
#[derive(Debug)]
pub struct Changes {
    scope: Scope,
    before: Oid,
    after: Oid,
}

impl Worktree<'_> {
    /// Compares the worktree's files with those that it began with.
    ///
    /// # Errors
    /// Those of files and objects.
    pub fn changes(&self) -> Result<Changes, WorktreeError> {
        let after = self.snapshot()?;
        Ok(Changes { scope: self.scope(), before: self.start_tree()?, after })
    }

    /// Compares the worktree's files and its index with the last commit of its branch, as `git status` does.
    ///
    /// # Errors
    /// Those of files and objects.
    pub fn status(&self, untracked: Untracked) -> Result<Status, WorktreeError> {
        Ok(git::status(&self.scope(), untracked)?)
    }
}

impl Changes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.before == self.after
    }

    /// The changed files, by path.
    ///
    /// # Errors
    /// Those of objects.
    pub fn files(&self) -> Result<Vec<ChangedFile>, WorktreeError> {
        let name = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
        let files = self.difference()?.files()?;
        let described = files.into_iter().map(|(change, stat)| {
            let lines = stat.lines();
            ChangedFile {
                path: name(&stat.path),
                old_path: stat.path_before.as_deref().map(name),
                change: word(change),
                added_lines: lines.map(|(added, _)| added),
                deleted_lines: lines.map(|(_, deleted)| deleted),
            }
        });
        Ok(described.collect())
    }

    /// The changed files with digests of what they hold, by path.
    ///
    /// # Errors
    /// Those of objects.
    pub fn contents(&self) -> Result<Vec<ChangedContent>, WorktreeError> {
        let digest = |content: Vec<u8>| Sha256::digest(content).into();
        let difference = self.difference()?;
        let files = difference.contents().map(|file| ChangedContent {
            path: file.path.to_vec(),
            old_path: file.path_before.map(<[u8]>::to_vec),
            change: file.change,
            before: file.before.map(digest),
            after: file.after.map(digest),
        });
        Ok(files.collect())
    }

    /// The changes as `git apply` takes them: what `git diff --binary -M` prints.
    ///
    /// # Errors
    /// Those of objects, and a file of more than 512 MiB.
    pub fn patch(&self) -> Result<Vec<u8>, WorktreeError> {
        Ok(self.difference()?.patch()?)
    }

    /// A line for each file and one for all: what `git diff -M --stat --summary` prints.
    ///
    /// # Errors
    /// Those of objects.
    pub fn stat(&self) -> Result<String, WorktreeError> {
        Ok(self.counted()?.1)
    }

    /// How many files, and the same text.
    pub(crate) fn counted(&self) -> Result<(usize, String), WorktreeError> {
        let difference = self.difference()?;
        Ok((difference.count(), String::from_utf8_lossy(&difference.stat()?).into_owned()))
    }

    fn difference(&self) -> Result<Difference<'_>, WorktreeError> {
        Ok(Difference::between(&self.scope, self.before, self.after)?)
    }
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Deleted => "deleted",
        Change::Modified => "modified",
        Change::Renamed => "renamed",
        Change::TypeChanged => "type-changed",
        Change::Unmerged => "unmerged",
    }
}
