//! `git stash`
//!
//! The stash of git is shared by all worktrees of a repository. That of a run is its own: each entry
//! is a commit as git makes it, held by a reference of its own below `refs/sandpiper/stash/`, so that
//! nothing of it expires with a reflog.

use super::super::arguments::{Argument, Arguments};
use super::super::changes::{Files, between_trees, files, since, unstaged};
use super::super::command::Context;
use super::super::diff_request::DiffRequest;
use super::super::failure::{Failure, Result};
use super::super::identity::Identity;
use super::super::pathspec::Pathspec;
use super::super::pretty::subject;
use super::super::restore::{to_tree, write};
use super::super::session::Session;
use super::super::stage::{Mode, stage, update};
use super::super::staging::Staging;
use super::super::status::{StatusOptions, Untracked, status, untracked};
use super::super::status_text::{Branch, long};
use super::commit::object;
use git2::{MergeOptions, Object, ObjectType, Oid};
use std::collections::BTreeMap;

/// The most entries of one run.
const MAX_ENTRIES: usize = 1000;

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let rest = arguments.rest();
    match rest.first().map(Vec::as_slice) {
        None | Some([b'-', ..]) => push(cx, arguments),
        Some(word) => {
            let word = word.to_vec();
            arguments.next()?;
            match word.as_slice() {
                b"push" => push(cx, arguments),
                b"list" => list(cx, arguments),
                b"show" => show(cx, arguments),
                b"apply" => apply(cx, arguments, false),
                b"pop" => apply(cx, arguments, true),
                b"drop" => drop_entry(cx, arguments),
                _ => Err(Failure::usage(format!(
                    "git stash {} is not supported here",
                    String::from_utf8_lossy(&word)
                ))
                .hint("push, list, show, apply, pop and drop are")),
            }
        }
    }
}

/// The commit that `stash` or `stash@{N}` names, with what may follow such a name.
pub(in super::super) fn find<'s>(session: &'s Session<'_>, name: &str) -> Result<Option<Object<'s>>> {
    let name = name.strip_prefix("refs/").unwrap_or(name);
    let Some(rest) = name.strip_prefix("stash") else { return Ok(None) };
    let (number, rest) = match rest.strip_prefix("@{").and_then(|rest| rest.split_once('}')) {
        Some((number, rest)) => (number.parse().unwrap_or(usize::MAX), rest),
        None => (0, rest),
    };
    if !rest.is_empty() && !rest.starts_with(['^', '~', ':']) {
        return Ok(None);
    }
    let entries = entries(session)?;
    let Some(entry) = entries.get(number) else { return Ok(None) };
    Ok(session.repository.revparse_single(&format!("{}{rest}", entry.id)).ok())
}

struct Entry {
    reference: String,
    id: Oid,
}

fn namespace(session: &Session<'_>) -> String {
    let branch = &session.scope.branch;
    let run =
        branch.strip_prefix("refs/heads/sandpiper/").or(branch.strip_prefix("refs/heads/")).unwrap_or(branch);
    format!("refs/sandpiper/stash/{run}")
}

/// The entries, the newest first.
fn entries(session: &Session<'_>) -> Result<Vec<Entry>> {
    let namespace = namespace(session);
    let mut found = Vec::new();
    for reference in session.repository.references_glob(&format!("{namespace}/*"))? {
        let reference = reference?;
        let (Ok(name), Some(id)) = (reference.name(), reference.target()) else { continue };
        let number: Option<u64> =
            name.strip_prefix(&namespace).and_then(|rest| rest.strip_prefix('/')?.parse().ok());
        if let Some(number) = number {
            found.push((number, Entry { reference: name.to_owned(), id }));
        }
    }
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    Ok(found.into_iter().map(|(_, entry)| entry).collect())
}

