//! The tasks of this repository: `cargo xtask images`, `cargo xtask bench`.

mod bench;
mod command_line;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the images that are missing from the user's cache.
    Images,
    /// Run every test: with nextest where it is installed, and the examples in the documentation.
    Test,
    /// Measure, beside native programs in the same run.
    #[command(subcommand)]
    Bench(bench::Bench),
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Images => command_line::sandpiper()?.run(&["image", "build"]),
        Task::Test => test::test(),
        Task::Bench(bench) => bench::bench(&bench),
    }
}
