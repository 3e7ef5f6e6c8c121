//! What Daytona's API knows of a sandbox beyond what the server does: its name, its intervals, its sessions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::process::Session;
use super::wire::Timestamp;
use crate::failure::Failure;
use crate::held::{Held, Phase};
use crate::random;

/// The key of this face's notes in [`Held::notes`].
pub(crate) const NOTES: &str = "daytona";

/// Sessions of a sandbox at one time.
const SESSIONS: usize = 64;

/// What is set for a sandbox. Intervals are minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// `None` where its id is its name.
    pub(crate) name: Option<String>,
    /// Without use, until it is stopped; 0 is never.
    pub(crate) auto_stop: u32,
    /// Stopped, until it is archived; 0 is never.
    pub(crate) auto_archive: u32,
    /// Stopped, until it is deleted: 0 is at once, and `None` never.
    pub(crate) auto_delete: Option<u32>,
    /// Whether its commands reach nothing.
    pub(crate) network_block_all: bool,
    /// What they reach, as it was asked for.
    pub(crate) network_allow_list: Option<String>,
    /// The hosts that they reach, as it was asked for.
    pub(crate) domain_allow_list: Option<String>,
}

/// How a sandbox that does not run came to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    Stopped,
    Archived,
}

/// What is kept for one sandbox.
#[derive(Debug)]
pub(crate) struct Desk {
    /// By which signed addresses are made.
    signing_key: Mutex<String>,
    changing: Mutex<Changing>,
    /// The sessions, in the order of their making.
    sessions: Mutex<Vec<Arc<Session>>>,
}

/// What changes.
#[derive(Debug)]
pub(crate) struct Changing {
    pub(crate) settings: Settings,
    /// Requests that are being answered.
    in_flight: usize,
    /// When the last one came or went.
    used: (Instant, SystemTime),
    /// How it halted, and when; looked at only while it does not run.
    pub(crate) halt: Option<(Halt, Instant)>,
    pub(crate) updated: SystemTime,
    /// Variables of commands to come, over those of the sandbox.
    pub(crate) env: BTreeMap<String, String>,
    /// When its interpreters were made, by their ids.
    pub(crate) contexts: BTreeMap<String, Timestamp>,
}

impl Desk {
    /// The desk of a sandbox, from what was noted when it was made; another face's has no intervals.
    pub(crate) fn of(held: &Held) -> Result<Arc<Self>, Failure> {
        if let Some(desk) = held.daytona.get() {
            return Ok(Arc::clone(desk));
        }
        let noted = held.notes().get(NOTES).cloned();
        let settings = noted.map_or(Ok(Settings::of_another_face()), serde_json::from_value);
        let settings = settings
            .map_err(|err| Failure::Internal(format!("the notes of {} are broken: {err}", held.id)))?;
        let desk = Arc::new(Self::new(settings)?);
        Ok(Arc::clone(held.daytona.get_or_init(|| desk)))
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self {
            signing_key: Mutex::new(random::token()?),
            changing: Mutex::new(Changing {
                settings,
                in_flight: 0,
                used: (Instant::now(), SystemTime::now()),
                halt: None,
                updated: SystemTime::now(),
                env: BTreeMap::new(),
                contexts: BTreeMap::new(),
            }),
            sessions: Mutex::default(),
        })
    }

    pub(crate) fn signing_key(&self) -> String {
        self.signing_key.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn rotate_signing_key(&self) -> Result<String, Failure> {
        let key = random::token()?;
        self.signing_key.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&key);
        Ok(key)
    }

    pub(crate) fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is set.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Settings)) {
        let mut changing = self.changing();
        change(&mut changing.settings);
        changing.updated = SystemTime::now();
    }

    /// Notes that it was stopped, and says whether it goes on to exist.
    pub(crate) fn halted(&self) -> AfterHalt {
        let mut changing = self.changing();
        changing.halt = Some((Halt::Stopped, Instant::now()));
        changing.updated = SystemTime::now();
        if changing.settings.auto_delete == Some(0) { AfterHalt::Delete } else { AfterHalt::Keep }
    }

    /// Has a stopped sandbox be an archived one. Nothing is moved: its files are where they were.
    pub(crate) fn archive(&self) {
        let mut changing = self.changing();
        if let Some((halt, _)) = &mut changing.halt {
            *halt = Halt::Archived;
        }
        changing.updated = SystemTime::now();
    }

    /// Notes that it runs, or is paused, which is no halt.
    pub(crate) fn runs_or_waits(&self) {
        let mut changing = self.changing();
        changing.halt = None;
        changing.updated = SystemTime::now();
    }

    /// Counts a request until what it gives back is dropped.
    pub(crate) fn use_it(self: &Arc<Self>) -> InUse {
        let mut changing = self.changing();
        changing.in_flight += 1;
        changing.touch();
        InUse(Arc::clone(self))
    }

    pub(crate) fn sessions(&self) -> Vec<Arc<Session>> {
        self.lock_sessions().clone()
    }

    pub(crate) fn session(&self, id: &str) -> Option<Arc<Session>> {
        self.lock_sessions().iter().find(|session| session.id == id).cloned()
    }

    /// Whether there is a place for a session of this name.
    pub(crate) fn check_session(&self, id: &str) -> Result<(), Failure> {
        let sessions = self.lock_sessions();
        if sessions.iter().any(|session| session.id == id) {
            return Err(Failure::Conflict(format!("there is a session {id:?} already")));
        }
        if sessions.len() >= SESSIONS {
            return Err(Failure::Limit(format!("the sandbox has {SESSIONS} sessions; delete one before")));
        }
        Ok(())
    }

    pub(crate) fn add_session(&self, session: Session) -> Result<(), Failure> {
        self.check_session(&session.id)?;
        self.lock_sessions().push(Arc::new(session));
        Ok(())
    }

    /// Forgets a session.
    pub(crate) fn remove_session(&self, id: &str) {
        self.lock_sessions().retain(|session| session.id != id);
    }

    /// Ends all sessions, with their shells.
    pub(crate) fn end_sessions(&self) {
        let ended = std::mem::take(&mut *self.lock_sessions());
        for session in ended {
            session.end();
        }
    }

    fn lock_sessions(&self) -> MutexGuard<'_, Vec<Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changing {
    fn touch(&mut self) {
        self.used = (Instant::now(), SystemTime::now());
    }

    /// When it was last used, for people.
    pub(crate) fn used(&self) -> SystemTime {
        self.used.1
    }

    /// What its intervals ask for now.
    pub(crate) fn due(&self, phase: Phase, now: Instant) -> Option<Due> {
        let over = |since: Instant, minutes: u32| {
            now.saturating_duration_since(since) >= Duration::from_mins(minutes.into())
        };
        let settings = &self.settings;
        match (phase, self.halt) {
            (Phase::Running, _) => {
                let due =
                    settings.auto_stop > 0 && self.in_flight == 0 && over(self.used.0, settings.auto_stop);
                due.then_some(Due::Stop)
            }
            (Phase::Paused, Some((halt, since))) => {
                if settings.auto_delete.is_some_and(|minutes| over(since, minutes)) {
                    Some(Due::Delete)
                } else {
                    let due = halt == Halt::Stopped
                        && settings.auto_archive > 0
                        && over(since, settings.auto_archive);
                    due.then_some(Due::Archive)
                }
            }
            (Phase::Paused, None) | (Phase::Changing, _) => None,
        }
    }
}

