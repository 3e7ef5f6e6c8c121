//! The files of a worktree as a tree of objects, and a checkout's changes as files of a worktree.

use std::fs;
use std::io;
use std::path::Path;

use git2::{Oid, Repository};

use crate::error::At;
use crate::git::{self, Change, Scope, Snapshot, State, Untracked, What};
use crate::sparse::Cone;
use crate::{Create, Worktree, WorktreeError};

impl Worktree<'_> {
    /// Writes the worktree's files, without those that git is told to ignore, as objects. The index in its
    /// git directory stays as it is.
    ///
    /// # Errors
    /// [`WorktreeError::Unsupported`] for a repository within the worktree, [`WorktreeError::Look`] for what else
    /// cannot be kept.
    pub(crate) fn snapshot(&self) -> Result<Oid, WorktreeError> {
        Ok(Snapshot::take(&self.scope(), What::Untracked)?.tree()?)
    }

    /// The same, and a second tree of all files.
    pub(crate) fn snapshot_with_ignored(&self) -> Result<(Oid, Oid), WorktreeError> {
        let scope = self.scope();
        let mut snapshot = Snapshot::take(&scope, What::Everything)?;
        Ok((snapshot.tree()?, snapshot.whole_tree()?))
    }

    /// Where the worktree's files and its git directory are.
    pub(crate) fn scope(&self) -> Scope {
        Scope {
            git_directory: self.git_directory(),
            work_tree: self.path().to_owned(),
            branch: self.record().id.branch_ref(),
            guest_path: String::new(),
        }
    }
}

/// Copies what is changed in the user's checkout into a worktree of the same commit.
pub(crate) fn copy_changes(
    repository: &Repository,
    checkout: &Path,
    target: &Path,
    options: &Create,
) -> Result<(), WorktreeError> {
    let scope = scope_of(repository, checkout);
    let cone = Cone::of(&options.sparse)?;
    let untracked = if options.include_untracked { Untracked::All } else { Untracked::No };
    let mut copied = Vec::new();
    for entry in git::status(&scope, untracked)?.entries {
        if cone.as_ref().is_some_and(|cone| !cone.has(&entry.path)) {
            continue;
        }
        let path = crate::platform::path(&entry.path);
        match &entry.state {
            State::Untracked if entry.path.ends_with(b"/") => {
                return Err(WorktreeError::Unsupported {
                    what: format!("the repository {} within the checkout", path.display()),
                    reason: "its files cannot come along; ignore it, or leave untracked files out".to_owned(),
                });
            }
            State::Ignored => continue,
            State::Changed(_) | State::Conflict(_) if !options.include_uncommitted => continue,
            State::Changed(changed) => {
                let before =
                    changed.path_before.as_deref().filter(|_| changed.staged == Some(Change::Renamed));
                if let Some(before) = before {
                    remove_file(&target.join(crate::platform::path(before)))?;
                }
            }
            State::Untracked | State::Conflict(_) => {}
        }
        remove_file(&target.join(&path))?;
        copied.push(path);
    }
    for path in copied {
        copy(&checkout.join(&path), target, &path)?;
    }
    Ok(())
}

/// A repository with its own checkout.
pub(crate) fn scope_of(repository: &Repository, checkout: &Path) -> Scope {
    Scope {
        git_directory: repository.path().to_owned(),
        work_tree: checkout.to_owned(),
        branch: String::new(),
        guest_path: String::new(),
    }
}

/// Removes a file, which may be gone already.
fn remove_file(path: &Path) -> Result<(), WorktreeError> {
    match fs::remove_file(path) {
        Err(err) if !matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(err).at("remove", path)
        }
        _ => Ok(()),
    }
}

fn copy(from: &Path, root: &Path, path: &Path) -> Result<(), WorktreeError> {
    let Ok(metadata) = fs::symlink_metadata(from) else { return Ok(()) };
    if let Some(parent) = path.parent() {
        create_directories(root, parent)?;
    }
    let to = root.join(path);
    if metadata.is_symlink() {
        let link = fs::read_link(from).at("read", from)?;
        crate::platform::create_link(link.as_os_str().as_encoded_bytes(), &to).at("create", &to)
    } else if metadata.is_file() {
        fs::copy(from, &to).map(drop).at("create", &to)
    } else {
        Ok(())
    }
}

/// Makes directories below the root, and follows no link to do so.
pub(crate) fn create_directories(root: &Path, path: &Path) -> Result<(), WorktreeError> {
    let mut directory = root.to_owned();
    for component in path.components() {
        directory.push(component);
        match fs::symlink_metadata(&directory) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                return Err(WorktreeError::Unsupported {
                    what: format!("the directory {}", directory.display()),
                    reason: "something that is no directory is in its place".to_owned(),
                });
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(&directory).at("create", &directory)?;
            }
            Err(err) => return Err(err).at("read", &directory),
        }
    }
    Ok(())
}
