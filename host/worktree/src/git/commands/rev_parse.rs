//! `git rev-parse`

use super::super::arguments::{Argument, Arguments};
use super::super::command::Context;
use super::super::failure::{Failure, Result};
use super::super::revision::{Revision, find, merge_base, parse, unknown};

#[derive(Clone, Copy, Default)]
struct Form {
    short: Option<usize>,
    abbreviated_name: bool,
    verify: bool,
    quiet: bool,
}

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let mut form = Form::default();
    let mut names = Vec::new();
    let session = &cx.session;
    let root = &session.scope.guest_path;
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Long("show-toplevel") => cx.print(format!("{root}\n")),
            // What is behind it is the host's; the guest has the file `.git` only.
            Argument::Long("git-dir" | "absolute-git-dir" | "git-common-dir") => {
                cx.print(format!("{root}/.git\n"));
            }
            Argument::Long("is-inside-work-tree") => cx.print("true\n"),
            Argument::Long("is-inside-git-dir" | "is-bare-repository" | "is-shallow-repository") => {
                cx.print("false\n");
            }
            Argument::Long("show-prefix") => cx.print([session.prefix.as_slice(), b"\n"].concat()),
            Argument::Long("show-cdup") => {
                let depth = session.prefix.split(|byte| *byte == b'/').count() - 1;
                cx.print("../".repeat(depth) + "\n");
            }
            Argument::Long("short") => {
                form.verify = true;
                form.short = Some(match arguments.optional_value() {
                    None => 0,
                    Some(digits) => {
                        let digits = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
                        digits.ok_or_else(|| arguments.unsupported())?
                    }
                });
            }
            Argument::Long("abbrev-ref") => match arguments.optional_value() {
                None | Some(b"strict" | b"loose") => form.abbreviated_name = true,
                Some(_) => return Err(arguments.unsupported()),
            },
            Argument::Long("verify") => form.verify = true,
            Argument::Short('q') | Argument::Long("quiet") => form.quiet = true,
            Argument::Operand(name) | Argument::Path(name) => {
                let name = std::str::from_utf8(name).map_err(|_| Failure::fatal("a revision is no UTF-8"))?;
                names.push((form, name));
            }
            other => return Err(arguments.refuse(other)),
        }
    }
    if form.verify && names.len() != 1 {
        return Err(single(&form));
    }
    for (form, name) in names {
        for line in lines(cx, &form, name)? {
            cx.print(line + "\n");
        }
    }
    Ok(0)
}

fn single(form: &Form) -> Failure {
    if form.quiet { Failure::silent(1) } else { Failure::fatal("Needed a single revision") }
}

fn lines(cx: &Context<'_>, form: &Form, name: &str) -> Result<Vec<String>> {
    let session = &cx.session;
    let id = |name: &str| -> Result<git2::Oid> {
        match find(session, name)? {
            Some(object) => Ok(object.id()),
            None if form.verify => Err(single(form)),
            None => {
                // git prints what it cannot find before it says so.
                cx.print(format!("{name}\n"));
                Err(unknown(name))
            }
        }
    };
    let shown = |id: git2::Oid| match form.short {
        Some(0) => session.abbreviate(id),
        Some(digits) => session.abbreviate_to(id, digits.clamp(4, 40)),
        None => Ok(id.to_string()),
    };
    if form.abbreviated_name {
        let known = id(name)?;
        if matches!(name, "HEAD" | "@") {
            return Ok(vec![session.head_name()?]);
        }
        let reference = session.repository.resolve_reference_from_short_name(name).ok();
        let short = reference.as_ref().and_then(|reference| reference.shorthand().ok()).map(str::to_owned);
        return Ok(short.map_or_else(
            || if form.verify { vec![known.to_string()] } else { Vec::new() },
            |short| vec![short],
        ));
    }
    Ok(match parse(name) {
        Revision::One(name) => vec![shown(id(&name)?)?],
        Revision::Not(name) => vec![format!("^{}", shown(id(&name)?)?)],
        Revision::Range(from, to) => vec![shown(id(&to)?)?, format!("^{}", shown(id(&from)?)?)],
        Revision::Symmetric(from, to) => {
            let (from, to) = (id(&from)?, id(&to)?);
            let base = merge_base(session, from, to)?;
            let mut lines = vec![shown(to)?, shown(from)?];
            if let Some(base) = base {
                lines.push(format!("^{}", shown(base)?));
            }
            lines
        }
    })
}
