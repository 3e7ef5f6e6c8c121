//! `git rm`

use super::super::arguments::{Argument, Arguments};
use super::super::changes::files;
use super::super::command::Context;
use super::super::failure::{Failure, Result};
use super::super::pathspec::Pathspec;
use super::super::session::Found;
use super::super::work_tree::GITLINK;

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let (mut cached, mut force, mut recursive, mut quiet, mut dry) = (false, false, false, false, false);
    let mut lenient = false;
    let mut paths = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Long("cached") => cached = true,
            Argument::Short('f') | Argument::Long("force") => force = true,
            Argument::Short('r') => recursive = true,
            Argument::Short('q') | Argument::Long("quiet") => quiet = true,
            Argument::Short('n') | Argument::Long("dry-run") => dry = true,
            Argument::Long("ignore-unmatch") => lenient = true,
            Argument::Operand(path) | Argument::Path(path) => paths.push(path.to_vec()),
            other => return Err(arguments.refuse(other)),
        }
    }
    if paths.is_empty() {
        return Err(Failure::fatal("No pathspec was given. Which files should I remove?"));
    }
    let session = &cx.session;
    let spec = Pathspec::parse(&paths, &session.prefix, &session.scope.guest_path)?;
    let mut staging = session.staging()?;
    let chosen: Vec<Vec<u8>> = {
        let mut chosen: Vec<Vec<u8>> = staging.paths().filter(|path| spec.has(path)).cloned().collect();
        chosen.sort();
        chosen
    };
    for item in spec.items() {
        let shown = String::from_utf8_lossy(&item.argument);
        let mut matched = chosen.iter().filter(|path| item.has(path)).peekable();
        if matched.peek().is_none() && !lenient {
            return Err(Failure::fatal(format!("pathspec '{shown}' did not match any files")));
        }
        if !recursive && !item.is_glob() && matched.any(|path| *path != item.path) {
            return Err(Failure::fatal(format!("not removing '{shown}' recursively without -r")));
        }
    }
    if chosen.iter().any(|path| staging.get(path).is_some_and(|entry| entry.mode == GITLINK)) {
        return Err(Failure::fatal("submodules are not removed here").hint("submodules are left to the user"));
    }
    if !force {
        refuse_changed(cx, &staging, &chosen, cached)?;
    }
    for path in &chosen {
        if !quiet {
            cx.print([b"rm '".as_slice(), path, b"'\n"].concat());
        }
        if dry {
            continue;
        }
        if !cached {
            session.tree.remove(path, session.prefix.strip_suffix(b"/").unwrap_or_default())?;
        }
        staging.remove(path)?;
    }
    session.save(&mut staging)?;
    Ok(0)
}

/// Refuses to remove what is nowhere else.
fn refuse_changed(
    cx: &Context<'_>,
    staging: &super::super::staging::Staging,
    chosen: &[Vec<u8>],
    cached: bool,
) -> Result<()> {
    let session = &cx.session;
    let head = files(session, session.head_tree()?.as_ref())?;
    let (mut both, mut staged, mut local) = (Vec::new(), Vec::new(), Vec::new());
    for path in chosen {
        let Some(entry) = staging.get(path) else { continue };
        let differs_from_head = head.get(path) != Some(&(entry.mode, entry.id));
        let found = session.found(staging, entry)?;
        let differs_from_file = matches!(found, Found::Changed { .. });
        if matches!(found, Found::Missing) {
            continue;
        }
        match (differs_from_head, differs_from_file) {
            (true, true) => both.push(path),
            (true, false) if !cached => staged.push(path),
            (false, true) if !cached => local.push(path),
            _ => {}
        }
    }
    let mut message = Vec::new();
    let mut say = |paths: &[&Vec<u8>], one: &str, many: &str, hint: &str| {
        if paths.is_empty() {
            return;
        }
        let (noun, verb) = if paths.len() == 1 { ("file has", one) } else { ("files have", many) };
        message.extend_from_slice(format!("error: the following {noun} {verb}:\n").as_bytes());
        for path in paths {
            message.extend_from_slice(&[b"    ".as_slice(), path, b"\n"].concat());
        }
        message.extend_from_slice(format!("({hint})\n").as_bytes());
    };
    let different = "staged content different from both the\nfile and the HEAD";
    say(&both, different, different, "use -f to force removal");
    let in_index = "changes staged in the index";
    say(&staged, in_index, in_index, "use --cached to keep the file, or -f to force removal");
    let here = "local modifications";
    say(&local, here, here, "use --cached to keep the file, or -f to force removal");
    if message.is_empty() { Ok(()) } else { Err(Failure::plain(1, message)) }
}