fn push(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let (mut message, mut with_untracked, mut quiet, mut keep) = (None, false, false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Short('m') | Argument::Long("message") => message = Some(arguments.value()?.to_vec()),
            Argument::Short('u') | Argument::Long("include-untracked") => with_untracked = true,
            Argument::Short('k') | Argument::Long("keep-index") => keep = true,
            Argument::Short('q') | Argument::Long("quiet") => quiet = true,
            other => return Err(arguments.refuse(other)),
        }
    }
    let session = &cx.session;
    let head =
        session.head()?.ok_or_else(|| Failure::plain(1, "You do not have the initial commit yet\n"))?;
    let mut staging = session.staging()?;
    if !staging.conflicts().is_empty() {
        return Err(Failure::error("could not save index tree").hint("resolve the conflicts first"));
    }
    let all = Pathspec::default();
    let options = StatusOptions { untracked: Untracked::All, ignored: false, renames: false };
    let mut new = if with_untracked { untracked(session, &staging, &all, &options)?.0 } else { Vec::new() };
    new.retain(|path| !path.ends_with(b"/"));
    let head_tree = head.tree()?;
    let index_tree = session.write_tree(&mut staging)?;
    if index_tree == head_tree.id()
        && since(session, Some(&head_tree), &staging, &all)?.is_empty()
        && new.is_empty()
    {
        if !quiet {
            cx.print("No local changes to save\n");
        }
        return Ok(0);
    }
    let before = entries(session)?;
    if before.len() >= MAX_ENTRIES {
        return Err(Failure::fatal(format!("there are {MAX_ENTRIES} entries already"))
            .hint("git stash drop removes one"));
    }
    let who = Identity::of(cx, &cx.invocation.committer)?;
    let author = Identity::of(cx, &cx.invocation.author)?;
    let commit = |tree: Oid, parents: &[Oid], text: &[u8]| -> Result<Oid> {
        session.write(ObjectType::Commit, &object(tree, parents, (&author, &who), text))
    };
    let branch = match session.head_branch()? {
        Some(_) => session.head_name()?,
        None => "(no branch)".to_owned(),
    };
    let at =
        [format!("{branch}: {} ", session.abbreviate(head.id())?).as_bytes(), &subject(head.message_bytes())]
            .concat();
    let index_commit = commit(index_tree, &[head.id()], &[b"index on ".as_slice(), &at, b"\n"].concat())?;
    let mut parents = vec![head.id(), index_commit];
    if !new.is_empty() {
        let mut alone = Staging::empty()?;
        for path in &new {
            stage(session, &mut alone, path)?;
        }
        let tree = session.write_tree(&mut alone)?;
        parents.push(commit(tree, &[], &[b"untracked files on ".as_slice(), &at, b"\n"].concat())?);
    }
    let mut working = session.staging()?;
    update(session, &mut working, &all, Mode::Write)?;
    let tree = session.write_tree(&mut working)?;
    let text = match &message {
        Some(message) => [format!("On {branch}: ").as_bytes(), message].concat(),
        None => [b"WIP on ".as_slice(), &at].concat(),
    };
    let id = commit(tree, &parents, &text)?;
    let next = before
        .first()
        .and_then(|entry| entry.reference.rsplit('/').next()?.parse::<u64>().ok())
        .map_or(1, |last| last + 1);
    session.repository.reference(&format!("{}/{next}", namespace(session)), id, false, "stash")?;
    for path in &new {
        session.tree.remove(path, b"")?;
    }
    let wanted =
        files(session, Some(&session.repository.find_tree(if keep { index_tree } else { head_tree.id() })?))?;
    let mut paths: Vec<Vec<u8>> = staging.paths().chain(wanted.keys()).cloned().collect();
    paths.sort();
    paths.dedup();
    to_tree(session, &mut staging, &wanted, (&paths, true))?;
    session.save(&mut staging)?;
    if !quiet {
        cx.print([b"Saved working directory and index state ".as_slice(), &text, b"\n"].concat());
    }
    Ok(0)
}

