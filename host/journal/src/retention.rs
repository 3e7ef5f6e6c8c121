//! Removes the journals of old runs.

use std::time::{Duration, SystemTime};

use crate::index::Index;
use crate::{Journal, JournalError, RunId, State, layout};

/// Which runs stay. What is not given does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Those that began no longer ago than this.
    pub max_age: Option<Duration>,
    /// The newest, so many.
    pub max_runs: Option<usize>,
    /// The newest that fit into so many bytes together.
    pub max_total_bytes: Option<u64>,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The runs, the newest first.
    pub runs: Vec<RunId>,
    /// The bytes of their files.
    pub bytes: u64,
}

impl Journal {
    /// Removes the journals of runs that are too old, too many or too big. One that is being written always
    /// stays, and counts.
    ///
    /// # Errors
    /// [`JournalError::Io`] and [`JournalError::Busy`].
    pub fn collect(&self, retention: &Retention, now: SystemTime) -> Result<Collected, JournalError> {
        let index = Index::open(self.layout())?;
        let guard = index.lock()?;
        let mut noted = self.reconcile(&guard)?;
        let (mut kept_runs, mut kept_bytes) = (0_usize, 0_u64);
        let mut collected = Collected::default();
        for (run, summary) in self.shown(noted.clone())?.iter().rev() {
            let age = summary.started.and_then(|started| now.duration_since(started).ok());
            let bytes = kept_bytes.saturating_add(summary.bytes);
            let stays = retention.max_age.is_none_or(|max| age.is_none_or(|age| age <= max))
                && retention.max_runs.is_none_or(|max| kept_runs < max)
                && retention.max_total_bytes.is_none_or(|max| bytes <= max);
            if stays || summary.state == State::Running {
                kept_runs += 1;
                kept_bytes = bytes;
            } else {
                collected.runs.push(run.clone());
                collected.bytes += summary.bytes;
            }
        }
        if collected.runs.is_empty() {
            return Ok(collected);
        }
        noted.retain(|run, _| !collected.runs.contains(run));
        // First: a file that the index does not know is found again, where one that it knows and that is not
        // there would be taken for removed by somebody else.
        guard.replace(&noted)?;
        collected.runs.iter().try_for_each(|run| layout::remove(&self.layout().run(run)))?;
        Ok(collected)
    }
}
