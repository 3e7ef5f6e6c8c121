//! The runtime of a command: one thread, since what is heavy has threads of its own.

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};

pub(crate) fn new() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

/// Does asynchronous work to its end.
///
/// # Errors
/// Where there is no runtime, and those of the work.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = new()?;
    let done = runtime.block_on(work);
    // A read of standard input that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    done
}
