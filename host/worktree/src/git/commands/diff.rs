//! `git diff`

use super::super::arguments::{Argument, Arguments};
use super::super::changes::{between_trees, since, staged, unstaged};
use super::super::command::Context;
use super::super::diff_request::DiffRequest;
use super::super::failure::{Failure, Result};
use super::super::revision::{Revision, commit, merge_base, parse, split, tree};

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let mut request = DiffRequest::default();
    let (mut cached, mut from_base) = (false, false);
    let (mut operands, mut paths) = (Vec::new(), Vec::new());
    while let Some(argument) = arguments.next()? {
        if request.accept(argument, &mut arguments)? {
            continue;
        }
        match argument {
            Argument::Long("cached" | "staged") => cached = true,
            Argument::Long("merge-base") => from_base = true,
            Argument::Operand(operand) => operands.push(operand.to_vec()),
            Argument::Path(path) => paths.push(path.to_vec()),
            other => return Err(arguments.refuse(other)),
        }
    }
    if !request.has_form() {
        request.patch = true;
    }
    let session = &cx.session;
    let (names, spec) = split(session, &operands, &paths, arguments.is_separated())?;
    let staging = session.staging()?;
    let names: Vec<Revision> = names.iter().map(|name| parse(name)).collect();
    let deltas = match names.as_slice() {
        [] if cached => staged(session, session.head_tree()?.as_ref(), &staging, &spec)?,
        [] => unstaged(session, &staging, &spec)?,
        [Revision::One(name)] => {
            let tree = if from_base {
                let head = session.head()?.ok_or_else(|| Failure::fatal("no commit yet"))?.id();
                let base = merge_base(session, commit(session, name)?.id(), head)?;
                session
                    .repository
                    .find_commit(base.ok_or_else(|| Failure::fatal("no merge base found"))?)?
                    .tree()?
            } else {
                tree(session, name)?
            };
            if cached {
                staged(session, Some(&tree), &staging, &spec)?
            } else {
                since(session, Some(&tree), &staging, &spec)?
            }
        }
        _ if cached => return Err(Failure::usage("git diff --cached takes one commit at most")),
        [Revision::Range(from, to)] | [Revision::One(from), Revision::One(to)] => {
            between_trees(session, Some(&tree(session, from)?), Some(&tree(session, to)?), &spec)?
        }
        [Revision::Symmetric(from, to)] => {
            let base = merge_base(session, commit(session, from)?.id(), commit(session, to)?.id())?
                .ok_or_else(|| Failure::fatal(format!("{from}...{to}: no merge base")))?;
            let base = session.repository.find_commit(base)?.tree()?;
            between_trees(session, Some(&base), Some(&tree(session, to)?), &spec)?
        }
        _ => {
            return Err(Failure::usage("these commits together are not supported here")
                .hint("git diff takes none, one, two, A..B or A...B"));
        }
    };
    let deltas = request.refine(session, deltas)?;
    let out = request.print(session, &deltas)?;
    let differs = (request.quiet || request.exit_code) && request.differs(session, &deltas)?;
    cx.print(out);
    Ok(u8::from(differs))
}
