//! What the command takes from where it runs: environment, home, working directory.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use sandpiper::images::BuildInputs;
use sandpiper::worktree::remote::Ssh;

use crate::report::Hinted;

/// The folder for images and compiled code: `SANDPIPER_CACHE`, else `sandpiper` in the user's
/// cache folder (`XDG_CACHE_HOME` or `~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`).
pub(crate) fn cache_dir() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SANDPIPER_CACHE").filter(|path| !path.is_empty()) {
        return std::path::absolute(&path)
            .with_context(|| format!("cannot use SANDPIPER_CACHE={}", path.display()));
    }
    let caches = dirs::cache_dir().ok_or_else(|| Hinted {
        message: "the user has no home directory to keep a cache in".to_owned(),
        hint: "name a folder with SANDPIPER_CACHE".to_owned(),
    })?;
    Ok(caches.join("sandpiper"))
}

/// Where worktrees are made: `SANDPIPER_WORKTREES`, else `sandpiper/worktrees` in the user's data folder
/// (`XDG_DATA_HOME` or `~/.local/share`, `~/Library/Application Support`, `%LOCALAPPDATA%`). It is no cache:
/// there is work in it.
pub(crate) fn worktree_root() -> Result<PathBuf> {
    data_folder("worktrees", "SANDPIPER_WORKTREES")
}

/// A folder that a variable names, or of this name in the user's data folder.
fn data_folder(name: &str, variable: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
        return std::path::absolute(&path)
            .with_context(|| format!("cannot use {variable}={}", path.display()));
    }
    let data = dirs::data_local_dir().ok_or_else(|| Hinted {
        message: format!("the user has no home directory to keep {name} in"),
        hint: format!("name a folder with {variable}"),
    })?;
    Ok(data.join("sandpiper").join(name))
}

/// Where journals are: `SANDPIPER_JOURNAL`, else `sandpiper/journal` in the user's data folder.
pub(crate) fn journal_directory() -> Result<PathBuf> {
    data_folder("journal", "SANDPIPER_JOURNAL")
}

/// Where it is kept what came back from runs elsewhere and could not be applied: `SANDPIPER_RESULTS`, else
/// `sandpiper/results` in the user's data folder.
pub(crate) fn results_directory() -> Result<PathBuf> {
    data_folder("results", "SANDPIPER_RESULTS")
}

/// Where it is noted which policies are followed though they reach out of their directory:
/// `sandpiper/policies` in the user's data folder.
pub(crate) fn allowed_policies() -> Result<PathBuf> {
    data_folder("policies", "SANDPIPER_POLICIES")
}

/// The policy that the environment names: `SANDPIPER_POLICY`.
pub(crate) fn policy_file() -> Option<PathBuf> {
    std::env::var_os("SANDPIPER_POLICY").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Where sandboxes are kept: `SANDPIPER_SANDBOXES`, else `sandpiper/sandboxes` in the user's data folder.
pub(crate) fn sandbox_directory() -> Result<PathBuf> {
    data_folder("sandboxes", "SANDPIPER_SANDBOXES")
}

/// Where sandboxes on other machines are counted: `SANDPIPER_SLOTS`, else `sandpiper/slots` in the user's data folder.
pub(crate) fn slots() -> Result<PathBuf> {
    data_folder("slots", "SANDPIPER_SLOTS")
}

/// A variable of the host that is text; `None` where it is not set, or empty.
pub(crate) fn host_text(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(err) => Err(err).with_context(|| format!("cannot use {name}")),
    }
}

/// A variable of the host.
pub(crate) fn host_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The working directory.
pub(crate) fn directory() -> Result<PathBuf> {
    std::env::current_dir().context("cannot find the working directory")
}

/// This program.
pub(crate) fn program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this program's file")
}

/// The variables that `--env` names: `K=V` as it is, `K` with the host's value.
pub(crate) fn variables(given: &[String]) -> Result<Vec<(String, String)>> {
    given.iter().map(|text| variable(text)).collect()
}

fn variable(text: &str) -> Result<(String, String)> {
    if let Some((name, value)) = text.split_once('=') {
        return Ok((name.to_owned(), value.to_owned()));
    }
    match std::env::var(text) {
        Ok(value) => Ok((text.to_owned(), value)),
        Err(std::env::VarError::NotPresent) => Err(Hinted {
            message: format!("--env {text}: the host has no variable {text}"),
            hint: format!("give it a value: --env {text}=VALUE"),
        }
        .into()),
        Err(std::env::VarError::NotUnicode(_)) => Err(Hinted {
            message: format!("--env {text}: the host's value is not UTF-8"),
            hint: format!("give it a value: --env {text}=VALUE"),
        }
        .into()),
    }
}

/// The program for `ssh://` addresses: `GIT_SSH_COMMAND`, else `GIT_SSH`, as git has them.
pub(crate) fn ssh() -> Result<Option<Ssh>> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    crate::remote::ssh_of(variable("GIT_SSH_COMMAND"), variable("GIT_SSH"))
}

/// The user's git configuration where git is told of another than its own place: `GIT_CONFIG_GLOBAL`.
pub(crate) fn git_configuration() -> Option<PathBuf> {
    std::env::var_os("GIT_CONFIG_GLOBAL").map(PathBuf::from)
}

/// What an image's build takes from the machine.
pub(crate) fn build_inputs() -> BuildInputs {
    BuildInputs::from_environment(|name| std::env::var_os(name))
}
