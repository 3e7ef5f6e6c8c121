//! `git branch`

use super::super::arguments::{Argument, Arguments};
use super::super::command::Context;
use super::super::failure::{Failure, Result};
use super::super::pretty::subject;
use super::super::revision::commit;
use super::super::wildcard::{Slash, matches};
use git2::BranchType;

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let (mut current, mut verbose, mut list) = (false, false, false);
    let mut kinds = vec![BranchType::Local];
    let mut contains = None;
    let mut operands = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Long("show-current") => current = true,
            Argument::Short('v') | Argument::Long("verbose") => verbose = true,
            Argument::Short('l') | Argument::Long("list") => list = true,
            Argument::Short('r') | Argument::Long("remotes") => kinds = vec![BranchType::Remote],
            Argument::Short('a') | Argument::Long("all") => {
                kinds = vec![BranchType::Local, BranchType::Remote];
            }
            Argument::Long("contains") => contains = Some(arguments.text()?.to_owned()),
            Argument::Long("no-color") => {}
            Argument::Operand(name) | Argument::Path(name) => operands.push(name),
            Argument::Short('d' | 'D' | 'm' | 'M' | 'c' | 'C' | 'f' | 'u') => return Err(refused(cx)),
            Argument::Long("delete" | "move" | "copy" | "force" | "set-upstream-to" | "track") => {
                return Err(refused(cx));
            }
            other => return Err(arguments.refuse(other)),
        }
    }
    if current {
        let name = cx.session.head_branch()?;
        if let Some(name) = name.as_deref().and_then(|name| name.strip_prefix("refs/heads/")) {
            cx.print(format!("{name}\n"));
        }
        return Ok(0);
    }
    if !operands.is_empty() && !list {
        return Err(refused(cx));
    }
    let within = contains.map(|name| commit(&cx.session, &name)).transpose()?;
    let mut lines = Vec::new();
    let several = kinds.len() > 1;
    for kind in kinds {
        for line in branches(cx, kind, (several, within.as_ref().map(git2::Commit::id)))? {
            if operands.is_empty()
                || operands.iter().any(|pattern| matches(pattern, line.name.as_bytes(), Slash::Crossed))
            {
                lines.push(line);
            }
        }
    }
    print(cx, &lines, verbose)?;
    Ok(0)
}

fn refused(cx: &Context<'_>) -> Failure {
    let own = cx.session.scope.branch.strip_prefix("refs/heads/").unwrap_or(&cx.session.scope.branch);
    Failure::fatal(format!("branches are not made, moved or deleted here: this run works on '{own}' alone"))
        .hint("commit on this branch; the user can make others of it")
}

struct Line {
    mark: char,
    name: String,
    commit: Option<git2::Oid>,
    target: Option<String>,
}

fn branches(
    cx: &Context<'_>,
    kind: BranchType,
    (several, within): (bool, Option<git2::Oid>),
) -> Result<Vec<Line>> {
    let repository = &cx.session.repository;
    let head = cx.session.head_branch()?;
    let elsewhere = checked_out(cx)?;
    let mut lines = Vec::new();
    if kind == BranchType::Local
        && head.is_none()
        && let Some(commit) = cx.session.head()?
    {
        let name = format!("(HEAD detached at {})", cx.session.abbreviate(commit.id())?);
        lines.push(Line { mark: '*', name, commit: Some(commit.id()), target: None });
    }
    let mut found = Vec::new();
    for branch in repository.branches(Some(kind))? {
        let (branch, _) = branch?;
        let reference = branch.get();
        let Ok(full) = reference.name() else { continue };
        let short = full
            .strip_prefix("refs/heads/")
            .or_else(|| full.strip_prefix(if several { "refs/" } else { "refs/remotes/" }));
        let commit = reference.peel_to_commit().ok().map(|commit| commit.id());
        if let (Some(wanted), Some(commit)) = (within, commit)
            && wanted != commit
            && !repository.graph_descendant_of(commit, wanted)?
        {
            continue;
        }
        let mark = match full {
            _ if head.as_deref() == Some(full) => '*',
            _ if elsewhere.iter().any(|other| other == full) => '+',
            _ => ' ',
        };
        let target =
            reference.symbolic_target()?.map(|target| target.trim_start_matches("refs/remotes/").to_owned());
        found.push(Line { mark, name: short.unwrap_or(full).to_owned(), commit, target });
    }
    found.sort_by(|left, right| left.name.cmp(&right.name));
    lines.extend(found);
    Ok(lines)
}

/// The branches that other worktrees of the repository are on.
fn checked_out(cx: &Context<'_>) -> Result<Vec<String>> {
    let common = cx.session.repository.commondir();
    let mut heads = vec![common.join("HEAD")];
    for name in cx.session.repository.worktrees()?.iter().flatten().flatten() {
        heads.push(common.join("worktrees").join(name).join("HEAD"));
    }
    let read = heads.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    Ok(read.filter_map(|text| text.strip_prefix("ref: ").map(|name| name.trim_end().to_owned())).collect())
}

fn print(cx: &Context<'_>, lines: &[Line], verbose: bool) -> Result<()> {
    let width = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
    for line in lines {
        let mut text = format!("{} {}", line.mark, line.name);
        match (&line.target, line.commit) {
            (Some(target), _) if !verbose => text = format!("{text} -> {target}"),
            (None, Some(id)) if verbose => {
                text += &" ".repeat(width - line.name.chars().count());
                text = format!("{text} {} ", cx.session.abbreviate(id)?);
                let commit = cx.session.repository.find_commit(id)?;
                text += &String::from_utf8_lossy(&subject(commit.message_bytes()));
            }
            _ => {}
        }
        cx.print(text + "\n");
    }
    Ok(())
}
