//! What differs between the host's platforms: positioned reads and writes, and error numbers.

use std::fs::File;
use std::io;

use cap_std::fs::{Dir, Metadata, OpenOptions};

use crate::Errno;
use crate::abi::FileKind;

#[cfg(unix)]
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

#[cfg(windows)]
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, offset)
}

#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

#[cfg(windows)]
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}

/// Writes at the end of a file that was opened to append, wherever that is by now; the position is
/// then behind what was written.
#[cfg(unix)]
pub(super) fn append(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
    io::Write::write(&mut file, bytes)
}

#[cfg(windows)]
pub(super) fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
    // To `WriteFile` the offset of all ones is the end of the file.
    const END_OF_FILE: u64 = u64::MAX;
    std::os::windows::fs::FileExt::seek_write(file, bytes, END_OF_FILE)
}

/// Time of the last change of a file's status, in nanoseconds since the Unix epoch.
#[cfg(unix)]
pub(super) fn changed_ns(metadata: &Metadata) -> Option<u64> {
    use cap_std::fs::MetadataExt;
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanoseconds = u64::try_from(metadata.ctime_nsec()).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

#[cfg(windows)]
pub(super) fn changed_ns(_metadata: &Metadata) -> Option<u64> {
    None
}

/// Permission bits of a host file.
#[cfg(unix)]
pub(super) fn mode(metadata: &Metadata) -> u16 {
    use cap_std::fs::PermissionsExt;
    u16::try_from(metadata.permissions().mode() & 0o7777).unwrap_or(0)
}

/// Windows has none: all may be read and executed, and written unless it is marked read-only.
#[cfg(windows)]
pub(super) fn mode(metadata: &Metadata) -> u16 {
    if metadata.permissions().readonly() { 0o555 } else { 0o755 }
}

/// Sets the permission bits of a file or directory. What a concurrent process swaps in is not followed:
/// it is opened first, and a symlink does not open. So a file that its owner may neither read nor write keeps
/// its bits, unless the owner is root.
#[cfg(unix)]
pub(super) fn set_mode(directory: &Dir, name: &str, mode: u16) -> io::Result<()> {
    use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsMaybeDirExt};
    use cap_std::fs::{Permissions, PermissionsExt};
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).maybe_dir(true);
    never_block(&mut options);
    let file = match directory.open_with(name, &options) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            directory.open_with(name, options.read(false).write(true).maybe_dir(false))?
        }
        opened => opened?,
    };
    file.set_permissions(Permissions::from_mode(u32::from(mode)))
}

/// Of the bits, Windows keeps whether the owner may write.
#[cfg(windows)]
pub(super) fn set_mode(directory: &Dir, name: &str, mode: u16) -> io::Result<()> {
    let mut permissions = directory.symlink_metadata(name)?.permissions();
    permissions.set_readonly(mode & 0o200 == 0);
    directory.set_permissions(name, permissions)
}

/// Keeps the opening of a FIFO or a device, swapped in after the check, from blocking.
#[cfg(unix)]
pub(super) fn never_block(options: &mut OpenOptions) {
    cap_fs_ext::OpenOptionsSyncExt::nonblock(options, true);
}

#[cfg(windows)]
pub(super) fn never_block(_options: &mut OpenOptions) {}

/// Inode number of a listed name.
#[cfg(unix)]
pub(super) fn listed_ino(entry: &cap_std::fs::DirEntry) -> u64 {
    std::os::unix::fs::DirEntryExt::ino(entry)
}

#[cfg(windows)]
pub(super) fn listed_ino(entry: &cap_std::fs::DirEntry) -> u64 {
    use cap_fs_ext::{DirEntryExt, MetadataExt};
    entry.full_metadata().map_or(0, |metadata| metadata.ino())
}

/// Makes a symlink whose target has been checked by the caller; what it leads to counts on Windows.
#[cfg(unix)]
pub(super) fn symlink(directory: &Dir, target: &str, _leads_to: FileKind, name: &str) -> io::Result<()> {
    directory.symlink_contents(target, name)
}

#[cfg(windows)]
pub(super) fn symlink(directory: &Dir, target: &str, leads_to: FileKind, name: &str) -> io::Result<()> {
    let target = target.replace('/', "\\");
    match leads_to {
        FileKind::Directory => cap_fs_ext::DirExt::symlink_dir(directory, target, name),
        _ => cap_fs_ext::DirExt::symlink_file(directory, target, name),
    }
}

/// Removes a directory.
#[cfg(unix)]
pub(super) fn remove_directory(directory: &Dir, name: &str) -> io::Result<()> {
    directory.remove_dir(name)
}

/// Removes a directory. To Windows one that is open is in use; that it is not empty says more.
#[cfg(windows)]
pub(super) fn remove_directory(directory: &Dir, name: &str) -> io::Result<()> {
    directory.remove_dir(name).map_err(|error| {
        let inside =
            cap_fs_ext::DirExt::open_dir_nofollow(directory, name).and_then(|inside| inside.entries());
        match inside.map(|mut names| names.next().is_some()) {
            Ok(true) => io::ErrorKind::DirectoryNotEmpty.into(),
            _ => error,
        }
    })
}