fn list(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    if let Some(argument) = arguments.next()? {
        return Err(arguments.refuse(argument));
    }
    for (number, entry) in entries(&cx.session)?.iter().enumerate() {
        let commit = cx.session.repository.find_commit(entry.id)?;
        cx.print(
            [format!("stash@{{{number}}}: ").as_bytes(), &subject(commit.message_bytes()), b"\n"].concat(),
        );
    }
    Ok(0)
}

/// The entry that an argument names, the newest without one, with the name that git shows.
fn chosen(cx: &Context<'_>, name: Option<&[u8]>) -> Result<(Entry, String)> {
    let text = String::from_utf8_lossy(name.unwrap_or(b"0")).into_owned();
    let inner = text.strip_prefix("refs/").unwrap_or(&text);
    let inner = inner.strip_prefix("stash@{").and_then(|rest| rest.strip_suffix('}')).unwrap_or(inner);
    let mut entries = entries(&cx.session)?;
    if entries.is_empty() && name.is_none() {
        return Err(Failure::plain(1, "No stash entries found.\n"));
    }
    let number: usize = match inner {
        "stash" => 0,
        inner => inner.parse().map_err(|_| Failure::error(format!("{text} is not a valid reference")))?,
    };
    if number >= entries.len() {
        return Err(Failure::error(format!("stash@{{{number}}} is not a valid reference")));
    }
    let shown = if name.is_some() && !inner.eq("stash") && text.starts_with("stash") {
        format!("stash@{{{number}}}")
    } else {
        format!("refs/stash@{{{number}}}")
    };
    Ok((entries.swap_remove(number), shown))
}

fn show(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let mut request = DiffRequest::default();
    let mut name = None;
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Operand(operand) if name.is_none() => name = Some(operand),
            other => {
                if !request.accept(other, &mut arguments)? {
                    return Err(arguments.refuse(other));
                }
            }
        }
    }
    if !request.has_form() {
        request.graph = true;
    }
    let (entry, _) = chosen(cx, name)?;
    let session = &cx.session;
    let commit = session.repository.find_commit(entry.id)?;
    let base = commit.parent(0)?.tree()?;
    let deltas = between_trees(session, Some(&base), Some(&commit.tree()?), &Pathspec::default())?;
    let deltas = request.refine(session, deltas)?;
    cx.print(request.print(session, &deltas)?);
    Ok(0)
}

fn drop_entry(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let (name, quiet, _) = entry_options(&mut arguments)?;
    let (entry, shown) = chosen(cx, name)?;
    remove(cx, &entry, (&shown, quiet))?;
    Ok(0)
}

fn entry_options<'a>(arguments: &mut Arguments<'a>) -> Result<(Option<&'a [u8]>, bool, bool)> {
    let (mut name, mut quiet, mut index) = (None, false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Short('q') | Argument::Long("quiet") => quiet = true,
            Argument::Long("index") => index = true,
            Argument::Operand(operand) if name.is_none() => name = Some(operand),
            other => return Err(arguments.refuse(other)),
        }
    }
    Ok((name, quiet, index))
}

fn remove(cx: &Context<'_>, entry: &Entry, (shown, quiet): (&str, bool)) -> Result<()> {
    cx.session.repository.find_reference(&entry.reference)?.delete()?;
    if !quiet {
        cx.print(format!("Dropped {shown} ({})\n", entry.id));
    }
    Ok(())
}

