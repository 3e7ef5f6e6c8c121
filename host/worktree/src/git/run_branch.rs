//! The one branch that a guest moves, and its reflog.

use super::command::Context;
use super::failure::{Failure, Result};
use super::identity::Identity;
use git2::{Oid, Signature, Time};

/// Tells that HEAD names the branch of the run; nothing else is ever moved.
pub(super) fn check(cx: &Context<'_>) -> Result<()> {
    let branch = &cx.session.scope.branch;
    if cx.session.head_branch()?.as_deref() == Some(branch) {
        return Ok(());
    }
    let own = branch.strip_prefix("refs/heads/").unwrap_or(branch);
    Err(Failure::fatal(format!(
        "HEAD is on '{}', and only the branch '{own}' of this run may move here",
        cx.session.head_name()?
    ))
    .hint("the user can switch this worktree back to it"))
}

/// Moves the branch from where it is known to be, and writes the reflogs as `committer` did it.
pub(super) fn set(cx: &Context<'_>, new: Oid, committer: &Identity, message: &str) -> Result<()> {
    check(cx)?;
    let repository = &cx.session.repository;
    let branch = &cx.session.scope.branch;
    let before = cx.session.head()?.map(|commit| commit.id());
    let logs = [branch.as_str(), "HEAD"];
    let lengths = logs.map(|name| repository.reflog(name).map_or(0, |log| log.len()));
    match before {
        Some(before) => repository.reference_matching(branch, new, true, before, message),
        None => repository.reference(branch, new, false, message),
    }
    .map_err(|error| match error.code() {
        git2::ErrorCode::Modified | git2::ErrorCode::Exists => {
            Failure::fatal("the branch has moved meanwhile")
                .hint("git status and git log tell where it is; try again")
        }
        _ => error.into(),
    })?;
    for (name, length) in logs.into_iter().zip(lengths) {
        log_as(cx, (name, length), new, (committer, message))?;
    }
    Ok(())
}

/// Writes the entry of a reflog that had `length` entries as the committer's: libgit2 signs it with
/// the user's name, or writes none where the branch stays.
fn log_as(
    cx: &Context<'_>,
    (name, length): (&str, usize),
    new: Oid,
    (committer, message): (&Identity, &str),
) -> Result<()> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let time = Time::new(committer.time.seconds, committer.time.offset_minutes);
    let Ok(signature) = Signature::new(&text(&committer.name), &text(&committer.email), &time) else {
        return Ok(());
    };
    let mut log = cx.session.repository.reflog(name)?;
    if log.len() > length {
        log.remove(0, false)?;
    }
    log.append(new, &signature, Some(message))?;
    Ok(log.write()?)
}
