//! `git blame`
//!
//! Lines are followed from the newest commit back: what a parent has too is the parent's, the rest was
//! written by the commit itself. Files are followed through renames.

use super::super::arguments::{Argument, Arguments};
use super::super::changes::between_trees;
use super::super::command::Context;
use super::super::dates::DateForm;
use super::super::failure::{Failure, Result};
use super::super::hunks::{Whitespace, hunks};
use super::super::path::resolve;
use super::super::pathspec::Pathspec;
use super::super::pretty::{moment, subject};
use super::super::quote::quoted;
use super::super::renames::detect;
use super::super::revision::commit;
use super::super::session::Session;
use super::super::work_tree::Kind;
use git2::{Commit, ObjectType, Oid};
use std::collections::{BTreeMap, HashMap, HashSet};

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
struct Request {
    range: Option<String>,
    porcelain: bool,
    line_porcelain: bool,
    no_author: bool,
    long_ids: bool,
    email: bool,
}

/// A line of the file that nobody has been found for yet.
#[derive(Clone, Copy)]
struct Line {
    /// Where it stands in the file as asked for, from 0.
    last: usize,
    /// Where it stands in the commit that is looked at.
    here: usize,
}

/// A line to print: where it stands from 0, its text, and whose it is.
type Blamed<'t> = (usize, &'t [u8], Origin);

/// Whose a line is.
#[derive(Clone)]
struct Origin {
    /// Nothing for what is not committed yet.
    commit: Option<Oid>,
    path: Vec<u8>,
    line: usize,
}

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let mut request = Request::default();
    let mut operands = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Short('L') => request.range = Some(arguments.text()?.to_owned()),
            Argument::Short('p') | Argument::Long("porcelain") => request.porcelain = true,
            Argument::Long("line-porcelain") => (request.porcelain, request.line_porcelain) = (true, true),
            Argument::Short('s') => request.no_author = true,
            Argument::Short('l') => request.long_ids = true,
            Argument::Short('e') | Argument::Long("show-email") => request.email = true,
            Argument::Operand(operand) | Argument::Path(operand) => operands.push(operand),
            other => return Err(arguments.refuse(other)),
        }
    }
    let (name, file) = match operands.as_slice() {
        [file] => (None, *file),
        [name, file] => (Some(String::from_utf8_lossy(name).into_owned()), *file),
        _ => return Err(Failure::usage("git blame takes a commit or none, and one file")),
    };
    let session = &cx.session;
    let path = resolve(file, &session.prefix, &session.scope.guest_path)?;
    let missing =
        |place: &str| Failure::fatal(format!("no such path '{}' in {place}", String::from_utf8_lossy(&path)));
    let start = match &name {
        Some(name) => commit(session, name)?,
        None => session.head()?.ok_or_else(|| Failure::fatal("no such ref: HEAD"))?,
    };
    let committed =
        blob_at(session, &start, &path)?.ok_or_else(|| missing(name.as_deref().unwrap_or("HEAD")))?;
    let text = if name.is_some() {
        committed.clone()
    } else {
        match session.tree.stat(&path)? {
            Some(stat) if matches!(stat.kind, Kind::File { .. } | Kind::Link) => {
                session.stored_form(&path, stat.kind, session.staging()?.get(&path))?
            }
            _ => {
                return Err(Failure::fatal(format!(
                    "Cannot lstat '{}': No such file or directory",
                    String::from_utf8_lossy(&path)
                )));
            }
        }
    };
    let count = text.split_inclusive(|byte| *byte == b'\n').count();
    let mut origins: Vec<Option<Origin>> = vec![None; count];
    let all: Vec<Line> = (0..count).map(|at| Line { last: at, here: at }).collect();
    let (kept, own) = pass(&committed, &text, all)?;
    for line in own {
        set(&mut origins, line, Origin { commit: None, path: path.clone(), line: line.here });
    }
    follow(session, &start, (path.clone(), kept), &mut origins)?;
    let chosen = range(request.range.as_deref(), count)?;
    let lines: Vec<Blamed<'_>> = text
        .split_inclusive(|byte| *byte == b'\n')
        .zip(origins)
        .enumerate()
        .filter(|(at, _)| chosen.contains(at))
        .filter_map(|(at, (line, origin))| Some((at, line, origin?)))
        .collect();
    if request.porcelain {
        porcelain(cx, &request, &lines)
    } else {
        plain(cx, &request, (&lines, &path, chosen.end))
    }?;
    Ok(0)
}

