//! Runs every test of the workspace.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{command_line, reference};

pub(crate) fn test() -> Result<()> {
    // Built first, with its progress shown, so that no test waits for it.
    command_line::sandpiper()?.run(&["image", "build"])?;
    reference::reference()?;
    let nextest = cargo(&["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if nextest.is_ok_and(|status| status.success()) {
        run(&["nextest", "run", "--workspace", "--locked", "--no-fail-fast"])?;
    } else {
        run(&["test", "--workspace", "--locked", "--lib", "--bins", "--tests", "--no-fail-fast"])?;
    }
    run(&["test", "--workspace", "--locked", "--doc"])
}

fn run(arguments: &[&str]) -> Result<()> {
    let status = cargo(arguments).status().context("cannot start cargo")?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(command_line::cargo());
    command.args(arguments).current_dir(command_line::root());
    command
}
