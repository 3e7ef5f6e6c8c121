//! The files of a sandbox as the host works with them: by the walk, the mounts, the budgets and the denials
//! that hold for its guests.

use std::fmt;
use std::sync::Arc;

use sandpiper_core::{DirectoryEntry, FileError, FileErrorKind, FileStat, FileType, Quota};

use crate::abi::FileKind;
use crate::fault::{Attempt, Failure};
use crate::file_system::{File, OpenMode, Stat};
use crate::listing::Listing;
use crate::namespace::{Links, Name, Place, Target, resolve};
use crate::process::Process;
use crate::world::World;
use crate::{Errno, Fault};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 << 10;

/// Directories below one another that are removed with all that is in them.
const MAX_DEPTH: usize = 256;

const READ: OpenMode = OpenMode { read: true, write: false, append: false };
const WRITE: OpenMode = OpenMode { read: false, write: true, append: false };

/// The files of a sandbox. All paths are absolute, or from the root.
///
/// # Examples
/// ```
/// use sandpiper_core::{FileErrorKind, Spec};
/// use sandpiper_kernel::{Files, SystemTree, World};
/// let world = World::new(&Spec::default(), SystemTree::builder().build().unwrap()).unwrap();
/// let files = Files::new(world);
/// files.write("/tmp/a", b"one").unwrap();
/// assert_eq!(files.read("/tmp/a", 100).unwrap(), b"one");
/// assert_eq!(files.write("/etc/passwd", b"").unwrap_err().kind, FileErrorKind::ReadOnly);
/// ```
pub struct Files {
    host: Process,
}

impl Files {
    /// Those of a sandbox.
    pub fn new(world: Arc<World>) -> Self {
        Self { host: Process::of_host(world) }
    }