fn set(origins: &mut [Option<Origin>], line: Line, origin: Origin) {
    if let Some(slot) = origins.get_mut(line.last) {
        *slot = Some(origin);
    }
}

fn blob_at(session: &Session<'_>, commit: &Commit<'_>, path: &[u8]) -> Result<Option<Vec<u8>>> {
    let tree = commit.tree()?;
    match tree.get_path(super::super::work_tree::os_path(path)?) {
        Ok(entry) if entry.kind() == Some(ObjectType::Blob) => session.blob(entry.id()).map(Some),
        _ => Ok(None),
    }
}

/// Splits lines of `new` into those that `old` has, moved to where they stand there, and the rest.
fn pass(old: &[u8], new: &[u8], lines: Vec<Line>) -> Result<(Vec<Line>, Vec<Line>)> {
    let hunks = hunks(old, new, 0, Whitespace::Counts)?;
    let (mut kept, mut own) = (Vec::new(), Vec::new());
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    for line in lines {
        // Lines that came and went up to here.
        let (mut added, mut removed, mut inside) = (0, 0, false);
        for hunk in &hunks {
            let first = if hunk.new.1 == 0 { size(hunk.new.0) } else { size(hunk.new.0).saturating_sub(1) };
            if line.here < first {
                break;
            }
            if line.here < first + size(hunk.new.1) {
                inside = true;
                break;
            }
            added += size(hunk.new.1);
            removed += size(hunk.old.1);
        }
        if inside {
            own.push(line);
        } else {
            kept.push(Line { here: line.here + removed - added, ..line });
        }
    }
    Ok((kept, own))
}

/// Hands lines from commit to parent, the newest commit first, until each has found its own.
fn follow(
    session: &Session<'_>,
    start: &Commit<'_>,
    (path, lines): (Vec<u8>, Vec<Line>),
    origins: &mut [Option<Origin>],
) -> Result<()> {
    type Pending = BTreeMap<Vec<u8>, Vec<Line>>;
    let mut pending: HashMap<Oid, Pending> = HashMap::new();
    pending.entry(start.id()).or_default().insert(path, lines);
    let mut queue: Vec<(i64, Oid)> = vec![(start.time().seconds(), start.id())];
    while !queue.is_empty() {
        let newest = queue
            .iter()
            .enumerate()
            .max_by_key(|(at, (time, _))| (*time, std::cmp::Reverse(*at)))
            .map(|(at, _)| at);
        let Some(newest) = newest else { break };
        let (_, id) = queue.remove(newest);
        let commit = session.repository.find_commit(id)?;
        for (path, mut lines) in pending.remove(&id).unwrap_or_default() {
            let text = blob_at(session, &commit, &path)?.unwrap_or_default();
            let tree = commit.tree()?;
            for parent in commit.parents() {
                if lines.is_empty() {
                    break;
                }
                let Some((before, old)) = before(session, &parent, &tree, &path)? else { continue };
                let (kept, own) = if old == text { (lines, Vec::new()) } else { pass(&old, &text, lines)? };
                lines = own;
                if !kept.is_empty() {
                    if !queue.iter().any(|(_, queued)| *queued == parent.id()) {
                        queue.push((parent.time().seconds(), parent.id()));
                    }
                    pending.entry(parent.id()).or_default().entry(before).or_default().extend(kept);
                }
            }
            for line in lines {
                set(origins, line, Origin { commit: Some(id), path: path.clone(), line: line.here });
            }
        }
    }
    Ok(())
}

