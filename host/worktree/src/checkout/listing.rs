//! The files of a commit's tree, in the order of an index.

use std::path::PathBuf;

use git2::{ObjectType, Oid, Repository, TreeEntry};
use sandpiper_core::is_git_directory_name;

use crate::WorktreeError;
use crate::error::Trying;
use crate::sparse::Cone;

/// Directories within directories; a tree that is deeper was not made by people.
const MAX_DEPTH: usize = 4096;

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Executable,
    Link,
    /// A commit of another repository, of which only the directory is made.
    Submodule,
}

impl Kind {
    /// The mode that trees and indexes have for it.
    pub(crate) fn mode(self) -> u32 {
        match self {
            Self::File => 0o100_644,
            Self::Executable => 0o100_755,
            Self::Link => 0o120_000,
            Self::Submodule => 0o160_000,
        }
    }

    fn of(mode: i32) -> Option<Self> {
        match mode {
            0o100_644 | 0o100_664 => Some(Self::File),
            0o100_755 => Some(Self::Executable),
            0o120_000 => Some(Self::Link),
            0o160_000 => Some(Self::Submodule),
            _ => None,
        }
    }
}

/// A file of a tree.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Relative to the root, with slashes.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) oid: Oid,
    /// It is in the index and not in the worktree.
    pub(crate) is_left_out: bool,
}

impl Entry {
    pub(crate) fn path(&self) -> PathBuf {
        crate::platform::path(&self.name)
    }
}

/// A directory of a tree, as the index's extension TREE has it.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    /// Its last name; empty for the root.
    pub(crate) name: Vec<u8>,
    pub(crate) oid: Oid,
    /// Entries below it, at any depth.
    pub(crate) entries: usize,
    /// Directories in it.
    pub(crate) directories: usize,
}

/// All files of a tree, sorted as an index is, by the bytes of their paths.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    pub(crate) entries: Vec<Entry>,
    /// Each before those in it, without the root.
    pub(crate) directories: Vec<PathBuf>,
    /// Each before those in it, the root first.
    pub(crate) trees: Vec<Directory>,
}

impl Listing {
    /// Lists a tree.
    ///
    /// # Errors
    /// When an object is missing, and [`WorktreeError::Unsupported`] for names that no file may have.
    pub(crate) fn of(repository: &Repository, tree: Oid) -> Result<Self, WorktreeError> {
        let mut listing = Self::default();
        listing.add(repository, tree, &mut Vec::new(), 0)?;
        Ok(listing)
    }

    /// Leaves out what is not in a cone: of a commit that is no file of the worktree.
    pub(crate) fn leave_out(&mut self, cone: &Cone) {
        for entry in &mut self.entries {
            entry.is_left_out = !cone.has(&entry.name);
        }
        self.directories.retain(|directory| cone.has_directory(&crate::platform::name(directory)));
    }

    /// The files that the worktree has.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.is_left_out)
    }

    /// Whether some files are left out.
    pub(crate) fn is_partial(&self) -> bool {
        self.entries.iter().any(|entry| entry.is_left_out)
    }

    fn add(
        &mut self,
        repository: &Repository,
        oid: Oid,
        prefix: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), WorktreeError> {
        if depth > MAX_DEPTH {
            return Err(refused(prefix, "its directories are nested too deeply"));
        }
        let tree = repository.find_tree(oid).trying("read a tree")?;
        let position = self.trees.len();
        let first = self.entries.len();
        let start = prefix.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let name = prefix.get(start..).unwrap_or_default().to_vec();
        self.trees.push(Directory { name, oid, entries: 0, directories: 0 });
        let mut directories = 0;
        for entry in &tree {
            let length = prefix.len();
            if length > 0 {
                prefix.push(b'/');
            }
            prefix.extend_from_slice(entry.name_bytes());
            check_name(&entry, prefix)?;
            if entry.kind() == Some(ObjectType::Tree) {
                directories += 1;
                self.directories.push(crate::platform::path(prefix));
                self.add(repository, entry.id(), prefix, depth + 1)?;
            } else {
                let kind = Kind::of(entry.filemode_raw())
                    .ok_or_else(|| refused(prefix, "its mode is that of no file"))?;
                let (name, oid) = (prefix.clone(), entry.id());
                self.entries.push(Entry { name, kind, oid, is_left_out: false });
            }
            prefix.truncate(length);
        }
        let entries = self.entries.len() - first;
        if let Some(tree) = self.trees.get_mut(position) {
            (tree.entries, tree.directories) = (entries, directories);
        }
        Ok(())
    }
}

/// A commit can be made by anybody; its names are not to lead out of the worktree.
fn check_name(entry: &TreeEntry<'_>, path: &[u8]) -> Result<(), WorktreeError> {
    let name = entry.name_bytes();
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) {
        return Err(refused(path, "it is no name of a file"));
    }
    if is_git_directory_name(name) {
        return Err(refused(path, "some file system takes it for git's own directory"));
    }
    if !crate::platform::is_file_name(name) {
        return Err(refused(path, "this platform has no file of such a name"));
    }
    Ok(())
}

fn refused(path: &[u8], reason: &str) -> WorktreeError {
    WorktreeError::Unsupported {
        what: format!("the file {:?} of the commit", String::from_utf8_lossy(path)),
        reason: reason.to_owned(),
    }
}
