//! How many sandboxes one process holds, and what each costs.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandpiper::{Access, Engine, Error, Event, Exec, Limits, Mount, Outcome, Sandbox, Spec, Stdin, create};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::samples::Samples;
use crate::{command_line, reference};

/// Computes, keeps what it computed, and waits: a guest in the middle of its work.
const PROGRAM: &str = "rows = {i: str(i) for i in range(2000)}; print('ready', flush=True); \
                       input(); print(len(rows))";
/// Runs that come and go while the others are held.
const RUNS_BESIDE: usize = 200;

/// A guest that has computed and waits for its input.
struct Held {
    events: mpsc::Receiver<Event>,
    end: JoinHandle<Result<Outcome, Error>>,
    stdin: DuplexStream,
    sandbox: Box<dyn Sandbox>,
}

pub(crate) fn density(sandboxes: usize) -> Result<()> {
    command_line::sandpiper()?.run(&["image", "build"])?;
    let engine = sandpiper::engine(&reference::cache_dir()?)?;
    let workspace = tempfile::tempdir()?;
    let spec = || -> Result<Spec> {
        let limits = Limits { wall: Duration::from_mins(10), ..Limits::default() };
        let mounts = vec![Mount::new(workspace.path(), "/workspace", Access::ReadWrite)?];
        Ok(Spec { limits, mounts, ..Spec::default() })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // What the first run sets up stays, and is no sandbox's.
        answer(start(&engine, spec()?).await?).await?;
        let before = private_bytes()?;

        let mut held = Vec::new();
        for _ in 0..sandboxes {
            held.push(start(&engine, spec()?).await?);
        }
        let holding = private_bytes()?;

        let mut beside = Samples::default();
        for _ in 0..RUNS_BESIDE {
            let begin = Instant::now();
            let outcome =
                sandpiper::run(&engine, spec()?, Exec::new(["python3", "-c", "print('hi')"])).await?;
            beside.push(begin.elapsed());
            ensure!(outcome.stdout.bytes == b"hi\n", "a run beside them printed {:?}", outcome.stdout.bytes);
        }

        for guest in held {
            answer(guest).await?;
        }
        let idle = private_bytes()?;
        engine.trim();
        let after = private_bytes()?;

        println!("{sandboxes} Python guests held at once, each with 2,000 strings and waiting for its input");
        let held_mib = mib(holding.saturating_sub(before));
        println!("private memory: {:.1} MiB before, {:.1} MiB held", mib(before), mib(holding));
        println!("for each guest: {:.3} MiB", held_mib / count(sandboxes));
        for (when, bytes) in [("when all had ended", idle), ("after Engine::trim", after)] {
            let kept = mib(bytes) - mib(before);
            println!(
                "{when}: {:.1} MiB, {:.1} % of what was held is kept",
                mib(bytes),
                100.0 * kept / held_mib
            );
        }
        println!(
            "{RUNS_BESIDE} whole runs beside them: p50 {:.3} ms, p99 {:.3} ms",
            beside.quantile(0.5).as_secs_f64() * 1e3,
            beside.quantile(0.99).as_secs_f64() * 1e3
        );
        Ok(())
    })
}

/// Starts a guest and waits until it has computed.
async fn start(engine: &Engine, spec: Spec) -> Result<Held> {
    let (stdin, input) = tokio::io::duplex(64);
    let sandbox = create(engine, spec).await?;
    let exec = Exec::new(["python3", "-c", PROGRAM]).stdin(Stdin::Stream(Box::new(input)));
    let (mut events, end, _control) = sandbox.spawn(exec).await?.split();
    let end = tokio::spawn(end);
    ensure!(next_line(&mut events).await == b"ready\n", "a guest was not ready: {:?}", end.await??.exit);
    Ok(Held { events, end, stdin, sandbox })
}

/// Gives a guest its input, and checks what it remembers.
async fn answer(held: Held) -> Result<()> {
    let Held { mut events, end, mut stdin, sandbox } = held;
    stdin.write_all(b"\n").await?;
    let answer = next_line(&mut events).await;
    let outcome = end.await??;
    ensure!(outcome.exit.success() && answer == b"2000\n", "a held guest ended with {:?}", outcome.exit);
    Ok(sandbox.close().await?)
}

pub(super) async fn next_line(events: &mut mpsc::Receiver<Event>) -> Vec<u8> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        match events.recv().await {
            Some(Event::Output { bytes, .. }) => line.extend_from_slice(&bytes),
            Some(_) => {}
            None => break,
        }
    }
    line
}

/// Memory that this process alone has.
pub(super) fn private_bytes() -> Result<u64> {
    let path = "/proc/self/smaps_rollup";
    let text =
        fs::read_to_string(path).with_context(|| format!("density is measured by {path}, on Linux"))?;
    let kib = |name: &str| -> Result<u64> {
        let line = text.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}"))?;
        Ok(line.split_whitespace().nth(1).context("no figure")?.parse()?)
    };
    Ok((kib("Private_Clean:")? + kib("Private_Dirty:")?) << 10)
}

#[expect(clippy::cast_precision_loss, reason = "printed with one digit")]
pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
fn count(number: usize) -> f64 {
    number as f64
}
