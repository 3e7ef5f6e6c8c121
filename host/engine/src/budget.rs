//! What the processes of a command use together: fuel and memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sandpiper_core::{Limits, Metering};

use crate::config::FUEL_YIELD_INTERVAL;

/// The fuel of all processes of a command.
///
/// Each has a store of its own, which is given all that is left when it starts, so that it ends
/// exactly at the limit when it is alone. What several use together is known at their host calls and,
/// between these, from the number of times that they yielded: it is overdrawn by at most a yield's
/// interval for each process.
#[derive(Debug)]
pub(crate) struct Fuel {
    /// `None` where fuel is not counted.
    limit: Option<u64>,
    used: AtomicU64,
}

/// What one process has used of the fuel.
#[derive(Debug)]
pub(crate) struct Meter {
    given: u64,
    /// What the store had left when its process last called the host.
    left: AtomicU64,
    /// Whether it is in a call of the host, where it uses none.
    in_call: AtomicBool,
    /// As `left`, when the last turn ended.
    left_then: AtomicU64,
    /// Used since the last call, by the turns that ended since.
    since: AtomicU64,
    /// Added to the sum.
    counted: AtomicU64,
}

impl Fuel {
    pub(crate) fn new(limits: &Limits) -> Self {
        let limit = (limits.metering == Metering::Fuel).then_some(limits.fuel);
        Self { limit, used: AtomicU64::new(0) }
    }

    /// What all have used; `None` where it is not counted.
    pub(crate) fn used(&self) -> Option<u64> {
        self.limit.map(|limit| self.used.load(Ordering::Relaxed).min(limit))
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.limit.is_some_and(|limit| self.used.load(Ordering::Relaxed) >= limit)
    }

    /// The meter of a process that starts.
    pub(crate) fn meter(&self) -> Arc<Meter> {
        let given = self.limit.unwrap_or(0).saturating_sub(self.used.load(Ordering::Relaxed));
        Arc::new(Meter {
            given,
            left: AtomicU64::new(given),
            in_call: AtomicBool::new(false),
            left_then: AtomicU64::new(given),
            since: AtomicU64::new(0),
            counted: AtomicU64::new(0),
        })
    }

    /// A process waits, or has yielded.
    pub(crate) fn count_turn(&self, meter: &Meter) {
        if self.limit.is_none() {
            return;
        }
        let left = meter.left.load(Ordering::Relaxed);
        let called = meter.left_then.swap(left, Ordering::Relaxed) != left;
        if !called && !meter.in_call.load(Ordering::Relaxed) {
            // It did not call the host in this turn: only the interval ends a turn then.
            meter.since.fetch_add(FUEL_YIELD_INTERVAL, Ordering::Relaxed);
        } else if called {
            meter.since.store(0, Ordering::Relaxed);
        }
        let used = meter.given.saturating_sub(left).saturating_add(meter.since.load(Ordering::Relaxed));
        self.count(meter, used);
    }

    /// A process has ended with so much fuel left.
    pub(crate) fn count_end(&self, meter: &Meter, left: Option<u64>) {
        if let Some(left) = left {
            self.count(meter, meter.given.saturating_sub(left));
        }
    }

    fn count(&self, meter: &Meter, used: u64) {
        let counted = meter.counted.swap(used, Ordering::Relaxed);
        self.used.fetch_add(used.saturating_sub(counted), Ordering::Relaxed);
        self.used.fetch_sub(counted.saturating_sub(used), Ordering::Relaxed);
    }
}

impl Meter {
    /// The fuel that the process starts with.
    pub(crate) fn given(&self) -> u64 {
        self.given
    }

    /// What it has used, as far as it is counted.
    pub(crate) fn counted(&self) -> u64 {
        self.counted.load(Ordering::Relaxed)
    }

    /// The process calls the host, with so much left.
    pub(crate) fn at_call(&self, left: u64) {
        self.left.store(left, Ordering::Relaxed);
        self.in_call.store(true, Ordering::Relaxed);
    }

    /// The call is over.
    pub(crate) fn at_return(&self) {
        self.in_call.store(false, Ordering::Relaxed);
    }
}

/// The linear memories of all processes of a command.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: u64,
    used: AtomicU64,
    peak: AtomicU64,
}

impl Memory {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limit: limits.memory_bytes, used: AtomicU64::new(0), peak: AtomicU64::new(0) }
    }

    /// Takes more, or nothing where it would exceed the limit.
    ///
    /// # Errors
    /// What all would have used then.
    pub(crate) fn take(&self, bytes: u64) -> Result<(), u64> {
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(before) => {
                self.peak.fetch_max(before.saturating_add(bytes), Ordering::Relaxed);
                Ok(())
            }
            Err(before) => Err(before.saturating_add(bytes)),
        }
    }

    /// What can still be taken.
    pub(crate) fn available(&self) -> u64 {
        self.limit.saturating_sub(self.used.load(Ordering::Relaxed))
    }

    /// Gives back what a process had.
    pub(crate) fn give(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The most that was used at one time.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuel_of_several_is_counted_at_calls_and_by_turns() {
        let fuel = Fuel::new(&Limits { fuel: 10 * FUEL_YIELD_INTERVAL, ..Limits::default() });
        let (first, second) = (fuel.meter(), fuel.meter());
        first.at_call(first.given() - 5);
        for _ in 0..3 {
            fuel.count_turn(&first);
            assert_eq!(fuel.used(), Some(5));
        }
        for turn in 1..=3 {
            fuel.count_turn(&second);
            assert_eq!(fuel.used(), Some(5 + turn * FUEL_YIELD_INTERVAL));
        }
        second.at_call(second.given() - 3 * FUEL_YIELD_INTERVAL - 7);
        fuel.count_turn(&second);
        fuel.count_end(&second, Some(second.given() - 3 * FUEL_YIELD_INTERVAL - 9));
        assert_eq!(fuel.used(), Some(5 + 3 * FUEL_YIELD_INTERVAL + 9));
        assert!(!fuel.is_used_up());
        let third = fuel.meter();
        assert_eq!(third.given(), 7 * FUEL_YIELD_INTERVAL - 14);
        fuel.count_end(&third, Some(0));
        assert!(fuel.is_used_up());
    }

    #[test]
    fn memory_is_taken_and_given_back_within_the_limit() {
        let memory = Memory::new(&Limits { memory_bytes: 100, ..Limits::default() });
        assert_eq!(memory.take(60), Ok(()));
        assert_eq!(memory.take(41), Err(101));
        assert_eq!(memory.take(40), Ok(()));
        memory.give(60);
        assert_eq!(memory.take(1), Ok(()));
        assert_eq!(memory.peak(), 100);
    }
}
