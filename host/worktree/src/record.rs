//! What is noted about a worktree, beside the repository, and who may work on it.
//!
//! A record is a directory `sandpiper/worktrees/<task>.<run>` in the repository's common git
//! directory. Its `lock` is held, by the operating system, by the process that works on the
//! worktree, and so is free as soon as that process has ended, however it ended.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::At;
use crate::{Id, WorktreeError};

const DIRECTORY: &str = "sandpiper/worktrees";
const RECORD: &str = "record.json";
const LOCK: &str = "lock";
/// Who only looks whether a worktree is in use has its lock for a moment.
const GLANCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(5);
/// What a record is called until it is whole.
const NEW_PREFIX: &str = ".new-";

/// How far a worktree's life has come. What is not [`State::Ready`] and whose lock is free was
/// interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its files are being written; nobody has worked in it.
    Creating,
    /// It can be used.
    Ready,
    /// What it held is saved, and it is being removed.
    Removing,
}

/// What is noted about a worktree.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Which one it is.
    pub id: Id,
    /// How far it has come.
    pub state: State,
    /// Its directory.
    pub path: PathBuf,
    /// The commit that it began with; none in a repository without commits.
    pub base: Option<String>,
    /// What was asked for as its base.
    pub base_name: String,
    /// The commit of the user's changes that it began with, on top of the base.
    pub start: Option<String>,
    /// When it was made, in seconds of Unix time.
    pub created_seconds: u64,
    /// What a person should know about it: submodules that are empty, say.
    pub notes: Vec<String>,
}

/// Seconds since 1970.
pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A record that this process alone may change, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) record: Record,
    directory: PathBuf,
    lock: File,
}

impl Held {
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes the record as it is now.
    pub(crate) fn save(&self) -> Result<(), WorktreeError> {
        write(&self.directory, &self.record)
    }

    /// Forgets the worktree.
    pub(crate) fn forget(self) -> Result<(), WorktreeError> {
        // Whole or not at all: a record's directory without its record would mean nothing.
        let old = self.directory.with_file_name(format!("{NEW_PREFIX}{}.old", self.record.id.file_name()));
        fs::rename(&self.directory, &old).at("rename", &self.directory)?;
        drop(self.lock);
        fs::remove_dir_all(&old).at("remove", &old)
    }
}

/// The records of a repository.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    directory: PathBuf,
}

impl Records {
    /// Those of the repository with this common git directory.
    pub(crate) fn of(common: &Path) -> Self {
        Self { directory: common.join(DIRECTORY) }
    }

    /// Notes a new worktree, unless there is one of its name, and takes it for this process.
    pub(crate) fn begin(&self, record: Record) -> Result<Held, WorktreeError> {
        self.check_free(&record.id)?;
        fs::create_dir_all(&self.directory).at("create", &self.directory)?;
        let name = record.id.file_name();
        let new = tempfile::Builder::new()
            .prefix(NEW_PREFIX)
            .tempdir_in(&self.directory)
            .at("create a directory in", &self.directory)?;
        let lock = open_lock(new.path())?;
        lock.lock().at("lock", new.path())?;
        note_owner(&lock).at("write", new.path())?;
        write(new.path(), &record)?;
        let directory = self.directory.join(name);
        match fs::rename(new.path(), &directory) {
            Ok(()) => {
                let _ = new.keep();
                Ok(Held { record, directory, lock })
            }
            Err(err) if is_taken(&err) => Err(WorktreeError::Taken { taken: record.id }),
            Err(err) => Err(err).at("rename", new.path()),
        }
    }

    /// Some file systems take names that differ in case only for the same.
    ///
    /// # Errors
    /// [`WorktreeError::Taken`].
    pub(crate) fn check_free(&self, id: &Id) -> Result<(), WorktreeError> {
        let name = id.file_name();
        match self.ids()?.into_iter().find(|other| other.file_name().eq_ignore_ascii_case(&name)) {
            Some(taken) => Err(WorktreeError::Taken { taken }),
            None => Ok(()),
        }
    }

    /// All worktrees, by name.
    pub(crate) fn ids(&self) -> Result<Vec<Id>, WorktreeError> {
        let mut ids: Vec<Id> = self
            .names()?
            .iter()
            .filter_map(|name| name.split_once('.'))
            .filter_map(|(task, run)| Id::new(task, run).ok())
            .collect();
        ids.sort();
        Ok(ids)
    }

    /// The record; none where there is no such worktree.
    pub(crate) fn read(&self, id: &Id) -> Result<Option<Record>, WorktreeError> {
        read(&self.directory.join(id.file_name()))
    }

