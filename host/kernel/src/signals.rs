//! The signals of a process: what each does, and which have come.
//!
//! A WebAssembly program cannot be interrupted in the middle of its code. So a signal either ends the
//! process from outside, or it is noted: the call that waits returns `INTR`, and the program asks which
//! came.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::Errno;

/// The number of a signal, 1 to 64, as Linux has them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(u8);

impl Signal {
    /// Ctrl-C.
    pub const INT: Self = Self(2);
    /// Cannot be noted or ignored.
    pub const KILL: Self = Self(9);
    /// A write to a pipe that nobody reads.
    pub const PIPE: Self = Self(13);
    /// A request to end.
    pub const TERM: Self = Self(15);
    /// A child has ended.
    pub const CHLD: Self = Self(17);
    const STOP: Self = Self(19);

    /// The signal of a number.
    ///
    /// # Errors
    /// `INVAL` for a number that is none.
    pub fn from_raw(number: u32) -> Result<Self, Errno> {
        match u8::try_from(number) {
            Ok(number @ 1..=64) => Ok(Self(number)),
            _ => Err(Errno::INVAL),
        }
    }

    /// The number.
    pub const fn raw(self) -> u8 {
        self.0
    }

    fn bit(self) -> u64 {
        1 << (u32::from(self.0) - 1)
    }

    /// What the signal does where the process did not decide (`signal(7)`).
    fn default(self) -> Default {
        match self.0 {
            // CHLD, CONT, URG, WINCH.
            17 | 18 | 23 | 28 => Default::Nothing,
            // STOP, TSTP, TTIN, TTOU.
            19..=22 => Default::Stop,
            _ => Default::End,
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signal({})", self.0)
    }
}

enum Default {
    Nothing,
    Stop,
    End,
}

/// What a process has a signal do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// What POSIX has it do.
    Default,
    /// Nothing.
    Ignore,
    /// It is noted, and ends the call that waits.
    Note,
}

/// The signals of one process.
#[derive(Debug)]
pub(crate) struct Signals(Mutex<State>);

#[derive(Debug)]
struct State {
    ignored: u64,
    note: u64,
    noted: u64,
    /// A signal was noted since a wait last returned for one.
    unseen: bool,
    ended_by: Option<Signal>,
    waiting: Vec<Waker>,
}

impl Signals {
    /// The signals of a process that the host starts: each does what POSIX has it do.
    pub(crate) fn new() -> Self {
        Self::with(0, 0)
    }

    fn with(ignored: u64, note: u64) -> Self {
        let (noted, unseen) = (0, false);
        Self(Mutex::new(State { ignored, note, noted, unseen, ended_by: None, waiting: Vec::new() }))
    }

    /// Those of a spawned process: what is ignored stays so (POSIX `exec`).
    pub(crate) fn spawned(&self) -> Self {
        Self::with(self.lock().ignored, 0)
    }

    /// Those of a forked process: all as they were, none noted (POSIX `fork`).
    pub(crate) fn forked(&self) -> Self {
        let state = self.lock();
        Self::with(state.ignored, state.note)
    }

    /// Sets what a signal does, and gives what it did.
    ///
    /// # Errors
    /// `INVAL` for those that always do the same.
    pub(crate) fn act(&self, signal: Signal, action: Action) -> Result<Action, Errno> {
        if signal == Signal::KILL || signal == Signal::STOP {
            return Err(Errno::INVAL);
        }
        let mut state = self.lock();
        let before = state.action(signal);
        state.ignored &= !signal.bit();
        state.note &= !signal.bit();
        match action {
            Action::Default => {}
            Action::Ignore => state.ignored |= signal.bit(),
            Action::Note => state.note |= signal.bit(),
        }
        if action != Action::Note {
            state.noted &= !signal.bit();
        }
        Ok(before)
    }

    /// Has the signal come.
    ///
    /// # Errors
    /// `NOTSUP` for one that would stop the process: there is no job control.
    pub(crate) fn send(&self, signal: Signal) -> Result<(), Errno> {
        let mut state = self.lock();
        match state.action(signal) {
            Action::Ignore => {}
            Action::Note => {
                state.noted |= signal.bit();
                state.unseen = true;
                state.wake();
            }
            Action::Default => match signal.default() {
                Default::Nothing => {}
                Default::Stop => return Err(Errno::NOTSUP),
                Default::End => {
                    state.ended_by.get_or_insert(signal);
                    state.wake();
                }
            },
        }
        Ok(())
    }

