//! `fork-call`: a process on a copy of its parent's memory.

use sandpiper_kernel::Process;
use wasmtime::{Caller, Extern, Result, Val};

use crate::bindings::{MEMORY, unfit};
use crate::image::Start;
use crate::store::State;

/// The global that holds how far a C or Rust program's stack has grown.
const STACK_POINTER: &str = "__stack_pointer";

/// The function that a forked process begins with.
const FORKED: &str = "sandpiper-forked";

/// Bytes that are compared at once: only what differs is copied, so that what both have of the image
/// stays shared.
const PIECE_BYTES: usize = 4096;

/// Has a forked process run: an instance of the same module, with the caller's memory and stack pointer,
/// that begins with the function for forked processes.
///
/// # Errors
/// A trap where the module has no such global, memory or function, or where the limits do not allow the
/// memory; the caller ends with it, as its own mistake.
pub(crate) async fn fork(caller: &mut Caller<'_, State>, process: Process, argument: u32) -> Result<()> {
    let (group, loaded) = caller.data().guest.group.clone().ok_or_else(unfit)?;
    let Start::Module(pre) = &loaded.start else { return Err(unfit()) };
    let mut store = group.store(process, &loaded)?;
    let instance = pre.instantiate_async(&mut store).await?;

    let pointer = caller.get_export(STACK_POINTER).and_then(Extern::into_global).ok_or_else(unfit)?;
    let Val::I32(pointer) = pointer.get(&mut *caller) else { return Err(unfit()) };
    let own_pointer = instance.get_global(&mut store, STACK_POINTER).ok_or_else(unfit)?;
    own_pointer.set(&mut store, Val::I32(pointer))?;

    let from = caller.data().memory.ok_or_else(unfit)?;
    let to = instance.get_memory(&mut store, MEMORY).ok_or_else(unfit)?;
    let more = from.size(&*caller).saturating_sub(to.size(&store));
    to.grow_async(&mut store, more).await?;
    let pieces = from.data(&*caller).chunks(PIECE_BYTES);
    for (to, from) in to.data_mut(&mut store).chunks_mut(PIECE_BYTES).zip(pieces) {
        if to != from {
            to.copy_from_slice(from);
        }
    }
    store.data_mut().memory = Some(to);
    let entry = instance.get_typed_func(&mut store, FORKED).map_err(|_| unfit())?;
    group.fork(store, entry, argument);
    Ok(())
}