    /// Takes the worktree for this process.
    ///
    /// # Errors
    /// [`WorktreeError::Unknown`], and [`WorktreeError::InUse`] while another process has it.
    pub(crate) fn hold(&self, id: &Id) -> Result<Held, WorktreeError> {
        let unknown = || WorktreeError::Unknown { name: id.to_string() };
        let directory = self.directory.join(id.file_name());
        if !directory.join(RECORD).exists() {
            return Err(unknown());
        }
        let lock = open_lock(&directory)?;
        let start = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if start.elapsed() < GLANCE => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(WorktreeError::InUse { id: id.clone(), pid: owner(&lock) });
                }
                Err(TryLockError::Error(err)) => return Err(err).at("lock", &directory),
            }
        }
        note_owner(&lock).at("write", &directory)?;
        // It may have been removed, and even made anew, between the look and the lock.
        let record = read(&directory)?.ok_or_else(unknown)?;
        if !is_the_lock_of(&lock, &directory) {
            return Err(WorktreeError::InUse { id: id.clone(), pid: 0 });
        }
        Ok(Held { record, directory, lock })
    }

    /// Whether nobody has the worktree at this moment.
    pub(crate) fn is_free(&self, id: &Id) -> bool {
        let lock = File::open(self.directory.join(id.file_name()).join(LOCK));
        lock.is_ok_and(|lock| lock.try_lock_shared().is_ok())
    }

    /// Where a worktree's record is.
    pub(crate) fn directory(&self, id: &Id) -> PathBuf {
        self.directory.join(id.file_name())
    }

    /// Whether a process works on it now, and which.
    pub(crate) fn user(&self, id: &Id) -> Option<u32> {
        let lock = File::open(self.directory.join(id.file_name()).join(LOCK)).ok()?;
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(owner(&lock)),
            _ => None,
        }
    }

    /// Removes what is left of records that never were whole, or that were being forgotten.
    pub(crate) fn sweep(&self) -> Result<usize, WorktreeError> {
        let mut swept = 0;
        for name in self.names()? {
            if !name.starts_with(NEW_PREFIX) {
                continue;
            }
            let path = self.directory.join(&name);
            let free = File::open(path.join(LOCK)).map_or(true, |lock| lock.try_lock().is_ok());
            if free && is_old(&path) && fs::remove_dir_all(&path).is_ok() {
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn names(&self) -> Result<Vec<String>, WorktreeError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(err).at("list", &self.directory),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.at("list", &self.directory)?;
            names.extend(entry.file_name().into_string());
        }
        Ok(names)
    }
}

/// A record is made in far less time than this; what is older has nobody.
fn is_old(path: &Path) -> bool {
    const MAKING_SECONDS: u64 = 60;
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|time| time.elapsed().is_ok_and(|age| age.as_secs() > MAKING_SECONDS))
}

fn open_lock(directory: &Path) -> Result<File, WorktreeError> {
    let path = directory.join(LOCK);
    File::options().read(true).write(true).create(true).truncate(false).open(&path).at("open", &path)
}

/// Notes which process has the lock, for messages only.
fn note_owner(mut lock: &File) -> io::Result<()> {
    lock.rewind()?;
    lock.set_len(0)?;
    write!(lock, "{}", std::process::id())
}

fn owner(mut lock: &File) -> u32 {
    let mut text = String::new();
    if lock.rewind().and_then(|()| lock.read_to_string(&mut text)).is_err() {
        return 0;
    }
    text.parse().unwrap_or(0)
}

/// Whether the lock is still the one in the directory.
#[cfg(unix)]
fn is_the_lock_of(lock: &File, directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let (Ok(held), Ok(there)) = (lock.metadata(), fs::metadata(directory.join(LOCK))) else { return false };
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

/// A directory with an open file cannot be renamed or removed there.
#[cfg(not(unix))]
fn is_the_lock_of(_lock: &File, _directory: &Path) -> bool {
    true
}

fn is_taken(err: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, PermissionDenied};
    // Windows says of an existing directory that access is denied.
    matches!(err.kind(), AlreadyExists | DirectoryNotEmpty) || cfg!(windows) && err.kind() == PermissionDenied
}

fn write(directory: &Path, record: &Record) -> Result<(), WorktreeError> {
    let path = directory.join(RECORD);
    let mut file = tempfile::NamedTempFile::new_in(directory).at("write", &path)?;
    serde_json::to_writer_pretty(&mut file, record)
        .map_err(|source| WorktreeError::Record { path: path.clone(), source })?;
    file.as_file().sync_all().at("write", &path)?;
    file.persist(&path).map_err(|err| err.error).at("write", &path)?;
    Ok(())
}

fn read(directory: &Path) -> Result<Option<Record>, WorktreeError> {
    let path = directory.join(RECORD);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(err).at("read", &path),
    };
    serde_json::from_slice(&text).map(Some).map_err(|source| WorktreeError::Record { path, source })
}
