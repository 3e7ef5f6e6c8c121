//! Where the files of a journal's directory are, and how they are made: for their owner alone.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::At;
use crate::names::Names;
use crate::{JournalError, RunId};

const RUN_SUFFIX: &str = ".jsonl";
const LOCK_SUFFIX: &str = ".lock";

/// The directory of a journal.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    directory: PathBuf,
}

impl Layout {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// The records of a run.
    pub(crate) fn run(&self, run: &RunId) -> PathBuf {
        self.directory.join(format!("{run}{RUN_SUFFIX}"))
    }

    /// Locked while the run's journal is written. Not the file of records itself, because a locked file
    /// cannot be read by others on Windows.
    pub(crate) fn run_lock(&self, run: &RunId) -> PathBuf {
        self.directory.join(format!("{run}{LOCK_SUFFIX}"))
    }

    /// Whether a run's journal is being written.
    pub(crate) fn is_written(&self, run: &RunId) -> Result<bool, JournalError> {
        let lock = self.run_lock(run);
        is_locked(&lock).at("look at the lock", &lock)
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.directory.join("index.jsonl")
    }

    /// What the index is called until it is whole.
    pub(crate) fn new_index(&self) -> PathBuf {
        self.directory.join("index.new")
    }

    pub(crate) fn index_lock(&self) -> PathBuf {
        self.directory.join("index.lock")
    }

    /// Makes the directory where there is none.
    pub(crate) fn create(&self) -> Result<(), JournalError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.directory).at("create", &self.directory)
    }

    /// The runs that have a file, and those that have a lock, whether anybody holds it or not.
    pub(crate) fn runs(&self) -> Result<Runs, JournalError> {
        let mut runs = Runs::default();
        for entry in fs::read_dir(&self.directory).at("list", &self.directory)? {
            let name = entry.at("list", &self.directory)?.file_name();
            let Some(name) = name.to_str() else { continue };
            let with = |suffix| name.strip_suffix(suffix).and_then(|id| id.parse().ok());
            runs.files.extend(with(RUN_SUFFIX));
            runs.locks.extend(with(LOCK_SUFFIX));
        }
        runs.files.sort();
        Ok(runs)
    }

    /// The names of the files.
    pub(crate) fn names(&self) -> Result<Names, JournalError> {
        Names::open(&self.directory).at("open", &self.directory)
    }
}

/// The runs of a directory.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    pub(crate) files: Vec<RunId>,
    pub(crate) locks: Vec<RunId>,
}

/// How a file for reading and writing is made: what it holds is nobody's but its owner's.
pub(crate) fn private() -> OpenOptions {
    let mut options = File::options();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Whether a process holds the lock at this path. What cannot be told is an error: a writer that is taken for
/// dead could lose its journal.
pub(crate) fn is_locked(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(err)) => Err(err),
    }
}

/// Removes a file; that it is not there is what was wanted.
pub(crate) fn remove(path: &Path) -> Result<(), JournalError> {
    match fs::remove_file(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.at("remove", path),
    }
}
