//! The journal of a run while it goes: begun before the wall is up, ended with the outcome.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, Result};
use sandpiper::journal::{
    Fsync, Journal, Record, Redactor, RunEnded, RunId, RunStarted, Writer, WriterOptions,
};
use sandpiper::{Access, Exec, Limits, Mount, Outcome, Spec};

use crate::arguments::JournalMode;
use crate::changed_files::{ChangedFiles, Shared};
use crate::report::Hinted;
use crate::{render, report, surroundings};

/// The journal of this run; none where it is switched off, or could not be begun and need not be.
#[derive(Debug)]
pub(crate) struct Journaled {
    writer: Shared,
    is_required: bool,
    changes: Option<Arc<ChangedFiles>>,
}

/// What a journal says of a run besides its spec and command.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) policy: Option<String>,
    pub(crate) task: Option<String>,
    /// Texts that are kept out of it.
    pub(crate) secrets: Vec<String>,
    /// Whether work of the user's is at stake, so that the disk is waited for.
    pub(crate) is_precious: bool,
}

impl Journaled {
    /// Begins the journal.
    ///
    /// # Errors
    /// Where it is required and cannot be begun.
    pub(crate) fn begin(
        mode: JournalMode,
        (spec, exec, backend): (&Spec, &Exec, &str),
        about: About,
    ) -> Result<Self> {
        if mode == JournalMode::Off {
            return Ok(Self::new(None, false));
        }
        let begun = surroundings::journal_directory().and_then(|directory| {
            let journal = Journal::open(&directory)?;
            let run = RunId::new(SystemTime::now(), RandomState::new().hash_one(std::process::id()));
            let fsync = if about.is_precious { Fsync::AtPoints } else { Fsync::Never };
            let redactor = Redactor::new(about.secrets.iter().map(String::as_str));
            let options = WriterOptions { fsync, redactor, ..WriterOptions::default() };
            let mut start = RunStarted::of(spec, exec, backend);
            start.policy = about.policy;
            start.task = about.task;
            Ok(journal.begin(&run, options, start)?)
        });
        match begun {
            Ok(writer) => Ok(Self::new(Some(writer), mode == JournalMode::Require)),
            Err(err) if mode == JournalMode::Require => Err(Hinted {
                message: format!("--journal require: {}", report::text(&err)),
                hint: "name a directory that can be written with SANDPIPER_JOURNAL".to_owned(),
            }
            .into()),
            Err(err) => {
                render::note(&format!("this run has no journal: {}", report::text(&err)));
                Ok(Self::new(None, false))
            }
        }
    }

    fn new(writer: Option<Writer>, is_required: bool) -> Self {
        Self { writer: Arc::new(Mutex::new(writer)), is_required, changes: None }
    }

    fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the changes written down that a command makes in its mounts, besides those in a directory of which they are
    /// told in another way.
    pub(crate) fn follow_changes(&mut self, spec: &Spec, besides: Option<&Path>, exec: &mut Exec) {
        let is_followed =
            |mount: &Mount| mount.access == Access::ReadWrite && Some(mount.host.as_path()) != besides;
        if self.writer().is_some() && spec.mounts.iter().any(is_followed) {
            let changes =
                ChangedFiles::new(Arc::clone(&self.writer), self.is_required, &spec.mounts, besides);
            let changes = self.changes.insert(Arc::new(changes));
            exec.changes = Some(Arc::clone(changes) as _);
        }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// Where the disk does not take it and the journal is required; else that is said, and the run goes on without.
    pub(crate) fn note(&self, record: &Record) -> Result<()> {
        self.note_all(std::slice::from_ref(record))
    }

    /// Adds records that belong together.
    ///
    /// # Errors
    /// As [`Journaled::note`].
    pub(crate) fn note_all(&self, records: &[Record]) -> Result<()> {
        let mut open = self.writer();
        let Some(writer) = &mut *open else { return Ok(()) };
        match writer.append_all(records) {
            Err(err) if !self.is_required => {
                *open = None;
                drop(open);
                tell_no_end(&err.into());
                Ok(())
            }
            noted => noted.context("cannot write the journal"),
        }
    }

    /// Writes the last records, what became of the run, and the end.
    ///
    /// # Errors
    /// Where the disk does not take it and the journal is required; else that is only said, for the outcome must not
    /// be lost with it.
    pub(crate) fn finish(
        self,
        last: &[Record],
        ended: Result<(&Outcome, &Limits), &anyhow::Error>,
    ) -> Result<()> {
        let is_required = self.is_required;
        match self.end(last, ended) {
            Err(err) if !is_required => {
                tell_no_end(&err);
                Ok(())
            }
            done => done,
        }
    }

    fn end(self, last: &[Record], ended: Result<(&Outcome, &Limits), &anyhow::Error>) -> Result<()> {
        self.note_all(last)?;
        if let Some(changes) = &self.changes {
            self.note_all(&changes.at_end())?;
        }
        if let Ok((outcome, limits)) = ended {
            self.note_all(&Record::of_outcome(outcome, limits))?;
        }
        let writer = self.writer().take();
        let Some(writer) = writer else { return Ok(()) };
        let end = match ended {
            Ok((outcome, _)) => RunEnded::of(outcome),
            Err(err) => RunEnded::failed(report::text(err)),
        };
        writer.finish(&end).context("cannot write the end of the journal")?;
        Ok(())
    }
}

fn tell_no_end(err: &anyhow::Error) {
    render::note(&format!("the journal of this run has no end: {}", report::text(err)));
}
