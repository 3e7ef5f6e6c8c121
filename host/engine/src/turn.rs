//! A guest's turn on the executor's thread, as far as host functions take it.
//!
//! A guest that computes yields by fuel or epoch. Fuel does not know how long host functions take: a
//! guest that does little but call long ones would hold the thread, and outlive its deadline, for as
//! many calls as an interval of fuel pays for.

use std::time::{Duration, Instant};

/// How long calls may take together before others have a turn; as [`FUEL_YIELD_INTERVAL`] does of
/// computing, it bounds how far a deadline is overrun.
///
/// [`FUEL_YIELD_INTERVAL`]: crate::config::FUEL_YIELD_INTERVAL
const TURN: Duration = Duration::from_millis(1);

/// The time that calls took in a guest's turn.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    taken: Duration,
}

impl Turn {
    /// Counts a call, and lets others run where the turn is over.
    pub(crate) async fn end_call(&mut self, start: Instant) {
        self.taken += start.elapsed();
        if self.taken >= TURN {
            self.taken = Duration::ZERO;
            tokio::task::yield_now().await;
        }
    }
}
