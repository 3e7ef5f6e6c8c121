//! Files of trees and of the index written back into the working tree.

use super::changes::Files;
use super::failure::{Failure, Result};
use super::path::{check_depth, is_valid};
use super::session::{Found, Session};
use super::staging::Staging;
use super::work_tree::{GITLINK, Kind, Stat};
use git2::Oid;

/// Writes one file as the index or a tree has it, and tells its `lstat`.
pub(super) fn write(session: &Session<'_>, path: &[u8], mode: u32, id: Oid) -> Result<Option<Stat>> {
    if !is_valid(path) {
        return Err(Failure::fatal(format!("invalid path '{}'", String::from_utf8_lossy(path))));
    }
    if mode == GITLINK {
        session.spend(0)?;
        session.tree.make(path)?;
        return Ok(None);
    }
    make_room(session, path)?;
    let content = session.written_form(path, mode, session.blob(id)?)?;
    session.spend(content.len())?;
    Ok(Some(session.tree.write(path, mode, &content)?))
}

/// Takes away what stands in the way of a path: a file or a link where a parent has to be, or a
/// directory where the file has to be. What is below such a directory is removed as git does for a
/// file that is asked for by name.
fn make_room(session: &Session<'_>, path: &[u8]) -> Result<()> {
    for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        let parent = path.get(..at).unwrap_or_default();
        match session.tree.stat(parent)? {
            Some(stat) if stat.kind == Kind::Directory => {}
            Some(_) => session.tree.remove(parent, super::work_tree::split(parent).0)?,
            None => break,
        }
    }
    if session.tree.stat(path)?.is_some_and(|stat| stat.kind == Kind::Directory) {
        empty(session, path)?;
    }
    Ok(())
}

/// Removes all files below a directory, unless it holds a repository of its own.
fn empty(session: &Session<'_>, path: &[u8]) -> Result<()> {
    check_depth(path)?;
    for (name, stat) in session.tree.list(path)? {
        if super::path::is_git_name(&name) {
            let shown = String::from_utf8_lossy(path);
            return Err(Failure::error(format!("'{shown}' has a .git of its own and is not replaced")));
        }
        let below = [path, b"/", &name].concat();
        if stat.kind == Kind::Directory {
            empty(session, &below)?;
        }
        session.tree.remove(&below, path)?;
    }
    Ok(())
}

/// Writes a file of the index if it is not as its entry says; tells whether it was written.
pub(super) fn from_index(session: &Session<'_>, staging: &mut Staging, path: &[u8]) -> Result<bool> {
    let Some(entry) = staging.get(path) else { return Ok(false) };
    let (mode, id) = (entry.mode, entry.id);
    if matches!(session.found(staging, entry)?, Found::Same(_)) {
        return Ok(false);
    }
    let stat = write(session, path, mode, id)?;
    if let Some(stat) = stat {
        staging.refresh(path, &stat)?;
    }
    Ok(true)
}

/// Brings the index, and the working tree too if asked, to what a tree has at each of `paths`;
/// a path that the tree has not is removed.
pub(super) fn to_tree(
    session: &Session<'_>,
    staging: &mut Staging,
    files: &Files,
    (paths, with_files): (&[Vec<u8>], bool),
) -> Result<()> {
    // What goes makes room for what comes.
    for path in paths.iter().filter(|path| !files.contains_key(*path)) {
        if with_files && staging.get(path).is_none_or(|entry| entry.mode != GITLINK) {
            session.tree.remove(path, b"")?;
        }
        staging.remove(path)?;
    }
    for path in paths {
        let Some((mode, id)) = files.get(path) else { continue };
        if staging.get(path).is_none_or(|entry| (entry.mode, entry.id) != (*mode, *id)) {
            let stat = if with_files { None } else { same_file(session, staging, path, (*mode, *id))? };
            staging.set(path, *mode, *id, stat.as_ref())?;
        }
        if with_files {
            from_index(session, staging, path)?;
        }
    }
    Ok(())
}

/// The `lstat` of a file that has this content already.
fn same_file(
    session: &Session<'_>,
    staging: &Staging,
    path: &[u8],
    (mode, id): (u32, Oid),
) -> Result<Option<Stat>> {
    let Some(stat) = session.tree.stat(path)? else { return Ok(None) };
    if !matches!(stat.kind, Kind::File { .. } | Kind::Link) || session.mode_of(stat.kind, Some(mode)) != mode
    {
        return Ok(None);
    }
    let content = session.stored_form(path, stat.kind, staging.get(path))?;
    let same = Oid::hash_object(git2::ObjectType::Blob, &content)? == id;
    Ok(same.then_some(stat))
}
