//! The commands, each in a file of its own.

mod add;
mod blame;
mod branch;
mod checkout;
mod commit;
mod config;
mod diff;
mod grep;
mod log;
mod ls_files;
mod mv;
mod reset;
mod rev_parse;
mod rm;
mod show;
pub(super) mod stash;
mod status;

use super::arguments::Arguments;
use super::command::Context;
use super::failure::{Failure, Result};

/// The answer to `git --version`: the git whose output these commands are held to.
pub(super) const VERSION: &[u8] = b"git version 2.47.3\n";

/// A command.
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) run: fn(&Context<'_>, Arguments<'_>) -> Result<u8>,
}

const COMMANDS: &[Command] = &[
    Command { name: "add", run: add::run },
    Command { name: "blame", run: blame::run },
    Command { name: "branch", run: branch::run },
    Command { name: "checkout", run: checkout::checkout },
    Command { name: "commit", run: commit::run },
    Command { name: "config", run: config::run },
    Command { name: "diff", run: diff::run },
    Command { name: "grep", run: grep::run },
    Command { name: "log", run: log::run },
    Command { name: "ls-files", run: ls_files::run },
    Command { name: "mv", run: mv::run },
    Command { name: "reset", run: reset::run },
    Command { name: "restore", run: checkout::restore },
    Command { name: "rev-parse", run: rev_parse::run },
    Command { name: "rm", run: rm::run },
    Command { name: "show", run: show::run },
    Command { name: "stash", run: stash::run },
    Command { name: "status", run: status::run },
    Command { name: "switch", run: checkout::switch },
];

/// Commands of git that change what is not the run's, need a network, or run programs.
const LEFT_OUT: &[(&str, &str)] = &[
    ("clone", "there is no network here"),
    ("fetch", "there is no network here"),
    ("pull", "there is no network here"),
    ("push", "there is no network here; the user gets the commits of this worktree from the host"),
    ("remote", "there is no network here"),
    ("ls-remote", "there is no network here"),
    ("submodule", "submodules are left to the user"),
    ("merge", "only the user merges; `git diff main...HEAD` and `git log main..HEAD` tell what differs"),
    (
        "rebase",
        "only the user rebases; `git commit --amend` and `git reset --soft` change this run's own commits",
    ),
    ("cherry-pick", "`git show COMMIT` prints what to apply"),
    (
        "revert",
        "`git show COMMIT` prints what to take back, and `git restore --source=COMMIT^ -- PATH` takes files from before it",
    ),
    ("tag", "tags are the user's; `git log --decorate` tells them"),
    ("worktree", "worktrees are made and removed by the host"),
    ("init", "this directory is a worktree already"),
    ("gc", "the user's own git looks after the repository"),
    ("clean", "`git status --short` lists untracked files, and rm removes them"),
    ("apply", "`patch -p1` applies a patch where it is installed"),
];

/// Finds a command by its name.
pub(super) fn find(name: &[u8]) -> Result<&'static Command> {
    let name = String::from_utf8_lossy(name);
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        return Ok(command);
    }
    Err(match LEFT_OUT.iter().find(|(left_out, _)| *left_out == name) {
        Some((_, reason)) => Failure::error(format!("git {name} is not supported here: {reason}")),
        None => Failure::plain(1, format!("git: '{name}' is not a git command. See 'git --help'.\n"))
            .hint(format!("supported here: {}", names())),
    })
}

/// What `git --help` prints.
pub(super) fn help() -> String {
    format!(
        "usage: git [--version] [--help] [-C <path>] [-c <name>=<value>] [--no-pager] <command> [<args>]\n\nThe commands of this worktree: {}\n",
        names()
    )
}

fn names() -> String {
    COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(", ")
}
