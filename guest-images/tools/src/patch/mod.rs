//! patch.

mod apply;
mod ask;
mod parse;
mod reject;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sandpiper_guest::{Status, os, set_mode};

use crate::options::{Ended, Given, Nothing, Option_, Order, Value, parse as parse_options};
use crate::text::{read, reason, shown};
use apply::{Place, Text};
use parse::{Hunk, Named, Patch};

const OPTIONS: &[Option_] = &[
    ("b", "backup", Nothing),
    ("", "backup-if-mismatch", Nothing),
    ("", "no-backup-if-mismatch", Nothing),
    ("d", "directory", Value),
    ("", "dry-run", Nothing),
    ("E", "remove-empty-files", Nothing),
    ("f", "force", Nothing),
    ("F", "fuzz", Value),
    ("i", "input", Value),
    ("n", "normal", Nothing),
    ("N", "forward", Nothing),
    ("o", "output", Value),
    ("p", "strip", Value),
    ("R", "reverse", Nothing),
    ("r", "reject-file", Value),
    ("s", "quiet", Nothing),
    ("", "silent", Nothing),
    ("t", "batch", Nothing),
    ("u", "unified", Nothing),
];

/// Outer lines that may differ, unless `-F` says otherwise.
const MOST_FUZZ: usize = 2;

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

struct Task<'a> {
    given: &'a Given,
    strip: Option<usize>,
    fuzz: usize,
    quiet: bool,
    dry: bool,
    reverse: bool,
    file: Option<&'a [u8]>,
    output: Option<&'a [u8]>,
}

fn fatal(message: &str) -> Ended {
    eprintln!("patch: **** {message}");
    Ended(2)
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let given = parse_options(tool, OPTIONS, arguments, (Order::Permuted, 2))?;
    let number = |name: &str, what: &str| {
        let parsed = given.value(name).map(|text| (text, shown(text).parse::<usize>()));
        parsed
            .map(|(text, number)| {
                number.map_err(|_| fatal(&format!("{what} {} is not a number", shown(text))))
            })
            .transpose()
    };
    let strip = number("strip", "strip count")?;
    let fuzz = number("fuzz", "fuzz factor")?.unwrap_or(MOST_FUZZ);
    if let Some(folder) = given.value("directory")
        && let Err(error) = std::env::set_current_dir(os(folder))
    {
        return Err(fatal(&format!("Can't change to directory {} : {}", shown(folder), reason(&error))));
    }
    let input = given.value("input").or(given.operands.get(1).map(Vec::as_slice)).unwrap_or(b"-");
    if let Some(extra) = given.operands.get(2) {
        eprintln!(
            "{tool}: {}: extra operand\n{tool}: Try '{tool} --help' for more information.",
            shown(extra)
        );
        return Err(Ended(2));
    }
    let text = read(input)
        .map_err(|error| fatal(&format!("Can't open patch file {} : {}", shown(input), reason(&error))))?;
    let task = Task {
        given: &given,
        strip,
        fuzz,
        quiet: given.has("quiet") || given.has("silent"),
        dry: given.has("dry-run"),
        reverse: given.has("reverse"),
        file: given.operands.first().map(Vec::as_slice),
        output: given.value("output"),
    };
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let (mut at, mut code, mut any) = (0, 0, false);
    loop {
        match parse::next(&lines, &mut at) {
            Ok(Some(patch)) => {
                any = true;
                code = code.max(task.patch(patch, &lines)?);
            }
            Ok(None) if any || text.is_empty() => return Ok(code),
            Ok(None) => return Err(fatal("Only garbage was found in the patch input.")),
            Err(message) => return Err(fatal(&message)),
        }
    }
}

/// A name without its first folders; without all of them when nothing says how many.
fn stripped(name: &[u8], count: Option<usize>) -> Option<Vec<u8>> {
    if name == b"/dev/null" || name.is_empty() {
        return None;
    }
    let Some(count) = count else {
        return name.rsplit(|&byte| byte == b'/').next().map(<[u8]>::to_vec);
    };
    let mut rest = name;
    for _ in 0..count {
        let slash = rest.iter().position(|&byte| byte == b'/')?;
        rest = rest.get(slash..)?;
        let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
        rest = rest.get(slashes..)?;
    }
    Some(rest.to_vec()).filter(|rest| !rest.is_empty())
}

/// A name as a message has it: in quotes when a shell would need them.
fn quoted(name: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_^".contains(byte) || *byte >= 0x80;
    if !name.is_empty() && name.iter().all(plain) {
        shown(name)
    } else {
        format!("'{}'", shown(name).replace('\'', "'\\''"))
    }
}

