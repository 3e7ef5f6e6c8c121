//! Policy files on disk: found upward from a directory, and trusted when nobody else could have written them.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::finding::PolicyError;

/// The name of a policy file.
pub const FILE_NAME: &str = "sandpiper.toml";

/// A policy is written by hand; what is longer is none. Each profile has a copy of what it inherits.
const MAX_BYTES: u64 = 64 << 10;

/// Reads a policy file that the person named.
pub(crate) fn read(path: &Path) -> Result<String, PolicyError> {
    open(path).and_then(|(file, _)| text(file)).map_err(|source| failed(path, source))
}

/// The text of the nearest policy file at or above a directory, and where it is.
///
/// Ends at the root of the file system, and at a directory of another user.
pub(crate) fn find(start: &Path) -> Result<Option<(PathBuf, String)>, PolicyError> {
    find_as(trust::user(), start)
}

fn find_as(user: trust::User, start: &Path) -> Result<Option<(PathBuf, String)>, PolicyError> {
    for directory in start.ancestors() {
        let path = directory.join(FILE_NAME);
        let standing = directory.metadata().map_err(|source| failed(directory, source))?;
        if path.symlink_metadata().is_ok() {
            let (file, metadata) = open(&path).map_err(|source| failed(&path, source))?;
            if let Some(why) = trust::doubt(&metadata, &standing, user) {
                let hint = format!("if you trust it, name it: --policy {}", path.display());
                return Err(PolicyError::Untrusted { path, why, hint });
            }
            let text = text(file).map_err(|source| failed(&path, source))?;
            return Ok(Some((path, text)));
        }
        if trust::is_of_another(&standing, user) {
            break;
        }
    }
    Ok(None)
}

fn failed(path: &Path, source: io::Error) -> PolicyError {
    PolicyError::Read { path: path.to_owned(), source }
}

/// Opens a file once, so that what is judged is what is read.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // Asked before it is opened: opening a FIFO would wait for its writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

fn text(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= MAX_BYTES) {
        return Ok(text);
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 64KiB"))
}

/// Who could have written a file, by Unix owners and modes.
#[cfg(unix)]
mod trust {
    use std::fs::Metadata;
    use std::os::unix::fs::MetadataExt;

    /// The number of a user.
    pub(super) type User = u32;

    pub(super) fn user() -> User {
        rustix::process::geteuid().as_raw()
    }

    /// Owner, group and mode of a file or directory.
    #[derive(Clone, Copy)]
    pub(super) struct Standing {
        pub(super) uid: u32,
        pub(super) gid: u32,
        pub(super) mode: u32,
    }

    impl From<&Metadata> for Standing {
        fn from(metadata: &Metadata) -> Self {
            Self { uid: metadata.uid(), gid: metadata.gid(), mode: metadata.mode() }
        }
    }

    pub(super) fn doubt(file: &Metadata, directory: &Metadata, user: User) -> Option<String> {
        doubt_of(file.into(), directory.into(), user)
    }

    pub(super) fn is_of_another(directory: &Metadata, user: User) -> bool {
        is_foreign(directory.into(), user)
    }

    pub(super) fn doubt_of(file: Standing, directory: Standing, user: User) -> Option<String> {
        const STICKY: u32 = 0o1000;
        if is_foreign(file, user) {
            return Some(format!("it belongs to another user ({})", file.uid));
        }
        if is_open(file) {
            return Some(format!("others can write it (mode {:04o})", file.mode & 0o7777));
        }
        if is_foreign(directory, user) {
            return Some(format!("its directory belongs to another user ({})", directory.uid));
        }
        // In a sticky directory nobody replaces what belongs to somebody else.
        if is_open(directory) && directory.mode & STICKY == 0 {
            return Some(format!("others can write its directory (mode {:04o})", directory.mode & 0o7777));
        }
        None
    }

    fn is_foreign(standing: Standing, user: User) -> bool {
        standing.uid != user && standing.uid != 0
    }

    /// Whether others than the owner can write. A group with the number of the owner is the owner's own,
    /// as Debian and Fedora make them, with a umask of 002.
    fn is_open(standing: Standing) -> bool {
        standing.mode & 0o002 != 0 || (standing.mode & 0o020 != 0 && standing.gid != standing.uid)
    }
}

/// Windows: a file's access list is inherited from its directory, which in a profile is closed to others.
/// Lists that somebody has opened are not looked at.
#[cfg(not(unix))]
mod trust {
    use std::fs::Metadata;

    /// Any user: none is told from another.
    #[derive(Clone, Copy)]
    pub(super) struct User;

    pub(super) fn user() -> User {
        User
    }

    pub(super) fn doubt(_file: &Metadata, _directory: &Metadata, _user: User) -> Option<String> {
        None
    }

    pub(super) fn is_of_another(_directory: &Metadata, _user: User) -> bool {
        false
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::chown;

    use super::trust::{Standing, doubt_of, user};
    use super::{FILE_NAME, find_as};
    use crate::PolicyError;

    const USER: u32 = 1000;

    #[test]
    fn the_search_ends_at_a_directory_of_another_user() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(folder.path().join(FILE_NAME), "").unwrap();
        // Root's files are everybody's to follow, so root gives these away.
        let owner = if user() == 0 { USER } else { user() };
        for path in [folder.path(), &inner, &folder.path().join(FILE_NAME)] {
            chown(path, Some(owner), None).unwrap();
        }
        assert!(find_as(owner, &inner).unwrap().is_some());
        assert!(find_as(owner + 1, &inner).unwrap().is_none());
        let found = find_as(owner + 1, folder.path());
        assert!(
            matches!(&found, Err(PolicyError::Untrusted { why, .. }) if why.contains("another user")),
            "{found:?}"
        );
    }

    fn standing(uid: u32, gid: u32, mode: u32) -> Standing {
        Standing { uid, gid, mode }
    }

    #[test]
    fn what_others_could_have_written_is_doubted() {
        let mine = standing(USER, 100, 0o755);
        let doubt = |file, directory| doubt_of(file, directory, USER);
        assert_eq!(doubt(standing(USER, 100, 0o644), mine), None);
        assert_eq!(doubt(standing(0, 0, 0o644), standing(0, 0, 0o755)), None);
        assert_eq!(doubt(standing(USER, USER, 0o664), standing(USER, USER, 0o775)), None);
        assert_eq!(doubt(standing(USER, 100, 0o644), standing(0, 0, 0o1777)), None, "as in /tmp");
        let why = |file, directory| doubt(file, directory).unwrap_or_default();
        assert_eq!(why(standing(1001, 100, 0o644), mine), "it belongs to another user (1001)");
        assert_eq!(why(standing(USER, 100, 0o666), mine), "others can write it (mode 0666)");
        assert_eq!(why(standing(USER, 100, 0o664), mine), "others can write it (mode 0664)");
        assert_eq!(
            why(standing(USER, 100, 0o644), standing(1001, 100, 0o755)),
            "its directory belongs to another user (1001)"
        );
        assert_eq!(
            why(standing(USER, 100, 0o644), standing(USER, 100, 0o777)),
            "others can write its directory (mode 0777)"
        );
    }
}
