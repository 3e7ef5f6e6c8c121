//! The same looks at a worktree for the host's own commands, as data and as text.

use super::Scope;
use super::changes::{self, Delta};
use super::command::Context;
use super::failure::{Failure, Result};
use super::hunks::Whitespace;
use super::pathspec::Pathspec;
use super::renames::detect;
use super::session::Session;
use super::stat::{FileStat, stats};
use super::status::{StatusEntry, StatusOptions, Untracked};

/// The least similarity of a rename, in percent.
const RENAME_PERCENT: u32 = 50;

/// A worktree that cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct LookError {
    message: String,
}

impl From<Failure> for LookError {
    fn from(failure: Failure) -> Self {
        Self { message: String::from_utf8_lossy(&failure.message).trim_end().to_owned() }
    }
}

/// Tells the state of every path of a worktree that is not as HEAD has it.
///
/// # Errors
///
/// [`LookError`] if the repository or the working tree cannot be read.
pub fn status(scope: &Scope, untracked: Untracked) -> std::result::Result<Vec<StatusEntry>, LookError> {
    let session = Session::open(scope)?;
    let staging = session.staging()?;
    let options = StatusOptions { untracked, ignored: false, renames: true };
    Ok(super::status::status(&session, &staging, &Pathspec::default(), &options)?)
}

/// Prints the patch from a commit (an id or a name; HEAD if there is none) to the working tree.
/// Untracked files count as added if `untracked` tells more than [`Untracked::No`].
///
/// # Errors
///
/// [`LookError`] if the commit is not found, or the repository or the working tree cannot be read.
pub fn patch(
    scope: &Scope,
    from: Option<&str>,
    untracked: Untracked,
) -> std::result::Result<Vec<u8>, LookError> {
    let session = Session::open(scope)?;
    let mut out = Vec::new();
    for delta in deltas(&session, from, untracked)? {
        out.extend_from_slice(&super::patch::patch(&session, &delta, super::patch::PatchOptions::default())?);
        Context::check_size(&out)?;
    }
    Ok(out)
}

/// Counts what changed from a commit to the working tree, file by file, as [`patch`] tells it.
///
/// # Errors
///
/// The same as of [`patch`].
pub fn stat(
    scope: &Scope,
    from: Option<&str>,
    untracked: Untracked,
) -> std::result::Result<Vec<FileStat>, LookError> {
    let session = Session::open(scope)?;
    let deltas = deltas(&session, from, untracked)?;
    Ok(stats(&session, &deltas, Whitespace::Counts)?)
}

fn deltas(session: &Session<'_>, from: Option<&str>, untracked: Untracked) -> Result<Vec<Delta>> {
    let staging = session.staging()?;
    let tree = match from {
        Some(name) => Some(super::revision::tree(session, name)?),
        None => session.head_tree()?,
    };
    let all = Pathspec::default();
    let mut deltas = changes::since(session, tree.as_ref(), &staging, &all)?;
    if untracked != Untracked::No {
        let options = StatusOptions { untracked: Untracked::All, ignored: false, renames: false };
        for path in super::status::untracked(session, &staging, &all, &options)?.0 {
            deltas.extend(changes::untracked(session, &path)?);
        }
        deltas.sort_by(|left, right| left.path().cmp(right.path()));
    }
    detect(session, deltas, RENAME_PERCENT)
}