    /// A file's content, symlinks followed.
    ///
    /// # Errors
    /// `TooLarge` above `limit` bytes, `IsADirectory`, `NotAFile`, and those of a path.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, FileError> {
        self.done("read", path, || {
            let file = self.open(path)?;
            let size = file.stat()?.size;
            if size > limit {
                return Err(Stopped::Kind(FileErrorKind::TooLarge { size, limit }));
            }
            let mut content = Vec::new();
            loop {
                let start = content.len();
                content.resize(start + PIECE_BYTES, 0);
                let piece = content.get_mut(start..).unwrap_or_default();
                let read =
                    file.read_at(self.host.world(), piece, u64::try_from(start).unwrap_or(u64::MAX))?;
                content.truncate(start + read);
                let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
                if size > limit {
                    // It has grown meanwhile.
                    return Err(Stopped::Kind(FileErrorKind::TooLarge { size, limit }));
                }
                if read == 0 {
                    return Ok(content);
                }
            }
        })
    }

    /// Writes a file, new or instead of what it had; a failure leaves the old content.
    ///
    /// # Errors
    /// `ReadOnly`, `Quota`, `IsADirectory`, `NotAFile`, and those of a path.
    pub fn write(&self, path: &str, content: &[u8]) -> Result<(), FileError> {
        self.done("write", path, || {
            let name = match self.resolve(path, Links::Follow)? {
                Target::Directory { .. } => return Err(Errno::ISDIR.into()),
                Target::Name(name) => name,
            };
            let view = self.host.view();
            view.world.namespace().check_writable(&name.parent)?;
            match name.entry {
                Some(_) => Self::check_file(&name)?,
                None if name.slash => return Err(Errno::ISDIR.into()),
                None => {}
            }
            let directory = &name.parent.directory;
            let (beside, file) = self.create_beside(&name)?;
            let filled = || -> Attempt<Stat> {
                let mut rest = content;
                let mut offset = 0;
                while !rest.is_empty() {
                    let count = file.write_at(view.world, rest, offset)?;
                    rest = rest.get(count..).unwrap_or_default();
                    offset += u64::try_from(count).unwrap_or(u64::MAX);
                }
                if let Some(entry) = name.entry {
                    directory.set_entry_mode(&view, &beside, entry.stat.mode)?;
                }
                file.stat()
            };
            let filled = filled();
            drop(file);
            let result = filled.and_then(|moved| self.host.move_name((directory, &beside), &moved, &name));
            if result.is_err() {
                // What cannot be removed either is the host's to tell of, by the first failure.
                let _ = directory.unlink(&view, &beside);
            }
            Ok(result?)
        })
    }

    /// What a path is; a symlink is itself.
    ///
    /// # Errors
    /// Those of a path.
    pub fn stat(&self, path: &str) -> Result<FileStat, FileError> {
        self.done("look at", path, || {
            let root = self.host.world().namespace().root();
            let (_, found) = self.host.stat_path(&root, path, Links::Keep)?;
            Ok(stat(&found))
        })
    }

    /// Where a symlink points to, as it is written.
    ///
    /// # Errors
    /// `NotASymlink`, and those of a path.
    pub fn read_link(&self, path: &str) -> Result<String, FileError> {
        self.done("read the link", path, || {
            let root = self.host.world().namespace().root();
            match self.host.read_link(&root, path) {
                Err(Failure::Errno(Errno::INVAL)) => Err(Stopped::Kind(FileErrorKind::NotASymlink)),
                target => Ok(target?),
            }
        })
    }

    /// Sets the permission bits of what is at a path, symlinks followed.
    ///
    /// # Errors
    /// `ReadOnly`, `Other("INVAL")` for bits that there are none of, `Other("PERM")` for set-user-id and
    /// set-group-id, and those of a path.
    pub fn set_mode(&self, path: &str, mode: u16) -> Result<(), FileError> {
        self.done("set the mode of", path, || Ok(self.host.change_mode(path, mode.into())?))
    }

    /// The entries of a directory, by the order of their names, without those that are not UTF-8.
    ///
    /// # Errors
    /// `NotADirectory`, and those of a path.
    pub fn list(&self, path: &str) -> Result<Vec<DirectoryEntry>, FileError> {
        self.done("list", path, || {
            let place = self.directory(path)?;
            let names = self.names(&place)?;
            let root = self.host.world().namespace().root();
            let mut entries = Vec::with_capacity(names.len());
            for name in names {
                match self.host.stat_path(&root, &place.join(&name), Links::Keep) {
                    Ok((_, found)) => entries.push(DirectoryEntry { name, stat: stat(&found) }),
                    // Removed meanwhile.
                    Err(Failure::Errno(Errno::NOENT)) => {}
                    Err(failure) => return Err(failure.into()),
                }
            }
            Ok(entries)
        })
    }

    /// Makes a directory, and those that lead to it.
    ///
    /// # Errors
    /// `NotADirectory`, `ReadOnly`, `Quota`, and those of a path.
    pub fn make_directory(&self, path: &str) -> Result<(), FileError> {
        self.done("make", path, || {
            let ends = path.char_indices().filter(|(_, sign)| *sign == '/').map(|(at, _)| at);
            for end in ends.chain([path.len()]) {
                let part = path.get(..end).unwrap_or_default();
                if part.is_empty() {
                    continue;
                }
                match self.resolve(part, Links::Follow)? {
                    Target::Directory { .. } => {}
                    Target::Name(name) => match name.entry {
                        Some(entry) if entry.is(FileKind::Directory) => {}
                        Some(_) => return Err(Errno::NOTDIR.into()),
                        None => {
                            let view = self.host.view();
                            view.world.namespace().check_writable(&name.parent)?;
                            name.parent.directory.create_directory(&view, &name.text)?;
                        }
                    },
                }
            }
            Ok(())
        })
    }

    /// Removes a file, a symlink or a directory, with all that is in it where that is asked for.
    ///
    /// # Errors
    /// `NotEmpty`, `ReadOnly`, and those of a path.
    pub fn remove(&self, path: &str, all: bool) -> Result<(), FileError> {
        self.done("remove", path, || Ok(self.remove_below(path, all, 0)?))
    }

    fn remove_below(&self, path: &str, all: bool, depth: usize) -> Attempt<()> {
        let root = self.host.world().namespace().root();
        match self.host.unlink(&root, path) {
            Err(Failure::Errno(Errno::ISDIR)) => {}
            done => return done,
        }
        match self.host.remove_directory(&root, path) {
            Err(Failure::Errno(Errno::NOTEMPTY)) if all && depth < MAX_DEPTH => {}
            done => return done,
        }
        let Ok(place) = self.directory(path) else { return Err(Errno::NOTEMPTY.into()) };
        for name in self.names(&place)? {
            match self.remove_below(&format!("{path}/{name}"), all, depth + 1) {
                // Removed meanwhile.
                Err(Failure::Errno(Errno::NOENT)) => {}
                done => done?,
            }
        }
        self.host.remove_directory(&root, path)
    }

    /// Renames within a mount.
    ///
    /// # Errors
    /// `OtherMount`, `ReadOnly`, and those of a path.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.done("rename", from, || {
            let root = self.host.world().namespace().root();
            Ok(self.host.rename(&root, from, &root, to)?)
        })
    }

    fn resolve(&self, path: &str, links: Links) -> Attempt<Target> {
        let view = self.host.view();
        resolve(&view, &view.world.namespace().root(), path, links)
    }

    fn open(&self, path: &str) -> Attempt<File> {
        match self.resolve(path, Links::Follow)? {
            Target::Directory { .. } => Err(Errno::ISDIR.into()),
            Target::Name(name) => {
                Self::check_file(&name)?;
                name.parent.directory.open_file(&self.host.view(), &name.text, READ)
            }
        }
    }

    /// Checks that a name is a regular file.
    fn check_file(name: &Name) -> Attempt<()> {
        let entry = name.existing()?;
        if entry.is(FileKind::Directory) {
            return Err(Errno::ISDIR.into());
        }
        if entry.device.is_some() || !entry.is(FileKind::RegularFile) {
            return Err(Errno::NXIO.into());
        }
        Ok(())
    }

    /// A new file in the directory of a name.
    fn create_beside(&self, name: &Name) -> Attempt<(String, File)> {
        const ATTEMPTS: u32 = 100;
        let view = self.host.view();
        for attempt in 0..ATTEMPTS {
            let beside = format!(".sandpiper-write-{attempt}");
            match name.parent.directory.create_file(&view, &beside, WRITE) {
                Err(Failure::Errno(Errno::EXIST)) => {}
                made => return made.map(|file| (beside, file)),
            }
        }
        Err(Errno::EXIST.into())
    }

    fn directory(&self, path: &str) -> Attempt<Place> {
        match self.resolve(path, Links::Follow)? {
            Target::Directory { place, .. } => Ok(place),
            Target::Name(name) => {
                if !name.existing()?.is(FileKind::Directory) {
                    return Err(Errno::NOTDIR.into());
                }
                self.host.enter(&name)
            }
        }
    }

    /// The names in a directory that are UTF-8, in order.
    fn names(&self, place: &Place) -> Attempt<Vec<String>> {
        let listing = Listing::read(&self.host.view(), place)?;
        let names = listing.entries_from(0).filter_map(|(_, entry)| std::str::from_utf8(&entry.name).ok());
        Ok(names.filter(|name| *name != "." && *name != "..").map(str::to_owned).collect())
    }

    fn done<T>(
        &self,
        operation: &'static str,
        path: &str,
        work: impl FnOnce() -> Result<T, Stopped>,
    ) -> Result<T, FileError> {
        let error = |kind| FileError { operation, path: path.to_owned(), kind };
        let failure = match work() {
            Ok(value) => return Ok(value),
            Err(Stopped::Kind(kind)) => return Err(error(kind)),
            Err(Stopped::Failure(failure)) => failure.on(|| path.to_owned()),
        };
        let denied = matches!(failure, Failure::Denied { .. });
        let kind = match self.host.settle::<T>(operation, None, Err(failure)) {
            Err(Fault::Errno(errno)) => kind_of(errno, denied),
            Err(Fault::Stop(crate::Stop::Quota(Quota::Disk | Quota::Output))) => FileErrorKind::Quota,
            _ => FileErrorKind::Refused,
        };
        Err(error(kind))
    }
}

