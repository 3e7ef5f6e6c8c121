//! The files of a worktree as a tree of objects, and a checkout's changes as files of a worktree.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git2::{Index, IndexAddOption, Oid, Repository, Status, StatusOptions};
use sandpiper_core::is_git_directory_name;

use crate::error::{At, Trying};
use crate::{Create, WorktreeError};

/// Which of the files that git does not track are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Those that it is not told to ignore.
    Untracked,
    /// All.
    Everything,
}

/// Writes the worktree's files as objects. The index in its git directory stays as it is.
pub(crate) fn tree(worktree: &Repository, what: What) -> Result<Oid, WorktreeError> {
    index(worktree, what)?.write_tree().trying("write the files as objects")
}

/// The index as it is when all files are added.
///
/// # Errors
/// [`WorktreeError::Unsupported`] for a repository within the worktree, of which git would note a commit
/// and no file.
pub(crate) fn index(worktree: &Repository, what: What) -> Result<Index, WorktreeError> {
    if let Some(found) = worktree.workdir().map(inner_repository).transpose()?.flatten() {
        return Err(WorktreeError::Unsupported {
            what: format!("the repository {} within the worktree", found.display()),
            reason: "its files would not be saved; remove or rename its .git, or move it out".to_owned(),
        });
    }
    let mut index = worktree.index().trying("read the index")?;
    index.read(true).trying("read the index")?;
    let flags = match what {
        What::Untracked => IndexAddOption::DEFAULT,
        What::Everything => IndexAddOption::FORCE,
    };
    index.add_all(["*"], flags, None).trying("add the files")?;
    Ok(index)
}

/// The first entry below the root's that is git's directory for some file system.
fn inner_repository(root: &Path) -> Result<Option<PathBuf>, WorktreeError> {
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).at("list", &directory)? {
            let entry = entry.at("list", &directory)?;
            let name = entry.file_name();
            if is_git_directory_name(name.as_encoded_bytes()) {
                if directory == root && name == ".git" && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                    continue;
                }
                let found = entry.path();
                return Ok(Some(found.strip_prefix(root).unwrap_or(&found).to_owned()));
            }
            if entry.file_type().at("read", &directory)?.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    Ok(None)
}

/// Copies what is changed in the user's checkout into a worktree of the same commit.
pub(crate) fn copy_changes(
    repository: &Repository,
    checkout: &Path,
    target: &Path,
    options: &Create,
) -> Result<(), WorktreeError> {
    let mut selected = StatusOptions::new();
    selected
        .include_untracked(options.include_untracked)
        .recurse_untracked_dirs(true)
        .include_ignored(false)
        .exclude_submodules(true)
        .update_index(false);
    let statuses = repository.statuses(Some(&mut selected)).trying("read the checkout's changes")?;
    let mut copied = Vec::new();
    for entry in &statuses {
        let status = entry.status();
        let untracked = status.contains(Status::WT_NEW);
        if untracked && !options.include_untracked || !untracked && !options.include_uncommitted {
            continue;
        }
        let path = crate::platform::path(entry.path_bytes());
        if entry.path_bytes().ends_with(b"/") {
            return Err(WorktreeError::Unsupported {
                what: format!("the repository {} within the checkout", path.display()),
                reason: "its files cannot come along; ignore it, or leave untracked files out".to_owned(),
            });
        }
        remove_file(&target.join(&path))?;
        copied.push(path);
    }
    for path in copied {
        copy(&checkout.join(&path), target, &path)?;
    }
    Ok(())
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
