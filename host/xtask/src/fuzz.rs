//! Builds and runs the fuzz targets of `tests/fuzz`: libFuzzer over code with coverage counters.
//!
//! It takes what is here already, a stable Rust and a C++ compiler for libFuzzer itself. What
//! `cargo fuzz` would need a nightly Rust for are sanitizers, and the kernel has no unsafe code that
//! they would look at.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::command_line;

/// What makes LLVM count which code ran, and show libFuzzer what is compared.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Longest input: what the steps of one input can use.
const MAX_INPUT_BYTES: &str = "1024";

#[derive(Args)]
pub(crate) struct Fuzz {
    /// The target; all of them, one after the other, when it is left out.
    target: Option<Target>,
    /// How long each target is fuzzed.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Replace the committed corpus with the fewest inputs that reach all the code reached so far.
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Target {
    /// Path resolution, beside a model.
    Paths,
    /// The descriptor table and what descriptors share, beside a model.
    Descriptors,
    /// All calls of a guest, with anything in them.
    Preview1,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Paths => "paths",
            Self::Descriptors => "descriptors",
            Self::Preview1 => "preview1",
        }
    }
}

pub(crate) fn fuzz(arguments: &Fuzz) -> Result<()> {
    let folder = command_line::root().join("tests/fuzz").canonicalize()?;
    let work = folder.join("target/corpus");
    let binaries = build(&folder)?;
    let targets = match arguments.target {
        Some(target) => vec![target],
        None => Target::value_variants().to_vec(),
    };
    for name in targets.into_iter().map(Target::name) {
        let (found, corpus) = (work.join(name), folder.join("corpus").join(name));
        for directory in [&found, &corpus] {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let fuzzer = Fuzzer { binary: binaries.join(name), folder: &folder };
        let artifacts = format!("-artifact_prefix={}/{name}-", work.display());
        fuzzer.run(
            &[
                &format!("-max_total_time={}", arguments.seconds),
                &artifacts,
                "-len_control=0",
                "-timeout=10",
                "-print_final_stats=1",
            ],
            &[&found, &corpus],
        )?;
        if arguments.keep {
            let kept = work.join(format!("{name}-kept"));
            std::fs::create_dir_all(&kept)?;
            // Counted by code reached alone: how often it was reached would keep ten times as many.
            fuzzer.run(&["-merge=1", "-set_cover_merge=1", "-use_counters=0"], &[&kept, &corpus, &found])?;
            std::fs::remove_dir_all(&corpus)?;
            std::fs::rename(&kept, &corpus)?;
        }
    }
    Ok(())
}

/// Builds all targets, and gives the folder where they are.
fn build(folder: &Path) -> Result<PathBuf> {
    let host = host_target()?;
    let target = folder.join("target");
    // With a target named, flags are for the targets alone, not for build scripts.
    let status = Command::new(command_line::cargo())
        .args(["build", "--release", "--locked", "--target", &host])
        .args(["--target-dir".as_ref(), target.as_os_str()])
        .current_dir(folder)
        .env("RUSTFLAGS", COVERAGE)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "the fuzz targets do not build (libFuzzer needs a C++ compiler)");
    Ok(target.join(host).join("release"))
}

/// The platform of the compiler, as it calls it.
fn host_target() -> Result<String> {
    let output =
        Command::new("rustc").args(["--print", "host-tuple"]).output().context("cannot start rustc")?;
    ensure!(output.status.success(), "rustc does not know its own platform");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

struct Fuzzer<'a> {
    binary: PathBuf,
    folder: &'a Path,
}

impl Fuzzer<'_> {
    fn run(&self, options: &[&str], corpora: &[&Path]) -> Result<()> {
        let status = Command::new(&self.binary)
            .arg(format!("-max_len={MAX_INPUT_BYTES}"))
            .args(options)
            .args(corpora)
            .current_dir(self.folder)
            .status()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        ensure!(
            status.success(),
            "{} failed; the input is in tests/fuzz/target/corpus, and given as the only argument it is run alone",
            self.binary.display()
        );
        Ok(())
    }
}
