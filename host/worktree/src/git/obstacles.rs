//! Which files of a checkout have changes that would be lost when it goes from one tree to another.

use super::Scope;
use super::failure::Result;
use super::look::LookError;
use super::session::{Caller, Found, Session};
use super::staging::Staging;
use super::work_tree::{Kind, LINK, os_path};
use git2::{ErrorCode, Oid, Tree};
use std::collections::BTreeSet;

/// The trees that a checkout goes from and to; from nothing before the first commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) before: Option<Oid>,
    pub(crate) after: Oid,
}

/// Those of the paths that are in the way. A file that is as it is to be, because an earlier attempt was
/// interrupted, is not.
pub(crate) fn obstacles(
    scope: &Scope,
    step: Step,
    paths: &BTreeSet<Vec<u8>>,
) -> std::result::Result<Vec<Vec<u8>>, LookError> {
    let session = Session::open_for(scope, Caller::Host)?;
    let staging = session.staging()?;
    let mut found = Vec::new();
    for path in paths {
        if is_obstacle(&session, &staging, step, path)? {
            found.push(path.clone());
        }
    }
    Ok(found)
}

fn is_obstacle(session: &Session<'_>, staging: &Staging, step: Step, path: &[u8]) -> Result<bool> {
    let tree = |id| session.repository.find_tree(id);
    let before = step.before.map(tree).transpose()?.map(|tree| version(&tree, path)).transpose()?.flatten();
    let after = version(&tree(step.after)?, path)?;
    let entry = staging.get(path);
    let staged = entry.map(|entry| (entry.mode, entry.id));
    let is_conflict = staging.has(path) && entry.is_none();
    if is_conflict || (staged != before && staged != after) {
        return Ok(true);
    }
    let is_unchanged = match entry {
        Some(entry) => matches!(session.found(staging, entry)?, Found::Same(_)),
        None => false,
    };
    if is_unchanged && staged == before {
        return Ok(false);
    }
    let there = match session.tree.stat(path)? {
        Some(stat) if matches!(stat.kind, Kind::File { .. } | Kind::Link) => {
            let mode = session.mode_of(stat.kind, after.or(staged).map(|(mode, _)| mode));
            Some((mode == LINK, session.id_of_file(path, &stat, entry)?))
        }
        // What is to be where a directory is, is told elsewhere.
        _ => None,
    };
    Ok(there != after.map(|(mode, id)| (mode == LINK, id)) && !(there.is_none() && staged.is_none()))
}

fn version(tree: &Tree<'_>, path: &[u8]) -> Result<Option<(u32, Oid)>> {
    match tree.get_path(os_path(path)?) {
        Ok(entry) => Ok(Some((u32::try_from(entry.filemode()).unwrap_or_default(), entry.id()))),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
