//! Which files are compared, and what is said of those that are no pairs.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use sandpiper_guest::status::{Kind, Time};
use sandpiper_guest::{Status, bytes, os};

use super::Task;
use super::lines::{self, Lines};
use super::show::{Shown, Style};
use crate::text::{plain_locale, reason, shown};

const SAME: i32 = 0;
const DIFFERENT: i32 = 1;
const TROUBLE: i32 = 2;

/// One side of a pair.
struct Side {
    name: Vec<u8>,
    /// None for one that is not there but counts as empty.
    status: Option<Status>,
}

impl Side {
    fn directory(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.kind == Kind::Directory)
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        if self.status.is_none() && self.name != b"-" {
            return Ok(Vec::new());
        }
        crate::text::read(&self.name)
    }

    fn kind(&self) -> &'static str {
        match self.status.as_ref().map_or(Kind::File, |status| status.kind) {
            Kind::File if self.status.as_ref().is_some_and(|status| status.size == 0) => "regular empty file",
            Kind::File => "regular file",
            Kind::Directory => "directory",
            Kind::Link => "symbolic link",
            Kind::Pipe => "fifo",
            Kind::Socket => "socket",
            Kind::Character => "character special file",
            Kind::Block => "block special file",
        }
    }
}

/// Compares what two arguments name; the exit code.
pub fn operands(task: &Task, (old, new): (&[u8], &[u8]), out: &mut dyn Write) -> i32 {
    let mut names = [old.to_vec(), new.to_vec()];
    let directory = names.clone().map(|name| name != b"-" && Path::new(&os(&name)).is_dir());
    let [first, second] = &mut names;
    match directory {
        [true, false] if second != b"-" => *first = inside(first, last(second)),
        [false, true] if first != b"-" => *second = inside(second, last(first)),
        [true, false] | [false, true] => {
            eprintln!("diff: cannot compare '-' to a directory");
            return TROUBLE;
        }
        _ => {}
    }
    let found = names.clone().map(|name| if name == b"-" { Ok(None) } else { status(&name).map(Some) });
    let mut sides = Vec::new();
    let mut code = SAME;
    let nothing = found.iter().all(absent);
    for ((at, name), found) in names.into_iter().enumerate().zip(found) {
        let counts = if at == 0 { task.absent.1 } else { task.absent.0 };
        match found {
            Ok(status) => sides.push(Side { name, status }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && counts && !nothing => {
                sides.push(Side { name, status: None });
            }
            Err(error) => {
                eprintln!("diff: {}: {}", shown(&name), reason(&error));
                code = TROUBLE;
            }
        }
    }
    let [first, second] = sides.as_slice() else { return code };
    let result = if first.directory() && second.directory() {
        folders(task, (first, second), out)
    } else {
        pair(task, (first, second), false, out)
    };
    result.unwrap_or_else(|error| {
        eprintln!("diff: standard output: {}", reason(&error));
        TROUBLE
    })
}

fn absent(found: &io::Result<Option<Status>>) -> bool {
    found.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn status(name: &[u8]) -> io::Result<Status> {
    Status::of(Path::new(&os(name)), true)
}

fn last(name: &[u8]) -> &[u8] {
    let trimmed = name.len() - name.iter().rev().take_while(|byte| **byte == b'/').count();
    let name = name.get(..trimmed).unwrap_or_default();
    name.rsplit(|&byte| byte == b'/').next().unwrap_or(name)
}

fn inside(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = folder.to_vec();
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

fn folders(task: &Task, (old, new): (&Side, &Side), out: &mut dyn Write) -> io::Result<i32> {
    let mut code = SAME;
    let mut names = [BTreeSet::new(), BTreeSet::new()];
    for (side, names) in [old, new].into_iter().zip(&mut names) {
        if side.status.is_none() {
            continue;
        }
        match fs::read_dir(os(&side.name)) {
            Ok(entries) => {
                let found = entries.filter_map(Result::ok).map(|entry| bytes(&entry.file_name()).to_vec());
                names.extend(found.filter(|name| !task.excludes(name)));
            }
            Err(error) => {
                eprintln!("diff: {}: {}", shown(&side.name), reason(&error));
                code = TROUBLE;
            }
        }
    }
    let [in_old, in_new] = &names;
    for name in in_old.union(in_new) {
        let (has_old, has_new) = (in_old.contains(name), in_new.contains(name));
        let only = match (has_old, has_new) {
            (true, false) if !task.absent.1 => Some(old),
            (false, true) if !task.absent.0 => Some(new),
            _ => None,
        };
        if let Some(side) = only {
            writeln!(out, "Only in {}: {}", shown(&side.name), shown(name))?;
            code = code.max(DIFFERENT);
            continue;
        }
        let open = |folder: &Side, there: bool| {
            let name = inside(&folder.name, name);
            let status = there.then(|| status(&name)).transpose();
            status.map(|status| Side { name: name.clone(), status }).map_err(|error| (name, error))
        };
        let sides = (open(old, has_old), open(new, has_new));
        match sides {
            (Ok(first), Ok(second)) => {
                let found = if first.directory() && (second.directory() || second.status.is_none())
                    || second.directory() && first.status.is_none()
                {
                    if task.recursive {
                        folders(task, (&first, &second), out)?
                    } else if first.directory() && second.directory() {
                        writeln!(
                            out,
                            "Common subdirectories: {} and {}",
                            shown(&first.name),
                            shown(&second.name)
                        )?;
                        SAME
                    } else {
                        let side = if first.directory() { old } else { new };
                        writeln!(out, "Only in {}: {}", shown(&side.name), shown(name))?;
                        DIFFERENT
                    }
                } else {
                    pair(task, (&first, &second), true, out)?
                };
                code = code.max(found);
            }
            (first, second) => {
                for (name, error) in [first.err(), second.err()].into_iter().flatten() {
                    eprintln!("diff: {}: {}", shown(&name), reason(&error));
                }
                code = TROUBLE;
            }
        }
    }
    Ok(code)
}

/// Compares two files; `within` says that they are found in folders.
fn pair(task: &Task, (old, new): (&Side, &Side), within: bool, out: &mut dyn Write) -> io::Result<i32> {
    let called = task.called(old, new);
    if old.directory() != new.directory() || (within && odd(old, new)) {
        let (first, second) = (old.kind(), new.kind());
        writeln!(out, "File {} is a {first} while file {} is a {second}", called.0, called.1)?;
        return Ok(DIFFERENT);
    }
    let same_file = match (&old.status, &new.status) {
        // Pipes have no numbers of their own.
        (Some(a), Some(b)) => {
            a.kind == Kind::File && a.device == b.device && a.inode == b.inode && a.inode != 0
        }
        _ => old.name == b"-" && new.name == b"-",
    };
    if same_file {
        return identical(task, old, new, out);
    }
    let mut texts = Vec::new();
    for side in [old, new] {
        match side.read() {
            Ok(text) => texts.push(text),
            Err(error) => {
                eprintln!("diff: {}: {}", shown(&side.name), reason(&error));
                return Ok(TROUBLE);
            }
        }
    }
    if task.strips_return {
        for text in &mut texts {
            *text = without_returns(text);
        }
    }
    let [first, second] = texts.as_slice() else { return Ok(TROUBLE) };
    if first == second {
        return identical(task, old, new, out);
    }
    let binary = !task.text
        && [first, second]
            .into_iter()
            .any(|text| memchr::memchr(0, text.get(..4096).unwrap_or(text)).is_some());
    if binary {
        let word = if task.brief { "Files" } else { "Binary files" };
        writeln!(out, "{word} {} and {} differ", called.0, called.1)?;
        return Ok(DIFFERENT);
    }
    let (a, b) = (Lines::of(first), Lines::of(second));
    let horizon = match task.style {
        Style::Normal => 0,
        Style::Unified(around) | Style::Context(around) => around,
    };
    let changes = lines::changes(&a, &b, &task.ignores, horizon);
    let shows =
        Shown { old: &a, new: &b, changes: &changes, ignores: &task.ignores, functions: task.functions };
    if !shows.any() {
        return identical(task, old, new, out);
    }
    if task.brief {
        writeln!(out, "Files {} and {} differ", called.0, called.1)?;
        return Ok(DIFFERENT);
    }
    if within {
        out.write_all(b"diff")?;
        out.write_all(&task.switches)?;
        for name in [&called.0, &called.1] {
            out.write_all(b" ")?;
            out.write_all(&escaped(name.as_bytes()))?;
        }
        out.write_all(b"\n")?;
    }
    let marks = match task.style {
        Style::Normal => None,
        Style::Unified(_) => Some(["---", "+++"]),
        Style::Context(_) => Some(["***", "---"]),
    };
    for ((at, mark), side) in marks.into_iter().flatten().enumerate().zip([old, new]) {
        out.write_all(mark.as_bytes())?;
        out.write_all(b" ")?;
        match task.labels.get(at) {
            Some(label) => out.write_all(label)?,
            None => {
                out.write_all(&escaped(&side.name))?;
                write!(out, "\t{}", stamp(side, matches!(task.style, Style::Context(_))))?;
            }
        }
        out.write_all(b"\n")?;
    }
    shows.write(out, task.style)?;
    Ok(DIFFERENT)
}

impl Task {
    /// What messages call the files.
    fn called(&self, old: &Side, new: &Side) -> (String, String) {
        let name = |at: usize, side: &Side| shown(self.labels.get(at).unwrap_or(&side.name));
        (name(0, old), name(1, new))
    }
}

/// Whether one is a file and the other is something else.
fn odd(old: &Side, new: &Side) -> bool {
    let kind = |side: &Side| side.status.as_ref().map(|status| status.kind);
    matches!((kind(old), kind(new)), (Some(a), Some(b)) if a != b)
}

fn identical(task: &Task, old: &Side, new: &Side, out: &mut dyn Write) -> io::Result<i32> {
    if task.tells_identical {
        let (first, second) = task.called(old, new);
        writeln!(out, "Files {first} and {second} are identical")?;
    }
    Ok(SAME)
}

fn without_returns(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let mut bytes = text.iter().peekable();
    while let Some(&byte) = bytes.next() {
        if byte != b'\r' || bytes.peek() != Some(&&b'\n') {
            kept.push(byte);
        }
    }
    kept
}

fn stamp(side: &Side, context: bool) -> String {
    let time: Time = match &side.status {
        Some(status) => status.modified,
        None if side.name == b"-" => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            (i64::try_from(now.as_secs()).unwrap_or(0), now.subsec_nanos())
        }
        None => (0, 0),
    };
    let local = crate::time::local(time);
    if context && plain_locale("LC_TIME") {
        return crate::time::format(&local, "%a %b %e %H:%M:%S %Y");
    }
    let zone = crate::time::format(&local, "%z");
    format!("{}.{:09} {zone}", crate::time::format(&local, "%Y-%m-%d %H:%M:%S"), time.1)
}

/// A name as a header has it: in quotes when it has signs that would break the line.
fn escaped(name: &[u8]) -> Vec<u8> {
    if !name.iter().any(|&byte| byte <= b' ' || byte == b'"' || byte == b'\\') {
        return name.to_vec();
    }
    let mut text = b"\"".to_vec();
    for &byte in name {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', byte]),
            b'\n' => text.extend(b"\\n"),
            b'\t' => text.extend(b"\\t"),
            0..b' ' => text.extend(format!("\\{byte:03o}").into_bytes()),
            _ => text.push(byte),
        }
    }
    text.push(b'"');
    text
}
