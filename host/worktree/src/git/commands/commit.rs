//! `git commit`

use super::super::arguments::{Argument, Arguments};
use super::super::changes::between_trees;
use super::super::command::Context;
use super::super::dates::DateForm;
use super::super::failure::{Failure, Result};
use super::super::hunks::Whitespace;
use super::super::identity::Identity;
use super::super::path;
use super::super::pathspec::Pathspec;
use super::super::pretty::{moment, subject};
use super::super::renames::detect;
use super::super::run_branch;
use super::super::stage::{Mode, update};
use super::super::stat::{stats, summary, totals};
use super::super::status::{StatusOptions, Untracked, status};
use super::super::status_text::{Branch, long};
use git2::{ObjectType, Oid};

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
struct Request {
    message: Option<Vec<u8>>,
    all: bool,
    amend: bool,
    keep_message: bool,
    allow_empty: bool,
    allow_empty_message: bool,
    quiet: bool,
    sign_off: bool,
    reset_author: bool,
    author: Option<String>,
}

pub(super) fn run(cx: &Context<'_>, arguments: Arguments<'_>) -> Result<u8> {
    let request = parse(cx, arguments)?;
    run_branch::check(cx)?;
    let session = &cx.session;
    let mut staging = session.staging()?;
    if request.all {
        update(session, &mut staging, &Pathspec::default(), Mode::Write)?;
    }
    if let Some(path) = staging.conflicts().keys().next() {
        let shown = String::from_utf8_lossy(path);
        return Err(Failure::plain(
            128,
            format!(
                "error: Committing is not possible because you have unmerged files.\nhint: Fix them up in the work tree, and then use 'git add/rm <file>'\nhint: as appropriate to mark resolution and make a commit.\nfatal: Exiting because of an unresolved conflict.\nhint: the first is '{shown}'\n"
            ),
        ));
    }
    let head = session.head()?;
    if request.amend && head.is_none() {
        return Err(Failure::fatal("You have nothing to amend."));
    }
    let parents: Vec<Oid> = match &head {
        Some(head) if request.amend => head.parent_ids().collect(),
        Some(head) => vec![head.id()],
        None => Vec::new(),
    };
    let tree = session.write_tree(&mut staging)?;
    let parent = parents.first().map(|id| session.repository.find_commit(*id)).transpose()?;
    let parent_tree = parent.as_ref().map(git2::Commit::tree_id);
    let empty = match parent_tree {
        Some(parent_tree) => parent_tree == tree,
        None => staging.entries().next().is_none(),
    };
    if empty && !request.allow_empty && parents.len() < 2 {
        session.save(&mut staging)?;
        let options = StatusOptions { untracked: Untracked::Normal, ignored: false, renames: true };
        let entries = status(session, &staging, &Pathspec::default(), &options)?;
        let mut text = long(session, &entries, &Branch::of(session)?, Untracked::Normal);
        if request.amend {
            // The last line is another one then.
            let end = text.trim_ascii_end().iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            text.truncate(end);
            text.extend_from_slice(b"No changes\n");
            cx.print(text);
            return Err(Failure::plain(
                1,
                "You asked to amend the most recent commit, but doing so would make\nit empty. You can repeat your command with --allow-empty, or you can\nremove the commit entirely with \"git reset HEAD^\".\n",
            ));
        }
        cx.print(text);
        return Ok(1);
    }
    let committer = Identity::of(cx, &cx.invocation.committer)?;
    let old = head.as_ref().filter(|_| request.amend);
    let author = match (&request.author, old) {
        (Some(author), _) => {
            let time = old.map_or(cx.invocation.author.time, |old| moment(&old.author()));
            Identity::parse(author, time)?
        }
        (None, Some(old)) if !request.reset_author => {
            let author = old.author();
            Identity {
                name: author.name_bytes().to_vec(),
                email: author.email_bytes().to_vec(),
                time: moment(&author),
            }
        }
        _ => Identity::of(cx, &cx.invocation.author)?,
    };
    let message = match (&request.message, old) {
        (Some(message), _) => message.clone(),
        (None, Some(old)) => old.message_raw_bytes().to_vec(),
        (None, None) => Vec::new(),
    };
    let mut message = cleaned(&message);
    if request.sign_off {
        sign_off(&mut message, &committer);
    }
    if message.is_empty() && !request.allow_empty_message {
        return Err(Failure::plain(1, "Aborting commit due to empty commit message.\n"));
    }
    let id = session.write(ObjectType::Commit, &object(tree, &parents, (&author, &committer), &message))?;
    session.save(&mut staging)?;
    let kind = match (request.amend, parents.is_empty()) {
        (true, _) => " (amend)",
        (false, true) => " (initial)",
        (false, false) => "",
    };
    let title = message.split(|byte| *byte == b'\n').next().unwrap_or_default();
    run_branch::set(cx, id, &committer, &format!("commit{kind}: {}", String::from_utf8_lossy(title)))?;
    if !request.quiet {
        let shown_date = request.amend && !request.reset_author;
        let text = told(cx, id, (&author, &committer), (parents.is_empty(), shown_date))?;
        cx.print(text);
    }
    Ok(0)
}

