//! Turns the end of a guest into an [`Exit`].

use sandpiper_core::{Error, Exit, Refusal, Trap};
use sandpiper_kernel::Stop;

use crate::limiter::Limiter;
use crate::supervise::End;

/// The error by which a host function ends the guest.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the guest was stopped")]
pub(crate) struct Stopped(pub(crate) Stop);

/// The error of a component that broke a rule of WASI or of the component model: both say so by errors
/// that have no type.
#[derive(Debug, thiserror::Error)]
#[error("the guest broke a rule of WASI: {0}")]
pub(crate) struct Misuse(pub(crate) String);

/// Exit status by which a guest says that it died of refused memory; 128 + SIGKILL, as of a
/// process that the kernel killed for memory.
const DIED_OF_MEMORY: u8 = 137;

/// Classifies the end of a guest that has so much fuel left; `None` where fuel is not counted.
///
/// # Errors
/// [`Error::Host`] for an error that no guest can cause.
pub(crate) fn classify(
    end: End<wasmtime::Result<()>>,
    limiter: &Limiter,
    fuel_left: Option<u64>,
) -> Result<Exit, Error> {
    let exit = exit_of(end, limiter)?;
    // Fuel is checked at calls and loops; what is used up after the last check counts too.
    Ok(if fuel_left == Some(0) && matches!(exit, Exit::Code { .. }) { Exit::Fuel } else { exit })
}

fn exit_of(end: End<wasmtime::Result<()>>, limiter: &Limiter) -> Result<Exit, Error> {
    let err = match end {
        End::Deadline => return Ok(Exit::Timeout),
        End::Cancelled => return Ok(Exit::Cancelled),
        End::Finished(Ok(())) => return Ok(Exit::Code { code: 0 }),
        End::Finished(Err(err)) => err,
    };
    let starved = limiter.refused_memory().is_some();
    if let Some(Stopped(stop)) = err.downcast_ref() {
        return Ok(match stop {
            Stop::Unsupported { operation, subject } => {
                Exit::Unsupported { operation: operation.to_string(), subject: subject.to_string() }
            }
            Stop::Signal(signal) => Exit::Signal { signal: signal.raw() },
            // Traps instead of stopping.
            Stop::BadAddress => Exit::Trap { trap: Trap::MemoryOutOfBounds },
            Stop::Exit(DIED_OF_MEMORY) if starved => Exit::Memory,
            Stop::Exit(code) => Exit::Code { code: *code },
            Stop::Quota(quota) => Exit::Quota { quota: *quota },
        });
    }
    if err.downcast_ref::<Misuse>().is_some() {
        return Ok(if starved { Exit::Memory } else { Exit::Trap { trap: Trap::Other } });
    }
    let Some(trap) = err.downcast_ref::<wasmtime::Trap>() else {
        // There was not enough left for the memory that a process starts with.
        if starved {
            return Ok(Exit::Memory);
        }
        // Several tables, of which no single one is above the limit, when the instance was made.
        if let Some(elements) = limiter.refused_table() {
            let limit = limiter.table_elements();
            let what = format!(
                "the limit of table elements is {limit}, but the image starts with {elements} or more"
            );
            return Err(Error::Refused(Refusal::Exec { what }));
        }
        return Err(Error::Host {
            context: "the engine failed".to_owned(),
            source: format!("{err:#}").into(),
        });
    };
    Ok(match trap {
        wasmtime::Trap::OutOfFuel => Exit::Fuel,
        // Allocators of C and Rust abort when memory is refused.
        wasmtime::Trap::UnreachableCodeReached if starved => Exit::Memory,
        trap => Exit::Trap { trap: name(*trap) },
    })
}

fn name(trap: wasmtime::Trap) -> Trap {
    use wasmtime::Trap as Wasm;
    match trap {
        Wasm::UnreachableCodeReached => Trap::Unreachable,
        Wasm::StackOverflow => Trap::StackOverflow,
        Wasm::MemoryOutOfBounds | Wasm::HeapMisaligned => Trap::MemoryOutOfBounds,
        Wasm::TableOutOfBounds => Trap::TableOutOfBounds,
        Wasm::IndirectCallToNull | Wasm::BadSignature => Trap::IndirectCall,
        Wasm::IntegerOverflow | Wasm::IntegerDivisionByZero | Wasm::BadConversionToInteger => {
            Trap::Arithmetic
        }
        _ => Trap::Other,
    }
}
