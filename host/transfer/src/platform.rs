//! What differs between Unix and Windows: names, modes, links and how a file is told from another.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use cap_std::fs::{Dir, Metadata};

/// The name that bytes mean here. They have been judged by [`names`](crate::names) before.
#[cfg(unix)]
pub(crate) fn os_name(name: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStrExt;

    OsStr::from_bytes(name).to_owned()
}

#[cfg(not(unix))]
pub(crate) fn os_name(name: &[u8]) -> OsString {
    String::from_utf8_lossy(name).into_owned().into()
}

/// The bytes of a name; `None` where it has none that another machine would know.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "as on Windows")]
pub(crate) fn name_bytes(name: &OsStr) -> Option<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;

    Some(name.as_bytes().to_vec())
}

#[cfg(not(unix))]
pub(crate) fn name_bytes(name: &OsStr) -> Option<Vec<u8>> {
    name.to_str().map(|name| name.as_bytes().to_vec())
}

/// The bytes of a symlink's target, with slashes.
pub(crate) fn target_bytes(target: &Path) -> Option<Vec<u8>> {
    let mut bytes = name_bytes(target.as_os_str())?;
    if cfg!(windows) {
        bytes.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
    }
    Some(bytes)
}

/// The permission bits, where the system has them.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "as on Windows")]
pub(crate) fn mode(metadata: &Metadata) -> Option<u32> {
    use cap_std::fs::MetadataExt;

    Some(metadata.mode() & 0o777)
}

#[cfg(not(unix))]
pub(crate) fn mode(_metadata: &Metadata) -> Option<u32> {
    None
}

/// Sets the permission bits of an entry that is no symlink. A directory keeps its sticky and set-group bits.
#[cfg(unix)]
pub(crate) fn set_mode(dir: &Dir, name: &OsStr, mode: u32) -> io::Result<()> {
    use cap_std::fs::{MetadataExt, Permissions, PermissionsExt};

    let metadata = dir.symlink_metadata(name)?;
    if metadata.is_symlink() {
        return Err(io::Error::other("it is a symlink now"));
    }
    let kept = if metadata.is_dir() { metadata.mode() & 0o3000 } else { 0 };
    dir.set_permissions(name, Permissions::from_mode(kept | mode & 0o777))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
pub(crate) fn set_mode(_dir: &Dir, _name: &OsStr, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Whether symlinks are made here. Windows wants a privilege for it, and to know what is at the other end.
pub(crate) const MAKES_SYMLINKS: bool = cfg!(unix);

/// Makes a symlink, which may point anywhere.
#[cfg(unix)]
pub(crate) fn make_symlink(target: &[u8], dir: &Dir, name: &OsStr) -> io::Result<()> {
    dir.symlink_contents(os_name(target), name)
}

#[cfg(not(unix))]
pub(crate) fn make_symlink(_target: &[u8], _dir: &Dir, _name: &OsStr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Renames to where nothing is.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] where the system or the file system does not tell itself that nothing is there.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
pub(crate) fn rename_exclusively(from: (&Dir, &OsStr), to: (&Dir, &OsStr)) -> io::Result<()> {
    rename_with(from, to, rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(crate) fn rename_exclusively(_from: (&Dir, &OsStr), _to: (&Dir, &OsStr)) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Gives each of two entries the name of the other, at once.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] where the system or the file system cannot.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
pub(crate) fn exchange(one: (&Dir, &OsStr), other: (&Dir, &OsStr)) -> io::Result<()> {
    rename_with(one, other, rustix::fs::RenameFlags::EXCHANGE)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(crate) fn exchange(_one: (&Dir, &OsStr), _other: (&Dir, &OsStr)) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename_with(from: (&Dir, &OsStr), to: (&Dir, &OsStr), flags: rustix::fs::RenameFlags) -> io::Result<()> {
    use rustix::io::Errno;

    rustix::fs::renameat_with(from.0, from.1, to.0, to.1, flags).map_err(|errno| {
        // A file system that does not know the flag says "invalid".
        if [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP, Errno::OPNOTSUPP].contains(&errno) {
            io::ErrorKind::Unsupported.into()
        } else {
            errno.into()
        }
    })
}

/// What tells a file from another, and one state of it from the next, without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    modified: Option<std::time::SystemTime>,
    /// Where it is, by number.
    #[cfg(unix)]
    file: (u64, u64),
    /// When its content, mode, name or number of links changed.
    #[cfg(unix)]
    touched: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: metadata.modified().ok().map(cap_std::time::SystemTime::into_std),
            #[cfg(unix)]
            file: {
                use cap_std::fs::MetadataExt;
                (metadata.dev(), metadata.ino())
            },
            #[cfg(unix)]
            touched: {
                use cap_std::fs::MetadataExt;
                (metadata.ctime(), metadata.ctime_nsec())
            },
        }
    }

    /// Whether they are of one file with one content, which may have been renamed or linked between them.
    pub(crate) fn is_same_content(&self, other: &Self) -> bool {
        #[cfg(unix)]
        if self.file != other.file {
            return false;
        }
        (self.size, self.modified) == (other.size, other.modified)
    }
}

/// The text of a [`Mark`](crate::Mark).
#[cfg(unix)]
pub(crate) fn mark(metadata: &std::fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;

    if metadata.is_dir() {
        return format!("{:o}", metadata.mode());
    }
    let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
    format!("{:o} {} {} {} {times:?}", metadata.mode(), metadata.size(), metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
pub(crate) fn mark(metadata: &std::fs::Metadata) -> String {
    if metadata.is_dir() {
        return "directory".to_owned();
    }
    format!("{:?} {} {:?}", metadata.file_type(), metadata.len(), metadata.modified().ok())
}

/// Whether a file has several names, where the system says it.
#[cfg(unix)]
pub(crate) fn has_other_names(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 1
}

#[cfg(not(unix))]
pub(crate) fn has_other_names(_metadata: &std::fs::Metadata) -> bool {
    false
}

/// Whether two directories are on one file system, as far as can be told before anything is renamed.
#[cfg(unix)]
pub(crate) fn is_same_file_system(one: &Metadata, other: &Metadata) -> bool {
    use cap_std::fs::MetadataExt;

    one.dev() == other.dev()
}

#[cfg(not(unix))]
pub(crate) fn is_same_file_system(_one: &Metadata, _other: &Metadata) -> bool {
    true
}

/// Whether two entries belong to the same user.
#[cfg(unix)]
pub(crate) fn is_same_owner(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    one.uid() == other.uid()
}

#[cfg(not(unix))]
pub(crate) fn is_same_owner(_one: &std::fs::Metadata, _other: &std::fs::Metadata) -> bool {
    true
}
