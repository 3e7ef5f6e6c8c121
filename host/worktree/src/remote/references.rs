//! Moving references of the user's repository to what was fetched.

use std::path::Path;

use git2::{ErrorCode, Oid, Reference, Repository};
use serde::Serialize;

use super::RemoteError;
use crate::error::Trying;

/// A reference that was moved, or was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Updated {
    /// Its whole name here.
    pub name: String,
    /// Where it was; none where it was not there.
    pub before: Option<String>,
    /// What the remote has.
    pub after: String,
    /// What was done.
    pub change: Change,
}

/// What was done to a reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is new.
    Created,
    /// What it had is part of what it has.
    FastForward,
    /// It has other commits than it had.
    Forced,
    /// It was left as it was, for this reason.
    Refused(String),
}

/// Moves a reference, unless it is there already.
pub(super) fn update(
    repository: &Repository,
    name: &str,
    after: Oid,
    is_forced: bool,
    log: &str,
) -> Result<Option<Updated>, RemoteError> {
    let before = match repository.refname_to_id(name) {
        Ok(oid) if oid == after => return Ok(None),
        Ok(oid) => Some(oid),
        Err(err) if err.code() == ErrorCode::NotFound => None,
        Err(source) => return Err(crate::WorktreeError::Git { action: "read a reference", source })?,
    };
    let change = decide(repository, name, before, after, is_forced)?;
    let updated = Updated {
        name: name.to_owned(),
        before: before.map(|oid| oid.to_string()),
        after: after.to_string(),
        change,
    };
    let moved = match &updated.change {
        Change::Refused(_) => return Ok(Some(updated)),
        Change::Created => move_to(repository, name, after, Oid::ZERO_SHA1, &format!("{log}: storing head")),
        Change::FastForward => move_to(
            repository,
            name,
            after,
            before.unwrap_or(Oid::ZERO_SHA1),
            &format!("{log}: fast-forward"),
        ),
        Change::Forced => move_to(
            repository,
            name,
            after,
            before.unwrap_or(Oid::ZERO_SHA1),
            &format!("{log}: forced-update"),
        ),
    };
    match moved {
        Ok(()) => Ok(Some(updated)),
        // Another reference is in the way, or somebody moved it meanwhile.
        Err(err) => {
            let reason = super::text::one_line(err.message().as_bytes());
            Ok(Some(Updated { change: Change::Refused(reason), ..updated }))
        }
    }
}

fn move_to(repository: &Repository, name: &str, to: Oid, from: Oid, log: &str) -> Result<(), git2::Error> {
    if from.is_zero() {
        // Fails where somebody made it meanwhile.
        crate::update::retry_locked(|| repository.reference(name, to, false, log)).map(drop)
    } else {
        crate::update::retry_locked(|| repository.reference_matching(name, to, true, from, log)).map(drop)
    }
}

fn decide(
    repository: &Repository,
    name: &str,
    before: Option<Oid>,
    after: Oid,
    is_forced: bool,
) -> Result<Change, RemoteError> {
    let refused = |reason: &str| Ok(Change::Refused(reason.to_owned()));
    if !name.starts_with("refs/") || !Reference::is_valid_name(name) {
        return refused("that is no name of a reference");
    }
    if name.starts_with("refs/sandpiper/") || name.starts_with("refs/heads/sandpiper/") {
        return refused("references of worktrees are moved by their runs alone");
    }
    if name.starts_with("refs/heads/") {
        if is_checked_out(repository, name) {
            return refused("the branch is checked out; merge into it instead");
        }
        if repository.find_commit(after).is_err() {
            return refused("a branch is of a commit, and this is none");
        }
    }
    let Some(before) = before else { return Ok(Change::Created) };
    if name.starts_with("refs/tags/") && !is_forced {
        return refused("the tag is another here; delete it first");
    }
    let is_fast_forward = repository.graph_descendant_of(after, before).unwrap_or(false);
    match (is_fast_forward, is_forced) {
        (true, _) => Ok(Change::FastForward),
        (false, true) => Ok(Change::Forced),
        (false, false) => refused("it has commits here that the remote has not"),
    }
}

/// Whether a checkout, the user's or a worktree's, is of the branch.
fn is_checked_out(repository: &Repository, name: &str) -> bool {
    let common = repository.commondir();
    let is_head = |directory: &Path| {
        let head = std::fs::read_to_string(directory.join("HEAD")).unwrap_or_default();
        head.strip_prefix("ref: ").is_some_and(|head| head.trim_end() == name)
    };
    let worktrees = std::fs::read_dir(common.join("worktrees")).into_iter().flatten().flatten();
    let is_bare = repository.config().and_then(|config| config.get_bool("core.bare")).unwrap_or(false);
    !is_bare && is_head(common) || worktrees.map(|entry| entry.path()).any(|path| is_head(&path))
}

/// Writes a reference that was not there, as git's clone does.
pub(super) fn create(repository: &Repository, name: &str, to: Oid, log: &str) -> Result<(), RemoteError> {
    repository.reference(name, to, true, log).trying("write a reference")?;
    Ok(())
}