/// Brings an entry back; where it cannot be without a conflict, nothing at all is changed.
fn apply(cx: &Context<'_>, mut arguments: Arguments<'_>, pop: bool) -> Result<u8> {
    let (name, quiet, with_index) = entry_options(&mut arguments)?;
    if with_index {
        return Err(Failure::usage("option `--index' of git stash is not supported here"));
    }
    let (entry, shown) = chosen(cx, name)?;
    let session = &cx.session;
    let commit = session.repository.find_commit(entry.id)?;
    let base = commit.parent(0)?.tree()?;
    let mut staging = session.staging()?;
    if !staging.conflicts().is_empty() {
        return Err(Failure::error("could not write index").hint("resolve the conflicts first"));
    }
    let ours_id = session.write_tree(&mut staging)?;
    let ours = session.repository.find_tree(ours_id)?;
    let mut options = MergeOptions::new();
    options.find_renames(true);
    let mut merged = session.repository.merge_trees(&base, &ours, &commit.tree()?, Some(&options))?;
    if merged.has_conflicts() {
        return Err(Failure::error(
            "the stash conflicts with what has changed since, and nothing was applied",
        )
        .hint("git stash show -p prints it"));
    }
    session.spend(staging.tree_bytes())?;
    let merged = session.repository.find_tree(merged.write_tree_to(&session.repository)?)?;
    let wanted = files(session, Some(&merged))?;
    let deltas = between_trees(session, Some(&ours), Some(&merged), &Pathspec::default())?;
    let paths: Vec<Vec<u8>> = deltas.iter().map(|delta| delta.path().to_vec()).collect();
    let new = match commit.parents().nth(2) {
        Some(parent) => files(session, Some(&parent.tree()?))?,
        None => BTreeMap::new(),
    };
    refuse_overwrite(cx, &staging, (&paths, &wanted), &new)?;
    for delta in &deltas {
        let path = delta.path();
        match wanted.get(path) {
            // As with git, only what is new comes back staged.
            Some((mode, id)) if delta.old.is_none() => {
                let stat = write(session, path, *mode, *id)?;
                staging.set(path, *mode, *id, stat.as_ref())?;
            }
            Some((mode, id)) => {
                write(session, path, *mode, *id)?;
            }
            None => session.tree.remove(path, b"")?,
        }
    }
    for (path, (mode, id)) in &new {
        write(session, path, *mode, *id)?;
    }
    session.save(&mut staging)?;
    if !quiet {
        let staging = session.staging()?;
        let options = StatusOptions { untracked: Untracked::Normal, ignored: false, renames: true };
        let found = status(session, &staging, &Pathspec::default(), &options)?;
        cx.print(long(session, &found, &Branch::of(session)?, Untracked::Normal));
    }
    if pop {
        remove(cx, &entry, (&shown, quiet))?;
    }
    Ok(0)
}

/// Refuses where a file that would be written has changes that are nowhere else.
fn refuse_overwrite(
    cx: &Context<'_>,
    staging: &Staging,
    (paths, wanted): (&[Vec<u8>], &Files),
    new: &Files,
) -> Result<()> {
    let session = &cx.session;
    let dirty = unstaged(session, staging, &Pathspec::exactly(paths))?;
    let dirty: Vec<&[u8]> = dirty
        .iter()
        .map(super::super::changes::Delta::path)
        .filter(|path| !paths.is_empty() && paths.iter().any(|known| known == path))
        .collect();
    if !dirty.is_empty() {
        let mut text =
            b"error: Your local changes to the following files would be overwritten by merge:\n".to_vec();
        for path in dirty {
            text.extend_from_slice(&[b"\t".as_slice(), path, b"\n"].concat());
        }
        text.extend_from_slice(b"Please commit your changes or stash them before you merge.\nAborting\n");
        return Err(Failure::plain(1, text));
    }
    for path in paths.iter().filter(|path| wanted.contains_key(*path) && !staging.has(path)) {
        if session.tree.stat(path)?.is_some() {
            return Err(Failure::error(format!(
                "the untracked file '{}' would be overwritten",
                String::from_utf8_lossy(path)
            )));
        }
    }
    let mut there = Vec::new();
    for path in new.keys() {
        if session.tree.stat(path)?.is_some() {
            there.extend_from_slice(&[path.as_slice(), b" already exists, no checkout\n"].concat());
        }
    }
    if there.is_empty() {
        return Ok(());
    }
    there.extend_from_slice(b"error: could not restore untracked files from stash\n");
    Err(Failure::plain(1, there))
}
