//! The files of the working tree, which a guest writes and may change at any moment: every path is
//! walked one directory at a time from an open handle, and no symbolic link is ever followed.

use super::failure::{Failure, Result};
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::path::Path;

/// The most files and directories that one command looks at; large monorepos hold about 500 000.
const MAX_ENTRIES: usize = 2_000_000;

/// Mode of a plain file in trees and in the index.
pub(super) const FILE: u32 = 0o100_644;
/// Mode of an executable file.
pub(super) const EXECUTABLE: u32 = 0o100_755;
/// Mode of a symbolic link.
pub(super) const LINK: u32 = 0o120_000;
/// Mode of a submodule.
pub(super) const GITLINK: u32 = 0o160_000;
/// Mode of a directory in trees.
pub(super) const TREE: u32 = 0o040_000;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File { executable: bool },
    Link,
    Directory,
    Other,
}

/// What `lstat` tells, as the index keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) mtime: (i64, i64),
    pub(super) ctime: (i64, i64),
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) user: u32,
    pub(super) group: u32,
}

impl Stat {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use cap_std::fs::MetadataExt;
        Self {
            kind: kind_of(metadata, metadata.mode() & 0o100 != 0),
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
            device: metadata.dev(),
            inode: metadata.ino(),
            user: metadata.uid(),
            group: metadata.gid(),
        }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Self {
        // Times and sizes are all that git for Windows goes by too.
        let time = |time: io::Result<cap_std::time::SystemTime>| {
            let epoch = std::time::SystemTime::UNIX_EPOCH;
            let since = time.ok().and_then(|time| time.into_std().duration_since(epoch).ok());
            since.map_or((0, 0), |since| {
                (i64::try_from(since.as_secs()).unwrap_or(0), i64::from(since.subsec_nanos()))
            })
        };
        Self {
            kind: kind_of(metadata, false),
            size: metadata.len(),
            mtime: time(metadata.modified()),
            ctime: time(metadata.created()),
            device: 0,
            inode: 0,
            user: 0,
            group: 0,
        }
    }
}

fn kind_of(metadata: &Metadata, executable: bool) -> Kind {
    if metadata.is_symlink() {
        Kind::Link
    } else if metadata.is_dir() {
        Kind::Directory
    } else if metadata.is_file() {
        Kind::File { executable }
    } else {
        Kind::Other
    }
}

/// The working tree of one run.
#[derive(Debug)]
pub(super) struct WorkTree {
    root: Dir,
    /// The directory that was walked to last, for one path after another in order.
    last: RefCell<Option<(Vec<u8>, Dir)>>,
    seen: std::cell::Cell<usize>,
    /// The largest file that is read into memory.
    pub(super) most_bytes: u64,
}

impl WorkTree {
    /// Opens the working tree at a host path: the only door to the host's file system here.
    pub(super) fn open(path: &Path, most_bytes: u64) -> io::Result<Self> {
        let root = Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(Self { root, last: RefCell::new(None), seen: std::cell::Cell::new(0), most_bytes })
    }

