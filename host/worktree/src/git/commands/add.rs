//! `git add`

use super::super::arguments::{Argument, Arguments};
use super::super::command::Context;
use super::super::failure::{Failure, Result};
use super::super::path::is_valid;
use super::super::pathspec::{Item, Paths, Pathspec, is_below};
use super::super::stage::{Mode, Staged, stage, update};
use super::super::staging::Staging;
use super::super::status::{StatusOptions, Untracked, untracked};
use super::super::work_tree::Kind;

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let (mut all, mut only_tracked, mut force, mut verbose) = (false, false, false, false);
    let mut mode = Mode::Write;
    let mut paths = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Short('A') | Argument::Long("all" | "no-ignore-removal") => all = true,
            Argument::Short('u') | Argument::Long("update") => only_tracked = true,
            Argument::Short('f') | Argument::Long("force") => force = true,
            Argument::Short('n') | Argument::Long("dry-run") => mode = Mode::DryRun,
            Argument::Short('v') | Argument::Long("verbose") => verbose = true,
            Argument::Operand(path) | Argument::Path(path) => paths.push(path.to_vec()),
            other => return Err(arguments.refuse(other)),
        }
    }
    if all && only_tracked {
        return Err(Failure::fatal("options '-A' and '-u' cannot be used together"));
    }
    if paths.is_empty() && !all && !only_tracked {
        return Ok(nothing(cx));
    }
    let session = &cx.session;
    let spec = Pathspec::parse(&paths, &session.prefix, &session.scope.guest_path)?;
    let mut staging = session.staging()?;
    for item in spec.items().filter(|item| !item.is_glob()) {
        if session.tree.is_beyond_link(&item.path)? {
            let shown = String::from_utf8_lossy(&item.argument);
            return Err(Failure::fatal(format!("pathspec '{shown}' is beyond a symbolic link")));
        }
    }
    let (new, ignored) =
        if only_tracked { (Vec::new(), Vec::new()) } else { new_files(cx, &staging, &spec, force)? };
    check_matched(cx, &spec, &staging, (&new, only_tracked))?;
    let mut changed = update(session, &mut staging, &spec, mode)?;
    for path in new {
        if mode == Mode::Write {
            stage(session, &mut staging, &path)?;
        }
        changed.push(Staged::Added(path));
    }
    session.save(&mut staging)?;
    if verbose || mode == Mode::DryRun {
        for change in changed {
            let (word, path) = match &change {
                Staged::Added(path) => ("add", path),
                Staged::Removed(path) => ("remove", path),
            };
            cx.print([word.as_bytes(), b" '", path, b"'\n"].concat());
        }
    }
    if ignored.is_empty() {
        return Ok(0);
    }
    cx.warn("The following paths are ignored by one of your .gitignore files:\n");
    for path in ignored {
        cx.warn([path.as_slice(), b"\n"].concat());
    }
    cx.warn(
        "hint: Use -f if you really want to add them.\n\
         hint: Disable this message with \"git config advice.addIgnoredFile false\"\n",
    );
    Ok(1)
}

fn nothing(cx: &Context<'_>) -> u8 {
    cx.warn(
        "Nothing specified, nothing added.\n\
         hint: Maybe you wanted to say 'git add .'?\n\
         hint: Disable this message with \"git config advice.addEmptyPathspec false\"\n",
    );
    0
}

/// The untracked files to add, and the ignored paths that were named.
fn new_files(cx: &Context<'_>, staging: &Staging, spec: &Pathspec, force: bool) -> Result<(Paths, Paths)> {
    let session = &cx.session;
    let options = StatusOptions { untracked: Untracked::All, ignored: force, renames: false };
    let (mut new, forced) = untracked(session, staging, spec, &options)?;
    if force {
        new.extend(forced);
        new.sort();
    }
    if let Some(repository) = new.iter().find(|path| path.ends_with(b"/")) {
        let shown = String::from_utf8_lossy(repository);
        return Err(Failure::fatal(format!("'{shown}' has a .git of its own and is not added here"))
            .hint("name the other paths, or list it in .gitignore"));
    }
    let mut ignored = Vec::new();
    if !force {
        for item in spec
            .items()
            .filter(|item| !item.is_glob() && !staging.has(&item.path) && !staging.has_below(&item.path))
        {
            if let Some(path) = ignored_part(cx, item)?
                && !ignored.contains(&path)
            {
                ignored.push(path);
            }
        }
    }
    Ok((new, ignored))
}

/// The topmost ignored part of a path that was named and exists.
fn ignored_part(cx: &Context<'_>, item: &Item) -> Result<Option<Vec<u8>>> {
    if item.path.is_empty() {
        return Ok(None);
    }
    let Some(stat) = cx.session.tree.stat(&item.path)? else { return Ok(None) };
    let ends = item.path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    for end in ends.chain([item.path.len()]) {
        let part = item.path.get(..end).unwrap_or_default();
        let directory = end < item.path.len() || stat.kind == Kind::Directory;
        if cx.session.ignores.is_ignored_itself(part, directory)? {
            return Ok(Some(part.to_vec()));
        }
    }
    Ok(None)
}

/// Refuses a path that chooses nothing.
fn check_matched(
    cx: &Context<'_>,
    spec: &Pathspec,
    staging: &Staging,
    (new, only_tracked): (&[Vec<u8>], bool),
) -> Result<()> {
    for item in spec.items() {
        let matched = item.path.is_empty()
            || staging.paths().any(|path| item.has(path))
            || new.iter().any(|path| item.has(path) || is_below(path, &item.path))
            || (!only_tracked
                && !item.is_glob()
                && is_valid(&item.path)
                && cx.session.tree.stat(&item.path)?.is_some());
        if !matched {
            let shown = String::from_utf8_lossy(&item.argument);
            return Err(Failure::fatal(format!("pathspec '{shown}' did not match any files")));
        }
    }
    Ok(())
}
