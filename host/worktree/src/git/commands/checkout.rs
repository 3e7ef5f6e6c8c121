//! `git checkout`, `git restore` and `git switch`: files are brought back, branches stay.

use super::super::arguments::{Argument, Arguments};
use super::super::changes::{Files, files, since};
use super::super::command::Context;
use super::super::failure::{Failure, Result};
use super::super::pathspec::Pathspec;
use super::super::restore::{from_index, to_tree, write};
use super::super::revision::{find, tree};
use super::super::staging::Staging;
use super::super::stat::{NameForm, name_line};
use super::super::work_tree::GITLINK;

pub(super) fn checkout(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let mut quiet = false;
    let (mut operands, mut paths) = (Vec::new(), Vec::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Short('q') | Argument::Long("quiet") => quiet = true,
            Argument::Short('f') | Argument::Long("force" | "no-overlay") => {
                return Err(arguments.unsupported());
            }
            Argument::Short('b' | 'B') | Argument::Long("orphan" | "detach" | "track") => {
                return Err(stay(cx, "another branch"));
            }
            Argument::Operand(operand) => operands.push(operand.to_vec()),
            Argument::Path(path) => paths.push(path.to_vec()),
            other => return Err(arguments.refuse(other)),
        }
    }
    let session = &cx.session;
    let separated = arguments.is_separated();
    let first = operands.first().and_then(|name| std::str::from_utf8(name).ok()).map(str::to_owned);
    let source = match &first {
        Some(name) if find(session, name)?.is_some() => Some(name.clone()),
        Some(name) if separated => return Err(Failure::fatal(format!("invalid reference: {name}"))),
        _ => None,
    };
    let mut all: Vec<Vec<u8>> = operands.get(usize::from(source.is_some())..).unwrap_or_default().to_vec();
    all.extend(paths);
    if all.is_empty() {
        return match source {
            Some(name) => to_branch(cx, &name),
            None => Ok(0),
        };
    }
    let spec = Pathspec::parse(&all, &session.prefix, &session.scope.guest_path)?;
    let mut staging = session.staging()?;
    let count = match &source {
        Some(name) => {
            let wanted = files(session, Some(&tree(session, name)?))?;
            check_known(&spec, |item| wanted.keys().any(|path| item.has(path)))?;
            let chosen: Vec<Vec<u8>> = wanted.keys().filter(|path| spec.has(path)).cloned().collect();
            let count = differing(cx, &staging, &wanted, &chosen)?;
            to_tree(session, &mut staging, &wanted, (&chosen, true))?;
            count
        }
        None => bring_back(cx, &mut staging, &spec)?,
    };
    session.save(&mut staging)?;
    if !quiet && !separated {
        let from = match &source {
            Some(name) => session.abbreviate(tree(session, name)?.id())?,
            None => "the index".to_owned(),
        };
        cx.warn(format!("Updated {count} path{} from {from}\n", if count == 1 { "" } else { "s" }));
    }
    Ok(0)
}

/// How many files of a tree are not as it has them.
fn differing(cx: &Context<'_>, staging: &Staging, wanted: &Files, chosen: &[Vec<u8>]) -> Result<usize> {
    let mut count = 0;
    for path in chosen {
        let same = match staging.get(path) {
            Some(entry) if Some(&(entry.mode, entry.id)) == wanted.get(path) => {
                matches!(cx.session.found(staging, entry)?, super::super::session::Found::Same(_))
            }
            _ => false,
        };
        count += usize::from(!same);
    }
    Ok(count)
}

fn bring_back(cx: &Context<'_>, staging: &mut Staging, spec: &Pathspec) -> Result<usize> {
    check_known(spec, |item| staging.paths().any(|path| item.has(path)))?;
    if let Some(path) = staging.conflicts().keys().find(|path| spec.has(path)) {
        return Err(Failure::error(format!("path '{}' is unmerged", String::from_utf8_lossy(path))));
    }
    let chosen: Vec<Vec<u8>> =
        staging.entries().filter(|entry| spec.has(&entry.path)).map(|entry| entry.path.clone()).collect();
    let mut count = 0;
    for path in chosen {
        count += usize::from(from_index(&cx.session, staging, &path)?);
    }
    Ok(count)
}

fn check_known(spec: &Pathspec, known: impl Fn(&super::super::pathspec::Item) -> bool) -> Result<()> {
    let mut message = Vec::new();
    for item in spec.items().filter(|item| !known(item)) {
        let shown = String::from_utf8_lossy(&item.argument);
        message.extend_from_slice(
            format!("error: pathspec '{shown}' did not match any file(s) known to git\n").as_bytes(),
        );
    }
    if message.is_empty() { Ok(()) } else { Err(Failure::plain(1, message)) }
}

