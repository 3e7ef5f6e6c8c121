//! `git status`

use super::super::arguments::{Argument, Arguments};
use super::super::command::Context;
use super::super::failure::{Failure, Result};
use super::super::pathspec::Pathspec;
use super::super::status::{StatusOptions, Untracked, status};
use super::super::status_text::{Branch, Form, long, porcelain_v2, short};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Long,
    Short,
    PorcelainV1,
    PorcelainV2,
}

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let mut format = None;
    let (mut branch, mut zero) = (false, false);
    let mut paths = Vec::new();
    let mut options = StatusOptions { untracked: Untracked::Normal, ignored: false, renames: true };
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Short('s') | Argument::Long("short") => format = Some(Format::Short),
            Argument::Long("long") => format = Some(Format::Long),
            Argument::Long("porcelain") => {
                format = Some(match arguments.optional_value() {
                    None | Some(b"v1" | b"1") => Format::PorcelainV1,
                    Some(b"v2" | b"2") => Format::PorcelainV2,
                    Some(other) => {
                        let other = String::from_utf8_lossy(other).into_owned();
                        return Err(Failure::fatal(format!("unsupported porcelain version '{other}'")));
                    }
                });
            }
            Argument::Short('b') | Argument::Long("branch") => branch = true,
            Argument::Long("no-branch") => branch = false,
            Argument::Short('z') | Argument::Long("null") => zero = true,
            Argument::Short('u') | Argument::Long("untracked-files") => {
                options.untracked = match arguments.optional_value() {
                    None | Some(b"all") => Untracked::All,
                    Some(b"normal") => Untracked::Normal,
                    Some(b"no") => Untracked::No,
                    Some(other) => {
                        let other = String::from_utf8_lossy(other).into_owned();
                        return Err(Failure::fatal(format!("Invalid untracked files mode '{other}'")));
                    }
                };
            }
            Argument::Long("ignored") => match arguments.optional_value() {
                None | Some(b"traditional") => options.ignored = true,
                Some(b"no") => options.ignored = false,
                Some(_) => return Err(arguments.unsupported()),
            },
            Argument::Long("no-ignored") => options.ignored = false,
            Argument::Long("renames") => options.renames = true,
            Argument::Long("no-renames") => options.renames = false,
            Argument::Long("ahead-behind") => {}
            Argument::Operand(path) | Argument::Path(path) => paths.push(path.to_vec()),
            other => return Err(arguments.refuse(other)),
        }
    }
    let format = format.unwrap_or(if zero { Format::PorcelainV1 } else { Format::Long });
    let session = &cx.session;
    let spec = Pathspec::parse(&paths, &session.prefix, &session.scope.guest_path)?;
    let staging = session.staging()?;
    let entries = status(session, &staging, &spec, &options)?;
    let head = Branch::of(session)?;
    let shown = branch.then_some(&head);
    let form = |prefix: &[u8]| Form { zero, prefix: prefix.to_vec() };
    let out = match format {
        Format::Long if zero => {
            return Err(Failure::fatal("options '--long' and '-z' cannot be used together"));
        }
        Format::Long => long(session, &entries, &head, options.untracked),
        Format::Short => short(session, &entries, shown, &form(&session.prefix)),
        Format::PorcelainV1 => short(session, &entries, shown, &form(b"")),
        Format::PorcelainV2 => porcelain_v2(session, &entries, shown, &form(&session.prefix)),
    };
    cx.print(out);
    Ok(0)
}
