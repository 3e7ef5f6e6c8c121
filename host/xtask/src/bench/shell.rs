//! The shell and the tools beside the machine's own, in turns in one run.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandpiper::{Access, Engine, Exec, Limits, Metering, Mount, Spec};

use super::samples::{Samples, print_row};
use crate::{command_line, reference};

/// What is measured: its name, a script, and how many of it a script does.
const WORK: [(&str, &str, u32); 6] = [
    ("an external command", "for ((i = 0; i < 1000; i++)); do /usr/bin/true; done", 1000),
    ("a command substitution", "for ((i = 0; i < 1000; i++)); do x=$(echo $i); done", 1000),
    ("seq 1000000 | sort -n | uniq | wc -l", "seq 1000000 | sort -n | uniq | wc -l", 1),
    ("grep -rn over 50 MB", "grep -rn 'line 7.*needle' d* | wc -l", 1),
    ("100 MB through cat | wc -c", "cat big | wc -c", 1),
    ("a first command", "echo hi", 1),
];

/// Turns; each is one of both.
const ROUNDS: usize = 5;

const FILES: usize = 500;
const LINES: usize = 1400;
const BIG_BYTES: usize = 100_000_000;

pub(crate) fn shell() -> Result<()> {
    command_line::sandpiper()?.run(&["image", "build"])?;
    let engine = sandpiper::engine(&reference::cache_dir()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    fill(folder.path())?;
    println!("native: bash of this machine; {ROUNDS} turns of each, in turn; times for one");
    for (name, script, count) in WORK {
        let mut native = Samples::default();
        let mut sandboxed =
            [Metering::Fuel, Metering::Deadline].map(|metering| (metering, Samples::default()));
        for round in 0..=ROUNDS {
            let (time, expected) = natively(script, folder.path())?;
            // The first turn warms caches.
            if round > 0 {
                native.push(time / count);
            }
            for (metering, samples) in &mut sandboxed {
                let run = inside(&engine, *metering, script, folder.path());
                let (time, printed) = runtime.block_on(run)?;
                ensure!(printed == expected, "{name}: {printed:?} instead of {expected:?}");
                if round > 0 {
                    samples.push(time / count);
                }
            }
        }
        println!("{name}");
        print_row("  native", &native, &native);
        for (metering, samples) in &sandboxed {
            print_row(if *metering == Metering::Fuel { "  fuel" } else { "  deadline" }, samples, &native);
        }
    }
    Ok(())
}

/// A tree of 50 MB, and one file of 100.
fn fill(folder: &Path) -> Result<()> {
    for file in 0..FILES {
        let directory = folder.join(format!("d{}", file % 20));
        std::fs::create_dir_all(&directory)?;
        let mut text = String::new();
        for line in 0..LINES {
            let needle = if line % 997 == 7 { " needle" } else { "" };
            writeln!(
                text,
                "file {file} line {line} some words that any text may hold, and a few more of them{needle}"
            )?;
        }
        std::fs::write(directory.join(format!("f{file}.txt")), text)?;
    }
    let outside = vec![b'x'; BIG_BYTES];
    std::fs::write(folder.join("big"), outside)?;
    Ok(())
}

fn natively(script: &str, folder: &Path) -> Result<(Duration, String)> {
    let start = Instant::now();
    let mut bash = Command::new("bash");
    let output =
        bash.args(["-c", script]).current_dir(folder).stdin(Stdio::null()).output().context("bash")?;
    let time = start.elapsed();
    ensure!(output.status.success(), "bash: {}", String::from_utf8_lossy(&output.stderr));
    Ok((time, String::from_utf8_lossy(&output.stdout).into_owned()))
}

async fn inside(
    engine: &Engine,
    metering: Metering,
    script: &str,
    folder: &Path,
) -> Result<(Duration, String)> {
    let mounts = vec![Mount::new(folder, "/workspace", Access::ReadOnly)?];
    let limits = Limits { metering, wall: Duration::from_mins(2), ..Limits::default() };
    let start = Instant::now();
    let ended =
        sandpiper::run(engine, Spec { mounts, limits, ..Spec::default() }, Exec::new(["bash", "-c", script]))
            .await?;
    let time = start.elapsed();
    ensure!(ended.exit.success(), "{:?}: {}", ended.exit, String::from_utf8_lossy(&ended.stderr.bytes));
    Ok((time, String::from_utf8_lossy(&ended.stdout.bytes).into_owned()))
}
