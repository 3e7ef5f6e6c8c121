//! `git ls-files`

use super::super::arguments::{Argument, Arguments};
use super::super::command::Context;
use super::super::failure::{Failure, Result};
use super::super::pathspec::Pathspec;
use super::super::quote::{quoted, relative};
use super::super::session::Found;
use super::super::status::{StatusOptions, Untracked, untracked};

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
struct Request {
    zero: bool,
    stage: bool,
    cached: bool,
    others: bool,
    ignored: bool,
    standard: bool,
    modified: bool,
    deleted: bool,
    tagged: bool,
    full_name: bool,
    must_match: bool,
}

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let mut request = Request::default();
    let mut paths = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Short('z') => request.zero = true,
            Argument::Short('s') | Argument::Long("stage") => request.stage = true,
            Argument::Short('c') | Argument::Long("cached") => request.cached = true,
            Argument::Short('o') | Argument::Long("others") => request.others = true,
            Argument::Short('i') | Argument::Long("ignored") => request.ignored = true,
            Argument::Long("exclude-standard") => request.standard = true,
            Argument::Short('m') | Argument::Long("modified") => request.modified = true,
            Argument::Short('d') | Argument::Long("deleted") => request.deleted = true,
            Argument::Short('t') => request.tagged = true,
            Argument::Long("full-name") => request.full_name = true,
            Argument::Long("error-unmatch") => request.must_match = true,
            Argument::Operand(path) | Argument::Path(path) => paths.push(path.to_vec()),
            other => return Err(arguments.refuse(other)),
        }
    }
    if request.ignored && !(request.others && request.standard) {
        return Err(Failure::fatal("ls-files -i is supported here with -o --exclude-standard only"));
    }
    if !(request.others || request.modified || request.deleted) {
        request.cached = true;
    }
    let session = &cx.session;
    let given = Pathspec::parse(&paths, &session.prefix, &session.scope.guest_path)?;
    // Without paths the directory of the command counts.
    let spec = if paths.is_empty() && !session.prefix.is_empty() {
        Pathspec::exactly(&[session.prefix.trim_ascii_end().strip_suffix(b"/").unwrap_or_default().to_vec()])
    } else {
        given
    };
    let staging = session.staging()?;
    let mut lines: Vec<(String, Vec<u8>)> = Vec::new();
    if request.others {
        let options = StatusOptions { untracked: Untracked::All, ignored: true, renames: false };
        let (mut new, ignored) = untracked(session, &staging, &spec, &options)?;
        if request.ignored {
            new = ignored;
        } else if !request.standard {
            new.extend(ignored);
            new.sort();
        }
        lines.extend(new.into_iter().map(|path| (tag(&request, '?'), path)));
    }
    if request.cached || request.modified || request.deleted {
        let mut tracked = Vec::new();
        for entry in staging.entries().filter(|entry| spec.has(&entry.path)) {
            let mut line = |letter: char| {
                let mut text = tag(&request, letter);
                if request.stage {
                    text = format!("{text}{:06o} {} 0\t", entry.mode, entry.id);
                }
                tracked.push((text, entry.path.clone()));
            };
            if request.cached {
                line('H');
            }
            if request.modified || request.deleted {
                let found = session.found(&staging, entry)?;
                if request.deleted && matches!(found, Found::Missing) {
                    line('R');
                }
                if request.modified && !matches!(found, Found::Same(_)) {
                    line('C');
                }
            }
        }
        for (path, stages) in staging.conflicts().iter().filter(|(path, _)| spec.has(path)) {
            for (number, entry) in (1..).zip(stages) {
                let Some(entry) = entry else { continue };
                let mut text = tag(&request, 'M');
                if request.stage {
                    text = format!("{text}{:06o} {} {number}\t", entry.mode, entry.id);
                }
                tracked.push((text, path.clone()));
            }
        }
        tracked.sort_by(|left, right| left.1.cmp(&right.1));
        lines.extend(tracked);
    }
    if request.must_match
        && let Some(item) = spec.items().find(|item| !lines.iter().any(|(_, path)| item.has(path)))
    {
        let shown = String::from_utf8_lossy(&item.argument);
        return Err(Failure::plain(
            1,
            format!(
                "error: pathspec '{shown}' did not match any file(s) known to git\nDid you forget to 'git add'?\n"
            ),
        ));
    }
    for (text, path) in lines {
        cx.print(text);
        let path = if request.full_name { path } else { relative(&path, &session.prefix) };
        if request.zero {
            cx.print([path.as_slice(), b"\0"].concat());
        } else {
            cx.print([quoted(&path, session.unusual).as_slice(), b"\n"].concat());
        }
        cx.hand_over()?;
    }
    Ok(0)
}

fn tag(request: &Request, letter: char) -> String {
    if request.tagged { format!("{letter} ") } else { String::new() }
}