/// Why an operation is not done.
enum Stopped {
    Kind(FileErrorKind),
    Failure(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Errno> for Stopped {
    fn from(errno: Errno) -> Self {
        Self::Failure(errno.into())
    }
}

fn kind_of(errno: Errno, denied: bool) -> FileErrorKind {
    match errno {
        Errno::NOENT => FileErrorKind::NotFound,
        Errno::EXIST => FileErrorKind::AlreadyExists,
        Errno::NOTDIR => FileErrorKind::NotADirectory,
        Errno::ISDIR => FileErrorKind::IsADirectory,
        Errno::NOTEMPTY => FileErrorKind::NotEmpty,
        Errno::ROFS => FileErrorKind::ReadOnly,
        Errno::DQUOT | Errno::NOSPC => FileErrorKind::Quota,
        Errno::XDEV => FileErrorKind::OtherMount,
        Errno::NXIO => FileErrorKind::NotAFile,
        _ if denied => FileErrorKind::Refused,
        errno => FileErrorKind::Other(errno.name()),
    }
}

fn stat(found: &Stat) -> FileStat {
    let kind = match found.kind {
        FileKind::RegularFile => FileType::File,
        FileKind::Directory => FileType::Directory,
        FileKind::SymbolicLink => FileType::Symlink,
        _ => FileType::Other,
    };
    FileStat { kind, size: found.size, mode: found.mode, modified_ns: found.modified_ns }
}

impl fmt::Debug for Files {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Files").finish_non_exhaustive()
    }
}
