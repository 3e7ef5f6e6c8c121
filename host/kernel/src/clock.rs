//! The clocks of a sandbox.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The source of time of one sandbox.
#[derive(Debug)]
pub struct Clock(Source);

#[derive(Debug)]
enum Source {
    /// The host's clocks; the monotonic one starts at 0 with the sandbox, so that the host's uptime
    /// does not show.
    Host { start: Instant },
    /// A virtual time that moves by a fixed step with each reading, and jumps over sleeps.
    Virtual { start_ns: u64, elapsed_ns: AtomicU64 },
}

impl Clock {
    /// How far a virtual clock moves with each reading.
    pub(crate) const VIRTUAL_STEP_NS: u64 = 1_000;

    pub(crate) fn new(clock: sandpiper_core::Clock) -> Self {
        Self(match clock {
            sandpiper_core::Clock::Host => Source::Host { start: Instant::now() },
            sandpiper_core::Clock::Virtual { start_ns } => {
                Source::Virtual { start_ns, elapsed_ns: AtomicU64::new(0) }
            }
        })
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub fn realtime_ns(&self) -> u64 {
        match &self.0 {
            Source::Host { .. } => since_epoch_ns(SystemTime::now()),
            Source::Virtual { start_ns, elapsed_ns } => {
                start_ns.saturating_add(advance(elapsed_ns, Self::VIRTUAL_STEP_NS))
            }
        }
    }

    /// As [`Clock::realtime_ns`], without counting as a reading: what the kernel itself stamps.
    pub(crate) fn stamp_ns(&self) -> u64 {
        match &self.0 {
            Source::Host { .. } => since_epoch_ns(SystemTime::now()),
            Source::Virtual { start_ns, elapsed_ns } => {
                start_ns.saturating_add(elapsed_ns.load(Ordering::Relaxed))
            }
        }
    }

    /// Nanoseconds since the sandbox began.
    pub fn monotonic_ns(&self) -> u64 {
        match &self.0 {
            Source::Host { start } => duration_ns(start.elapsed()),
            Source::Virtual { elapsed_ns, .. } => advance(elapsed_ns, Self::VIRTUAL_STEP_NS),
        }
    }

    /// As [`Clock::monotonic_ns`], without counting as a reading.
    pub fn monotonic_stamp_ns(&self) -> u64 {
        match &self.0 {
            Source::Host { start } => duration_ns(start.elapsed()),
            Source::Virtual { elapsed_ns, .. } => elapsed_ns.load(Ordering::Relaxed),
        }
    }

    /// The smallest difference between two readings that means something.
    pub fn resolution_ns(&self) -> u64 {
        match &self.0 {
            Source::Host { .. } if cfg!(windows) => 100,
            Source::Host { .. } => 1,
            Source::Virtual { .. } => Self::VIRTUAL_STEP_NS,
        }
    }

    /// Whether the time is a virtual one.
    pub fn is_virtual(&self) -> bool {
        matches!(self.0, Source::Virtual { .. })
    }

    /// Moves a virtual clock over a sleep; the host's moves by itself.
    pub fn skip(&self, sleep_ns: u64) {
        if let Source::Virtual { elapsed_ns, .. } = &self.0 {
            advance(elapsed_ns, sleep_ns);
        }
    }
}

/// Moves a virtual time, which stops at its end: a guest may sleep as long as it likes, and its time
/// must not start again. Gives the time before.
fn advance(elapsed_ns: &AtomicU64, by_ns: u64) -> u64 {
    let add = |elapsed: u64| Some(elapsed.saturating_add(by_ns));
    elapsed_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).unwrap_or_else(|elapsed| elapsed)
}

/// A time as nanoseconds since the Unix epoch: 0 before it, the largest number after 2554.
pub(crate) fn since_epoch_ns(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, duration_ns)
}

/// A duration in nanoseconds, at most the largest number.
pub(crate) fn duration_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_moves_by_readings_and_sleeps_only() {
        let clock = Clock::new(sandpiper_core::Clock::Virtual { start_ns: 5_000_000 });
        assert_eq!(clock.realtime_ns(), 5_000_000);
        assert_eq!(clock.monotonic_ns(), 1_000);
        clock.skip(1_000_000_000);
        assert_eq!(clock.realtime_ns(), 1_005_002_000);
        clock.skip(u64::MAX);
        for _ in 0..2 {
            assert_eq!((clock.realtime_ns(), clock.monotonic_ns()), (u64::MAX, u64::MAX), "it stops there");
        }
    }

    #[test]
    fn the_host_monotonic_clock_starts_at_zero() {
        let clock = Clock::new(sandpiper_core::Clock::Host);
        let first = clock.monotonic_ns();
        assert!(first < 1_000_000_000, "{first}");
        assert!(clock.monotonic_ns() >= first);
    }
}
