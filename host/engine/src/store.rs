//! The one place where a store is made (I4).

use std::sync::Arc;

use sandpiper_core::{Error, Limits, Metering};
use wasmtime::{Memory, Store};

use crate::budget;
use crate::config::FUEL_YIELD_INTERVAL;
use crate::group::Member;
use crate::limiter::{Limiter, Parts};
use crate::turn::{EndOfCall, Turn};

/// What host functions reach through the store.
pub(crate) struct State<G = Member> {
    pub(crate) guest: G,
    pub(crate) limiter: Limiter,
    /// The memory of a guest that has one, once it is instantiated.
    pub(crate) memory: Option<Memory>,
    pub(crate) turn: Turn,
}

/// A kind of guest: what its host functions work on.
pub(crate) trait Guest: Send + 'static {
    /// What an instance may be made of.
    const PARTS: Parts;
    /// Whether the functions that it calls are another's, which do not count their time.
    const HOOKED: bool;
    /// Most bytes that a component may pass in one call, and most handles that it may hold; nothing to a
    /// module.
    const MAX_CALL_BYTES: usize;
    const MAX_HANDLES: usize;
}

/// What of the limits a store is given.
pub(crate) struct Grant {
    pub(crate) fuel: u64,
    pub(crate) memory: Arc<budget::Memory>,
}

/// Makes a store with every limit on.
///
/// # Errors
/// [`Error::Host`] when the engine was not configured for the metering mode: a bug of the host.
pub(crate) fn new_store<G: Guest>(
    engine: &wasmtime::Engine,
    guest: G,
    limits: &Limits,
    grant: Grant,
) -> Result<Store<State<G>>, Error> {
    let limiter = Limiter::new(limits, G::PARTS, grant.memory);
    let mut store = Store::new(engine, State { guest, limiter, memory: None, turn: Turn::default() });
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(G::MAX_CALL_BYTES);
    store.set_max_component_handles(G::MAX_HANDLES);
    if G::HOOKED {
        store.call_hook_async(EndOfCall);
    }
    match limits.metering {
        Metering::Fuel => {
            store.set_fuel(grant.fuel).map_err(|err| misconfigured(&err))?;
            store.fuel_async_yield_interval(Some(FUEL_YIELD_INTERVAL)).map_err(|err| misconfigured(&err))?;
        }
        Metering::Deadline => {
            store.set_epoch_deadline(1);
            store.epoch_deadline_async_yield_and_update(1);
        }
    }
    Ok(store)
}

fn misconfigured(err: &wasmtime::Error) -> Error {
    Error::Host { context: "cannot meter the guest".to_owned(), source: format!("{err:#}").into() }
}