pub(super) fn restore(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let (mut staged, mut worktree) = (false, false);
    let mut source = None;
    let mut paths = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Short('S') | Argument::Long("staged") => staged = true,
            Argument::Short('W') | Argument::Long("worktree") => worktree = true,
            Argument::Short('s') | Argument::Long("source") => source = Some(arguments.text()?.to_owned()),
            Argument::Short('q') | Argument::Long("quiet") => {}
            Argument::Operand(path) | Argument::Path(path) => paths.push(path.to_vec()),
            other => return Err(arguments.refuse(other)),
        }
    }
    if paths.is_empty() {
        return Err(Failure::fatal("you must specify path(s) to restore"));
    }
    let session = &cx.session;
    let spec = Pathspec::parse(&paths, &session.prefix, &session.scope.guest_path)?;
    let mut staging = session.staging()?;
    let from_head = staged && source.is_none();
    let source = source.or_else(|| from_head.then(|| "HEAD".to_owned()));
    let Some(name) = source else {
        bring_back(cx, &mut staging, &spec)?;
        session.save(&mut staging)?;
        return Ok(0);
    };
    let object = find(session, &name)?;
    if object.is_none() && !(from_head && session.head()?.is_none()) {
        return Err(Failure::fatal(format!("could not resolve {name}")));
    }
    let wanted = files(session, object.map(|_| tree(session, &name)).transpose()?.as_ref())?;
    check_known(&spec, |item| wanted.keys().chain(staging.paths()).any(|path| item.has(path)))?;
    let mut chosen: Vec<Vec<u8>> =
        wanted.keys().chain(staging.paths()).filter(|path| spec.has(path)).cloned().collect();
    chosen.sort();
    chosen.dedup();
    if staged {
        to_tree(session, &mut staging, &wanted, (&chosen, worktree))?;
        session.save(&mut staging)?;
        return Ok(0);
    }
    // The files alone; the index stays as it is.
    for path in &chosen {
        match wanted.get(path) {
            Some((mode, id)) => {
                write(session, path, *mode, *id)?;
            }
            None if staging.get(path).is_none_or(|entry| entry.mode != GITLINK) => {
                session.tree.remove(path, b"")?;
            }
            None => {}
        }
    }
    Ok(0)
}

pub(super) fn switch(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let mut names = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Short('q') | Argument::Long("quiet") => {}
            Argument::Short('c' | 'C' | 'd')
            | Argument::Long("create" | "force-create" | "detach" | "orphan") => {
                return Err(stay(cx, "another branch"));
            }
            Argument::Operand(name) | Argument::Path(name) => {
                names.push(String::from_utf8_lossy(name).into_owned());
            }
            other => return Err(arguments.refuse(other)),
        }
    }
    match names.as_slice() {
        [] => Err(Failure::fatal("missing branch or commit argument")),
        [name] if find(&cx.session, name)?.is_none() => {
            Err(Failure::fatal(format!("invalid reference: {name}")))
        }
        [name] => to_branch(cx, name),
        _ => Err(Failure::fatal("only one reference expected")),
    }
}

fn to_branch(cx: &Context<'_>, name: &str) -> Result<u8> {
    let own = own(cx);
    if name == own && cx.session.head_branch()?.as_deref() == Some(&cx.session.scope.branch) {
        let staging = cx.session.staging()?;
        let tree = cx.session.head_tree()?;
        for delta in since(&cx.session, tree.as_ref(), &staging, &Pathspec::default())? {
            cx.print(name_line(&cx.session, &delta, NameForm::Status, false)?);
        }
        cx.warn(format!("Already on '{own}'\n"));
        return Ok(0);
    }
    if matches!(name, "HEAD" | "@") {
        return Ok(0);
    }
    Err(stay(cx, &format!("'{name}'")))
}

fn own<'s>(cx: &'s Context<'_>) -> &'s str {
    let branch = &cx.session.scope.branch;
    branch.strip_prefix("refs/heads/").unwrap_or(branch)
}

fn stay(cx: &Context<'_>, what: &str) -> Failure {
    Failure::fatal(format!("this worktree stays on '{}' and is not switched to {what}", own(cx)))
        .hint("git show BRANCH:PATH and git restore --source=BRANCH -- PATH take files from there")
}
