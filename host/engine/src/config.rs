//! How wasmtime is configured: one configuration for each metering mode.

use std::sync::Arc;

use sandpiper_core::Metering;
use wasmtime::{Config, MemoryCreator, OptLevel, StackCreator};

/// WebAssembly stack of a guest. CPython lets C recurse 5,000 deep on WASI before it raises
/// `RecursionError`, and says that this takes 8 MiB (`Tools/wasm/wasi.py`); with less it traps.
const WASM_STACK_BYTES: usize = 8 << 20;
/// Stack that host functions may use on top.
const HOST_STACK_BYTES: usize = 256 << 10;

/// Fuel units between two yields: about a millisecond of computing, so that a deadline is met to
/// about a millisecond and no guest keeps an executor's thread longer.
pub(crate) const FUEL_YIELD_INTERVAL: u64 = 1_000_000;

/// The configuration for a metering mode. Memories and stacks come from the two creators, which
/// pool them: wasmtime's own pool can not keep a Python snapshot's pages resident (it gives up
/// after 32 dirty regions).
pub(crate) fn config(
    metering: Metering,
    memories: Arc<dyn MemoryCreator>,
    stacks: Arc<dyn StackCreator>,
) -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(WASM_STACK_BYTES + HOST_STACK_BYTES)
        .with_host_memory(memories)
        .memory_reservation(crate::memory::RESERVATION_BYTES)
        .memory_may_move(false)
        // wasmtime's own copy-on-write works only on memories that it makes itself.
        .memory_init_cow(false)
        .wasm_backtrace_max_frames(None)
        // Not needed by wasip1 commands, and each is a surface.
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false);
    // On Windows stacks are made by the system's own fibers; wasmtime refuses others there.
    if cfg!(not(windows)) {
        config.with_host_stack(stacks);
    }
    match metering {
        // The same bits for NaN on every platform (I9), which costs float arithmetic 10 %.
        Metering::Fuel => config.consume_fuel(true).cranelift_nan_canonicalization(true),
        // A run that is cut by time is not reproducible anyway.
        Metering::Deadline => config.epoch_interruption(true),
    };
    config
}