    /// Whether the signal would end the process, as one that it causes itself does; one that is noted is
    /// noted now.
    pub(crate) fn ends(&self, signal: Signal) -> bool {
        let mut state = self.lock();
        match state.action(signal) {
            Action::Default => true,
            Action::Ignore => false,
            Action::Note => {
                state.noted |= signal.bit();
                false
            }
        }
    }

    /// Takes out what was noted: bit n-1 for signal n.
    pub(crate) fn take(&self) -> u64 {
        let mut state = self.lock();
        state.unseen = false;
        std::mem::take(&mut state.noted)
    }

    /// Ready when a signal was noted since a wait last ended for one.
    pub(crate) fn poll_noted(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if std::mem::take(&mut state.unseen) {
            return Poll::Ready(());
        }
        state.wait(context);
        Poll::Pending
    }

    /// The signal that has ended the process.
    pub(crate) fn ended_by(&self) -> Option<Signal> {
        self.lock().ended_by
    }

    /// Ready when a signal has ended the process.
    pub(crate) fn poll_ended(&self, context: &Context<'_>) -> Poll<Signal> {
        let mut state = self.lock();
        if let Some(signal) = state.ended_by {
            return Poll::Ready(signal);
        }
        state.wait(context);
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn action(&self, signal: Signal) -> Action {
        if self.ignored & signal.bit() != 0 {
            Action::Ignore
        } else if self.note & signal.bit() != 0 {
            Action::Note
        } else {
            Action::Default
        }
    }

    fn wait(&mut self, context: &Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            self.waiting.push(context.waker().clone());
        }
    }

    fn wake(&mut self) {
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(number: u32) -> Signal {
        Signal::from_raw(number).unwrap()
    }

    fn noted(signals: &Signals) -> bool {
        signals.poll_noted(&Context::from_waker(Waker::noop())).is_ready()
    }

    fn ended(signals: &Signals) -> Option<Signal> {
        match signals.poll_ended(&Context::from_waker(Waker::noop())) {
            Poll::Ready(signal) => Some(signal),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_signal_does_what_posix_has_it_do_unless_it_was_decided() {
        let signals = Signals::new();
        signals.send(Signal::CHLD).unwrap();
        assert_eq!(signals.send(signal(20)), Err(Errno::NOTSUP));
        assert_eq!(ended(&signals), None);
        assert_eq!(signals.act(Signal::TERM, Action::Ignore), Ok(Action::Default));
        signals.send(Signal::TERM).unwrap();
        assert_eq!(ended(&signals), None);
        assert_eq!(signals.act(Signal::TERM, Action::Default), Ok(Action::Ignore));
        signals.send(Signal::TERM).unwrap();
        signals.send(Signal::INT).unwrap();
        assert_eq!(ended(&signals), Some(Signal::TERM));
    }

    #[test]
    fn a_noted_signal_interrupts_one_wait_and_is_taken_once() {
        let signals = Signals::new();
        signals.act(Signal::INT, Action::Note).unwrap();
        assert!(!noted(&signals));
        signals.send(Signal::INT).unwrap();
        assert!(noted(&signals));
        assert!(!noted(&signals));
        assert_eq!(signals.take(), 1 << 1);
        assert_eq!(signals.take(), 0);
        assert_eq!(ended(&signals), None);
    }

    #[test]
    fn kill_cannot_be_decided() {
        let signals = Signals::new();
        for action in [Action::Default, Action::Ignore, Action::Note] {
            assert_eq!(signals.act(Signal::KILL, action), Err(Errno::INVAL));
        }
        signals.send(Signal::KILL).unwrap();
        assert_eq!(ended(&signals), Some(Signal::KILL));
    }

    #[test]
    fn a_spawned_process_keeps_what_is_ignored_and_a_forked_one_all() {
        let signals = Signals::new();
        signals.act(Signal::INT, Action::Note).unwrap();
        signals.act(Signal::PIPE, Action::Ignore).unwrap();
        let spawned = signals.spawned();
        assert_eq!(spawned.act(Signal::INT, Action::Default), Ok(Action::Default));
        assert_eq!(spawned.act(Signal::PIPE, Action::Default), Ok(Action::Ignore));
        let forked = signals.forked();
        assert_eq!(forked.act(Signal::INT, Action::Default), Ok(Action::Note));
    }

    #[test]
    fn numbers_outside_of_1_to_64_are_no_signals() {
        for number in [0, 65, 256, u32::MAX] {
            assert_eq!(Signal::from_raw(number), Err(Errno::INVAL));
        }
        assert_eq!(signal(64).bit(), 1 << 63);
    }
}
