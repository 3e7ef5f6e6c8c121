//! What differs between Unix and Windows: names, modes and links of files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The path that a name of git's means here: bytes on Unix, UTF-8 elsewhere (see [`is_file_name`]).
#[cfg(unix)]
pub(crate) fn path(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;

    PathBuf::from(std::ffi::OsStr::from_bytes(name))
}

#[cfg(not(unix))]
pub(crate) fn path(name: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(name).as_ref())
}

/// What git calls a path: its bytes, with slashes.
#[cfg(unix)]
pub(crate) fn name(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

#[cfg(not(unix))]
pub(crate) fn name(path: &Path) -> Vec<u8> {
    path.to_string_lossy().replace('\\', "/").into_bytes()
}

/// Whether the owner may execute a file; nobody asks elsewhere.
#[cfg(unix)]
pub(crate) fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;

    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
pub(crate) fn is_executable(_metadata: &std::fs::Metadata) -> bool {
    false
}

/// Whether a file can have this name, one component of a path.
#[cfg(unix)]
pub(crate) fn is_file_name(_name: &[u8]) -> bool {
    true
}

#[cfg(not(unix))]
pub(crate) fn is_file_name(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| {
        !name.ends_with(['.', ' '])
            && !name
                .chars()
                .any(|c| matches!(c, '\0'..='\x1f' | '<' | '>' | ':' | '"' | '\\' | '|' | '?' | '*'))
    })
}

/// Creates a file that is not there yet, with the permissions that the process gives new files.
#[cfg(unix)]
pub(crate) fn create_file(path: &Path, executable: bool) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let mode = if executable { 0o777 } else { 0o666 };
    File::options().write(true).create_new(true).mode(mode).open(path)
}

#[cfg(not(unix))]
pub(crate) fn create_file(path: &Path, _executable: bool) -> io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

/// Makes a symbolic link with this target.
#[cfg(unix)]
pub(crate) fn create_link(target: &[u8], at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(path(target), at)
}

/// As git for Windows does by default: a file that holds the target.
#[cfg(not(unix))]
pub(crate) fn create_link(target: &[u8], at: &Path) -> io::Result<()> {
    use std::io::Write;

    create_file(at, false)?.write_all(target)
}

/// Gives a temporary file the permissions of a usual one.
#[cfg(unix)]
pub(crate) fn make_readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
pub(crate) fn make_readable(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Gives the owner all permissions on a directory and those in it. Links are not followed.
#[cfg(unix)]
pub(crate) fn make_removable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;

    let Ok(metadata) = std::fs::symlink_metadata(path) else { return };
    if !metadata.is_dir() {
        return;
    }
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        make_removable(&entry.path());
    }
}

/// Files that are read-only cannot be removed there.
#[cfg(not(unix))]
pub(crate) fn make_removable(path: &Path) {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return };
    if metadata.is_file() {
        let mut permissions = metadata.permissions();
        #[expect(clippy::permissions_set_readonly_false, reason = "this is Windows, not Unix")]
        permissions.set_readonly(false);
        let _ = std::fs::set_permissions(path, permissions);
    } else if metadata.is_dir() {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            make_removable(&entry.path());
        }
    }
}
