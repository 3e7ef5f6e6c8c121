//! Changing files of the user's checkout: each is the old one or the new one at any moment.
//!
//! libgit2 writes the new files, as their attributes say, into a directory beside the repository; from
//! there they are renamed into their places.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git2::build::CheckoutBuilder;
use git2::{Index, IndexEntry, IndexTime, ObjectType, Oid, Repository};

use crate::WorktreeError;
use crate::checkout::Stat;
use crate::error::{At, Trying};
use crate::snapshot::create_directories;

/// Files that are to be as in a tree, or to be gone.
pub(crate) struct Placing<'a> {
    repository: &'a Repository,
    checkout: &'a Path,
    tree: Oid,
    staged: tempfile::TempDir,
    /// Relative to the checkout.
    pub(crate) written: Vec<PathBuf>,
    pub(crate) deleted: Vec<PathBuf>,
}

impl<'a> Placing<'a> {
    /// Writes the new files beside the repository, in `scratch`. Nothing of the checkout is touched.
    ///
    /// # Errors
    /// Those of files and objects, and [`WorktreeError::Unsupported`] where a directory is needed and
    /// something else is in its place.
    pub(crate) fn stage(
        repository: &'a Repository,
        tree: Oid,
        written: Vec<PathBuf>,
        deleted: Vec<PathBuf>,
        scratch: &Path,
    ) -> Result<Self, WorktreeError> {
        let checkout = repository.workdir().ok_or_else(|| WorktreeError::Unsupported {
            what: "changing files of a bare repository".to_owned(),
            reason: "it has no checkout".to_owned(),
        })?;
        check_parents(checkout, &written, &deleted)?;
        let staged = tempfile::Builder::new().prefix("files-").tempdir_in(scratch).at("write", scratch)?;
        if !written.is_empty() {
            let mut builder = CheckoutBuilder::new();
            builder.force().update_index(false).disable_pathspec_match(true).target_dir(staged.path());
            for path in &written {
                builder.path(path.as_path());
            }
            let object = repository.find_object(tree, Some(ObjectType::Tree)).trying("read a tree")?;
            repository.checkout_tree(&object, Some(&mut builder)).trying("write the files")?;
        }
        Ok(Self { repository, checkout, tree, staged, written, deleted })
    }

    /// Puts the files into their places.
    ///
    /// # Errors
    /// Those of files; what is in place then stays, and the same can be tried again.
    pub(crate) fn place(&self) -> Result<(), WorktreeError> {
        for path in &self.deleted {
            delete(self.checkout, path)?;
        }
        for path in &self.written {
            if let Some(parent) = path.parent() {
                create_directories(self.checkout, parent)?;
            }
            replace(&self.staged.path().join(path), &self.checkout.join(path))?;
        }
        Ok(())
    }

    /// The checkout's index with the files as they are now, as a file beside the repository.
    ///
    /// # Errors
    /// When the index cannot be read, or is of a kind that libgit2 does not know.
    pub(crate) fn index(&self) -> Result<PathBuf, WorktreeError> {
        let path = self.staged.path().join(".git-index");
        match fs::copy(self.repository.path().join("index"), &path) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => {
                return Err(err).at("copy the index to", &path);
            }
            _ => {}
        }
        let mut index = Index::open(&path).trying("read the index")?;
        let tree = self.repository.find_tree(self.tree).trying("read a tree")?;
        for path in &self.deleted {
            if index.get_path(path, 0).is_some() {
                index.remove_path(path).trying("write the index")?;
            }
        }
        for path in &self.written {
            let entry = tree.get_path(path).trying("read a tree")?;
            let whole = self.checkout.join(path);
            let stat = Stat::of(&fs::symlink_metadata(&whole).at("read", &whole)?);
            let mode = u32::try_from(entry.filemode()).unwrap_or_default();
            index.add(&index_entry(path, mode, entry.id(), stat)).trying("write the index")?;
        }
        index.write().trying("write the index")?;
        Ok(path)
    }
}

/// An entry of an index for a file.
pub(crate) fn index_entry(path: &Path, mode: u32, oid: Oid, stat: Stat) -> IndexEntry {
    let time = |(seconds, nanos): (u32, u32)| IndexTime::new(seconds.cast_signed(), nanos);
    IndexEntry {
        ctime: time(stat.changed),
        mtime: time(stat.modified),
        dev: stat.device,
        ino: stat.inode,
        mode,
        uid: stat.user,
        gid: stat.group,
        file_size: stat.size,
        id: oid,
        flags: 0,
        flags_extended: 0,
        path: crate::platform::name(path),
    }
}

/// All directories that the files need are there, or can be made where nothing is or will be.
fn check_parents(checkout: &Path, written: &[PathBuf], deleted: &[PathBuf]) -> Result<(), WorktreeError> {
    let gone: HashSet<&Path> = deleted.iter().map(PathBuf::as_path).collect();
    for path in written {
        for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
            let there = fs::symlink_metadata(checkout.join(parent));
            if there.is_ok_and(|metadata| !metadata.is_dir()) && !gone.contains(parent) {
                return Err(WorktreeError::Dirty { paths: vec![parent.display().to_string()] });
            }
        }
        let there = fs::symlink_metadata(checkout.join(path));
        let is_left_empty = || gone.iter().any(|gone| gone.starts_with(path));
        if there.is_ok_and(|metadata| metadata.is_dir()) && !is_left_empty() {
            return Err(WorktreeError::Dirty { paths: vec![path.display().to_string()] });
        }
    }
    Ok(())
}

/// Deletes a file, and the directories that it leaves empty. It may be gone already.
fn delete(checkout: &Path, path: &Path) -> Result<(), WorktreeError> {
    let whole = checkout.join(path);
    match fs::remove_file(&whole) {
        Err(err) if !matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(err).at("delete", &whole);
        }
        _ => {}
    }
    for directory in path.ancestors().skip(1).filter(|directory| !directory.as_os_str().is_empty()) {
        if fs::remove_dir(checkout.join(directory)).is_err() {
            break;
        }
    }
    Ok(())
}

/// Renames a file over another; from another file system, by way of a copy beside it.
fn replace(from: &Path, to: &Path) -> Result<(), WorktreeError> {
    match fs::rename(from, to) {
        Err(err) if err.kind() == io::ErrorKind::CrossesDevices => {}
        done => return done.at("write", to),
    }
    let parent = to.parent().unwrap_or(Path::new("."));
    if let Ok(target) = fs::read_link(from) {
        let beside = tempfile::Builder::new().prefix(".sandpiper-").tempdir_in(parent).at("write", to)?;
        let link = beside.path().join("link");
        crate::platform::create_link(target.as_os_str().as_encoded_bytes(), &link).at("write", to)?;
        return fs::rename(&link, to).at("write", to);
    }
    let beside = tempfile::Builder::new().prefix(".sandpiper-").tempfile_in(parent).at("write", to)?;
    fs::copy(from, beside.path()).at("write", to)?;
    beside.persist(to).map_err(|err| err.error).at("write", to)?;
    Ok(())
}
