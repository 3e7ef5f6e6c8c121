//! `git show`

use super::super::arguments::{Argument, Arguments};
use super::super::changes::{Delta, between_trees};
use super::super::command::Context;
use super::super::dates::DateForm;
use super::super::failure::{Failure, Result};
use super::super::pathspec::Pathspec;
use super::super::pretty::moment;
use super::super::revision::{Revision, find, parse, split, unknown};
use super::super::work_tree::TREE;
use super::log::LogRequest;
use git2::{ObjectType, Oid};

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let mut request = LogRequest::default();
    let (mut operands, mut paths) = (Vec::new(), Vec::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Operand(operand) => operands.push(operand.to_vec()),
            Argument::Path(path) => paths.push(path.to_vec()),
            other => {
                if !request.accept(other, &mut arguments)? {
                    return Err(arguments.refuse(other));
                }
            }
        }
    }
    if !request.diff.has_form() {
        request.diff.patch = true;
    }
    let (mut names, spec) = split(&cx.session, &operands, &paths, arguments.is_separated())?;
    if names.is_empty() {
        names.push("HEAD".to_owned());
    }
    let mut first = true;
    for name in names {
        let Revision::One(name) = parse(&name) else {
            return Err(Failure::usage(format!("git show takes no range here, as '{name}'"))
                .hint("git log -p A..B shows the commits of a range"));
        };
        let object = find(&cx.session, &name)?.ok_or_else(|| unknown(&name))?;
        show(cx, &mut request, (&name, object.id(), first), &spec)?;
        first = false;
    }
    Ok(0)
}

/// Shows one object: a commit with its differences, a blob as it is, a tree as names.
fn show(
    cx: &Context<'_>,
    request: &mut LogRequest,
    (name, id, first): (&str, Oid, bool),
    spec: &Pathspec,
) -> Result<()> {
    let kind = cx.session.odb()?.read_header(id)?.1;
    match kind {
        ObjectType::Blob => {
            let content = cx.session.blob(id)?;
            cx.print(content);
            cx.hand_over()
        }
        ObjectType::Tree => {
            let mut out = Vec::new();
            if !first {
                out.push(b'\n');
            }
            out.extend_from_slice(format!("tree {name}\n\n").as_bytes());
            for entry in &cx.session.repository.find_tree(id)? {
                out.extend_from_slice(entry.name_bytes());
                out.extend_from_slice(if u32::try_from(entry.filemode()) == Ok(TREE) {
                    b"/\n"
                } else {
                    b"\n"
                });
            }
            cx.print(out);
            cx.hand_over()
        }
        ObjectType::Tag => {
            let (text, target) = tag(cx, id, request.date)?;
            if !first {
                cx.print(b"\n");
            }
            cx.print(text);
            show(cx, request, (name, target, false), spec)
        }
        _ => {
            let deltas = commit_deltas(cx, request, id, spec)?;
            let commit = cx.session.repository.find_commit(id)?;
            let text = request.text(cx, &commit, &deltas)?;
            cx.print(text);
            // git leaves a line for the combined patch of a merge, which is empty here.
            if commit.parent_count() > 1 && request.diff.patch && !request.style.is_terminated() {
                cx.print("\n");
            }
            cx.hand_over()
        }
    }
}

fn tag(cx: &Context<'_>, id: Oid, date: DateForm) -> Result<(Vec<u8>, Oid)> {
    let tag = cx.session.repository.find_tag(id)?;
    let mut out = [b"tag ".as_slice(), tag.name_bytes(), b"\n"].concat();
    if let Some(tagger) = tag.tagger() {
        out.extend_from_slice(
            &[b"Tagger: ".as_slice(), tagger.name_bytes(), b" <", tagger.email_bytes(), b">\n"].concat(),
        );
        let date = date.print(moment(&tagger), cx.invocation.committer.time);
        out.extend_from_slice(format!("Date:   {date}\n").as_bytes());
    }
    out.push(b'\n');
    out.extend_from_slice(tag.message_bytes().unwrap_or_default());
    out.push(b'\n');
    Ok((out, tag.target_id()))
}

fn commit_deltas(cx: &Context<'_>, request: &LogRequest, id: Oid, spec: &Pathspec) -> Result<Vec<Delta>> {
    let session = &cx.session;
    if request.diff.nothing {
        return Ok(Vec::new());
    }
    let commit = session.repository.find_commit(id)?;
    let tree = commit.tree()?;
    let mut parents = Vec::new();
    for parent in commit.parents() {
        parents.push(between_trees(session, Some(&parent.tree()?), Some(&tree), spec)?);
    }
    if parents.is_empty() {
        return request.diff.refine(session, between_trees(session, None, Some(&tree), spec)?);
    }
    if parents.len() > 1 && request.diff.patch {
        // A patch of a merge shows what is from none of its parents.
        let in_all =
            |path: &[u8]| parents.iter().all(|deltas| deltas.iter().any(|delta| delta.path() == path));
        let own = parents.first().is_some_and(|deltas| deltas.iter().any(|delta| in_all(delta.path())));
        if own {
            return Err(Failure::fatal(format!(
                "{id} is a merge with changes of its own, whose combined patch is not supported here"
            ))
            .hint(format!("git diff {id}^1 {id} shows it against its first parent")));
        }
        return Ok(Vec::new());
    }
    request.diff.refine(session, parents.swap_remove(0))
}
