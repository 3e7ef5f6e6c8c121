//! `sandpiper clone`, `sandpiper worktree push` and `fetch`: repositories elsewhere.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use sandpiper::worktree::remote::{
    self, Access, Change, Fetch, Fetched, Force, Push, Pushed, RemoteError, RemoteProgress, Ssh, Updated,
};
use sandpiper::worktree::{Worktree, Worktrees};

use crate::arguments::{AccessArguments, CloneArguments};
use crate::report::{self, Hinted};
use crate::{render, runtime, surroundings};

/// The exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;

pub(crate) fn clone(arguments: CloneArguments) -> Result<ExitCode> {
    let json = arguments.json;
    report::or_as_json(json, execute_clone(arguments))
}

fn execute_clone(arguments: CloneArguments) -> Result<ExitCode> {
    let json = arguments.json;
    let directory = match arguments.directory {
        Some(directory) => directory,
        None => named_by(&arguments.address)?,
    };
    let clone = remote::Clone { address: arguments.address, directory, branch: arguments.branch };
    let access = access(&arguments.access)?;
    let cloned = shown(|progress| remote::clone(&clone, &access, progress));
    ended(cloned, json, |cloned| {
        render::notes(&cloned.notes);
        let commit = cloned.commit.as_deref().map_or("without a commit", short);
        render::line(&format!("{} is at {commit}", cloned.directory.display()))
    })
}

pub(crate) fn push(
    worktree: &Worktree<'_>,
    (remote, target): (Option<String>, Option<String>),
    force: Option<Force>,
    (arguments, json): (&AccessArguments, bool),
) -> Result<ExitCode> {
    let push = Push { remote, target, force: force.unwrap_or_default() };
    let access = access(arguments)?;
    let pushed = shown(|progress| worktree.push(&push, &access, progress));
    ended(pushed, json, |pushed: &Pushed| {
        render::notes(&pushed.notes);
        let before = pushed.before.as_deref().map_or("new", short);
        let Pushed { branch, remote, after, .. } = pushed;
        render::line(&format!("{branch} of {remote} is at {} (was: {before})", short(after)))
    })
}

pub(crate) fn fetch(
    worktrees: &Worktrees,
    (remote, branches): (Option<String>, Vec<String>),
    (arguments, json): (&AccessArguments, bool),
) -> Result<ExitCode> {
    let fetch = Fetch { remote, branches };
    let access = access(arguments)?;
    let fetched = shown(|progress| worktrees.fetch(&fetch, &access, progress));
    let refused = |updated: &Updated| matches!(updated.change, Change::Refused(_));
    let partly = fetched.as_ref().is_ok_and(|fetched| fetched.updated.iter().any(refused));
    let code = ended(fetched, json, |fetched: &Fetched| {
        render::notes(&fetched.notes);
        for Updated { name, before, after, change } in &fetched.updated {
            let how = match change {
                Change::Created => "new".to_owned(),
                Change::FastForward => format!("was {}", before.as_deref().map_or("new", short)),
                Change::Forced => format!("was {}, forced", before.as_deref().map_or("new", short)),
                Change::Refused(reason) => format!("left as it was: {reason}"),
            };
            render::line(&format!("{name} is at {} ({how})", short(after)))?;
        }
        Ok(())
    })?;
    Ok(if partly { ExitCode::from(report::REFUSED) } else { code })
}

/// The directory that `git clone` takes: the last part of the address without `.git`.
fn named_by(address: &str) -> Result<PathBuf> {
    let path = address.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    let name = path.rsplit(['/', ':']).next().unwrap_or_default();
    if matches!(name, "" | "." | "..") {
        return Err(Hinted {
            message: "the address names no directory to clone into".to_owned(),
            hint: "name one behind the address".to_owned(),
        }
        .into());
    }
    Ok(PathBuf::from(name))
}

fn access(arguments: &AccessArguments) -> Result<Access> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let mut access = Access::default();
    access.ssh = match &arguments.ssh_command {
        Some(command) => Some(Ssh::Command(command.clone())),
        None => surroundings::ssh()?,
    };
    access.user_configuration = surroundings::git_configuration();
    access.connect_timeout = arguments.connect_timeout.unwrap_or(access.connect_timeout);
    access.silence_timeout = arguments.silence_timeout.unwrap_or(access.silence_timeout);
    access.max_bytes = arguments.max_bytes.unwrap_or(access.max_bytes);
    access.cancelled = Arc::clone(&cancelled);
    cancel_at_interrupts(cancelled)?;
    Ok(access)
}

/// Sets what ends the work when Ctrl-C comes.
fn cancel_at_interrupts(cancelled: Arc<AtomicBool>) -> Result<()> {
    let runtime = runtime::new()?;
    std::thread::Builder::new()
        .name("interrupts".to_owned())
        .spawn(move || {
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        })
        .context("cannot wait for Ctrl-C")?;
    Ok(())
}

/// Does the work with a line at the terminal that says how far it has come.
fn shown<T>(work: impl FnOnce(&mut dyn FnMut(RemoteProgress)) -> T) -> T {
    let style =
        ProgressStyle::with_template("{msg} {pos}/{len}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    let set = |what: &'static str, done: usize, total: usize| {
        bar.set_message(what);
        bar.set_length(u64::try_from(total).unwrap_or(u64::MAX));
        bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    };
    let done = work(&mut |progress| match progress {
        RemoteProgress::Said(line) => bar.suspend(|| render::note(&format!("remote: {line}"))),
        RemoteProgress::Received { objects, total, .. } => set("objects received", objects, total),
        RemoteProgress::Checked { objects, total } => set("objects checked", objects, total),
        RemoteProgress::Sent { objects, total, .. } => set("objects sent", objects, total),
        RemoteProgress::Written(progress) => set("files written", progress.done, progress.total),
        _ => {}
    });
    bar.finish_and_clear();
    done
}

fn ended<T: serde::Serialize>(
    done: Result<T, RemoteError>,
    json: bool,
    say: impl FnOnce(&T) -> std::io::Result<()>,
) -> Result<ExitCode> {
    match done {
        Ok(done) if json => render::line(&serde_json::to_string(&done)?)?,
        Ok(done) => say(&done)?,
        Err(RemoteError::Cancelled) => return Ok(ExitCode::from(INTERRUPTED)),
        Err(err) => return Err(err.into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The digits of a commit that a person reads.
pub(crate) fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

/// The program for `ssh://`, by the variables that git has for it.
pub(crate) fn ssh_of(command: Option<OsString>, program: Option<OsString>) -> Result<Option<Ssh>> {
    if let Some(command) = command {
        let Ok(command) = command.into_string() else {
            return Err(Hinted {
                message: "GIT_SSH_COMMAND is not UTF-8".to_owned(),
                hint: "give the command by --ssh-command".to_owned(),
            }
            .into());
        };
        return Ok(Some(Ssh::Command(command)));
    }
    Ok(program.map(Ssh::Program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_named_as_git_names_it() {
        for (address, name) in [
            ("https://example.org/a/repo.git", "repo"),
            ("https://example.org/a/repo/", "repo"),
            ("git@example.org:repo.git", "repo"),
            ("../there", "there"),
        ] {
            assert_eq!(named_by(address).unwrap(), PathBuf::from(name), "{address}");
        }
        for address in ["", "/", "..", ".git"] {
            assert!(named_by(address).is_err(), "{address}");
        }
    }
}
