//! Files of this machine, as a guest is to see them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use foldhash::fast::RandomState;
use sandpiper_core::Mount;

use crate::files::{FileKind, Files};
use crate::path;

/// The mounts of a guest, looked at from the host: links are followed as far as they stay in their mount, and what
/// they lead to outside of it is not there.
///
/// For one decision: where a directory is, is remembered.
#[derive(Debug)]
pub struct MountedFiles {
    /// Without those whose directory is not there; the others by their true path.
    mounts: Vec<Mount>,
    directories: RefCell<HashMap<String, Option<PathBuf>, RandomState>>,
}

impl MountedFiles {
    /// What a guest sees in `mounts`.
    pub fn new(mounts: &[Mount]) -> Self {
        let real = |mount: &Mount| Some(Mount { host: mount.host.canonicalize().ok()?, ..mount.clone() });
        Self { mounts: mounts.iter().filter_map(real).collect(), directories: RefCell::default() }
    }

    /// Where a path is on the host, links followed, if that is in its mount.
    fn real(&self, path: &str) -> Option<PathBuf> {
        let (mount, rest) = Mount::find(&self.mounts, path)?;
        let real = mount.host.join(rest).canonicalize().ok()?;
        real.starts_with(&mount.host).then_some(real)
    }

    fn directory(&self, path: &str) -> Option<PathBuf> {
        if let Some(known) = self.directories.borrow().get(path) {
            return known.clone();
        }
        let real = self.real(path);
        self.directories.borrow_mut().insert(path.to_owned(), real.clone());
        real
    }

    /// What is at a path and where that is, found by one system call if it is no link and its directory is known.
    fn entry(&self, path: &str) -> Option<(PathBuf, Metadata)> {
        let (parent, name) = path::split(path);
        if let Some(directory) = is_plain(name).then(|| self.directory(parent)).flatten() {
            let real = directory.join(name);
            let metadata = real.symlink_metadata().ok();
            if metadata.as_ref().is_none_or(|metadata| !metadata.is_symlink()) {
                return Some((real, metadata?));
            }
        }
        let real = self.real(path)?;
        let metadata = real.symlink_metadata().ok()?;
        Some((real, metadata))
    }
}

impl Files for MountedFiles {
    fn kind(&self, path: &str) -> Option<FileKind> {
        kind(&self.entry(path)?.1)
    }

    fn read(&self, path: &str, bytes_max: usize) -> Option<Vec<u8>> {
        let (real, metadata) = self.entry(path)?;
        if !metadata.is_file() {
            return None;
        }
        let expected = usize::try_from(metadata.len()).unwrap_or(bytes_max).min(bytes_max);
        // Room for one byte more saves a reader that meets the end from growing it.
        let mut content = Vec::with_capacity(expected.saturating_add(1));
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        File::open(real).ok()?.take(limit).read_to_end(&mut content).ok()?;
        Some(content)
    }

    fn list(&self, path: &str, entries_max: usize) -> Option<Vec<(String, FileKind)>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.directory(path)?).ok()?.take(entries_max) {
            let Ok(entry) = entry else { continue };
            let Ok(name) = entry.file_name().into_string() else { continue };
            let found = match entry.file_type() {
                Ok(found) if found.is_file() => Some(FileKind::File),
                Ok(found) if found.is_dir() => Some(FileKind::Directory),
                // A link leads elsewhere, within the mount or not.
                _ => self.kind(&path::join(path, &name)),
            };
            names.extend(found.map(|found| (name, found)));
        }
        Some(names)
    }
}

fn kind(metadata: &Metadata) -> Option<FileKind> {
    match () {
        () if metadata.is_dir() => Some(FileKind::Directory),
        () if metadata.is_file() => Some(FileKind::File),
        () => None,
    }
}

/// Whether a name is one entry of a directory on this machine: no `..`, and no drive or backslash on Windows.
fn is_plain(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(only)), None) if only == name)
}
