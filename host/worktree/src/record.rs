//! What is noted about a worktree, beside the repository, and who may work on it.
//!
//! A record is a directory `sandpiper/worktrees/<task>.<run>` in the repository's common git
//! directory. The [`Lock`] beside it is had by the process that works on the worktree.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use git2::Oid;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::error::{At, Trying};
use crate::lock::Lock;
use crate::{Id, PlainOrigin, WorktreeError};

const DIRECTORY: &str = "sandpiper/worktrees";
const RECORD: &str = "record.json";
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
    /// The only directories that it has; all, if none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sparse: Vec<String>,
    /// Where it comes from, if that is in no repository. Its base is a commit of a private one then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<PlainOrigin>,
    /// What a person should know about it: submodules that are empty, say.
    pub notes: Vec<String>,
}

impl Record {
    /// The commit that it began with.
    ///
    /// # Errors
    /// [`WorktreeError::Git`] if what is noted is no commit's name.
    pub(crate) fn base(&self) -> Result<Option<Oid>, WorktreeError> {
        commit(self.base.as_ref())
    }

    /// The same, with the user's changes that it began with.
    pub(crate) fn beginning(&self) -> Result<Option<Oid>, WorktreeError> {
        commit(self.start.as_ref().or(self.base.as_ref()))
    }
}

fn commit(noted: Option<&String>) -> Result<Option<Oid>, WorktreeError> {
    noted.map(|name| name.parse()).transpose().trying("read what the worktree began with")
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
    lock: Lock,
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
        let records = self.directory.parent().unwrap_or(&self.directory);
        let old = new_directory(records)?;
        fs::rename(&self.directory, old.path().join("old")).at("rename", &self.directory)?;
        old.close().at("remove", &self.directory)?;
        self.lock.remove();
        Ok(())
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
        fs::create_dir_all(&self.directory).at("create", &self.directory)?;
        let lock = self.lock(&record.id)?;
        self.check_free(&record.id)?;
        let new = new_directory(&self.directory)?;
        write(new.path(), &record)?;
        let directory = self.directory(&record.id);
        fs::rename(new.path(), &directory).at("create", &directory)?;
        let _ = new.keep();
        Ok(Held { record, directory, lock })
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
        let directory = self.directory(id);
        if !directory.exists() {
            return Err(unknown());
        }
        let lock = self.lock(id)?;
        // It may have been removed between the look and the lock.
        let Some(record) = read(&directory)? else {
            lock.remove();
            return Err(unknown());
        };
        Ok(Held { record, directory, lock })
    }

    fn lock(&self, id: &Id) -> Result<Lock, WorktreeError> {
        let path = self.lock_file(id);
        Lock::take(&path).at("lock", &path)?.map_err(|pid| WorktreeError::InUse { id: id.clone(), pid })
    }

    /// Where a worktree's record is.
    pub(crate) fn directory(&self, id: &Id) -> PathBuf {
        self.directory.join(id.file_name())
    }

    /// Beside the directory, which could not be renamed on Windows while a file in it is open.
    fn lock_file(&self, id: &Id) -> PathBuf {
        self.directory.join(format!("{}.lock", id.file_name()))
    }

    /// Whether a process works on it now, and which.
    pub(crate) fn user(&self, id: &Id) -> Option<u32> {
        Lock::owner(&self.lock_file(id))
    }

    /// Removes what is left of records that never were whole, or that were being forgotten.
    pub(crate) fn sweep(&self) -> Result<usize, WorktreeError> {
        let mut swept = 0;
        for name in self.names()?.iter().filter(|name| name.starts_with(NEW_PREFIX)) {
            let path = self.directory.join(name);
            if is_old(&path) && fs::remove_dir_all(&path).is_ok() {
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

fn new_directory(records: &Path) -> Result<TempDir, WorktreeError> {
    tempfile::Builder::new().prefix(NEW_PREFIX).tempdir_in(records).at("create a directory in", records)
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
