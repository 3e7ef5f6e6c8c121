//! grep, egrep and fgrep.

use std::io::Write as _;

use crate::options::{Attached, Ended, Given, Nothing, Option_, Order, Value, parse};
use crate::posix::{Around, Dialect, Regex};

mod files;
mod search;

const OPTIONS: &[Option_] = &[
    ("E", "extended-regexp", Nothing),
    ("F", "fixed-strings", Nothing),
    ("G", "basic-regexp", Nothing),
    ("P", "perl-regexp", Nothing),
    ("e", "regexp", Value),
    ("f", "file", Value),
    ("iy", "ignore-case", Nothing),
    ("", "no-ignore-case", Nothing),
    ("w", "word-regexp", Nothing),
    ("x", "line-regexp", Nothing),
    ("z", "null-data", Nothing),
    ("s", "no-messages", Nothing),
    ("v", "invert-match", Nothing),
    ("V", "version", Nothing),
    ("m", "max-count", Value),
    ("b", "byte-offset", Nothing),
    ("n", "line-number", Nothing),
    ("", "line-buffered", Nothing),
    ("H", "with-filename", Nothing),
    ("h", "no-filename", Nothing),
    ("", "label", Value),
    ("o", "only-matching", Nothing),
    ("q", "quiet", Nothing),
    ("", "silent", Nothing),
    ("", "binary-files", Value),
    ("a", "text", Nothing),
    ("I", "", Nothing),
    ("d", "directories", Value),
    ("D", "devices", Value),
    ("r", "recursive", Nothing),
    ("R", "dereference-recursive", Nothing),
    ("", "include", Value),
    ("", "exclude", Value),
    ("", "exclude-from", Value),
    ("", "exclude-dir", Value),
    ("L", "files-without-match", Nothing),
    ("l", "files-with-matches", Nothing),
    ("c", "count", Nothing),
    ("T", "initial-tab", Nothing),
    ("Z", "null", Nothing),
    ("B", "before-context", Value),
    ("A", "after-context", Value),
    ("C", "context", Value),
    ("", "group-separator", Value),
    ("", "no-group-separator", Nothing),
    ("", "color", Attached),
    ("", "colour", Attached),
    ("U", "binary", Nothing),
    ("0", "", Nothing),
    ("1", "", Nothing),
    ("2", "", Nothing),
    ("3", "", Nothing),
    ("4", "", Nothing),
    ("5", "", Nothing),
    ("6", "", Nothing),
    ("7", "", Nothing),
    ("8", "", Nothing),
    ("9", "", Nothing),
];

/// What is done with files that are not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    Say,
    Text,
    Skip,
}

/// What is printed of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    Lines,
    Count,
    /// The names of files with, or without, a line that was selected.
    With,
    Without,
    Nothing,
}

