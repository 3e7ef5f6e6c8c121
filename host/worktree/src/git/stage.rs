//! Files of the working tree put into the index.

use super::failure::{Failure, Result};
use super::path::is_valid;
use super::pathspec::Pathspec;
use super::session::{Found, Session};
use super::staging::Staging;
use super::work_tree::{GITLINK, Kind};

/// What was done to the entry of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Staged {
    Added(Vec<u8>),
    Removed(Vec<u8>),
}

/// Whether objects and entries are written or it is only told what would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Write,
    DryRun,
}

/// Stores a file and puts it into the index; a file that is gone is taken out.
pub(super) fn stage(session: &Session<'_>, staging: &mut Staging, path: &[u8]) -> Result<()> {
    if !is_valid(path) {
        return Err(Failure::fatal(format!("invalid path '{}'", String::from_utf8_lossy(path))));
    }
    let Some(stat) = session.tree.stat(path)? else { return staging.remove(path) };
    if !matches!(stat.kind, Kind::File { .. } | Kind::Link) {
        return Err(Failure::error(format!(
            "{}: can only add regular files and symbolic links",
            String::from_utf8_lossy(path)
        )));
    }
    if stat.kind != Kind::Link {
        session.refuse_filter(path)?;
    }
    let before = staging.get(path);
    let mode = session.mode_of(stat.kind, before.map(|entry| entry.mode));
    let id = session.store(path, &stat, before)?;
    staging.set(path, mode, id, Some(&stat))
}

/// Brings the entries of tracked files up to their files, and tells which changed.
pub(super) fn update(
    session: &Session<'_>,
    staging: &mut Staging,
    spec: &Pathspec,
    mode: Mode,
) -> Result<Vec<Staged>> {
    let mut changed = Vec::new();
    let conflicts: Vec<Vec<u8>> = staging.conflicts().keys().filter(|path| spec.has(path)).cloned().collect();
    let tracked: Vec<Vec<u8>> =
        staging.entries().map(|entry| entry.path.clone()).filter(|path| spec.has(path)).collect();
    for path in tracked {
        let Some(entry) = staging.get(&path) else { continue };
        let is_submodule = entry.mode == GITLINK;
        match session.found(staging, entry)? {
            Found::Same(stat) => {
                let fresh = stat
                    .is_none_or(|stat| staging.get(&path).is_none_or(|entry| staging.is_fresh(entry, &stat)));
                if let Some(stat) = stat.filter(|_| !fresh && mode == Mode::Write) {
                    staging.refresh(&path, &stat)?;
                }
            }
            Found::Missing => {
                if mode == Mode::Write {
                    staging.remove(&path)?;
                }
                changed.push(Staged::Removed(path));
            }
            Found::Changed { .. } if is_submodule && session.tree.stat(&path)?.is_none() => {}
            Found::Changed { .. } => {
                if mode == Mode::Write {
                    stage(session, staging, &path)?;
                }
                changed.push(Staged::Added(path));
            }
        }
    }
    for path in conflicts {
        let there = session.tree.stat(&path)?.is_some();
        if mode == Mode::Write {
            stage(session, staging, &path)?;
        }
        changed.push(if there { Staged::Added(path) } else { Staged::Removed(path) });
    }
    Ok(changed)
}
