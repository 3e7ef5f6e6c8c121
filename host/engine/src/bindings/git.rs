//! Binds `sandpiper:host/git`.

use sandpiper_core::{GitOutput, Stream};
use wasmtime::{Caller, Linker, Result};

use super::lists::{allocated, write};
use super::{GIT, begin, end, parts, unless_stopped};
use crate::group::Member;
use crate::store::State;

/// The names of all functions.
pub(super) const FUNCTIONS: &[&str] = &["start", "next"];

/// `result<event, errno>`: two discriminants, and the address and length of a list.
const EVENT_BYTES: usize = 16;

pub(super) fn bind(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap_async(
        GIT,
        "start",
        |mut caller: Caller<'_, State>, (stdin, stdin_length, result): (u32, u32, u32)| {
            Box::new(async move {
                let start = begin(&mut caller);
                let (memory, process) = parts(&mut caller)?;
                let started = process.git_start(memory, stdin, stdin_length, result);
                end(&mut caller, start).await;
                unless_stopped(started)
            })
        },
    )?;
    linker.func_wrap_async(GIT, "next", |mut caller: Caller<'_, State>, (result,): (u32,)| {
        Box::new(async move {
            begin(&mut caller);
            let Member { process, group, .. } = &mut caller.data_mut().guest;
            let still = group.as_ref().map(|(group, _)| group.stillness.hold(process.process_id()));
            let step = process.git_next().await;
            drop(still);
            caller.data().guest.meter.at_return();
            let mut event = [0; EVENT_BYTES];
            match step {
                Ok(GitOutput::Bytes { stream, bytes }) => {
                    let (address, length) = allocated(&mut caller, &bytes, 1).await?;
                    event[4] = u8::from(stream == Stream::Stderr);
                    event[8..12].copy_from_slice(&address.to_le_bytes());
                    event[12..].copy_from_slice(&length.to_le_bytes());
                }
                Ok(GitOutput::Ended { code }) => event[4..9].copy_from_slice(&[2, 0, 0, 0, code]),
                Err(errno) => {
                    event[0] = 1;
                    event[4..6].copy_from_slice(&errno.raw().to_le_bytes());
                }
            }
            write(&mut caller, result, &event)
        })
    })?;
    Ok(())
}
