//! How long it takes to end a sandbox with many processes, and what is left of processes that came and went.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandpiper::{Engine, Exec, Exit, Limits, Spec, create};

use super::density::{mib, next_line, private_bytes};
use super::samples::Samples;
use crate::{command_line, reference};

/// Processes that run when the sandbox is ended, besides the shell.
const RUNNING: u32 = 200;
/// Sandboxes that are ended.
const ROUNDS: usize = 20;
/// Processes that come and go.
const CYCLES: u32 = 10_000;

pub(crate) fn kill() -> Result<()> {
    command_line::sandpiper()?.run(&["image", "build"])?;
    let engine = sandpiper::engine(&reference::cache_dir()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // What the first ones set up stays, and is no sandbox's.
        ended(&engine).await?;
        cycles(&engine, 100).await?;
        let before = left(&engine)?;

        let mut times = Samples::default();
        let mut held = 0;
        for _ in 0..ROUNDS {
            let (time, bytes) = ended(&engine).await?;
            times.push(time);
            held = held.max(bytes);
        }
        let after = left(&engine)?;
        println!("{RUNNING} processes and their shell ended, memory and descriptors freed ({ROUNDS} times)");
        println!(
            "p50 {:.3} ms, p99 {:.3} ms; {:.1} MiB were held",
            times.quantile(0.5).as_secs_f64() * 1e3,
            times.quantile(0.99).as_secs_f64() * 1e3,
            mib(held)
        );
        println!(
            "left: {:.1} MiB and {} descriptors before, {:.1} MiB and {} after",
            mib(before.0),
            before.1,
            mib(after.0),
            after.1
        );

        let begin = Instant::now();
        cycles(&engine, CYCLES).await?;
        let time = begin.elapsed();
        let after = left(&engine)?;
        println!(
            "{CYCLES} processes, each spawned and waited for: {:.3} ms each",
            time.as_secs_f64() * 1e3 / f64::from(CYCLES)
        );
        println!("left: {:.1} MiB and {} descriptors", mib(after.0), after.1);
        ensure!(after.1 == before.1, "descriptors are left");
        Ok(())
    })
}

/// Private memory and open descriptors of this process, with what the engine keeps given back.
fn left(engine: &Engine) -> Result<(u64, usize)> {
    engine.trim();
    let descriptors = std::fs::read_dir("/proc/self/fd").context("descriptors are counted on Linux")?;
    Ok((private_bytes()?, descriptors.count()))
}

/// Ends a sandbox whose processes wait; how long that took until all was freed, and what it held.
async fn ended(engine: &Engine) -> Result<(Duration, u64)> {
    let limits = Limits { memory_bytes: 4 << 30, ..Limits::default() };
    let spec = Spec { limits, ..Spec::default() };
    let sandbox = create(engine, spec).await?;
    let script = format!("for ((i = 0; i < {RUNNING}; i++)); do sleep 1000 & done; echo up; wait");
    let before = private_bytes()?;
    let running = sandbox.spawn(Exec::new(["bash", "-c", &script])).await?;
    let (mut events, end, control) = running.split();
    let end = tokio::spawn(end);
    ensure!(next_line(&mut events).await == b"up\n", "the processes did not start");
    let held = private_bytes()?.saturating_sub(before);
    let begin = Instant::now();
    control.cancel();
    let outcome = end.await??;
    sandbox.close().await?;
    drop(sandbox);
    let time = begin.elapsed();
    ensure!(outcome.exit == Exit::Cancelled, "the sandbox ended with {:?}", outcome.exit);
    ensure!(outcome.usage.processes == u64::from(RUNNING) + 1, "{} processes", outcome.usage.processes);
    Ok((time, held))
}

async fn cycles(engine: &Engine, count: u32) -> Result<()> {
    let script = format!("for ((i = 0; i < {count}; i++)); do /usr/bin/true; done");
    let outcome = sandpiper::run(engine, Spec::default(), Exec::new(["bash", "-c", &script])).await?;
    ensure!(outcome.exit.success(), "the cycles ended with {:?}", outcome.exit);
    Ok(())
}
