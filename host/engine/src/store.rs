//! The one place where a store is made (I4).

use sandpiper_core::{Error, Limits, Metering};
use sandpiper_kernel::Process;
use wasmtime::{Memory, Store};

use crate::config::FUEL_YIELD_INTERVAL;
use crate::limiter::Limiter;
use crate::turn::Turn;

/// What host functions reach through the store.
pub(crate) struct State {
    pub(crate) process: Process,
    pub(crate) limiter: Limiter,
    /// The guest's memory, once it is instantiated.
    pub(crate) memory: Option<Memory>,
    pub(crate) turn: Turn,
}

/// Makes a store with every limit on.
///
/// # Errors
/// [`Error::Host`] when the engine was not configured for the metering mode: a bug of the host.
pub(crate) fn new_store(
    engine: &wasmtime::Engine,
    process: Process,
    limits: &Limits,
) -> Result<Store<State>, Error> {
    let state = State { process, limiter: Limiter::new(limits), memory: None, turn: Turn::default() };
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limiter);
    match limits.metering {
        Metering::Fuel => {
            store.set_fuel(limits.fuel).map_err(|err| misconfigured(&err))?;
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
