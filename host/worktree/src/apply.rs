//! Bringing a worktree's changes into the user's checkout, as changes that are not committed.
//!
//! Each file that the worktree changed is merged with the user's: what both changed in the same lines is
//! a conflict, and then nothing is written.

use std::fs;
use std::path::{Path, PathBuf};

use git2::{FileMode, Index, MergeOptions, Oid, Repository};
use serde::Serialize;

use crate::checkout::Stat;
use crate::error::{At, Trying};
use crate::place::{Placing, index_entry};
use crate::sparse::SKIP_WORKTREE;
use crate::{Conflict, Worktree, WorktreeError, conflicts, update};

/// What was brought into the checkout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Files that were written, relative to the checkout.
    pub written: Vec<String>,
    /// Files that were deleted.
    pub deleted: Vec<String>,
    /// Files that had the worktree's content already.
    pub unchanged: Vec<String>,
}

impl Worktree<'_> {
    /// Applies all changes since the worktree's beginning, committed or not, to the user's checkout.
    ///
    /// # Errors
    /// [`WorktreeError::Conflicts`], with nothing changed; [`WorktreeError::Unsupported`] without a
    /// checkout, and for files with a filter.
    pub fn apply(&self) -> Result<Applied, WorktreeError> {
        let repository = &self.worktrees.repository;
        let checkout = repository.workdir().ok_or_else(|| WorktreeError::Unsupported {
            what: "applying to a bare repository".to_owned(),
            reason: "it has no checkout; merge into a branch instead".to_owned(),
        })?;
        let theirs = self.snapshot()?;
        let base = self.start_tree()?;
        let changed = changes(repository, base, theirs)?;
        let ours = self.checkout_tree(checkout, base, &changed)?;
        let trees = [base, ours, theirs].map(|oid| repository.find_tree(oid).trying("read a tree"));
        let [base, ours, theirs] = trees;
        let (base, ours, theirs) = (base?, ours?, theirs?);
        let mut index = repository
            .merge_trees(&base, &ours, &theirs, Some(MergeOptions::new().find_renames(false)))
            .trying("merge the changes")?;
        let found = conflicts::of(repository, &index)?;
        if !found.is_empty() {
            return Err(WorktreeError::Conflicts { conflicts: found });
        }
        let merged = index.write_tree_to(repository).trying("write the merged tree")?;
        let (placing, applied) = self.stage(ours.id(), merged, &changed)?;
        placing.place()?;
        Ok(applied)
    }

    /// The files that the worktree began with: its base, or that with the user's changes.
    pub(crate) fn start_tree(&self) -> Result<Oid, WorktreeError> {
        let repository = &self.worktrees.repository;
        match self.record().beginning()? {
            Some(oid) => Ok(repository.find_commit(oid).trying("read the worktree's base")?.tree_id()),
            None => crate::checkout::empty_tree(repository),
        }
    }

    /// Prepares what changes in the checkout.
    fn stage(
        &self,
        before: Oid,
        after: Oid,
        changed: &[PathBuf],
    ) -> Result<(Placing<'_>, Applied), WorktreeError> {
        let repository = &self.worktrees.repository;
        let (written, deleted) = update::changed_paths_of(repository, before, after)?;
        update::check_filters(repository, &written)?;
        let named =
            |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        let (wrote, removed) = (named(&written), named(&deleted));
        let unchanged = named(changed)
            .into_iter()
            .filter(|path| !wrote.contains(path) && !removed.contains(path))
            .collect();
        let applied = Applied { written: wrote, deleted: removed, unchanged };
        let placing = Placing::stage(repository, after, written, deleted, self.held.directory())?;
        Ok((placing, applied))
    }

    /// The base with the user's version of each file that the worktree changed.
    fn checkout_tree(&self, checkout: &Path, base: Oid, changed: &[PathBuf]) -> Result<Oid, WorktreeError> {
        let repository = &self.worktrees.repository;
        let mut index = Index::new().trying("make an index")?;
        index.read_tree(&repository.find_tree(base).trying("read a tree")?).trying("read a tree")?;
        let mut blocked = Vec::new();
        let mut present = Vec::new();
        let own = repository.index().trying("read the index")?;
        for path in changed {
            match version(repository, checkout, path)? {
                Version::None => present.extend(left_out(&own, path)),
                Version::File(mode, oid) => present.push((path, u32::from(mode), oid)),
                Version::Blocked(reason) => blocked.push(Conflict {
                    path: path.display().to_string(),
                    reason: reason.to_owned(),
                    hunks: Vec::new(),
                }),
            }
            if index.get_path(path, 0).is_some() {
                index.remove_path(path).trying("make an index")?;
            }
        }
        if !blocked.is_empty() {
            return Err(WorktreeError::Conflicts { conflicts: blocked });
        }
        for (path, mode, oid) in present {
            index.add(&index_entry(path, mode, oid, Stat::default())).trying("make an index")?;
        }
        index.write_tree_to(repository).trying("write the checkout's files as objects")
    }
}

/// A file that the user's sparse checkout leaves out, as it is in the index.
fn left_out<'p>(index: &Index, path: &'p PathBuf) -> Option<(&'p PathBuf, u32, Oid)> {
    let entry = index.get_path(path, 0).filter(|entry| entry.flags_extended & SKIP_WORKTREE != 0)?;
    Some((path, entry.mode, entry.id))
}

/// What the user has at a path.
enum Version {
    None,
    File(FileMode, Oid),
    Blocked(&'static str),
}

fn version(repository: &Repository, checkout: &Path, path: &Path) -> Result<Version, WorktreeError> {
    let mut directory = checkout.to_owned();
    for component in path.parent().into_iter().flat_map(Path::components) {
        directory.push(component);
        match fs::symlink_metadata(&directory) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) if metadata.is_symlink() => {
                return Ok(Version::Blocked("its directory is a symbolic link"));
            }
            // A file of the base in place of the directory is one of the changes itself.
            _ => return Ok(Version::None),
        }
    }
    let whole = checkout.join(path);
    let Ok(metadata) = fs::symlink_metadata(&whole) else { return Ok(Version::None) };
    if metadata.is_symlink() {
        let target = fs::read_link(&whole).at("read", &whole)?;
        let oid = repository.blob(target.as_os_str().as_encoded_bytes()).trying("write an object")?;
        return Ok(Version::File(FileMode::Link, oid));
    }
    if metadata.is_dir() {
        return Ok(Version::Blocked("a directory is in its place"));
    }
    if !metadata.is_file() {
        return Ok(Version::Blocked("something that is no file is in its place"));
    }
    let oid = repository.blob_path(&whole).trying("write an object")?;
    let mode =
        if crate::platform::is_executable(&metadata) { FileMode::BlobExecutable } else { FileMode::Blob };
    Ok(Version::File(mode, oid))
}

/// The files that differ, each once.
fn changes(repository: &Repository, before: Oid, after: Oid) -> Result<Vec<PathBuf>, WorktreeError> {
    let (mut changed, deleted) = update::changed_paths_of(repository, before, after)?;
    changed.extend(deleted);
    changed.sort();
    changed.dedup();
    Ok(changed)
}
