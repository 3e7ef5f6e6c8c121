//! The sandpiper command: the one place where the environment is read and things are put together.

mod arguments;
mod backends;
mod carrier;
mod changed_files;
mod consent;
mod elsewhere;
mod image;
mod interrupts;
mod journal;
mod journaled;
mod policy;
mod progress;
mod remote;
mod render;
mod report;
mod results;
mod route;
mod run;
mod runtime;
mod sandbox;
mod serve;
mod shell;
mod slots;
mod surroundings;
mod touched;
mod wall;
mod watched;
mod worktree;
mod worktree_run;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(err) => return report::usage(&err),
    };
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Shell(arguments) => shell::shell(&arguments),
        Command::Image(command) => image::image(command),
        Command::Worktree(arguments) => worktree::worktree(arguments),
        Command::Policy(arguments) => policy::command(&arguments),
        Command::Route(arguments) => route::route(&arguments),
        Command::Journal(arguments) => journal::journal(arguments),
        Command::Sandbox(arguments) => sandbox::sandbox(arguments),
        Command::Backends(arguments) => backends::backends(&arguments),
        Command::Serve(arguments) => serve::serve(arguments),
        Command::Clone(arguments) => remote::clone(arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "sandpiper", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|err| report::error(&err))
}
