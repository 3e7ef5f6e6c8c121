//! The index: what lists show of each run, in one file, and what is known to have been written.
//!
//! It is never the truth about what happened: what it lacks is made anew out of the runs' files. What it has
//! and a file lacks, was taken from the file.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::At;
use crate::layout::{self, Layout};
use crate::{JournalError, RunId, Summary, line};

/// The index, open. Who has it can add to it also when no file can be opened any more.
#[derive(Debug)]
pub(crate) struct Index {
    layout: Layout,
    lock: File,
    file: File,
}

/// What the index says.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) summaries: BTreeMap<RunId, Summary>,
    /// Whether it should be written anew: lines that are none, or many that later ones replace.
    pub(crate) is_worn: bool,
}

/// That no other process changes the index, or begins or removes a run.
pub(crate) struct Guard<'a> {
    index: &'a Index,
}

impl Index {
    pub(crate) fn open(layout: &Layout) -> Result<Self, JournalError> {
        let open =
            |path: PathBuf| layout::private().create(true).truncate(false).open(&path).at("open", &path);
        Ok(Self { layout: layout.clone(), lock: open(layout.index_lock())?, file: open(layout.index())? })
    }

    pub(crate) fn lock(&self) -> Result<Guard<'_>, JournalError> {
        /// Each holder has it for the time of a few writes; one that was stopped is not waited for.
        const PATIENCE: Duration = Duration::from_secs(10);
        const PAUSE: Duration = Duration::from_millis(2);
        let path = self.layout.index_lock();
        let start = Instant::now();
        loop {
            match self.lock.try_lock() {
                Ok(()) => return Ok(Guard { index: self }),
                Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(JournalError::Busy { path }),
                Err(TryLockError::Error(err)) => return Err(err).at("lock", &path),
            }
        }
    }
}

impl Content {
    pub(crate) fn read(layout: &Layout) -> Result<Self, JournalError> {
        /// Beyond the two that a run has.
        const SPARE_LINES: usize = 100;
        let path = layout.index();
        let text = match fs::read(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text.at("read", &path)?,
        };
        let (mut content, mut lines) = (Self::default(), 0_usize);
        for whole in text.split_inclusive(|byte| *byte == b'\n') {
            lines += 1;
            let summary = whole
                .strip_suffix(b"\n")
                .and_then(line::unseal)
                .filter(|unsealed| unsealed.is_genuine)
                .and_then(|unsealed| serde_json::from_value::<Summary>(Value::Object(unsealed.fields)).ok());
            match summary {
                Some(summary) => drop(content.summaries.insert(summary.run.clone(), summary)),
                None => content.is_worn = true,
            }
        }
        content.is_worn |= lines > 2 * content.summaries.len() + SPARE_LINES;
        Ok(content)
    }
}

impl Guard<'_> {
    /// Adds a line, which replaces what the index has of the run.
    pub(crate) fn add(&self, summary: &Summary) -> Result<(), JournalError> {
        let path = self.index.layout.index();
        let line = line_of(summary)?;
        // Somebody may have written the index anew. Behind the wall it cannot be opened; a line that then
        // is lost with the old file is made anew by the next look.
        match layout::private().create(true).truncate(false).open(&path) {
            Ok(file) => append(&file, &line),
            Err(_) => append(&self.index.file, &line),
        }
        .at("write", &path)
    }

    /// Waits until what was added is on the disk.
    pub(crate) fn sync(&self) -> Result<(), JournalError> {
        let path = self.index.layout.index();
        let file = File::open(&path);
        file.as_ref().unwrap_or(&self.index.file).sync_data().at("sync", &path)
    }

    /// Writes the index anew.
    pub(crate) fn replace(&self, summaries: &BTreeMap<RunId, Summary>) -> Result<(), JournalError> {
        let layout = &self.index.layout;
        let (path, new) = (layout.index(), layout.new_index());
        let mut text = String::new();
        for summary in summaries.values() {
            text.push_str(&line_of(summary)?);
        }
        let mut file = layout::private().create(true).truncate(true).open(&new).at("write", &new)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).at("write", &new)?;
        drop(file);
        match fs::rename(&new, &path) {
            // A file that is open is replaced by Windows 10 on NTFS, but not everywhere: there it is written over.
            Err(err) if cfg!(windows) && err.kind() == io::ErrorKind::PermissionDenied => {
                fs::write(&path, &text).and_then(|()| fs::remove_file(&new))
            }
            renamed => renamed,
        }
        .at("rename", &new)?;
        layout.names()?.sync().at("sync", &path)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // It is unlocked with the process at the latest.
        let _ = self.index.lock.unlock();
    }
}

fn line_of(summary: &Summary) -> Result<String, JournalError> {
    let object = serde_json::to_string(summary).map_err(|source| JournalError::Encode { source })?;
    Ok(line::seal(&object).0)
}

/// Adds a line behind the last, all of it or nothing.
fn append(mut file: &File, line: &str) -> io::Result<()> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut text = String::new();
    if end > 0 {
        let mut last = [0];
        file.seek(SeekFrom::Start(end - 1))?;
        file.read_exact(&mut last)?;
        // What a killed process has left becomes a line of its own.
        if last != *b"\n" {
            text.push('\n');
        }
    }
    text.push_str(line);
    file.write_all(text.as_bytes()).inspect_err(|_| {
        // A part of a line is no line: it costs the reader nothing where this fails too.
        let _ = file.set_len(end);
    })
}
