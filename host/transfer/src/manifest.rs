//! What was in the directory when it was packed.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use crate::{Digest, RelativePath};

/// Every entry of a directory as it was when it was packed: what went into the archive, and what was held
/// back. Of a directory that was held back there is its own entry, which stands for all below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    entries: BTreeMap<RelativePath, ManifestEntry>,
}

/// One entry of a [`Manifest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestEntry {
    /// What it was.
    pub state: State,
    /// Whether it is in the archive.
    pub keep: Keep,
}

/// Whether an entry goes into the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It does.
    Pack,
    /// It stays here; so does, for a directory, all below it, which is not looked at.
    HoldBack,
    /// A directory does where something in it does, for each of which is asked; then it has [`Pack`](Self::Pack) in the
    /// manifest. Other entries stay here.
    LookInto,
}

/// What an entry of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// File, directory or what else.
    pub kind: EntryKind,
    /// The permission bits (`0o777`); `None` for symlinks, where they mean nothing, on Windows, and for
    /// directories that an archive does not list.
    pub mode: Option<u32>,
    /// Bytes of content, or of the symlink's target; 0 for others.
    pub size: u64,
    /// Of the content or the target. `None` for others, and for files held back that could not be read,
    /// changed meanwhile, or have more than 256 MiB.
    pub digest: Option<Digest>,
}

/// The kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block or character device, or what else the system has.
    Device,
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
            Self::Device => "device",
        })
    }
}

impl Manifest {
    /// The entry at a path.
    pub fn get(&self, path: &RelativePath) -> Option<&ManifestEntry> {
        self.entries.get(path)
    }

    /// All entries, in the order of their paths' bytes.
    pub fn entries(&self) -> impl Iterator<Item = (&RelativePath, &ManifestEntry)> {
        self.entries.iter()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the directory was empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry by which a path is held back: its own, or that of something that it is below.
    pub fn held_back_by(&self, path: &RelativePath) -> Option<RelativePath> {
        let is_held = |path: &RelativePath| self.get(path).is_some_and(|entry| entry.keep == Keep::HoldBack);
        std::iter::once(path.clone()).chain(path.ancestors()).find(is_held)
    }

    /// The first entry below a directory that stayed here.
    pub(crate) fn held_back_below(&self, directory: &RelativePath) -> Option<&RelativePath> {
        let below = (Bound::Excluded(directory.clone()), Bound::Unbounded);
        self.entries
            .range(below)
            // Between a directory and what is below it, other names can sort: `a`, `a-b`, `a/c`.
            .take_while(|(path, _)| path.as_bytes().starts_with(directory.as_bytes()))
            .filter(|(path, _)| path.is_below(directory))
            .find(|(_, entry)| entry.keep != Keep::Pack)
            .map(|(path, _)| path)
    }

    pub(crate) fn insert(&mut self, path: RelativePath, entry: ManifestEntry) {
        self.entries.insert(path, entry);
    }
}