impl Task<'_> {
    fn say(&self, message: &str) {
        if !self.quiet {
            self.tell(message);
        }
    }

    /// What is said even when quiet.
    fn tell(&self, message: &str) {
        if self.output == Some(b"-") {
            eprint!("{message}");
        } else {
            print!("{message}");
            let _ = io::stdout().flush();
        }
    }

    /// The file that a patch is for, which may have to be made.
    fn target(&self, patch: &Patch, creates: bool) -> Option<Vec<u8>> {
        if let Some(file) = self.file {
            return Some(file.to_vec());
        }
        let names =
            [patch.old.as_ref(), patch.new.as_ref()].map(|named| named.map(|named| named.name.as_slice()));
        let [old, new] = names.map(|name| name.and_then(|name| stripped(name, self.strip)));
        let index = patch.index.as_ref().and_then(|name| stripped(name, self.strip));
        let candidates: Vec<Vec<u8>> = [old, new, index].into_iter().flatten().collect();
        let there: Vec<Vec<u8>> =
            candidates.iter().filter(|name| Path::new(&os(name)).exists()).cloned().collect();
        let best = |names: Vec<Vec<u8>>| {
            let weight = |name: &Vec<u8>| {
                let parts = name.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
                (parts.clone().count(), parts.last().map_or(0, <[u8]>::len), name.len())
            };
            names.into_iter().min_by_key(weight)
        };
        best(there).or_else(|| if creates { best(candidates) } else { None })
    }

    fn patch(&self, mut patch: Patch, lines: &[&[u8]]) -> Result<i32, Ended> {
        if self.reverse {
            patch.reverse();
        }
        let (creates, removes) = patch.says();
        let Some(name) = self.target(&patch, creates > 0 || removes > 0) else {
            self.unknown(&patch, lines);
            return Ok(1);
        };
        let path = PathBuf::from(os(&name));
        let before = match fs::read(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(fatal(&format!("Can't open file {} : {}", shown(&name), reason(&error))));
            }
        };
        if self.done(&mut patch, &name, before.as_deref()) {
            return Ok(1);
        }
        let removes = patch.says().1 == 2;
        let verb = if self.dry { "checking" } else { "patching" };
        match self.output {
            Some(output) => {
                self.say(&format!("{verb} file {} (read from {})\n", quoted(output), quoted(&name)))
            }
            None => self.say(&format!("{verb} file {}\n", quoted(&name))),
        }
        let text = before.clone().unwrap_or_default();
        let old: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
        let mut result = Text::new(&old);
        let (rejected, mismatch) = self.hunks(&mut patch, &mut result);
        let after = result.finish();
        let goes = after.is_empty() && (removes || self.given.has("remove-empty-files"));
        let mut code = i32::from(!rejected.is_empty());
        if removes && !goes && rejected.is_empty() {
            self.say(&format!("Not deleting file {} as content differs from patch\n", quoted(&name)));
            code = 1;
        }
        if !self.dry {
            let keeps = self.given.has("backup") || mismatch && !self.given.has("no-backup-if-mismatch");
            let applied = rejected.len() < patch.hunks.len();
            self.write(&path, (before.as_deref(), &after), (keeps && self.output.is_none(), goes, applied))
                .map_err(|error| fatal(&format!("Can't write file {} : {}", shown(&name), reason(&error))))?;
            if let Some(mode) = patch.mode.filter(|_| before.is_none() && !goes && self.output.is_none()) {
                let _ = set_mode(&path, mode & 0o777 & !sandpiper_guest::umask());
            }
            if !rejected.is_empty() {
                self.reject(&patch, &rejected, self.output.unwrap_or(&name)).map_err(|error| {
                    fatal(&format!("Can't write rejects of {} : {}", shown(&name), reason(&error)))
                })?;
            }
        }
        Ok(code)
    }

    /// Puts in what can be; the hunks that cannot, by number and with how far their lines moved, and whether any was
    /// elsewhere.
    fn hunks(&self, patch: &mut Patch, text: &mut Text<'_>) -> (Vec<(usize, isize)>, bool) {
        let (mut rejected, mut mismatch, mut skips) = (Vec::new(), false, false);
        let count = patch.hunks.len();
        for at in 0..count {
            let mut place = None;
            if !skips {
                (place, skips) = self.place(patch, at, text);
            }
            let Some(hunk) = patch.hunks.get(at) else { continue };
            let line = text.reported(hunk, place);
            let Some(place) = place else {
                rejected.push((at, text.grown()));
                if !skips {
                    mismatch = true;
                    self.say(&format!("Hunk #{} FAILED at {line}.\n", at + 1));
                }
                continue;
            };
            if place.fuzz > 0 || text.offset != 0 {
                mismatch = true;
                let fuzz = if place.fuzz > 0 { format!(" with fuzz {}", place.fuzz) } else { String::new() };
                let offset = match text.offset {
                    0 => String::new(),
                    1 => " (offset 1 line)".to_owned(),
                    lines => format!(" (offset {lines} lines)"),
                };
                self.say(&format!("Hunk #{} succeeded at {line}{fuzz}{offset}.\n", at + 1));
            }
            text.put(hunk, place);
        }
        if !rejected.is_empty() {
            let verb = if skips { "ignored" } else { "FAILED" };
            let s = if count == 1 { "" } else { "s" };
            self.tell(&format!("{} out of {count} hunk{s} {verb}", rejected.len()));
            if self.dry {
                self.tell("\n");
            }
        }
        (rejected, mismatch)
    }

    /// The place of a hunk, and whether the rest is skipped because the patch seems to be in already.
    fn place(&self, patch: &mut Patch, at: usize, text: &mut Text<'_>) -> (Option<Place>, bool) {
        let around = patch.hunks.get(at).map(apply::around).unwrap_or_default();
        for fuzz in 0..=self.fuzz.min(around.0.max(around.1)) {
            let Some(hunk) = patch.hunks.get_mut(at) else { break };
            let place = text.locate(hunk, fuzz);
            if place.is_some() {
                return (place, false);
            }
            if at > 0 || self.given.has("force") {
                continue;
            }
            hunk.reverse();
            let place = text.locate(hunk, fuzz);
            if place.is_some() {
                let what = if self.reverse { "Unreversed" } else { "Reversed (or previously applied)" };
                self.say(&format!("{what} patch detected!"));
                if self.reverses() {
                    patch.hunks.iter_mut().skip(1).for_each(Hunk::reverse);
                    return (place, false);
                }
                text.offset = 0;
                hunk.reverse();
                return (None, true);
            }
            hunk.reverse();
        }
        (None, false)
    }

    fn write(
        &self,
        path: &Path,
        (before, after): (Option<&[u8]>, &[u8]),
        (keeps, goes, applied): (bool, bool, bool),
    ) -> io::Result<()> {
        if let Some(output) = self.output {
            if output == b"-" {
                return io::stdout().write_all(after);
            }
            return fs::write(os(output), after);
        }
        if keeps {
            let mut backup = path.as_os_str().to_owned();
            backup.push(".orig");
            fs::write(&backup, before.unwrap_or_default())?;
            if let Ok(status) = Status::of(path, true) {
                set_mode(Path::new(&backup), status.mode)?;
            } else {
                set_mode(Path::new(&backup), 0)?;
            }
        }
        if goes {
            if before.is_some() {
                fs::remove_file(path)?;
            }
            // Folders go with their last file.
            let mut above = path.parent();
            while let Some(folder) = above.filter(|folder| !folder.as_os_str().is_empty()) {
                if fs::remove_dir(folder).is_err() {
                    break;
                }
                above = folder.parent();
            }
            return Ok(());
        }
        if !applied && (before.is_some() || after.is_empty()) {
            return Ok(());
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, after)
    }

    fn reject(&self, patch: &Patch, rejected: &[(usize, isize)], name: &[u8]) -> io::Result<()> {
        let mut file = name.to_vec();
        file.extend_from_slice(b".rej");
        let file = self.given.value("reject-file").map_or(file, <[u8]>::to_vec);
        self.tell(&format!(" -- saving rejects to file {}\n", quoted(&file)));
        let mut text = Vec::new();
        let header = |named: &Option<Named>| {
            let Some(named) = named else { return b"/dev/null".to_vec() };
            let mut header = stripped(&named.name, self.strip).unwrap_or_else(|| named.name.clone());
            header.extend_from_slice(named.header.strip_prefix(named.name.as_slice()).unwrap_or_default());
            header
        };
        let (first, second) = if patch.normal { ("*** ", "--- ") } else { ("--- ", "+++ ") };
        for (mark, named) in [(first, &patch.old), (second, &patch.new)] {
            text.extend_from_slice(mark.as_bytes());
            text.extend_from_slice(&header(named));
            text.push(b'\n');
        }
        for (at, grown) in rejected {
            let Some(hunk) = patch.hunks.get(*at) else { continue };
            if patch.normal {
                reject::context(hunk, *grown, &mut text)
            } else {
                reject::unified(hunk, *grown, &mut text)
            }
        }
        fs::write(os(&file), text)
    }
}
