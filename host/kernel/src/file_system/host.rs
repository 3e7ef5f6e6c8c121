//! Directories of the host, through cap-std: one name at a time, symlinks never followed.

use std::io;
use std::path::Path;

use cap_fs_ext::{DirExt, FileTypeExt, FollowSymlinks, MetadataExt, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, FileType, Metadata, OpenOptions};
use sandpiper_core::DenialReason;

use super::host_file::HostFile;
use super::{Listed, NewTimes, OpenMode, Stat, Step, platform};
use crate::Errno;
use crate::abi::FileKind;
use crate::clock::since_epoch_ns;
use crate::fault::{Attempt, Failure};

/// An open directory of the host.
///
/// Every method takes a single name, never a path, and none follows a symlink: what a concurrent
/// process swaps in cannot lead out. Names have been checked by the walk.
#[derive(Debug)]
pub(crate) struct HostDirectory {
    dir: Dir,
}

impl HostDirectory {
    /// Opens a directory of the host by its path. This is the door by which mounts come in.
    ///
    /// # Errors
    /// The host's.
    pub(crate) fn open_ambient(path: &Path) -> io::Result<Self> {
        Ok(Self { dir: Dir::open_ambient_dir(path, ambient_authority())? })
    }

    /// Another descriptor of the same directory.
    ///
    /// # Errors
    /// The host's.
    pub(crate) fn reopen(&self) -> io::Result<std::fs::File> {
        Ok(self.dir.try_clone()?.into_std_file())
    }

    pub(super) fn step(&self, name: &str) -> Attempt<Step<Self>> {
        let error = match self.dir.open_dir_nofollow(name) {
            Ok(dir) => return Ok(Step::Directory(Self { dir })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Errno::NOENT.into()),
            Err(error) => error,
        };
        // Not a directory: a symlink says so by having a target, anything else is the first error.
        match self.dir.read_link_contents(name) {
            Ok(target) => Ok(Step::Symlink(text(target)?)),
            Err(_) => Err(failure(&error)),
        }
    }