/// Renames as POSIX has it.
#[cfg(unix)]
pub(super) fn rename(from: &Dir, name: &str, to: &Dir, to_name: &str) -> io::Result<()> {
    from.rename(name, to, to_name)
}

/// Renames as POSIX has it. Windows has other errors, takes the first of two names of one file away,
/// and replaces a directory only from Windows 10 1809 on and on NTFS.
#[cfg(windows)]
pub(super) fn rename(from: &Dir, name: &str, to: &Dir, to_name: &str) -> io::Result<()> {
    use cap_fs_ext::MetadataExt;

    let moved = from.symlink_metadata(name)?;
    let replaced = match to.symlink_metadata(to_name) {
        Ok(replaced) => replaced,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return from.rename(name, to, to_name),
        Err(error) => return Err(error),
    };
    let same = (moved.dev(), moved.ino()) == (replaced.dev(), replaced.ino());
    match (moved.is_dir(), replaced.is_dir()) {
        (true, false) => Err(io::ErrorKind::NotADirectory.into()),
        (false, true) => Err(io::ErrorKind::IsADirectory.into()),
        (false, false) if same && moved.nlink() > 1 => Ok(()),
        (true, true) if !same => from.rename(name, to, to_name).or_else(|_| {
            remove_directory(to, to_name)?;
            from.rename(name, to, to_name).inspect_err(|_| {
                // As it was, as far as the host lets it.
                let _ = to.create_dir(to_name);
            })
        }),
        _ => from.rename(name, to, to_name),
    }
}

/// A symlink target in the guest's notation.
pub(super) fn guest_target(target: String) -> String {
    if cfg!(windows) { target.replace('\\', "/") } else { target }
}

/// Errors that have a number but no portable kind.
#[cfg(unix)]
fn by_number(number: i32) -> Option<Errno> {
    const TOO_MANY_SYMLINKS: i32 =
        if cfg!(any(target_os = "linux", target_os = "android")) { 40 } else { 62 };
    match number {
        1 => Some(Errno::PERM),
        5 => Some(Errno::IO),
        6 => Some(Errno::NXIO),
        // Both the process's and the machine's table: neither is the guest's.
        23 | 24 => Some(Errno::NFILE),
        TOO_MANY_SYMLINKS => Some(Errno::LOOP),
        _ => None,
    }
}

#[cfg(windows)]
fn by_number(number: i32) -> Option<Errno> {
    const ERROR_TOO_MANY_OPEN_FILES: i32 = 4;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    const ERROR_LOCK_VIOLATION: i32 = 33;
    const ERROR_INVALID_NAME: i32 = 123;
    const ERROR_DELETE_PENDING: i32 = 303;
    const ERROR_STOPPED_ON_SYMLINK: i32 = 681;
    const ERROR_USER_MAPPED_FILE: i32 = 1224;
    const ERROR_PRIVILEGE_NOT_HELD: i32 = 1314;
    const ERROR_CANT_RESOLVE_FILENAME: i32 = 1921;
    const ERROR_NOT_A_REPARSE_POINT: i32 = 4390;
    match number {
        ERROR_TOO_MANY_OPEN_FILES => Some(Errno::NFILE),
        ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION | ERROR_USER_MAPPED_FILE => Some(Errno::BUSY),
        ERROR_INVALID_NAME | ERROR_NOT_A_REPARSE_POINT => Some(Errno::INVAL),
        // Removed, but still open somewhere.
        ERROR_DELETE_PENDING => Some(Errno::NOENT),
        ERROR_STOPPED_ON_SYMLINK | ERROR_CANT_RESOLVE_FILENAME => Some(Errno::LOOP),
        ERROR_PRIVILEGE_NOT_HELD => Some(Errno::PERM),
        _ => None,
    }
}

/// The error number for an error of the host's.
pub(super) fn errno(error: &io::Error) -> Errno {
    use io::ErrorKind as Kind;
    if let Some(errno) = error.raw_os_error().and_then(by_number) {
        return errno;
    }
    match error.kind() {
        Kind::NotFound => Errno::NOENT,
        Kind::PermissionDenied => Errno::ACCES,
        Kind::AlreadyExists => Errno::EXIST,
        Kind::NotADirectory => Errno::NOTDIR,
        Kind::IsADirectory => Errno::ISDIR,
        Kind::DirectoryNotEmpty => Errno::NOTEMPTY,
        Kind::ReadOnlyFilesystem => Errno::ROFS,
        Kind::StorageFull => Errno::NOSPC,
        Kind::QuotaExceeded => Errno::DQUOT,
        Kind::FileTooLarge => Errno::FBIG,
        Kind::ResourceBusy => Errno::BUSY,
        Kind::ExecutableFileBusy => Errno::TXTBSY,
        Kind::CrossesDevices => Errno::XDEV,
        Kind::TooManyLinks => Errno::MLINK,
        Kind::InvalidFilename => Errno::NAMETOOLONG,
        Kind::InvalidInput => Errno::INVAL,
        Kind::Interrupted => Errno::INTR,
        Kind::Unsupported => Errno::NOTSUP,
        Kind::OutOfMemory => Errno::NOMEM,
        Kind::StaleNetworkFileHandle => Errno::STALE,
        _ => Errno::IO,
    }
}
