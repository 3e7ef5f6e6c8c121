//! One sandbox that the server holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use sandpiper_core::{Capabilities, Network, Sandbox, Spec};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::daytona::Desk;
use crate::failure::Failure;
use crate::interpreter::Interpreters;
use crate::processes::Processes;
use crate::watchers::Watchers;

/// What happens when a sandbox's life is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnExpiry {
    /// It is closed, if it runs; one that is set aside has no end.
    #[default]
    Close,
    /// It is set aside.
    Pause,
    /// It is closed, whatever it does.
    Destroy,
}

/// Where a sandbox is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Commands can be run in it.
    Running,
    /// It is set aside, by the backend or, where that cannot, by the server.
    Paused,
    /// It is on its way from one to another.
    Changing,
}

/// A sandbox with what is known of it.
pub(crate) struct Held {
    /// By which clients name it.
    pub(crate) id: String,
    /// The template's name.
    pub(crate) template: String,
    /// The spec of the template, which need not be there any more.
    pub(crate) made_of: Spec,
    /// What its maker noted.
    pub(crate) metadata: Mutex<BTreeMap<String, String>>,
    /// The variables of its commands, under their own.
    pub(crate) env: BTreeMap<String, String>,
    /// By which its maker's processes are let in, for faces that have such.
    pub(crate) token: String,
    /// When it was made.
    pub(crate) created: SystemTime,
    /// What its commands may reach.
    pub(crate) network: Network,
    /// What the backend offers for it.
    pub(crate) capabilities: Capabilities,
    /// What faces note about it, by names of their own.
    pub(crate) notes: Mutex<serde_json::Map<String, serde_json::Value>>,
    /// What the Daytona face keeps for it, once that has seen it.
    pub(crate) daytona: OnceLock<Arc<Desk>>,
    /// Its processes.
    pub(crate) processes: Processes,
    /// Its directories that are watched.
    pub(crate) watchers: Watchers,
    /// Its interpreters.
    pub(crate) interpreters: Interpreters,
    pub(crate) life: Mutex<Life>,
    pub(crate) sandbox: Mutex<Arc<dyn Sandbox>>,
    /// Its place among the sandboxes of the server.
    pub(crate) _place: OwnedSemaphorePermit,
}

/// How long a sandbox has still to live, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) phase: Phase,
    /// When it is over: for the task that waits for it, and to be told.
    pub(crate) ends_at: Instant,
    pub(crate) ends: SystemTime,
    pub(crate) on_expiry: OnExpiry,
}

impl Life {
    pub(crate) fn new(lifetime: Duration, on_expiry: OnExpiry) -> Self {
        Self {
            phase: Phase::Running,
            ends_at: Instant::now() + lifetime,
            ends: SystemTime::now() + lifetime,
            on_expiry,
        }
    }
}

impl Held {
    /// The sandbox, as far as it runs.
    ///
    /// # Errors
    /// [`Failure::Conflict`] for one that is set aside, or on its way.
    pub(crate) fn running(&self) -> Result<Arc<dyn Sandbox>, Failure> {
        match self.life().phase {
            Phase::Running => Ok(self.sandbox()),
            Phase::Paused => Err(Failure::Conflict(format!("the sandbox {} is paused", self.id))),
            Phase::Changing => {
                Err(Failure::Conflict(format!("the sandbox {} is changing its state", self.id)))
            }
        }
    }

    /// The sandbox, whatever it does.
    pub(crate) fn sandbox(&self) -> Arc<dyn Sandbox> {
        Arc::clone(&self.sandbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How long it lives, and how.
    pub(crate) fn life(&self) -> Life {
        *self.lock_life()
    }

    pub(crate) fn lock_life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its maker noted.
    pub(crate) fn metadata(&self) -> BTreeMap<String, String> {
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The notes of a face, to read and to change.
    pub(crate) fn notes(&self) -> MutexGuard<'_, serde_json::Map<String, serde_json::Value>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all that runs in it, and says why to who listens.
    pub(crate) fn end_all(&self, reason: &str) {
        self.processes.end_all(reason);
        self.interpreters.end_all(reason);
        self.watchers.end_all();
    }

    /// Whether anything runs in it.
    pub(crate) fn is_busy(&self) -> bool {
        !self.processes.running().is_empty() || !self.interpreters.list().is_empty()
    }

    /// Whether it has all of `metadata`.
    pub(crate) fn has(&self, metadata: &BTreeMap<String, String>) -> bool {
        let own = self.metadata.lock().unwrap_or_else(PoisonError::into_inner);
        metadata.iter().all(|(name, value)| own.get(name) == Some(value))
    }

    /// Begins to change its state; who drops the change without an end leaves it as it was.
    pub(crate) fn change(&self) -> Result<Change<'_>, Failure> {
        let mut life = self.lock_life();
        if life.phase == Phase::Changing {
            return Err(Failure::Conflict(format!("the sandbox {} is changing its state", self.id)));
        }
        let before = life.phase;
        life.phase = Phase::Changing;
        Ok(Change { held: self, before, after: before })
    }
}

/// A change of state that is under way.
pub(crate) struct Change<'a> {
    held: &'a Held,
    /// The state before.
    pub(crate) before: Phase,
    after: Phase,
}

impl Change<'_> {
    /// It has happened.
    pub(crate) fn done(mut self, after: Phase) {
        self.after = after;
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.held.lock_life().phase = self.after;
    }
}
