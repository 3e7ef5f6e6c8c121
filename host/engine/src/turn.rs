//! A guest's turn on the executor's thread, as far as host functions take it.
//!
//! A guest that computes yields by fuel or epoch. Fuel does not know how long host functions take: a
//! guest that does little but call long ones would hold the thread, and outlive its deadline, for as
//! many calls as an interval of fuel pays for.

use std::time::{Duration, Instant};

use wasmtime::{CallHook, CallHookHandler, StoreContextMut};
use wasmtime_wasi::async_trait;

use crate::store::State;

/// How long calls may take together before others have a turn; as [`FUEL_YIELD_INTERVAL`] does of
/// computing, it bounds how far a deadline is overrun.
///
/// [`FUEL_YIELD_INTERVAL`]: crate::config::FUEL_YIELD_INTERVAL
const TURN: Duration = Duration::from_millis(1);

/// The time that calls took in a guest's turn.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    taken: Duration,
    /// When the host's part of a call began, where a hook counts it.
    host_since: Option<Instant>,
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

/// Counts the calls of functions that do not do it themselves. A call that goes back into the guest, to
/// have memory allocated for its answer, is two.
pub(crate) struct EndOfCall;

#[async_trait]
impl<G: Send + 'static> CallHookHandler<State<G>> for EndOfCall {
    async fn handle_call_event(
        &self,
        mut store: StoreContextMut<'_, State<G>>,
        event: CallHook,
    ) -> wasmtime::Result<()> {
        let turn = &mut store.data_mut().turn;
        if event.entering_host() {
            turn.host_since = Some(Instant::now());
        } else if let Some(start) = turn.host_since.take() {
            turn.end_call(start).await;
        }
        Ok(())
    }
}