/// What to look for, and what to say of it.
#[derive(Debug)]
pub struct Task {
    pub tool: String,
    pub regexes: Vec<Regex>,
    pub invert: bool,
    pub only: bool,
    pub shows: Shows,
    pub numbers: bool,
    pub offsets: bool,
    pub names: bool,
    pub tab: bool,
    pub before: usize,
    pub after: usize,
    pub separator: Option<Vec<u8>>,
    pub most: Option<u64>,
    pub binary: Binary,
    /// What ends a line, and what follows a name.
    pub line_end: u8,
    pub name_end: Option<u8>,
    pub flush: bool,
    pub silent: bool,
    pub color: bool,
}

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let mut given = parse(tool, OPTIONS, arguments, (Order::Permuted, 2))?;
    let refuse = |message: &str| {
        eprintln!("{tool}: {message}");
        Ended(2)
    };
    if given.has("version") {
        println!("grep (sandpiper tools) {}", env!("CARGO_PKG_VERSION"));
        return Ok(0);
    }
    let kind = given.last(&["extended-regexp", "fixed-strings", "basic-regexp", "perl-regexp"]);
    if kind == Some("perl-regexp") {
        return Err(refuse("-P (Perl expressions) is not supported; -E has most of them, python3 all"));
    }
    let color = match given.last(&["color", "colour"]).and_then(|name| given.value(name)) {
        None | Some(b"never" | b"no" | b"none" | b"auto" | b"tty" | b"if-tty" | b"") => false,
        Some(b"always" | b"yes" | b"force") => true,
        Some(_) => return Err(refuse("invalid argument for --color")),
    };
    let patterns = patterns(tool, &mut given)?;
    let line_end = if given.has("null-data") { 0 } else { b'\n' };
    let dialect = Dialect {
        extended: kind == Some("extended-regexp") || (kind.is_none() && tool == "egrep"),
        lines: line_end == b'\n',
        ignore_case: given.last(&["ignore-case", "no-ignore-case"]) == Some("ignore-case"),
        multi_line: line_end == 0,
        ..Dialect::default()
    };
    let around = if given.has("line-regexp") {
        Around::Line
    } else if given.has("word-regexp") {
        Around::Word
    } else {
        Around::Anything
    };
    let fixed = kind == Some("fixed-strings") || (kind.is_none() && tool == "fgrep");
    let regexes = if patterns.is_empty() {
        Ok(Vec::new())
    } else if fixed {
        Regex::fixed(&patterns, dialect, around).map(|regex| vec![regex])
    } else {
        Regex::any(&patterns, dialect, around)
    };
    let regexes = regexes.map_err(|message| refuse(&message))?;

    let number = |name: &str, what: &str| match given.value(name) {
        None => Ok(None),
        Some(text) => match String::from_utf8_lossy(text).parse::<i64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(refuse(&format!("{}: invalid {what}", String::from_utf8_lossy(text)))),
        },
    };
    let context = |name: &str| match number(name, "context length argument")? {
        Some(number) => usize::try_from(number)
            .map(Some)
            .map_err(|_| refuse(&format!("{number}: invalid context length argument"))),
        None => Ok(None),
    };
    let digits: String =
        given.options.iter().filter(|(name, _)| name.len() == 1 && name.as_bytes()[0].is_ascii_digit()).map(|(name, _)| *name).collect();
    let both = context("context")?.or_else(|| digits.parse().ok()).unwrap_or(0);
    let most = match number("max-count", "max count")? {
        Some(number) => u64::try_from(number).ok(),
        None => None,
    };
    let shows = if given.has("quiet") || given.has("silent") {
        Shows::Nothing
    } else {
        match given.last(&["files-with-matches", "files-without-match"]) {
            Some("files-with-matches") => Shows::With,
            Some(_) => Shows::Without,
            None if given.has("count") => Shows::Count,
            None => Shows::Lines,
        }
    };
    let binary = match given.last(&["binary-files", "text", "I"]) {
        Some("text") => Binary::Text,
        Some("I") => Binary::Skip,
        Some(_) => match given.value("binary-files").unwrap_or_default() {
            b"binary" => Binary::Say,
            b"text" => Binary::Text,
            b"without-match" => Binary::Skip,
            _ => return Err(refuse("unknown binary-files type")),
        },
        None => Binary::Say,
    };
    let scope = files::Scope::of(&given, tool)?;
    let names = match given.last(&["with-filename", "no-filename"]) {
        Some(name) => name == "with-filename",
        None => scope.names_by_default(&given.operands),
    };
    let task = Task {
        tool: tool.to_owned(),
        regexes,
        invert: given.has("invert-match"),
        only: given.has("only-matching"),
        shows,
        numbers: given.has("line-number"),
        offsets: given.has("byte-offset"),
        names,
        tab: given.has("initial-tab"),
        before: context("before-context")?.unwrap_or(both),
        after: context("after-context")?.unwrap_or(both),
        separator: match given.last(&["group-separator", "no-group-separator"]) {
            Some("no-group-separator") => None,
            Some(_) => given.value("group-separator").map(<[u8]>::to_vec),
            None => Some(b"--".to_vec()),
        },
        most,
        binary,
        line_end,
        name_end: given.has("null").then_some(0),
        flush: given.has("line-buffered"),
        silent: given.has("no-messages"),
        color,
    };
    let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let (selected, mut failed) = files::run(&task, &scope, &given.operands, &mut out);
    if let Err(error) = out.flush() {
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            eprintln!("{tool}: write error: {}", crate::text::reason(&error));
        }
        failed = true;
    }
    Ok(if failed && !(selected && shows == Shows::Nothing) { 2 } else { i32::from(!selected) })
}

/// The lines of `-e`, of the files of `-f`, or the first operand.
fn patterns(tool: &str, given: &mut Given) -> Result<Vec<Vec<u8>>, Ended> {
    let mut patterns: Vec<Vec<u8>> = Vec::new();
    let mut any = false;
    for (name, value) in &given.options {
        if *name == "regexp" {
            any = true;
            patterns.extend(value.split(|&byte| byte == b'\n').map(<[u8]>::to_vec));
        } else if *name == "file" {
            any = true;
            let text = crate::text::read(value).map_err(|error| {
                eprintln!("{tool}: {}: {}", String::from_utf8_lossy(value), crate::text::reason(&error));
                Ended(2)
            })?;
            let text = text.strip_suffix(b"\n").unwrap_or(&text);
            if !text.is_empty() {
                patterns.extend(text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec));
            }
        }
    }
    if !any {
        if given.operands.is_empty() {
            eprintln!("Usage: {tool} [OPTION]... PATTERNS [FILE]...\nTry '{tool} --help' for more information.");
            return Err(Ended(2));
        }
        let first = given.operands.remove(0);
        patterns.extend(first.split(|&byte| byte == b'\n').map(<[u8]>::to_vec));
    }
    Ok(patterns)
}
