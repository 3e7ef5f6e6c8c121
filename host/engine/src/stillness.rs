//! Processes of a group stand still while the host works on their files for one of them.
//!
//! What git finds in a worktree, and what it leaves there, does then not depend on how fast the host is,
//! and so each run of the same programs is the same.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// Whether a group's processes may go on.
#[derive(Debug, Default)]
pub(crate) struct Stillness(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The process for which the host works.
    holder: Option<u32>,
    /// Those that were to go on meanwhile, in that order.
    waiting: Vec<Waker>,
}

/// Lets the others go on when it is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a>(&'a Stillness);

impl Stillness {
    /// Lets no process but this one go on.
    pub(crate) fn hold(&self, pid: u32) -> Held<'_> {
        self.state().holder = Some(pid);
        Held(self)
    }

    /// Whether a process may go on; if not, it is woken when it may.
    pub(crate) fn lets_move(&self, pid: u32, context: &Context<'_>) -> bool {
        let mut state = self.state();
        let free = state.holder.is_none_or(|holder| holder == pid);
        if !free {
            state.waiting.push(context.waker().clone());
        }
        free
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.0.state();
            state.holder = None;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}