/// The file in a parent, under the same path or the one it was renamed from.
fn before(
    session: &Session<'_>,
    parent: &Commit<'_>,
    tree: &git2::Tree<'_>,
    path: &[u8],
) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    if let Some(old) = blob_at(session, parent, path)? {
        return Ok(Some((path.to_vec(), old)));
    }
    let deltas = between_trees(session, Some(&parent.tree()?), Some(tree), &Pathspec::default())?;
    let deltas = detect(session, deltas, 50)?;
    let Some(from) = deltas.iter().find(|delta| delta.path() == path).and_then(|delta| delta.path_before())
    else {
        return Ok(None);
    };
    Ok(blob_at(session, parent, from)?.map(|old| (from.to_vec(), old)))
}

/// Reads `-L FROM,TO`, `FROM,+COUNT`, `FROM,` or `,TO`.
fn range(text: Option<&str>, count: usize) -> Result<std::ops::Range<usize>> {
    let Some(text) = text else { return Ok(0..count) };
    let unknown =
        || Failure::usage(format!("-L '{text}' is not supported here")).hint("as in -L 10,20 or -L 10,+5");
    let (from, to) = text.split_once(',').unwrap_or((text, ""));
    let from: usize = if from.is_empty() { 1 } else { from.parse().map_err(|_| unknown())? };
    let to: usize = match to.strip_prefix('+') {
        Some(more) => from + more.parse::<usize>().map_err(|_| unknown())? - 1,
        None if to.is_empty() => count,
        None => to.parse().map_err(|_| unknown())?,
    };
    if from == 0 || from > count {
        return Err(Failure::fatal(format!(
            "file has only {count} line{}",
            if count == 1 { "" } else { "s" }
        )));
    }
    Ok(from.min(to) - 1..from.max(to).min(count))
}

struct Told {
    id: String,
    boundary: bool,
    author: Vec<u8>,
    email: Vec<u8>,
    time: super::super::Moment,
}

fn told(cx: &Context<'_>, origin: &Origin) -> Result<Told> {
    let Some(id) = origin.commit else {
        let now = cx.invocation.committer.time;
        let (author, email) = (b"Not Committed Yet".to_vec(), b"not.committed.yet".to_vec());
        return Ok(Told { id: Oid::ZERO_SHA1.to_string(), boundary: false, author, email, time: now });
    };
    let commit = cx.session.repository.find_commit(id)?;
    let author = commit.author();
    Ok(Told {
        id: id.to_string(),
        boundary: commit.parent_count() == 0,
        author: author.name_bytes().to_vec(),
        email: author.email_bytes().to_vec(),
        time: moment(&author),
    })
}

