//! How long a fresh Python takes from nothing to a finished `print('hi')`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandpiper::{Access, Engine, EngineConfig, Exec, Image, Mount, Spec};
use tokio::runtime::Runtime;

use super::native;
use super::samples::{Samples, print_row};
use crate::{command_line, reference};

const PROGRAM: &str = "print('hi')";
/// Turns that are not counted.
const WARM_UP: usize = 20;
/// Runs in process that follow each other in a turn, as in a host that is busy with them.
const IN_A_ROW: usize = 10;

pub(crate) fn start(runs: usize) -> Result<()> {
    let command = command_line::sandpiper()?;
    command.run(&["image", "build"])?;
    let python = native::python()?;
    println!("native: {} ({})", native::version(&python)?, python.display());
    let cache = reference::cache_dir()?;
    let engine = sandpiper::engine(&cache)?;
    let workspace = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;

    let [mut native, mut in_process, mut after_native, mut in_a_row, mut whole] =
        [(); 5].map(|()| Samples::default());
    let mut fuel: Option<u64> = None;
    for turn in 0..runs + WARM_UP {
        let native_time = process(Command::new(&python).args(["-I", "-S", "-c", PROGRAM]))?;
        // The native process leaves the caches full of itself; the runs after the first find their own.
        let mut times = [Duration::ZERO; IN_A_ROW];
        for time in &mut times {
            (*time, fuel) = runtime.block_on(fresh(&engine, workspace.path()))?;
        }
        let whole_time = process(
            Command::new(command.path())
                .args(["run", "--", "python3", "-c", PROGRAM])
                .current_dir(workspace.path()),
        )?;
        if turn >= WARM_UP {
            native.push(native_time);
            for (index, time) in times.into_iter().enumerate() {
                in_process.push(time);
                (if index == 0 { &mut after_native } else { &mut in_a_row }).push(time);
            }
            whole.push(whole_time);
        }
    }
    println!("{runs} turns of each, in turn; all limits on; {} fuel a run", fuel.unwrap_or_default());
    print_row("native python3 -I -S -c", &native, &native);
    print_row("in process", &in_process, &native);
    print_row("  the first right after native", &after_native, &native);
    print_row("  each of the 9 after it", &in_a_row, &native);
    print_row("sandpiper run, whole process", &whole, &native);
    empty(&runtime)
}

/// Whole runs of a module that does nothing: what the sandbox itself costs, on one core.
fn empty(runtime: &Runtime) -> Result<()> {
    const RUNS: u32 = 20_000;
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("empty.wasm");
    fs::write(&module, EMPTY)?;
    let engine = Engine::new(EngineConfig::default())?;
    let run = || -> Result<()> {
        let mounts = vec![Mount::new(folder.path(), "/workspace", Access::ReadWrite)?];
        let spec = Spec { image: Image::File(module.clone()), mounts, ..Spec::default() };
        let outcome = runtime.block_on(sandpiper::run(&engine, spec, Exec::new(["empty"])))?;
        ensure!(outcome.exit.success(), "the empty module ended with {:?}", outcome.exit);
        Ok(())
    };
    run()?;
    let start = Instant::now();
    for _ in 0..RUNS {
        run()?;
    }
    println!(
        "an empty module: {:.0} whole runs a second on one core",
        f64::from(RUNS) / start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// `(module (memory (export "memory") 1) (func (export "_start")))`
const EMPTY: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\x07\x13\x02\x06memory\x02\0\x06_start\0\0\x0a\x04\x01\x02\0\x0b";

/// A sandbox from nothing to its end, as `sandpiper::run` does it.
async fn fresh(engine: &Engine, workspace: &Path) -> Result<(Duration, Option<u64>)> {
    let start = Instant::now();
    let spec =
        Spec { mounts: vec![Mount::new(workspace, "/workspace", Access::ReadWrite)?], ..Spec::default() };
    let outcome = sandpiper::run(engine, spec, Exec::new(["python3", "-c", PROGRAM])).await?;
    let time = start.elapsed();
    ensure!(outcome.stdout.bytes == b"hi\n", "the sandbox printed {:?}", outcome.stdout.bytes);
    Ok((time, outcome.usage.fuel))
}

fn process(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output().context("cannot start a process")?;
    let time = start.elapsed();
    ensure!(output.stdout == b"hi\n", "{command:?} printed {:?}", String::from_utf8_lossy(&output.stderr));
    Ok(time)
}
