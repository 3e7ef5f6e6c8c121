//! Looking at entries of the directory. No symlink is followed, and nothing that blocks is opened.

use std::ffi::OsStr;
use std::io::{self, Read};

use cap_fs_ext::{DirExt, FileTypeExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, Metadata, OpenOptions};

use crate::digest::Hasher;
use crate::platform::{self, Stamp};
use crate::{Digest, EntryKind, RelativePath, State};

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// Why an entry could not be read.
#[derive(Debug)]
pub(crate) enum ReadFault {
    Changed,
    Io(io::Error),
}

impl From<io::Error> for ReadFault {
    fn from(err: io::Error) -> Self {
        match err.kind() {
            // What was listed or looked at a moment ago.
            io::ErrorKind::NotFound => Self::Changed,
            _ => Self::Io(err),
        }
    }
}

/// What kind of entry a metadata is of.
pub(crate) fn kind(metadata: &Metadata) -> EntryKind {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        EntryKind::Symlink
    } else if kind.is_dir() {
        EntryKind::Directory
    } else if kind.is_file() {
        EntryKind::File
    } else if kind.is_fifo() {
        EntryKind::Fifo
    } else if kind.is_socket() {
        EntryKind::Socket
    } else {
        EntryKind::Device
    }
}

/// The directory that an entry is in, and its name there. Each name on the way is opened without following
/// symlinks, so that none leads elsewhere.
pub(crate) fn parent_of(root: &Dir, path: &RelativePath) -> io::Result<(Dir, std::ffi::OsString)> {
    let mut dir = root.try_clone()?;
    let mut names = path.names().peekable();
    while let Some(name) = names.next() {
        let name = platform::os_name(name);
        if names.peek().is_none() {
            return Ok((dir, name));
        }
        dir = dir.open_dir_nofollow(name)?;
    }
    Err(io::ErrorKind::InvalidInput.into())
}

/// Where an entry would be.
pub(crate) enum Located {
    /// The directory that it would be in is there.
    Below { parent: Dir, name: std::ffi::OsString },
    /// It cannot be there, for something that it would be below is not there or no directory.
    Nowhere { missing: RelativePath },
}

/// Looks for the directory that an entry is in; nothing that is no directory, as a symlink, is gone through.
pub(crate) fn locate(root: &Dir, path: &RelativePath) -> io::Result<Located> {
    let mut above: Vec<RelativePath> = path.ancestors().collect();
    above.reverse();
    let mut parent = root.try_clone()?;
    for missing in above {
        let name = platform::os_name(missing.name());
        match parent.symlink_metadata(&name) {
            Ok(metadata) if metadata.is_dir() => parent = parent.open_dir_nofollow(&name)?,
            Ok(_) => return Ok(Located::Nowhere { missing }),
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Located::Nowhere { missing }),
            Err(err) => return Err(err),
        }
    }
    Ok(Located::Below { parent, name: platform::os_name(path.name()) })
}

/// Reads a file that was found to be as in `found`, and gives each piece to `sink`.
pub(crate) fn read_file(
    dir: &Dir,
    name: &OsStr,
    found: &Metadata,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<Digest, ReadFault> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let mut file = dir.open_with(name, &options)?;
    let stamp = Stamp::of(found);
    if Stamp::of(&file.metadata()?) != stamp {
        return Err(ReadFault::Changed);
    }
    let mut hasher = Hasher::default();
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = found.len();
    loop {
        let count = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            Err(err) => return Err(ReadFault::Io(err)),
        };
        // Never more than was counted against the limits.
        left = left.checked_sub(u64::try_from(count).unwrap_or(u64::MAX)).ok_or(ReadFault::Changed)?;
        let read = piece.get(..count).unwrap_or_default();
        hasher.update(read);
        sink(read);
    }
    if left > 0 || Stamp::of(&file.metadata()?) != stamp {
        return Err(ReadFault::Changed);
    }
    Ok(hasher.finish())
}

/// The target of a symlink.
pub(crate) fn read_target(dir: &Dir, name: &OsStr) -> Result<Vec<u8>, ReadFault> {
    let target = dir.read_link_contents(name)?;
    platform::target_bytes(&target).ok_or_else(|| ReadFault::Io(io::Error::other("the target is no Unicode")))
}

/// The state of an entry, its content read and hashed; `None` if nothing is there.
pub(crate) fn state(dir: &Dir, name: &OsStr) -> Result<Option<(State, Stamp)>, ReadFault> {
    let metadata = match dir.symlink_metadata(name) {
        Ok(metadata) => metadata,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(err.into()),
    };
    let kind = kind(&metadata);
    let mut state = State { kind, mode: platform::mode(&metadata), size: 0, digest: None };
    match kind {
        EntryKind::File => {
            state.size = metadata.len();
            state.digest = Some(read_file(dir, name, &metadata, &mut |_| {})?);
        }
        EntryKind::Symlink => {
            let target = read_target(dir, name)?;
            state = State { mode: None, ..of_target(&target) };
        }
        _ => {}
    }
    Ok(Some((state, Stamp::of(&metadata))))
}

/// The state of a symlink with this target.
pub(crate) fn of_target(target: &[u8]) -> State {
    let size = u64::try_from(target.len()).unwrap_or(u64::MAX);
    State { kind: EntryKind::Symlink, mode: None, size, digest: Some(Digest::of(target)) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn reading(during: impl Fn(&std::path::Path)) -> Result<Digest, ReadFault> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, vec![b'x'; 3 * PIECE_BYTES]).unwrap();
        let dir = Dir::open_ambient_dir(directory.path(), cap_std::ambient_authority()).unwrap();
        let found = dir.symlink_metadata("file").unwrap();
        let mut pieces = 0;
        read_file(&dir, OsStr::new("file"), &found, &mut |_| {
            pieces += 1;
            if pieces == 2 {
                during(&path);
            }
        })
    }

    #[test]
    fn a_file_that_stays_is_read() {
        assert_eq!(reading(|_| {}).unwrap(), Digest::of(&vec![b'x'; 3 * PIECE_BYTES]));
    }

    #[test]
    fn a_file_that_is_written_while_it_is_read_is_noticed() {
        let grow = |path: &std::path::Path| {
            fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"y").unwrap();
        };
        let shrink = |path: &std::path::Path| {
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(10).unwrap();
        };
        let rewrite = |path: &std::path::Path| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            (&file).write_all(b"y").unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        };
        for during in [&grow as &dyn Fn(&std::path::Path), &shrink, &rewrite] {
            assert!(matches!(reading(during), Err(ReadFault::Changed)));
        }
    }
}
