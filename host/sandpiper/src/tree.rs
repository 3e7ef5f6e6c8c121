//! Directories of sandboxes on disk: private ones, and copies that follow no link.

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
                link(&fs::read_link(&source)?, &target)?;
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

#[cfg(unix)]
fn link(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(windows)]
fn link(to: &Path, at: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(to, at)
}