    /// What is at `path`; nothing where a parent is missing, a file or a symbolic link.
    pub(super) fn stat(&self, path: &[u8]) -> io::Result<Option<Stat>> {
        let (parent, name) = split(path);
        let Some(directory) = self.directory(parent)? else { return Ok(None) };
        match directory.symlink_metadata(os_path(name)?) {
            Ok(metadata) => Ok(Some(Stat::of(&metadata))),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The first parent of `path` that is a symbolic link, as git's "beyond a symbolic link" asks.
    pub(super) fn is_beyond_link(&self, path: &[u8]) -> io::Result<bool> {
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            match self.stat(path.get(..at).unwrap_or_default())? {
                Some(stat) if stat.kind == Kind::Link => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The bytes of a file, or the target of a symbolic link.
    pub(super) fn read(&self, path: &[u8], kind: Kind) -> Result<Vec<u8>> {
        if kind == Kind::Link {
            let (parent, name) = split(path);
            let directory = self.directory(parent)?.ok_or_else(gone)?;
            return Ok(os_bytes(directory.read_link_contents(os_path(name)?)?.as_os_str())?);
        }
        let mut bytes = Vec::new();
        self.open_file(path)?.take(self.most_bytes + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > self.most_bytes {
            return Err(self.too_large(path));
        }
        Ok(bytes)
    }

    /// Opens a file to read it, whatever its size.
    pub(super) fn open_file(&self, path: &[u8]) -> Result<File> {
        let (parent, name) = split(path);
        let directory = self.directory(parent)?.ok_or_else(gone)?;
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        let file = directory.open_with(os_path(name)?, &options)?;
        if !file.metadata()?.is_file() {
            return Err(gone().into());
        }
        Ok(file)
    }

    /// A failure that names a file which is larger than what is read.
    pub(super) fn too_large(&self, name: &[u8]) -> Failure {
        let text = format!("' is larger than {} MiB", self.most_bytes >> 20);
        Failure::fatal([b"'".as_slice(), name, text.as_bytes()].concat())
            .hint("files as large as this are left to the user's own git")
    }

    /// The names in a directory in the order of bytes, each with what it is.
    pub(super) fn list(&self, path: &[u8]) -> Result<Vec<(Vec<u8>, Stat)>> {
        let mut names = Vec::new();
        let Some(directory) = self.directory(path)? else { return Ok(names) };
        for entry in directory.entries()? {
            let entry = entry?;
            self.seen.set(self.seen.get() + 1);
            if self.seen.get() > MAX_ENTRIES {
                return Err(Failure::fatal(format!("working tree: more than {MAX_ENTRIES} entries")));
            }
            let name = entry.file_name();
            match directory.symlink_metadata(&name) {
                Ok(metadata) => names.push((os_bytes(&name)?, Stat::of(&metadata))),
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        names.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(names)
    }

    /// Puts a file or a symbolic link at `path` in the place of what is there, and makes its
    /// parents; a directory in the way that holds something is an error, and so is a link above.
    pub(super) fn write(&self, path: &[u8], mode: u32, bytes: &[u8]) -> Result<Stat> {
        let (parent, name) = split(path);
        let directory = self.make_directory(parent)?;
        let name = os_path(name)?;
        match directory.symlink_metadata(name) {
            Ok(metadata) if metadata.is_dir() => directory.remove_dir(name)?,
            Ok(_) => directory.remove_file_or_symlink(name)?,
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(error.into()),
        }
        if mode == LINK {
            write_link(&directory, bytes, name)?;
        } else {
            write_file(&directory, name, mode == EXECUTABLE, bytes)?;
        }
        self.forget();
        Ok(Stat::of(&directory.symlink_metadata(name)?))
    }

    /// Makes a directory (for a submodule, which stays empty here).
    pub(super) fn make(&self, path: &[u8]) -> Result<()> {
        self.make_directory(path).map(|_| ())
    }

    /// Moves a file, link or directory; both parents are walked to without following links.
    pub(super) fn rename(&self, from: &[u8], to: &[u8]) -> Result<()> {
        let (from_parent, from_name) = split(from);
        let (to_parent, to_name) = split(to);
        let source = self.directory(from_parent)?.ok_or_else(gone)?;
        let target = self.directory(to_parent)?.ok_or_else(gone)?;
        source.rename(os_path(from_name)?, &target, os_path(to_name)?)?;
        self.forget();
        Ok(())
    }

    /// Removes a file or link and then its parents as far as they are empty (never the directory
    /// `keep`). What is not there is no error.
    pub(super) fn remove(&self, path: &[u8], keep: &[u8]) -> Result<()> {
        let (parent, name) = split(path);
        if let Some(directory) = self.directory(parent)? {
            match directory.symlink_metadata(os_path(name)?) {
                Ok(metadata) if metadata.is_dir() => match directory.remove_dir(os_path(name)?) {
                    Ok(()) => {}
                    Err(error) if is_absence(&error) => {}
                    Err(_) => return Ok(()),
                },
                Ok(_) => directory.remove_file_or_symlink(os_path(name)?)?,
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.forget();
        let mut at = parent;
        while !at.is_empty() && at != keep {
            let (above, name) = split(at);
            let Some(directory) = self.directory(above)? else { break };
            if directory.remove_dir(os_path(name)?).is_err() {
                break;
            }
            self.forget();
            at = above;
        }
        Ok(())
    }

    fn forget(&self) {
        self.last.replace(None);
    }

    /// Walks to a directory of the tree; nothing if a part of the way is no directory.
    fn directory(&self, path: &[u8]) -> io::Result<Option<Dir>> {
        if path.is_empty() {
            return self.root.try_clone().map(Some);
        }
        if let Some((at, directory)) = &*self.last.borrow()
            && at == path
        {
            return directory.try_clone().map(Some);
        }
        let mut directory = self.root.try_clone()?;
        for name in path.split(|byte| *byte == b'/') {
            match directory.open_dir_nofollow(os_path(name)?) {
                Ok(next) => directory = next,
                Err(error) if is_no_directory(&directory, name, &error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        self.last.replace(Some((path.to_vec(), directory.try_clone()?)));
        Ok(Some(directory))
    }

    fn make_directory(&self, path: &[u8]) -> Result<Dir> {
        let mut directory = self.root.try_clone()?;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            directory = match directory.open_dir_nofollow(os_path(name)?) {
                Ok(next) => next,
                Err(error) if is_absence(&error) => {
                    directory.create_dir(os_path(name)?)?;
                    directory.open_dir_nofollow(os_path(name)?)?
                }
                Err(_) => {
                    let mut text = b"cannot make directory '".to_vec();
                    text.extend_from_slice(path);
                    text.extend_from_slice(b"': a file or a symbolic link is in the way");
                    return Err(Failure::fatal(text));
                }
            };
        }
        Ok(directory)
    }
}

/// Splits a path into its parent, empty for the root, and its last name.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}

fn write_file(directory: &Dir, name: &Path, executable: bool, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).follow(FollowSymlinks::No);
    set_mode(&mut options, executable);
    directory.open_with(name, &options)?.write_all(bytes)
}

#[cfg(unix)]
fn set_mode(options: &mut OpenOptions, executable: bool) {
    use cap_std::fs::OpenOptionsExt;
    options.mode(if executable { 0o777 } else { 0o666 });
}

#[cfg(not(unix))]
fn set_mode(_options: &mut OpenOptions, _executable: bool) {}

#[cfg(unix)]
fn write_link(directory: &Dir, target: &[u8], name: &Path) -> io::Result<()> {
    directory.symlink_contents(os_path(target)?, name)
}

#[cfg(not(unix))]
fn write_link(directory: &Dir, target: &[u8], name: &Path) -> io::Result<()> {
    // As git does where core.symlinks is off: a file that holds the target.
    write_file(directory, name, false, target)
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Tells whether opening failed because `name` is missing, a file or a link (whose error code
/// differs from system to system).
fn is_no_directory(parent: &Dir, name: &[u8], error: &io::Error) -> bool {
    is_absence(error)
        || os_path(name)
            .and_then(|name| parent.symlink_metadata(name))
            .is_ok_and(|metadata| !metadata.is_dir())
}

fn gone() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// Bytes as a path of the host's system.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have names that are no bytes")]
pub(super) fn os_path(bytes: &[u8]) -> io::Result<&Path> {
    use std::os::unix::ffi::OsStrExt;
    Ok(Path::new(std::ffi::OsStr::from_bytes(bytes)))
}

/// Bytes as a path of the host's system.
#[cfg(not(unix))]
pub(super) fn os_path(bytes: &[u8]) -> io::Result<&Path> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Path::new(text)),
        Err(_) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have names that are no bytes")]
fn os_bytes(name: &std::ffi::OsStr) -> io::Result<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    Ok(name.as_bytes().to_vec())
}

#[cfg(not(unix))]
fn os_bytes(name: &std::ffi::OsStr) -> io::Result<Vec<u8>> {
    name.to_str()
        .map(|text| text.replace('\\', "/").into_bytes())
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}
