//! Directories of sandboxes on disk: private ones, copies that follow no link, and their removal.

use std::fs;
use std::io;
use std::path::Path;

/// Makes a directory that is for this user alone, and those that lead to it.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;

        builder.mode(0o700);
    }
    builder.create(path)
}

/// Copies a directory with all that is in it, permission bits and links as they are.
///
/// # Errors
/// What is neither file, directory nor link is refused.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    let mut waiting = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = waiting.pop() {
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            if kind.is_dir() {
                fs::create_dir(&target)?;
                fs::set_permissions(&target, entry.metadata()?.permissions())?;
                waiting.push((source, target));
            } else if kind.is_file() {
                fs::copy(&source, &target)?;
            } else if kind.is_symlink() {
                link(&fs::read_link(&source)?, kind, &target)?;
            } else {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("{} is neither file, directory nor link", source.display()),
                ));
            }
        }
    }
    Ok(())
}

/// Removes a directory with all that is in it. What a command of this process has open yet is left where the
/// system does not remove it.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_dir_all(path).or_else(|err| if is_in_use(&err) { Ok(()) } else { Err(err) })
}

#[cfg(unix)]
fn is_in_use(_err: &io::Error) -> bool {
    false
}

/// Windows removes no directory that is a guest's mount, and of an open file the name stays until it is closed.
#[cfg(windows)]
fn is_in_use(err: &io::Error) -> bool {
    const ERROR_SHARING_VIOLATION: i32 = 32;
    err.raw_os_error() == Some(ERROR_SHARING_VIOLATION) || err.kind() == io::ErrorKind::DirectoryNotEmpty
}

/// Makes a link like one that is there.
#[cfg(unix)]
fn link(to: &Path, _like: fs::FileType, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

/// To Windows a link to a directory is another kind than one to a file.
#[cfg(windows)]
fn link(to: &Path, like: fs::FileType, at: &Path) -> io::Result<()> {
    use std::os::windows::fs::{FileTypeExt, symlink_dir, symlink_file};

    if like.is_symlink_dir() { symlink_dir(to, at) } else { symlink_file(to, at) }
}
