//! How long a fresh Python takes from nothing to a finished `print('hi')`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandpiper::{Access, Engine, Exec, Mount, Spec};

use super::native;
use super::samples::{Samples, print_row};
use crate::{command_line, reference};

const PROGRAM: &str = "print('hi')";
/// Turns that are not counted.
const WARM_UP: usize = 20;

pub(crate) fn start(runs: usize) -> Result<()> {
    let command = command_line::sandpiper()?;
    command.run(&["image", "build"])?;
    let python = native::python()?;
    println!("native: {} ({})", native::version(&python)?, python.display());
    let cache = reference::cache_dir()?;
    let engine = sandpiper::engine(&cache)?;
    let workspace = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;

    let (mut native, mut in_process, mut whole) =
        (Samples::default(), Samples::default(), Samples::default());
    let mut fuel = None;
    for turn in 0..runs + WARM_UP {
        let native_time = process(Command::new(&python).args(["-I", "-S", "-c", PROGRAM]))?;
        let (time, used) = runtime.block_on(fresh(&engine, workspace.path()))?;
        let whole_time = process(
            Command::new(command.path())
                .args(["run", "--", "python3", "-c", PROGRAM])
                .current_dir(workspace.path()),
        )?;
        if turn >= WARM_UP {
            native.push(native_time);
            in_process.push(time);
            whole.push(whole_time);
            fuel = used;
        }
    }
    println!("{runs} turns of each, in turn; all limits on; {} fuel a run", fuel.unwrap_or_default());
    print_row("native python3 -I -S -c", &native, &native);
    print_row("in process, fresh sandbox", &in_process, &native);
    print_row("sandpiper run, whole process", &whole, &native);
    Ok(())
}

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
