//! Benches: each prints p50 and p99 beside the native program's, measured in turns in one run.

mod cpu;
mod density;
mod kill;
mod native;
mod samples;
mod shell;
mod start;
mod worktree;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// A fresh sandbox to a finished `print('hi')`, in process and as a whole command.
    Start {
        /// Turns.
        #[arg(long, default_value_t = 1000)]
        runs: usize,
    },
    /// Computing in Python, in each metering mode.
    Cpu,
    /// The shell and the tools beside native bash and its tools.
    Shell,
    /// Sandboxes with many processes ended, and what is left of them.
    Kill,
    /// A worktree of a repository of 1,000, 10,000 and 100,000 files, beside git's own.
    Worktree,
    /// Many guests held at once in one process: the memory of each.
    Density {
        /// Guests.
        #[arg(long, default_value_t = 1000)]
        sandboxes: usize,
    },
}

pub(crate) fn bench(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Start { runs } => start::start(*runs),
        Bench::Cpu => cpu::cpu(),
        Bench::Shell => shell::shell(),
        Bench::Kill => kill::kill(),
        Bench::Worktree => worktree::worktree(),
        Bench::Density { sandboxes } => density::density(*sandboxes),
    }
}
