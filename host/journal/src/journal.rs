//! The journals of all runs: one directory, with a file for each run and the index.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::error::At;
use crate::index::{Content, Guard, Index};
use crate::layout::{self, Layout};
use crate::{
    Filter, Follow, Found, JournalError, Reader, RunId, RunStarted, State, Summary, Writer, WriterOptions,
};

/// The journals in a directory. Any number of processes may use it at once.
///
/// # Examples
/// See the [crate](crate).
#[derive(Clone, Debug)]
pub struct Journal {
    layout: Layout,
}

impl Journal {
    /// The journals in this directory, which is made if it is not there.
    ///
    /// # Errors
    /// [`JournalError::Io`] when it cannot be made.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let layout = Layout::new(directory);
        layout.create()?;
        Ok(Self { layout })
    }

    /// Begins the journal of a run.
    ///
    /// # Errors
    /// [`JournalError::Taken`] when there is one, and [`JournalError::Io`].
    pub fn begin(
        &self,
        run: &RunId,
        options: WriterOptions,
        started: RunStarted,
    ) -> Result<Writer, JournalError> {
        Writer::begin(&self.layout, run, options, started)
    }

    /// The run that a text means: an id, a part of just one id, or `latest`.
    ///
    /// # Errors
    /// [`JournalError::Unknown`] and [`JournalError::Ambiguous`].
    pub fn find(&self, text: &str) -> Result<RunId, JournalError> {
        let unknown = || JournalError::Unknown { name: text.to_owned() };
        let mut runs = self.layout.runs()?.files;
        if text == "latest" {
            return runs.pop().ok_or_else(unknown);
        }
        if text.is_empty() {
            return Err(unknown());
        }
        let mut found = runs.into_iter().filter(|run| run.as_str().contains(text));
        let first = found.next().ok_or_else(unknown)?;
        match found.next() {
            Some(second) => Err(JournalError::Ambiguous { name: text.to_owned(), first, second }),
            None => Ok(first),
        }
    }

    /// The runs that a filter lets through, the newest first. It finds out what became of runs whose process
    /// was killed, and notes it in the index.
    ///
    /// # Errors
    /// [`JournalError::Io`] and [`JournalError::Busy`].
    pub fn list(&self, filter: &Filter) -> Result<Vec<Summary>, JournalError> {
        let index = Index::open(&self.layout)?;
        let noted = self.reconcile(&index.lock()?)?;
        Ok(self
            .shown(noted)?
            .into_values()
            .rev()
            .filter(|summary| filter.matches(summary))
            .take(filter.most.unwrap_or(usize::MAX))
            .collect())
    }

    /// Reads the records of a run.
    ///
    /// # Errors
    /// [`JournalError::Unknown`], [`JournalError::Missing`] and [`JournalError::Io`].
    pub fn read(&self, run: &RunId) -> Result<Reader<File>, JournalError> {
        Ok(Reader::new(run, self.file(run)?))
    }

    /// Reads the records of a run, also those that are still to come.
    ///
    /// # Errors
    /// As [`Journal::read`].
    pub fn follow(&self, run: &RunId) -> Result<Follow, JournalError> {
        Ok(Follow::new(self.read(run)?, self.layout.run_lock(run)))
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    fn file(&self, run: &RunId) -> Result<File, JournalError> {
        let path = self.layout.run(run);
        match File::open(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                if Content::read(&self.layout)?.summaries.contains_key(run) {
                    Err(JournalError::Missing { run: run.clone() })
                } else {
                    Err(JournalError::Unknown { name: run.to_string() })
                }
            }
            file => file.at("open", &path),
        }
    }

    /// What the index has to say, brought up to date with the files, and the index brought up to date with
    /// that.
    pub(crate) fn reconcile(&self, guard: &Guard<'_>) -> Result<BTreeMap<RunId, Summary>, JournalError> {
        let Content { mut summaries, is_worn } = Content::read(&self.layout)?;
        let runs = self.layout.runs()?;
        let mut news = Vec::new();
        for run in &runs.files {
            let known = summaries.get(run);
            if known.is_some_and(|known| known.state != State::Running) {
                continue;
            }
            let is_running = self.layout.is_written(run)?;
            if is_running && known.is_some() {
                continue;
            }
            let mut summary = self.summarise(run, known)?;
            if is_running {
                summary.state = State::Running;
            }
            news.push(summary.clone());
            summaries.insert(run.clone(), summary);
        }
        if is_worn {
            guard.replace(&summaries)?;
        } else {
            news.iter().try_for_each(|summary| guard.add(summary))?;
        }
        for run in runs.locks {
            if !self.layout.is_written(&run)? {
                layout::remove(&self.layout.run_lock(&run))?;
            }
        }
        Ok(summaries)
    }

    /// What the index has to say, and whether the files still say so. This is not noted: the index is the
    /// evidence.
    pub(crate) fn shown(
        &self,
        mut summaries: BTreeMap<RunId, Summary>,
    ) -> Result<BTreeMap<RunId, Summary>, JournalError> {
        for (run, summary) in &mut summaries {
            match fs::metadata(self.layout.run(run)) {
                Err(err) if err.kind() == io::ErrorKind::NotFound => summary.state = State::Missing,
                Ok(metadata) if summary.state != State::Running && metadata.len() != summary.bytes => {
                    summary.state = State::Damaged;
                }
                Ok(metadata) => summary.bytes = metadata.len(),
                Err(err) => return Err(err).at("look at", &self.layout.run(run)),
            }
        }
        Ok(summaries)
    }

    /// What the file of a run that nobody writes says, and what is known to have been in it.
    fn summarise(&self, run: &RunId, known: Option<&Summary>) -> Result<Summary, JournalError> {
        let path = self.layout.run(run);
        let file = File::open(&path).at("open", &path)?;
        let mut summary = Summary::new(run);
        summary.bytes = file.metadata().at("look at", &path)?.len();
        summary.state = State::Unfinished;
        let mut is_damaged = false;
        for found in Reader::new(run, file) {
            match found.at("read", &path)? {
                Found::Record(entry) => {
                    summary.take(&entry);
                    if entry.kind() == "run-ended" {
                        summary.state = State::Ended;
                    }
                }
                Found::Damage(_) => is_damaged = true,
            }
        }
        if let Some(known) = known.filter(|known| known.records > summary.records) {
            is_damaged = true;
            summary = known.clone();
        }
        if is_damaged {
            summary.state = State::Damaged;
        }
        Ok(summary)
    }
}
