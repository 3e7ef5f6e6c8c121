//! `git reset`

use super::super::arguments::{Argument, Arguments};
use super::super::changes::{files, unstaged};
use super::super::command::Context;
use super::super::failure::{Failure, Result};
use super::super::identity::Identity;
use super::super::pathspec::Pathspec;
use super::super::pretty::subject;
use super::super::quote::relative;
use super::super::restore::to_tree;
use super::super::revision::{commit, find, split, tree};
use super::super::run_branch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Soft,
    Mixed,
    Hard,
}

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let (mut depth, mut quiet) = (None, false);
    let (mut operands, mut paths) = (Vec::new(), Vec::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Long("soft") => depth = Some(Depth::Soft),
            Argument::Long("mixed") => depth = Some(Depth::Mixed),
            Argument::Long("hard") => depth = Some(Depth::Hard),
            Argument::Short('q') | Argument::Long("quiet") => quiet = true,
            Argument::Operand(operand) => operands.push(operand.to_vec()),
            Argument::Path(path) => paths.push(path.to_vec()),
            other => return Err(arguments.refuse(other)),
        }
    }
    // Only the first operand can name a commit.
    let (first, rest) = match operands.split_first() {
        Some((first, rest)) => (vec![first.clone()], rest.to_vec()),
        None => (Vec::new(), Vec::new()),
    };
    let (names, mut spec) = split(&cx.session, &first, &paths, arguments.is_separated())?;
    let mut all: Vec<Vec<u8>> = if names.is_empty() { first } else { Vec::new() };
    all.extend(rest);
    all.extend(paths.iter().cloned());
    if !all.is_empty() {
        spec = Pathspec::parse(&all, &cx.session.prefix, &cx.session.scope.guest_path)?;
    }
    let name = names.first().map_or("HEAD", String::as_str);
    if !spec.is_empty() || (arguments.is_separated() && !paths.is_empty()) {
        if let Some(depth @ (Depth::Soft | Depth::Hard)) = depth {
            let word = if depth == Depth::Soft { "soft" } else { "hard" };
            return Err(Failure::fatal(format!("Cannot do {word} reset with paths.")));
        }
        return paths_only(cx, name, &spec, quiet);
    }
    whole(cx, name, (depth.unwrap_or(Depth::Mixed), quiet))
}

fn paths_only(cx: &Context<'_>, name: &str, spec: &Pathspec, quiet: bool) -> Result<u8> {
    let session = &cx.session;
    let wanted = match find(session, name)? {
        None if name == "HEAD" => files(session, None)?,
        _ => files(session, Some(&tree(session, name)?))?,
    };
    let mut staging = session.staging()?;
    let mut chosen: Vec<Vec<u8>> =
        staging.paths().chain(wanted.keys()).filter(|path| spec.has(path)).cloned().collect();
    chosen.sort();
    chosen.dedup();
    to_tree(session, &mut staging, &wanted, (&chosen, false))?;
    session.save(&mut staging)?;
    if !quiet {
        tell_unstaged(cx)?;
    }
    Ok(0)
}

fn whole(cx: &Context<'_>, name: &str, (depth, quiet): (Depth, bool)) -> Result<u8> {
    let session = &cx.session;
    run_branch::check(cx)?;
    if session.head()?.is_none() && name == "HEAD" {
        return Err(Failure::fatal("there is no commit yet to reset to")
            .hint("git rm --cached PATH takes a file out of the index"));
    }
    let target = commit(session, name)?;
    let mut staging = session.staging()?;
    if depth == Depth::Soft && !staging.conflicts().is_empty() {
        return Err(Failure::fatal("Cannot do a soft reset in the middle of a merge."));
    }
    if depth != Depth::Soft {
        let wanted = files(session, Some(&target.tree()?))?;
        let mut all: Vec<Vec<u8>> = staging.paths().chain(wanted.keys()).cloned().collect();
        all.sort();
        all.dedup();
        to_tree(session, &mut staging, &wanted, (&all, depth == Depth::Hard))?;
        session.save(&mut staging)?;
    }
    let committer = Identity::of(cx, &cx.invocation.committer).unwrap_or_else(|_| Identity {
        name: b"guest".to_vec(),
        email: Vec::new(),
        time: cx.invocation.committer.time,
    });
    run_branch::set(cx, target.id(), &committer, &format!("reset: moving to {name}"))?;
    if quiet {
        return Ok(0);
    }
    match depth {
        Depth::Soft => {}
        Depth::Mixed => tell_unstaged(cx)?,
        Depth::Hard => {
            let title = subject(target.message_bytes());
            let head = format!("HEAD is now at {} ", session.abbreviate(target.id())?);
            cx.print([head.as_bytes(), &title, b"\n"].concat());
        }
    }
    Ok(0)
}

fn tell_unstaged(cx: &Context<'_>) -> Result<()> {
    let session = &cx.session;
    let staging = session.staging()?;
    let deltas = unstaged(session, &staging, &Pathspec::default())?;
    if !deltas.is_empty() {
        cx.print("Unstaged changes after reset:\n");
    }
    for delta in deltas {
        let path = relative(delta.path(), &session.prefix);
        cx.print([delta.change.letter().to_string().as_bytes(), b"\t", &path, b"\n"].concat());
    }
    Ok(())
}
