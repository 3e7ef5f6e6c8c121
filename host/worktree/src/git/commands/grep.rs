//! `git grep`

use super::super::arguments::{Argument, Arguments};
use super::super::changes::files;
use super::super::command::Context;
use super::super::failure::{Failure, Result};
use super::super::pathspec::Pathspec;
use super::super::pattern::{Dialect, pattern};
use super::super::quote::{quoted, relative};
use super::super::revision::{split, tree};
use super::super::similarity::is_binary;
use super::super::work_tree::{GITLINK, Kind, LINK};
use regex::bytes::Regex;

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
struct Request {
    numbers: bool,
    ignore_case: bool,
    files: bool,
    files_without: bool,
    count: bool,
    word: bool,
    inverted: bool,
    quiet: bool,
    no_names: bool,
    no_binary: bool,
    cached: bool,
    dialect: Dialect,
}

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let mut request = Request::default();
    let mut patterns: Vec<String> = Vec::new();
    let (mut operands, mut paths) = (Vec::new(), Vec::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Short('n') | Argument::Long("line-number") => request.numbers = true,
            Argument::Short('i') | Argument::Long("ignore-case") => request.ignore_case = true,
            Argument::Short('l') | Argument::Long("files-with-matches" | "name-only") => request.files = true,
            Argument::Short('L') | Argument::Long("files-without-match") => request.files_without = true,
            Argument::Short('c') | Argument::Long("count") => request.count = true,
            Argument::Short('w') | Argument::Long("word-regexp") => request.word = true,
            Argument::Short('v') | Argument::Long("invert-match") => request.inverted = true,
            Argument::Short('q') | Argument::Long("quiet") => request.quiet = true,
            Argument::Short('h') => request.no_names = true,
            Argument::Short('H') => request.no_names = false,
            Argument::Short('I') => request.no_binary = true,
            Argument::Long("cached") => request.cached = true,
            Argument::Short('E') | Argument::Long("extended-regexp") => request.dialect = Dialect::Extended,
            Argument::Short('G') | Argument::Long("basic-regexp") => request.dialect = Dialect::Basic,
            Argument::Short('F') | Argument::Long("fixed-strings") => request.dialect = Dialect::Fixed,
            Argument::Long("no-color") => {}
            Argument::Short('e') => patterns.push(arguments.text()?.to_owned()),
            Argument::Operand(operand) if patterns.is_empty() => {
                let text =
                    std::str::from_utf8(operand).map_err(|_| Failure::fatal("the pattern is no UTF-8"))?;
                patterns.push(text.to_owned());
            }
            Argument::Operand(operand) => operands.push(operand.to_vec()),
            Argument::Path(path) => paths.push(path.to_vec()),
            other => return Err(arguments.refuse(other)),
        }
    }
    if patterns.is_empty() {
        return Err(Failure::fatal("no pattern given"));
    }
    let session = &cx.session;
    let compiled: Vec<Regex> = patterns
        .iter()
        .map(|text| pattern(text, request.dialect, request.ignore_case))
        .collect::<Result<_>>()?;
    let search = Search { request, patterns: compiled };
    let (names, given) = split(session, &operands, &paths, arguments.is_separated())?;
    // Without paths the directory of the command counts.
    let spec = match session.prefix.strip_suffix(b"/") {
        Some(directory) if given.is_empty() => Pathspec::exactly(&[directory.to_vec()]),
        _ => given,
    };
    let mut found = false;
    if names.is_empty() {
        let staging = session.staging()?;
        for entry in
            staging.entries().filter(|entry| spec.has(&entry.path) && entry.mode & 0o170_000 == 0o100_000)
        {
            let content = if search.request.cached {
                session.blob(entry.id)?
            } else {
                match session.tree.stat(&entry.path)? {
                    Some(stat) if matches!(stat.kind, Kind::File { .. }) => {
                        session.tree.read(&entry.path, stat.kind)?
                    }
                    _ => continue,
                }
            };
            found |= search.file(cx, &shown(cx, "", &entry.path), &content)?;
        }
    }
    for name in names {
        for (path, (mode, id)) in files(session, Some(&tree(session, &name)?))? {
            if spec.has(&path) && mode != GITLINK && mode != LINK {
                found |= search.file(cx, &shown(cx, &format!("{name}:"), &path), &session.blob(id)?)?;
            }
        }
    }
    Ok(u8::from(!found))
}

fn shown(cx: &Context<'_>, before: &str, path: &[u8]) -> Vec<u8> {
    let path = relative(path, &cx.session.prefix);
    let mut shown = before.as_bytes().to_vec();
    shown.extend_from_slice(&quoted(&path, cx.session.unusual));
    shown
}

struct Search {
    request: Request,
    patterns: Vec<Regex>,
}

impl Search {
    /// Searches one file and tells whether it counts as found.
    fn file(&self, cx: &Context<'_>, name: &[u8], content: &[u8]) -> Result<bool> {
        let request = &self.request;
        let binary = is_binary(content);
        if binary && request.no_binary {
            return Ok(false);
        }
        let mut lines = content.split_inclusive(|byte| *byte == b'\n').zip(1_usize..);
        let hits = lines.by_ref().filter(|(line, _)| self.matches(line.strip_suffix(b"\n").unwrap_or(line)));
        if request.files_without || request.files || request.quiet || (binary && !request.count) {
            let mut hits = hits;
            let hit = hits.next().is_some();
            if !request.quiet {
                if hit != request.files_without && (request.files || request.files_without) {
                    cx.print([name, b"\n"].concat());
                } else if hit && binary && !request.files && !request.files_without {
                    cx.print([b"Binary file ", name, b" matches\n"].concat());
                }
            }
            return Ok(hit != request.files_without);
        }
        let mut out = Vec::new();
        let mut count = 0_usize;
        for (line, number) in hits {
            count += 1;
            if request.count {
                continue;
            }
            if !request.no_names {
                out.extend_from_slice(name);
                out.push(b':');
            }
            if request.numbers {
                out.extend_from_slice(format!("{number}:").as_bytes());
            }
            out.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
            out.push(b'\n');
            Context::check_size(&out)?;
        }
        if request.count && count > 0 {
            if !request.no_names {
                out.extend_from_slice(name);
                out.push(b':');
            }
            out.extend_from_slice(format!("{count}\n").as_bytes());
        }
        cx.print(out);
        cx.hand_over()?;
        Ok(count > 0)
    }

    fn matches(&self, line: &[u8]) -> bool {
        let hit = self.patterns.iter().any(|pattern| {
            if !self.request.word {
                return pattern.is_match(line);
            }
            let mut from = 0;
            while let Some(found) = pattern.find_at(line, from) {
                let is_word = |at: Option<usize>| {
                    at.and_then(|at| line.get(at))
                        .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
                };
                if !found.is_empty() && !is_word(found.start().checked_sub(1)) && !is_word(Some(found.end()))
                {
                    return true;
                }
                from = found.start() + 1;
                if from > line.len() {
                    break;
                }
            }
            false
        });
        hit != self.request.inverted
    }
}