/// What becomes of a sandbox that was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterHalt {
    Keep,
    Delete,
}

/// What is to be done with a sandbox when an interval has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Stop,
    Archive,
    Delete,
}

impl Settings {
    /// Of a sandbox that was not made by this face: its own face ends it.
    fn of_another_face() -> Self {
        Self {
            name: None,
            auto_stop: 0,
            auto_archive: 0,
            auto_delete: None,
            network_block_all: false,
            network_allow_list: None,
            domain_allow_list: None,
        }
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct InUse(Arc<Desk>);

impl Drop for InUse {
    fn drop(&mut self) {
        let mut changing = self.0.changing();
        changing.in_flight = changing.in_flight.saturating_sub(1);
        changing.touch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk(change: impl FnOnce(&mut Settings)) -> Arc<Desk> {
        let mut settings = Settings::of_another_face();
        change(&mut settings);
        Arc::new(Desk::new(settings).unwrap())
    }

    fn in_minutes(minutes: u64) -> Instant {
        Instant::now() + Duration::from_mins(minutes)
    }

    #[test]
    fn what_nobody_uses_is_stopped_after_its_interval_and_not_while_it_is_used() {
        let desk = desk(|settings| settings.auto_stop = 5);
        assert_eq!(desk.changing().due(Phase::Running, in_minutes(4)), None);
        assert_eq!(desk.changing().due(Phase::Running, in_minutes(6)), Some(Due::Stop));
        let in_use = desk.use_it();
        assert_eq!(desk.changing().due(Phase::Running, in_minutes(6)), None);
        drop(in_use);
        assert_eq!(desk.changing().due(Phase::Running, in_minutes(6)), Some(Due::Stop));
        desk.set(|settings| settings.auto_stop = 0);
        assert_eq!(desk.changing().due(Phase::Running, in_minutes(1_000)), None);
    }

    #[test]
    fn what_is_stopped_is_archived_and_then_deleted() {
        let desk = desk(|settings| (settings.auto_archive, settings.auto_delete) = (5, Some(10)));
        desk.changing().halt = Some((Halt::Stopped, Instant::now()));
        let due = |minutes| desk.changing().due(Phase::Paused, in_minutes(minutes));
        assert_eq!((due(4), due(6), due(11)), (None, Some(Due::Archive), Some(Due::Delete)));
        desk.changing().halt = Some((Halt::Archived, Instant::now()));
        assert_eq!((due(6), due(11)), (None, Some(Due::Delete)));
        desk.set(|settings| settings.auto_delete = None);
        assert_eq!(due(1_000), None);
    }
}
