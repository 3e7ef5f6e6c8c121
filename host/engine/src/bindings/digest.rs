//! Binds `sandpiper:host/digest`.

use wasmtime::{Caller, Linker, Result};

use super::{DIGEST, begin, end, parts, unless_stopped};
use crate::store::State;

/// The names of all functions.
pub(super) const FUNCTIONS: &[&str] = &["sha256", "sha512"];

/// Binds a function whose state is eight words.
macro_rules! bind {
    ($linker:expr, $name:literal, $function:ident, $word:ty) => {
        $linker.func_wrap_async(
            DIGEST,
            $name,
            |mut caller: Caller<'_, State>,
             (a, b, c, d, e, f, g, h, blocks, length, result): (
                $word,
                $word,
                $word,
                $word,
                $word,
                $word,
                $word,
                $word,
                u32,
                u32,
                u32,
            )| {
                Box::new(async move {
                    let start = begin(&mut caller);
                    let (memory, process) = parts(&mut caller)?;
                    let state = [a, b, c, d, e, f, g, h];
                    let fuel = unless_stopped(process.$function(memory, state, (blocks, length), result))?;
                    charge(&mut caller, fuel)?;
                    end(&mut caller, start).await;
                    Ok(())
                })
            },
        )
    };
}

pub(super) fn bind(linker: &mut Linker<State>) -> Result<()> {
    bind!(linker, "sha256", digest_sha256, u32)?;
    bind!(linker, "sha512", digest_sha512, u64)?;
    Ok(())
}

/// Counts work of the host as the guest's, where fuel is counted.
fn charge(caller: &mut Caller<'_, State>, fuel: u64) -> Result<()> {
    let Ok(left) = caller.get_fuel() else { return Ok(()) };
    let left = left.saturating_sub(fuel);
    caller.set_fuel(left)?;
    caller.data().guest.meter.at_call(left);
    Ok(())
}
