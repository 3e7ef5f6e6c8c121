//! The tasks of this repository: `cargo xtask images`, `test`, `compat`, `fuzz`, `bench`, `reference`.

mod bench;
mod command_line;
#[cfg(unix)]
mod compat;
mod fuzz;
mod reference;
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
    /// Build the native Python that tests and benches compare with, and say where it is.
    Reference,
    /// Run every test: with nextest where it is installed, and the examples in the documentation.
    Test,
    /// Compare the shell and the tools in the sandbox with the machine's bash and its GNU tools.
    #[cfg(unix)]
    Compat(compat::Compat),
    /// Fuzz the kernel, guided by coverage.
    Fuzz(fuzz::Fuzz),
    /// Measure, beside native programs in the same run.
    #[command(subcommand)]
    Bench(bench::Bench),
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Images => command_line::sandpiper()?.run(&["image", "build"]),
        Task::Reference => {
            println!("{}", reference::reference()?.python.display());
            Ok(())
        }
        Task::Test => test::test(),
        #[cfg(unix)]
        Task::Compat(arguments) => {
            command_line::sandpiper()?.run(&["image", "build"])?;
            compat::compat(&arguments)
        }
        Task::Fuzz(fuzz) => fuzz::fuzz(&fuzz),
        Task::Bench(bench) => bench::bench(&bench),
    }
}
