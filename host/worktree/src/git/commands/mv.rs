//! `git mv`

use super::super::arguments::{Argument, Arguments};
use super::super::command::Context;
use super::super::failure::{Failure, Result};
use super::super::path::{is_valid, resolve};
use super::super::pathspec::is_below;
use super::super::work_tree::{Kind, split};

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let (mut force, mut verbose, mut dry) = (false, false, false);
    let mut paths = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Short('f') | Argument::Long("force") => force = true,
            Argument::Short('v') | Argument::Long("verbose") => verbose = true,
            Argument::Short('n') | Argument::Long("dry-run") => dry = true,
            Argument::Operand(path) | Argument::Path(path) => paths.push(path),
            other => return Err(arguments.refuse(other)),
        }
    }
    let Some((target, sources)) = paths.split_last().filter(|(_, sources)| !sources.is_empty()) else {
        return Err(Failure::usage("git mv takes one source or more and a destination"));
    };
    let session = &cx.session;
    let resolved = |path: &[u8]| resolve(path, &session.prefix, &session.scope.guest_path);
    let destination = resolved(target)?;
    let into = destination.is_empty()
        || session.tree.stat(&destination)?.is_some_and(|stat| stat.kind == Kind::Directory);
    if sources.len() > 1 && !into {
        let shown = String::from_utf8_lossy(target);
        return Err(Failure::fatal(format!("destination '{shown}' is not a directory")));
    }
    let mut staging = session.staging()?;
    for source in sources {
        let from = resolved(source)?;
        let to = if into { join(&destination, split(&from).1) } else { destination.clone() };
        let bad = |reason: &str| {
            let (from, to) = (String::from_utf8_lossy(&from), String::from_utf8_lossy(&to));
            Failure::fatal(format!("{reason}, source={from}, destination={to}"))
        };
        if session.tree.stat(&from)?.is_none() {
            return Err(bad("bad source"));
        }
        if from == to || is_below(&to, &from) {
            return Err(bad("can not move directory into itself"));
        }
        if !is_valid(&to) || session.tree.is_beyond_link(&to)? {
            return Err(bad("invalid destination"));
        }
        if !staging.has(&from) && !staging.has_below(&from) {
            return Err(bad(if session.tree.stat(&from)?.is_some_and(|stat| stat.kind == Kind::Directory) {
                "source directory is empty"
            } else {
                "not under version control"
            }));
        }
        if staging.conflicts().keys().any(|path| *path == from || is_below(path, &from)) {
            return Err(bad("conflicted"));
        }
        let there = session.tree.stat(&to)?;
        if there.is_some() && (!force || there.is_some_and(|stat| stat.kind == Kind::Directory)) {
            return Err(bad("destination exists"));
        }
        let (parent, _) = split(&to);
        if !parent.is_empty() && session.tree.stat(parent)?.is_none_or(|stat| stat.kind != Kind::Directory) {
            return Err(bad("destination directory does not exist"));
        }
        if verbose || dry {
            cx.print([b"Renaming ".as_slice(), &from, b" to ", &to, b"\n"].concat());
        }
        if dry {
            continue;
        }
        session.tree.rename(&from, &to)?;
        let moved: Vec<_> = staging
            .entries()
            .filter(|entry| entry.path == from || is_below(&entry.path, &from))
            .map(|entry| (entry.path.clone(), entry.mode, entry.id))
            .collect();
        for (path, mode, id) in moved {
            let fresh = staging
                .get(&path)
                .map(|entry| session_stat(cx, entry, &path, (&from, &to)))
                .transpose()?
                .flatten();
            let new = [to.as_slice(), path.get(from.len()..).unwrap_or_default()].concat();
            staging.remove(&path)?;
            staging.set(&new, mode, id, fresh.as_ref())?;
        }
    }
    session.save(&mut staging)?;
    Ok(0)
}

/// What `lstat` tells of a moved file if its content is known to be that of its entry: a move keeps
/// size and time of change, so an entry that was as its file stays so.
fn session_stat(
    cx: &Context<'_>,
    entry: &git2::IndexEntry,
    path: &[u8],
    (from, to): (&[u8], &[u8]),
) -> Result<Option<super::super::work_tree::Stat>> {
    let new = [to, path.get(from.len()..).unwrap_or_default()].concat();
    let stat = cx.session.tree.stat(&new)?;
    Ok(stat.filter(|stat| {
        i64::from(entry.mtime.seconds()) == stat.mtime.0
            && i64::from(entry.mtime.nanoseconds()) == stat.mtime.1
            && u64::from(entry.file_size) == stat.size
    }))
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}