    pub(super) fn entry(&self, name: &str) -> Attempt<Option<Stat>> {
        match self.dir.symlink_metadata(name) {
            Ok(metadata) => Ok(Some(stat(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }

    pub(super) fn stat(&self) -> Attempt<Stat> {
        self.dir.dir_metadata().map(|metadata| stat(&metadata)).map_err(|error| failure(&error))
    }

    pub(super) fn read_link(&self, name: &str) -> Attempt<String> {
        match self.dir.read_link_contents(name) {
            Ok(target) => text(target),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Opens a regular file, made new where `create` is set.
    pub(super) fn open_file(&self, name: &str, mode: OpenMode, create: bool) -> Attempt<HostFile> {
        let mut options = OpenOptions::new();
        options.follow(FollowSymlinks::No);
        // Windows appends by the call instead: what is opened to append cannot be truncated there.
        options.append(cfg!(not(windows)) && mode.append && mode.write);
        // Creation needs write access on the host even where the guest asks for none.
        options.read(mode.read || !mode.write).write(mode.write || create).create_new(create);
        platform::never_block(&mut options);
        let file = self.dir.open_with(name, &options).map_err(|error| failure(&error))?.into_std();
        let metadata = Metadata::from_file(&file).map_err(|error| failure(&error))?;
        if metadata.is_file() {
            Ok(HostFile::new(file, mode.append && mode.write, metadata.len()))
        } else if metadata.is_dir() {
            Err(Errno::ISDIR.into())
        } else {
            Err(special())
        }
    }

    pub(super) fn create_directory(&self, name: &str) -> Attempt<()> {
        self.dir.create_dir(name).map_err(|error| failure(&error))
    }

    pub(super) fn create_symlink(&self, target: &str, leads_to: FileKind, name: &str) -> Attempt<()> {
        platform::symlink(&self.dir, target, leads_to, name).map_err(|error| failure(&error))
    }

    pub(super) fn unlink(&self, name: &str) -> Attempt<()> {
        self.dir.remove_file_or_symlink(name).map_err(|error| failure(&error))
    }

    pub(super) fn remove_directory(&self, name: &str) -> Attempt<()> {
        platform::remove_directory(&self.dir, name).map_err(|error| failure(&error))
    }

    pub(super) fn rename(&self, name: &str, to: &Self, to_name: &str) -> Attempt<()> {
        platform::rename(&self.dir, name, &to.dir, to_name).map_err(|error| failure(&error))
    }

    pub(super) fn link(&self, name: &str, to: &Self, to_name: &str) -> Attempt<()> {
        self.dir.hard_link(name, &to.dir, to_name).map_err(|error| failure(&error))
    }

    pub(super) fn set_entry_times(&self, name: &str, times: NewTimes) -> Attempt<()> {
        let spec = |time_ns: Option<u64>| {
            let time = platform_time(time_ns?)?;
            Some(cap_fs_ext::SystemTimeSpec::Absolute(cap_std::time::SystemTime::from_std(time)))
        };
        self.dir
            .set_symlink_times(name, spec(times.accessed_ns), spec(times.modified_ns))
            .map_err(|error| failure(&error))
    }

    pub(super) fn set_times(&self, times: NewTimes) -> Attempt<()> {
        let mut options = OpenOptions::new();
        options.read(true);
        cap_fs_ext::OpenOptionsMaybeDirExt::maybe_dir(&mut options, true);
        let directory = self.dir.open_with(".", &options).map_err(|error| failure(&error))?;
        super::host_file::set_times(&directory.into_std(), times)
    }

    pub(super) fn set_mode(&self, mode: u16) -> Attempt<()> {
        self.set_entry_mode(".", mode)
    }

    /// Sets the permission bits of the file or directory `name`, which is no symlink.
    pub(super) fn set_entry_mode(&self, name: &str, mode: u16) -> Attempt<()> {
        platform::set_mode(&self.dir, name, mode).map_err(|error| failure(&error))
    }

    /// Gives every name to `each`, in the host's order.
    pub(super) fn list(&self, each: &mut dyn FnMut(Listed) -> Attempt<()>) -> Attempt<()> {
        for entry in self.dir.entries().map_err(|error| failure(&error))? {
            let entry = entry.map_err(|error| failure(&error))?;
            let kind = entry.file_type().map_or(FileKind::Unknown, kind);
            let name = entry.file_name().as_encoded_bytes().into();
            each(Listed { name, ino: platform::listed_ino(&entry), kind })?;
        }
        Ok(())
    }
}

/// A time of the guest's as the host has it.
pub(super) fn platform_time(time_ns: u64) -> Option<std::time::SystemTime> {
    std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_nanos(time_ns))
}

/// The failure that an error of the host's is to the guest. Only the number shows; never its text.
pub(super) fn failure(error: &io::Error) -> Failure {
    // cap-std's own refusal, the second wall, has no number of the host's.
    if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
        return Failure::denied(Errno::NOTCAPABLE, DenialReason::Escape);
    }
    Failure::Errno(platform::errno(error))
}

/// The refusal to open a FIFO, socket or device of the host's.
pub(crate) fn special() -> Failure {
    Failure::denied(Errno::NXIO, DenialReason::Unsupported)
}

pub(super) fn stat(metadata: &Metadata) -> Stat {
    let time =
        |time: io::Result<cap_std::time::SystemTime>| time.map_or(0, |time| since_epoch_ns(time.into_std()));
    let modified_ns = time(metadata.modified());
    Stat {
        kind: kind(metadata.file_type()),
        ino: metadata.ino(),
        device: metadata.dev(),
        links: metadata.nlink(),
        mode: platform::mode(metadata),
        size: metadata.len(),
        accessed_ns: time(metadata.accessed()),
        modified_ns,
        changed_ns: platform::changed_ns(metadata).unwrap_or(modified_ns),
    }
}

fn kind(file_type: FileType) -> FileKind {
    if file_type.is_dir() {
        FileKind::Directory
    } else if file_type.is_file() {
        FileKind::RegularFile
    } else if file_type.is_symlink() {
        FileKind::SymbolicLink
    } else if file_type.is_char_device() {
        FileKind::CharacterDevice
    } else if file_type.is_block_device() {
        FileKind::BlockDevice
    } else if file_type.is_socket() {
        FileKind::Socket
    } else {
        FileKind::Unknown
    }
}

fn text(target: std::path::PathBuf) -> Attempt<String> {
    let target = target.into_os_string().into_string().map_err(|_| Errno::ILSEQ)?;
    Ok(platform::guest_target(target))
}
