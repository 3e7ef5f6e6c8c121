//! Renames that never write over anything.

use std::ffi::OsStr;
use std::io;

use cap_std::fs::Dir;

use crate::platform;

/// Renames to where nothing is, and to nowhere else.
pub(crate) fn rename_new(from: (&Dir, &OsStr), to: (&Dir, &OsStr)) -> io::Result<()> {
    match platform::rename_exclusively(from, to) {
        Err(err) if err.kind() == io::ErrorKind::Unsupported => link_new(from, to),
        done => done,
    }
}

/// The same by a link, which is made nowhere else either; of a directory there is none.
fn link_new(from: (&Dir, &OsStr), to: (&Dir, &OsStr)) -> io::Result<()> {
    match from.0.hard_link(from.1, to.0, to.1) {
        Ok(()) => from.0.remove_file(from.1),
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Err(err),
        Err(_) if is_there(to.0, to.1)? => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => from.0.rename(from.1, to.0, to.1),
    }
}

pub(crate) fn is_there(dir: &Dir, name: &OsStr) -> io::Result<bool> {
    match dir.symlink_metadata(name) {
        Ok(_) => Ok(true),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(err) => Err(err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rename = fn((&Dir, &OsStr), (&Dir, &OsStr)) -> io::Result<()>;

    const BOTH: [Rename; 2] = [rename_new, link_new];

    fn renamed(rename: Rename, prepare: fn(&Dir)) -> (tempfile::TempDir, io::Result<()>) {
        let directory = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(directory.path(), cap_std::ambient_authority()).unwrap();
        prepare(&dir);
        let renamed = rename((&dir, "from".as_ref()), (&dir, "to".as_ref()));
        (directory, renamed)
    }

    #[test]
    fn a_file_and_a_directory_come_to_where_nothing_is() {
        for rename in BOTH {
            let (directory, done) = renamed(rename, |dir| dir.write("from", "1").unwrap());
            done.unwrap();
            assert_eq!(std::fs::read_to_string(directory.path().join("to")).unwrap(), "1");
            assert!(!directory.path().join("from").exists());
            let (directory, done) = renamed(rename, |dir| dir.create_dir_all("from/in").unwrap());
            done.unwrap();
            assert!(directory.path().join("to/in").exists() && !directory.path().join("from").exists());
        }
    }

    #[test]
    fn what_is_there_stays() {
        for rename in BOTH {
            let (directory, refused) = renamed(rename, |dir| {
                dir.write("from", "1").unwrap();
                dir.write("to", "2").unwrap();
            });
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            for (name, content) in [("from", "1"), ("to", "2")] {
                assert_eq!(std::fs::read_to_string(directory.path().join(name)).unwrap(), content);
            }
        }
    }
}