fn parse(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<Request> {
    let mut request = Request::default();
    let add_message = |request: &mut Request, text: &[u8]| {
        let message = request.message.get_or_insert_default();
        if !message.is_empty() {
            message.extend_from_slice(b"\n");
        }
        message.extend_from_slice(text);
        message.push(b'\n');
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Short('m') | Argument::Long("message") => add_message(&mut request, arguments.value()?),
            Argument::Short('F') | Argument::Long("file") => {
                let text = message_file(cx, arguments.value()?)?;
                add_message(&mut request, &text);
            }
            Argument::Short('a') | Argument::Long("all") => request.all = true,
            Argument::Long("amend") => request.amend = true,
            Argument::Long("no-edit") => request.keep_message = true,
            Argument::Long("allow-empty") => request.allow_empty = true,
            Argument::Long("allow-empty-message") => request.allow_empty_message = true,
            Argument::Short('q') | Argument::Long("quiet") => request.quiet = true,
            Argument::Short('s') | Argument::Long("signoff") => request.sign_off = true,
            Argument::Long("reset-author") => request.reset_author = true,
            Argument::Long("author") => request.author = Some(arguments.text()?.to_owned()),
            // No hook and no signing program is ever run.
            Argument::Short('n') | Argument::Long("no-verify" | "no-gpg-sign" | "no-status") => {}
            Argument::Operand(path) | Argument::Path(path) => {
                let path = String::from_utf8_lossy(path);
                return Err(Failure::usage(format!("git commit takes no path here, as '{path}'"))
                    .hint("git add PATH, and then git commit without a path"));
            }
            other => return Err(arguments.refuse(other)),
        }
    }
    if request.message.is_none() && !(request.amend && request.keep_message) && !request.allow_empty_message {
        return Err(Failure::plain(
            1,
            "error: Terminal is dumb, but EDITOR unset\nPlease supply the message using either -m or -F option.\n",
        ));
    }
    Ok(request)
}

fn message_file(cx: &Context<'_>, name: &[u8]) -> Result<Vec<u8>> {
    if name == b"-" {
        return Ok(cx.invocation.stdin.clone());
    }
    let session = &cx.session;
    let path = path::resolve(name, &session.prefix, &session.scope.guest_path).map_err(|failure| {
        failure.hint("a message from another place goes to standard input: git commit -F -")
    })?;
    let shown = String::from_utf8_lossy(name);
    match session.tree.stat(&path)? {
        Some(stat) if stat.kind != super::super::work_tree::Kind::Directory => {
            session.tree.read(&path, stat.kind)
        }
        _ => Err(Failure::fatal(format!("could not read log file '{shown}': No such file or directory"))),
    }
}

/// A commit object.
pub(super) fn object(
    tree: Oid,
    parents: &[Oid],
    (author, committer): (&Identity, &Identity),
    message: &[u8],
) -> Vec<u8> {
    let mut out = format!("tree {tree}\n").into_bytes();
    for parent in parents {
        out.extend_from_slice(format!("parent {parent}\n").as_bytes());
    }
    for (word, person) in [("author ", author), ("committer ", committer)] {
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(&person.header());
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend(message.iter().filter(|byte| **byte != 0));
    out
}

/// A message without space at the ends of its lines and without empty lines at its ends or in a row.
fn cleaned(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    let mut gap = false;
    for line in message.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end) {
        if line.is_empty() {
            gap = true;
            continue;
        }
        if gap && !out.is_empty() {
            out.push(b'\n');
        }
        gap = false;
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out
}

fn sign_off(message: &mut Vec<u8>, committer: &Identity) {
    let line = [b"Signed-off-by: ".as_slice(), &committer.shown(), b"\n"].concat();
    if message.ends_with(&line) {
        return;
    }
    let last = message.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let in_trailers = message.windows(2).any(|pair| pair == b"\n\n")
        && last.split(|byte| *byte == b':').next().is_some_and(|key| {
            key.len() < last.len() && key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        });
    if !in_trailers {
        message.push(b'\n');
    }
    message.extend_from_slice(&line);
}

/// What git says of a commit that was made.
fn told(
    cx: &Context<'_>,
    id: Oid,
    (author, committer): (&Identity, &Identity),
    (root, dated): (bool, bool),
) -> Result<Vec<u8>> {
    let session = &cx.session;
    let commit = session.repository.find_commit(id)?;
    let root = if root { " (root-commit)" } else { "" };
    let mut out = format!("[{}{root} {}] ", session.head_name()?, session.abbreviate(id)?).into_bytes();
    out.extend_from_slice(&subject(commit.message_bytes()));
    out.push(b'\n');
    if (&author.name, &author.email) != (&committer.name, &committer.email) {
        out.extend_from_slice(&[b" Author: ".as_slice(), &author.shown(), b"\n"].concat());
    }
    if dated {
        out.extend_from_slice(
            format!(" Date: {}\n", DateForm::Default.print(author.time, author.time)).as_bytes(),
        );
    }
    if commit.parent_count() > 1 {
        return Ok(out);
    }
    let parent = commit.parents().next().map(|parent| parent.tree()).transpose()?;
    let deltas = between_trees(session, parent.as_ref(), Some(&commit.tree()?), &Pathspec::default())?;
    let deltas = detect(session, deltas, 50)?;
    if !deltas.is_empty() {
        out.extend_from_slice(&totals(&stats(session, &deltas, Whitespace::Counts)?));
        out.extend_from_slice(&summary(&deltas, session.unusual));
    }
    Ok(out)
}
