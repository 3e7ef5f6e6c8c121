//! Which runs a list shows.

use std::time::SystemTime;

use crate::{State, Summary};

/// Which runs a list shows: those to which all that is given applies.
///
/// # Examples
/// ```
/// use sandpiper_journal::{Ended, Filter};
/// let failed_today = Filter { ended: Some(Ended::Failure), most: Some(20), ..Filter::default() };
/// # let _ = failed_today;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Began at this time or later.
    pub since: Option<SystemTime>,
    /// Began before this time.
    pub until: Option<SystemTime>,
    /// Ended so.
    pub ended: Option<Ended>,
    /// Has come so far.
    pub state: Option<State>,
    /// On the backend of this name.
    pub backend: Option<String>,
    /// Of this task.
    pub task: Option<String>,
    /// At most so many, the newest.
    pub most: Option<usize>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The guest ended by itself with status 0.
    Success,
    /// Any other way, also by a fault of the host and without an end.
    Failure,
    /// With this exit code, as the command line gives it.
    Code(u8),
}

impl Filter {
    pub(crate) fn matches(&self, summary: &Summary) -> bool {
        let Self { since, until, ended, state, backend, task, most: _ } = self;
        let exit = summary.exit.as_ref();
        let has_succeeded = exit.is_some_and(sandpiper_core::Exit::success);
        since.is_none_or(|since| summary.started.is_some_and(|started| started >= since))
            && until.is_none_or(|until| summary.started.is_some_and(|started| started < until))
            && ended.is_none_or(|ended| match ended {
                Ended::Success => has_succeeded,
                Ended::Failure => !has_succeeded && summary.state != State::Running,
                Ended::Code(code) => exit.is_some_and(|exit| exit.code() == code),
            })
            && state.is_none_or(|state| summary.state == state)
            && backend.as_ref().is_none_or(|backend| *backend == summary.backend)
            && task.as_ref().is_none_or(|task| summary.task.as_ref() == Some(task))
    }
}
