//! The compile cache: machine code and memory contents, by the content they were made of.
//!
//! Machine code that is loaded is trusted, so an entry counts only where nobody but the user could
//! have written it: the folder, the entry's and each file are the user's own and closed to others, and
//! the file still is the very one that was written (inode and change time on Unix) and no symlink;
//! else the entry is made anew. An entry is a folder that appears whole, by rename; of two processes
//! that make the same one, one wins and both use it.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use private::{Stamp, stamp};

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Others can write to it.
    #[error("the cache {} can be written by others than its owner, or belongs to another user", .path.display())]
    NotPrivate {
        /// The folder.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("cannot use the cache {}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// A folder of compiled modules.
#[derive(Clone, Debug)]
pub(crate) struct CompileCache {
    root: PathBuf,
}

/// A compiled module in the cache, opened.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(super) code: File,
    pub(super) memory: Option<(File, u64)>,
}

impl CompileCache {
    /// The cache in `root`, made when it is missing.
    ///
    /// # Errors
    /// [`CacheError`] when it cannot be made, or is not the user's alone.
    pub(crate) fn open(root: &Path) -> Result<Self, CacheError> {
        let io = |source| CacheError::Io { path: root.to_owned(), source };
        private::create_dir(root).map_err(io)?;
        if !private::is_private(&fs::symlink_metadata(root).map_err(io)?) {
            return Err(CacheError::NotPrivate { path: root.to_owned() });
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The entry of a key, where there is a sound one; an unsound one is removed.
    pub(crate) fn load(&self, key: &str) -> Option<Entry> {
        let folder = self.root.join(key);
        match read(&folder) {
            Ok(entry) => Some(entry),
            Err(_) if folder.symlink_metadata().is_err() => None,
            Err(_) => {
                let _ = fs::remove_dir_all(&folder);
                None
            }
        }
    }

    /// Writes the entry of a key and opens it.
    ///
    /// # Errors
    /// [`CacheError::Io`]; nothing is left behind then.
    pub(crate) fn store(&self, key: &str, code: &[u8], memory: Option<&[u8]>) -> Result<Entry, CacheError> {
        let folder = self.root.join(key);
        let io = |source| CacheError::Io { path: folder.clone(), source };
        let new = tempfile::Builder::new().prefix(".new-").tempdir_in(&self.root).map_err(io)?;
        let stamps = Stamps {
            code: write(&new.path().join(CODE), code).map_err(io)?,
            memory: memory.map(|memory| write(&new.path().join(MEMORY), memory)).transpose().map_err(io)?,
        };
        let stamps = serde_json::to_vec(&stamps).map_err(|err| io(err.into()))?;
        write(&new.path().join(STAMPS), &stamps).map_err(io)?;
        match fs::rename(new.path(), &folder) {
            // The folder has its final name, so there is nothing to remove.
            Ok(()) => drop(new.keep()),
            Err(err) if folder.is_dir() => drop(err),
            Err(err) => return Err(io(err)),
        }
        read(&folder).map_err(io)
    }
}

const CODE: &str = "code";
const MEMORY: &str = "memory";
const STAMPS: &str = "stamps.json";

#[derive(Serialize, Deserialize)]
struct Stamps {
    code: Stamp,
    memory: Option<Stamp>,
}

fn read(folder: &Path) -> io::Result<Entry> {
    let metadata = fs::symlink_metadata(folder)?;
    if !metadata.is_dir() || !private::is_private(&metadata) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let (mut file, _) = open(&folder.join(STAMPS))?;
    let mut stamps = Vec::new();
    file.read_to_end(&mut stamps)?;
    let stamps: Stamps = serde_json::from_slice(&stamps)?;
    let stamped = |name: &str, recorded: &Stamp| {
        let (file, metadata) = open(&folder.join(name))?;
        if stamp(&metadata)? != *recorded {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        Ok((file, metadata.len()))
    };
    let (code, _) = stamped(CODE, &stamps.code)?;
    let memory = stamps.memory.as_ref().map(|stamp| stamped(MEMORY, stamp)).transpose()?;
    Ok(Entry { code, memory })
}

/// Opens a file that is the user's own and no symlink.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let file = private::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || !private::is_private(&metadata) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((file, metadata))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<Stamp> {
    let mut file = private::create_file(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    stamp(&file.metadata()?)
}

/// What makes a file the user's own, and the same as before, on Unix.
#[cfg(unix)]
mod private {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
    use std::path::Path;

    use serde::{Deserialize, Serialize};

    /// Changes with every write, and with a change of owner or mode.
    #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub(crate) struct Stamp {
        len: u64,
        inode: u64,
        changed: (i64, i64),
    }

    #[expect(clippy::unnecessary_wraps, reason = "Windows may not know a file's times")]
    pub(crate) fn stamp(metadata: &Metadata) -> io::Result<Stamp> {
        Ok(Stamp {
            len: metadata.len(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    pub(super) fn is_private(metadata: &Metadata) -> bool {
        metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0
    }

    pub(super) fn create_dir(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    pub(super) fn create_file(path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    pub(super) fn open(path: &Path) -> io::Result<File> {
        let no_symlink = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
        OpenOptions::new().read(true).custom_flags(no_symlink).open(path)
    }
}

/// What makes a file the user's own, and the same as before, on Windows: the folder lies in the
/// user's profile, whose access list is inherited and closed to others.
#[cfg(windows)]
mod private {
    use std::fs::{File, Metadata, OpenOptions, create_dir_all};
    use std::io;
    use std::os::windows::fs::OpenOptionsExt;
    use std::path::Path;
    use std::time::SystemTime;

    use windows_sys::Win32::Storage::FileSystem::{
        FILE_FLAG_OPEN_REPARSE_POINT, FILE_GENERIC_EXECUTE, FILE_GENERIC_READ, FILE_SHARE_DELETE,
        FILE_SHARE_READ,
    };

    use serde::{Deserialize, Serialize};

    /// Changes with every write.
    #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub(crate) struct Stamp {
        len: u64,
        created: SystemTime,
        modified: SystemTime,
    }

    pub(crate) fn stamp(metadata: &Metadata) -> io::Result<Stamp> {
        Ok(Stamp { len: metadata.len(), created: metadata.created()?, modified: metadata.modified()? })
    }

    pub(super) fn is_private(_metadata: &Metadata) -> bool {
        true
    }

    pub(super) fn create_dir(path: &Path) -> io::Result<()> {
        create_dir_all(path)
    }

    pub(super) fn create_file(path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    /// Opens a file of which nobody can change the content meanwhile, no symlink, so that it can be
    /// mapped as code.
    pub(super) fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .access_mode(FILE_GENERIC_READ | FILE_GENERIC_EXECUTE)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_DELETE)
            .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
            .open(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(mut file: File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn cache() -> (tempfile::TempDir, CompileCache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = CompileCache::open(&folder.path().join("compiled")).unwrap();
        (folder, cache)
    }

    #[test]
    fn an_entry_comes_back_as_it_was_stored() {
        let (_folder, cache) = cache();
        assert!(cache.load("k").is_none());
        cache.store("k", b"code", Some(b"memory")).unwrap();
        let entry = cache.load("k").unwrap();
        assert_eq!(content(entry.code), b"code");
        let (memory, len) = entry.memory.unwrap();
        assert_eq!((content(memory), len), (b"memory".to_vec(), 6));
    }

    #[test]
    fn the_second_of_two_writers_uses_the_first_entry() {
        let (_folder, cache) = cache();
        cache.store("k", b"one", None).unwrap();
        assert_eq!(content(cache.store("k", b"two", None).unwrap().code), b"one");
        assert_eq!(fs::read_dir(&cache.root).unwrap().count(), 1);
    }

    #[test]
    fn a_changed_entry_is_dropped() {
        for name in [CODE, MEMORY, STAMPS] {
            let (_folder, cache) = cache();
            cache.store("k", b"code", Some(b"memory")).unwrap();
            assert!(cache.load("k").is_some());
            let path = cache.root.join("k").join(name);
            let mut bytes = fs::read(&path).unwrap();
            // Another length: change times alone can be too coarse to tell two writes apart.
            bytes.pop();
            fs::write(&path, bytes).unwrap();
            assert!(cache.load("k").is_none(), "{name}");
            assert!(!cache.root.join("k").exists(), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, cache) = cache();
        fs::set_permissions(&cache.root, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(CompileCache::open(&cache.root), Err(CacheError::NotPrivate { .. })));
        fs::set_permissions(&cache.root, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(CompileCache::open(&cache.root).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn an_entry_that_others_may_write_is_dropped() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, cache) = cache();
        cache.store("k", b"code", None).unwrap();
        fs::set_permissions(cache.root.join("k").join(CODE), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(cache.load("k").is_none());
    }
}
