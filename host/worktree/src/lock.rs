//! Who may work on a worktree: a file that the operating system locks for one process, and unlocks when
//! the process has ended, however it ended.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Who only looks whether a lock is free has it for a moment.
const GLANCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(5);

/// A lock that this process has, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock at `path`; none, and who has it, while another process has it for longer than a
    /// glance.
    pub(crate) fn take(path: &Path) -> io::Result<Result<Self, u32>> {
        let start = Instant::now();
        loop {
            let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
            match file.try_lock() {
                // It may have been removed between the two, and another made.
                Ok(()) if is_at(&file, path) => {
                    note_owner(&file)?;
                    return Ok(Ok(Self { file, path: path.to_owned() }));
                }
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if start.elapsed() < GLANCE => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Ok(Err(owner(&file))),
                Err(TryLockError::Error(err)) => return Err(err),
            }
        }
    }

    /// Unlocks, and leaves no file.
    pub(crate) fn remove(self) {
        // An empty file that stays says nothing.
        let _ = fs::remove_file(&self.path);
        drop(self.file);
    }

    /// Which process has the lock at a path, if one has.
    pub(crate) fn owner(path: &Path) -> Option<u32> {
        let file = File::open(path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(owner(&file)),
            _ => None,
        }
    }
}

/// Notes which process has the lock, for messages only.
fn note_owner(mut file: &File) -> io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    write!(file, "{}", std::process::id())
}

fn owner(mut file: &File) -> u32 {
    let mut text = String::new();
    if file.rewind().and_then(|()| file.read_to_string(&mut text)).is_err() {
        return 0;
    }
    text.parse().unwrap_or(0)
}

/// Whether the file is still the one of its name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let (Ok(held), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

/// A name is not given away there while a file of it is open.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_had_by_one_and_free_when_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let lock = Lock::take(&path).unwrap().unwrap();
        assert_eq!(Lock::owner(&path), Some(std::process::id()));
        assert_eq!(Lock::take(&path).unwrap().unwrap_err(), std::process::id());
        drop(lock);
        assert_eq!(Lock::owner(&path), None);
        Lock::take(&path).unwrap().unwrap().remove();
        assert!(!path.exists());
    }
}
