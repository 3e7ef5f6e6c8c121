//! What a run changed: all between the worktree's beginning and its files of now, committed or not,
//! files that git does not track included.

use git2::{Delta, Diff, DiffFindOptions, DiffFormat, DiffOptions, DiffStatsFormat, Oid, Patch, Repository};
use serde::Serialize;

use crate::error::Trying;
use crate::{Worktree, WorktreeError, snapshot};

/// As git's, for a screen that is not one.
const STAT_COLUMNS: usize = 80;

/// A file that a run changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedFile {
    /// Relative to the worktree; what is no UTF-8 is replaced.
    pub path: String,
    /// Where it was before, if it was renamed or copied.
    pub old_path: Option<String>,
    /// `added`, `deleted`, `modified`, `renamed`, `copied` or `type-changed`.
    pub change: &'static str,
    /// Lines that were added; none of a binary file.
    pub added_lines: Option<usize>,
    /// Lines that were taken out; none of a binary file.
    pub deleted_lines: Option<usize>,
}

/// What a run changed.
pub struct Changes {
    repository: Repository,
    before: Oid,
    after: Oid,
}

impl Worktree<'_> {
    /// Compares the worktree's files with those that it began with.
    ///
    /// # Errors
    /// Those of files and objects.
    pub fn changes(&self) -> Result<Changes, WorktreeError> {
        let repository = self.open()?;
        let after = snapshot::tree(&repository, snapshot::What::Untracked)?;
        Ok(Changes { before: self.start_tree()?, after, repository })
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
        let diff = self.diff()?;
        let mut files = Vec::new();
        for (index, delta) in diff.deltas().enumerate() {
            let lines = Patch::from_diff(&diff, index)
                .and_then(|patch| patch.map(|patch| patch.line_stats()).transpose())
                .trying("compare a file")?
                .filter(|_| !delta.flags().is_binary());
            let name = |path: Option<&[u8]>| String::from_utf8_lossy(path.unwrap_or_default()).into_owned();
            let path = name(delta.new_file().path_bytes());
            let old_path = name(delta.old_file().path_bytes());
            files.push(ChangedFile {
                old_path: (old_path != path).then_some(old_path),
                path,
                change: change(delta.status()),
                added_lines: lines.map(|(_, added, _)| added),
                deleted_lines: lines.map(|(_, _, deleted)| deleted),
            });
        }
        Ok(files)
    }

    /// The changes as `git apply` takes them, binary files included.
    ///
    /// # Errors
    /// Those of objects.
    pub fn patch(&self) -> Result<Vec<u8>, WorktreeError> {
        let mut patch = Vec::new();
        self.diff()?
            .print(DiffFormat::Patch, |_, _, line| {
                if matches!(line.origin(), ' ' | '+' | '-') {
                    patch.push(u8::try_from(line.origin()).unwrap_or(b' '));
                }
                patch.extend_from_slice(line.content());
                true
            })
            .trying("print the changes")?;
        Ok(patch)
    }

    /// A line for each file and one for all, as `git diff --stat --summary` has them.
    ///
    /// # Errors
    /// Those of objects.
    pub fn stat(&self) -> Result<String, WorktreeError> {
        let stats = self.diff()?.stats().trying("count the changes")?;
        let format = DiffStatsFormat::FULL | DiffStatsFormat::INCLUDE_SUMMARY;
        let text = stats.to_buf(format, STAT_COLUMNS).trying("print the changes")?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn diff(&self) -> Result<Diff<'_>, WorktreeError> {
        let (before, after) = (self.tree(self.before)?, self.tree(self.after)?);
        let mut options = DiffOptions::new();
        options.show_binary(true).indent_heuristic(true);
        let mut diff = self
            .repository
            .diff_tree_to_tree(Some(&before), Some(&after), Some(&mut options))
            .trying("compare the files")?;
        diff.find_similar(Some(DiffFindOptions::new().renames(true))).trying("find renamed files")?;
        Ok(diff)
    }

    fn tree(&self, oid: Oid) -> Result<git2::Tree<'_>, WorktreeError> {
        self.repository.find_tree(oid).trying("read a tree")
    }
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Changes")
            .field("before", &self.before)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

fn change(status: Delta) -> &'static str {
    match status {
        Delta::Added | Delta::Untracked => "added",
        Delta::Deleted => "deleted",
        Delta::Renamed => "renamed",
        Delta::Copied => "copied",
        Delta::Typechange => "type-changed",
        _ => "modified",
    }
}
