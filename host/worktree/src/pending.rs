//! A note of lock files that this process is about to make in the user's repository, so that they can be
//! told from others when it is killed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::WorktreeError;
use crate::error::At;

const FILE: &str = "pending.json";

/// A lock that does not change for so long has nobody, if a process of ours was killed where it made it.
const SETTLED: Duration = Duration::from_secs(2);

/// Kept while the locks may exist.
#[derive(Debug)]
pub(crate) struct Pending {
    file: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// What is being done, for a person.
    what: String,
    locks: Vec<PathBuf>,
}

impl Pending {
    pub(crate) fn begin(directory: &Path, what: &str, locks: Vec<PathBuf>) -> Result<Self, WorktreeError> {
        let file = directory.join(FILE);
        let text = serde_json::to_vec(&Note { what: what.to_owned(), locks })
            .map_err(|source| WorktreeError::Record { path: file.clone(), source })?;
        fs::write(&file, text).at("write", &file)?;
        Ok(Self { file })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // What is left is looked at by `recover`, which then finds no locks.
        let _ = fs::remove_file(&self.file);
    }
}

/// Where the note is, if there is one.
pub(crate) fn note_of(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// Removes the locks that a process that was killed has left. Returns what it was doing, if anything.
pub(crate) fn recover(directory: &Path) -> Result<Option<String>, WorktreeError> {
    let file = directory.join(FILE);
    let noted = match fs::metadata(&file).and_then(|metadata| metadata.modified()) {
        Ok(noted) => noted,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(err).at("read", &file),
    };
    let text = fs::read(&file).at("read", &file)?;
    // A note that is not whole was being written, and no lock was made yet.
    let note = serde_json::from_slice(&text).unwrap_or(Note { what: String::new(), locks: Vec::new() });
    for lock in &note.locks {
        if is_left(lock, noted) {
            fs::remove_file(lock).at("remove", lock)?;
        }
    }
    fs::remove_file(&file).at("remove", &file)?;
    Ok(Some(note.what).filter(|what| !what.is_empty()))
}

/// Whether the lock was made after the note, and nobody takes it away or writes to it.
fn is_left(lock: &Path, noted: SystemTime) -> bool {
    const PAUSE: Duration = Duration::from_millis(50);

    let start = Instant::now();
    let modified = || fs::metadata(lock).and_then(|metadata| metadata.modified()).ok();
    let Some(first) = modified().filter(|first| *first >= noted) else { return false };
    while start.elapsed() < SETTLED {
        if modified() != Some(first) {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_made_after_the_note_are_removed_and_older_ones_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let [before, after, never] = ["before", "after", "never"].map(|name| directory.path().join(name));
        fs::write(&before, "").unwrap();
        let old = SystemTime::now() - Duration::from_mins(1);
        fs::File::options().write(true).open(&before).unwrap().set_modified(old).unwrap();
        let locks = vec![before.clone(), after.clone(), never];
        std::mem::forget(Pending::begin(directory.path(), "merging", locks).unwrap());
        fs::write(&after, "").unwrap();
        assert_eq!(recover(directory.path()).unwrap().as_deref(), Some("merging"));
        assert!(before.exists() && !after.exists());
        assert_eq!(recover(directory.path()).unwrap(), None);
    }

    #[test]
    fn what_was_ended_is_not_pending() {
        let directory = tempfile::tempdir().unwrap();
        drop(Pending::begin(directory.path(), "merging", Vec::new()).unwrap());
        assert_eq!(recover(directory.path()).unwrap(), None);
    }
}