fn plain(
    cx: &Context<'_>,
    request: &Request,
    (lines, path, end): (&[Blamed<'_>], &[u8], usize),
) -> Result<()> {
    let mut known: HashMap<Option<Oid>, Told> = HashMap::new();
    let mut digits = if request.long_ids { 40 } else { 0 };
    for (_, _, origin) in lines {
        if known.contains_key(&origin.commit) {
            continue;
        }
        if let (Some(id), false) = (origin.commit, request.long_ids) {
            digits = digits.max(cx.session.abbreviate(id)?.len() + 1);
        }
        known.insert(origin.commit, told(cx, origin)?);
    }
    if digits == 0 {
        digits = cx.session.abbreviate(Oid::ZERO_SHA1)?.len() + 1;
    }
    let shown_name = |told: &Told| {
        if request.email { [b"<".as_slice(), &told.email, b">"].concat() } else { told.author.clone() }
    };
    let columns = |text: &[u8]| String::from_utf8_lossy(text).chars().count();
    let widest = known.values().map(|told| columns(&shown_name(told))).max().unwrap_or(0);
    let other_paths = lines.iter().any(|(_, _, origin)| origin.path != path);
    let path_width = lines
        .iter()
        .map(|(_, _, origin)| columns(&quoted(&origin.path, cx.session.unusual)))
        .max()
        .unwrap_or(0);
    let number_width = end.to_string().len();
    for (at, line, origin) in lines {
        let Some(told) = known.get(&origin.commit) else { continue };
        let mut out = Vec::new();
        let shown = if told.boundary { digits - 1 } else { digits };
        if told.boundary {
            out.push(b'^');
        }
        out.extend_from_slice(told.id.get(..shown.min(40)).unwrap_or_default().as_bytes());
        if other_paths {
            let name = quoted(&origin.path, cx.session.unusual);
            out.push(b' ');
            out.extend_from_slice(&name);
            out.extend(std::iter::repeat_n(b' ', path_width - columns(&name)));
        }
        if !request.no_author {
            let name = shown_name(told);
            out.extend_from_slice(b" (");
            out.extend_from_slice(&name);
            out.extend(std::iter::repeat_n(b' ', widest - columns(&name)));
            let date = DateForm::Iso.print(told.time, told.time);
            out.extend_from_slice(format!(" {date}").as_bytes());
        }
        out.extend_from_slice(format!(" {:>number_width$}) ", at + 1).as_bytes());
        out.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            out.push(b'\n');
        }
        cx.print(out);
        cx.hand_over()?;
    }
    Ok(())
}

fn porcelain(cx: &Context<'_>, request: &Request, lines: &[Blamed<'_>]) -> Result<()> {
    let mut shown: HashSet<Option<Oid>> = HashSet::new();
    let follows = |left: &Blamed<'_>, right: &Blamed<'_>| {
        left.2.commit == right.2.commit
            && left.2.path == right.2.path
            && left.2.line + 1 == right.2.line
            && left.0 + 1 == right.0
    };
    for group in lines.chunk_by(follows) {
        for (number, (at, line, origin)) in group.iter().enumerate() {
            let told = told(cx, origin)?;
            let mut head = format!("{} {} {}", told.id, origin.line + 1, at + 1);
            if number == 0 {
                head = format!("{head} {}", group.len());
            }
            cx.print(head + "\n");
            if shown.insert(origin.commit) || request.line_porcelain {
                details(cx, origin, &told)?;
            }
            cx.print([b"\t".as_slice(), line].concat());
            if !line.ends_with(b"\n") {
                cx.print("\n");
            }
            cx.hand_over()?;
        }
    }
    Ok(())
}

fn details(cx: &Context<'_>, origin: &Origin, author: &Told) -> Result<()> {
    let zone = |time: super::super::Moment| {
        DateForm::Raw.print(time, time).split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let person = |word: &str, name: &[u8], email: &[u8], time: super::super::Moment| {
        let end = format!(">\n{word}-time {}\n{word}-tz {}\n", time.seconds, zone(time));
        [format!("{word} ").as_bytes(), name, format!("\n{word}-mail <").as_bytes(), email, end.as_bytes()]
            .concat()
    };
    cx.print(person("author", &author.author, &author.email, author.time));
    let (committer, summary, previous) = if let Some(id) = origin.commit {
        let commit = cx.session.repository.find_commit(id)?;
        let who = commit.committer();
        let previous = match commit.parents().next() {
            Some(parent) => before(&cx.session, &parent, &commit.tree()?, &origin.path)?
                .map(|(path, _)| (parent.id(), path)),
            None => None,
        };
        (
            person("committer", who.name_bytes(), who.email_bytes(), moment(&who)),
            subject(commit.message_bytes()),
            previous,
        )
    } else {
        let head = cx.session.head()?.map(|head| (head.id(), origin.path.clone()));
        let text = format!("Version of {0} from {0}", String::from_utf8_lossy(&origin.path));
        (person("committer", &author.author, &author.email, author.time), text.into_bytes(), head)
    };
    cx.print(committer);
    cx.print([b"summary ".as_slice(), &summary, b"\n"].concat());
    if author.boundary {
        cx.print("boundary\n");
    }
    if let Some((id, path)) = previous {
        cx.print([format!("previous {id} ").as_bytes(), &quoted(&path, cx.session.unusual), b"\n"].concat());
    }
    cx.print([b"filename ".as_slice(), &quoted(&origin.path, cx.session.unusual), b"\n"].concat());
    Ok(())
}
