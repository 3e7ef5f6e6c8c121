//! rg: searches files, leaving out those that `.gitignore` and the like name. Files come in the order of their names.

mod search;

use std::io::{self, Write as _};
use std::path::Path;

use ignore::WalkBuilder;
use ignore::overrides::OverrideBuilder;
use ignore::types::TypesBuilder;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use sandpiper_guest::status::Kind;
use sandpiper_guest::{Status, bytes, os};

use crate::options::{Ended, Given, Nothing, Option_, Order, Value, parse};
use crate::text::{read, shown};
use search::{Search, Shows};

const OPTIONS: &[Option_] = &[
    ("A", "after-context", Value),
    ("B", "before-context", Value),
    ("C", "context", Value),
    ("F", "fixed-strings", Nothing),
    ("H", "with-filename", Nothing),
    ("I", "no-filename", Nothing),
    ("L", "follow", Nothing),
    ("N", "no-line-number", Nothing),
    ("S", "smart-case", Nothing),
    ("T", "type-not", Value),
    ("a", "text", Nothing),
    ("", "color", Value),
    ("", "column", Nothing),
    ("c", "count", Nothing),
    ("", "count-matches", Nothing),
    ("e", "regexp", Value),
    ("f", "file", Value),
    ("", "files", Nothing),
    ("", "files-without-match", Nothing),
    ("g", "glob", Value),
    ("", "hidden", Nothing),
    (".", "", Nothing),
    ("", "iglob", Value),
    ("i", "ignore-case", Nothing),
    ("l", "files-with-matches", Nothing),
    ("m", "max-count", Value),
    ("", "max-depth", Value),
    ("n", "line-number", Nothing),
    ("", "no-heading", Nothing),
    ("", "no-ignore", Nothing),
    ("", "no-ignore-vcs", Nothing),
    ("", "no-messages", Nothing),
    ("o", "only-matching", Nothing),
    ("q", "quiet", Nothing),
    ("s", "case-sensitive", Nothing),
    ("", "sort", Value),
    ("t", "type", Value),
    ("u", "unrestricted", Nothing),
    ("v", "invert-match", Nothing),
    ("w", "word-regexp", Nothing),
    ("x", "line-regexp", Nothing),
];

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn fail(message: impl std::fmt::Display) -> Ended {
    eprintln!("{message}");
    Ended(2)
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let given = parse(tool, OPTIONS, arguments, (Order::Permuted, 2))?;
    for (option, allowed) in [("color", ["never", "auto"]), ("sort", ["path", "none"])] {
        if let Some(value) = given.value(option)
            && !allowed.iter().any(|allowed| allowed.as_bytes() == value)
        {
            return Err(fail(format!("{tool}: --{option}={} is not supported", shown(value))));
        }
    }
    let lists = given.has("files");
    let mut operands = given.operands.clone();
    let mut patterns = Vec::new();
    for (name, value) in &given.options {
        match *name {
            "regexp" => patterns.push(shown(value)),
            "file" => {
                let text = read(value).map_err(|error| fail(format!("{}: {error}", shown(value))))?;
                patterns.extend(String::from_utf8_lossy(&text).lines().map(str::to_owned));
            }
            _ => {}
        }
    }
    if patterns.is_empty() && !lists && !given.has("file") {
        if operands.is_empty() {
            return Err(fail(format!(
                "{tool}: the following required arguments were not provided:\n  <PATTERN>"
            )));
        }
        patterns.push(shown(&operands.remove(0)));
    }
    let implicit = operands.is_empty();
    let from_input = implicit && !lists && input_is_read();
    let several = operands.len() > 1
        || (implicit && !from_input)
        || operands.iter().any(|name| Path::new(&os(name)).is_dir());
    if implicit {
        operands.push(if from_input { b"-".to_vec() } else { b"./".to_vec() });
    }
    let regex = regex(&given, &patterns)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let shows =
        match given.last(&["count", "count-matches", "files-with-matches", "files-without-match", "quiet"]) {
            _ if given.has("quiet") => Shows::Nothing,
            Some("files-with-matches") => Shows::Files,
            Some("files-without-match") => Shows::OtherFiles,
            Some("count") if !given.has("only-matching") => Shows::Counts,
            Some("count" | "count-matches") => Shows::Matches,
            _ if given.has("only-matching") => Shows::Parts,
            _ => Shows::Lines,
        };
    let number = |name: &str| -> Result<Option<usize>, Ended> {
        let parsed = given.value(name).map(|text| shown(text).parse());
        parsed.transpose().map_err(|_| fail(format!("{tool}: --{name} needs a number")))
    };
    let around = number("context")?;
    let mut search = Search {
        regex,
        shows,
        inverted: given.has("invert-match"),
        names: match given.last(&["with-filename", "no-filename"]) {
            Some("with-filename") => true,
            Some(_) => false,
            None => several,
        },
        numbers: given.last(&["line-number", "no-line-number"]) == Some("line-number") || given.has("column"),
        columns: given.has("column"),
        before: number("before-context")?.or(around).unwrap_or(0),
        behind: number("after-context")?.or(around).unwrap_or(0),
        most: number("max-count")?.unwrap_or(usize::MAX),
        text: given.has("text"),
        any: false,
        shown: false,
        out: &mut out,
    };
    let mut failed = false;
    let quiet = given.has("no-messages");
    let mut complain = |message: String| {
        failed = true;
        if !quiet {
            eprintln!("{message}");
        }
    };
    let result = operands.iter().try_for_each(|operand| -> Result<(), Stop> {
        if operand == b"-" {
            let found = read(b"-").map(|text| search.file(b"<stdin>", &text, true));
            return found.map_or_else(
                |error| {
                    complain(format!("-: {error}"));
                    Ok(())
                },
                |done| done.map_err(Stop::Output),
            );
        }
        let path = os(operand);
        if let Err(error) = Status::of(Path::new(&path), true) {
            complain(format!("{}: {error}", shown(operand)));
            return Ok(());
        }
        for entry in walk(&given, Path::new(&path), number("max-depth").map_err(Stop::Usage)?)
            .map_err(Stop::Usage)?
            .build()
        {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    complain(error.to_string());
                    continue;
                }
            };
            let explicit = entry.depth() == 0;
            if entry.file_type().is_none_or(|kind| if explicit { kind.is_dir() } else { !kind.is_file() }) {
                continue;
            }
            let name = bytes(entry.path().as_os_str());
            let name = if implicit { name.strip_prefix(b"./").unwrap_or(name) } else { name };
            if lists {
                search.any = true;
                search.name(name).map_err(Stop::Output)?;
                continue;
            }
            match read(bytes(entry.path().as_os_str())) {
                Ok(text) => search.file(name, &text, explicit).map_err(Stop::Output)?,
                Err(error) => complain(format!("{}: {error}", shown(name))),
            }
            if search.any && shows == Shows::Nothing {
                return Err(Stop::Enough);
            }
        }
        Ok(())
    });
    let any = search.any;
    let flushed = out.flush();
    match result {
        Err(Stop::Usage(ended)) => return Err(ended),
        Err(Stop::Output(error)) => return Err(fail(error)),
        Ok(()) | Err(Stop::Enough) => {}
    }
    flushed.map_err(fail)?;
    Ok(match (any, failed) {
        (true, false) => 0,
        (true, true) if shows == Shows::Nothing => 0,
        (_, true) => 2,
        (false, false) => 1,
    })
}

/// Why a walk ended before its end.
enum Stop {
    Usage(Ended),
    Output(io::Error),
    Enough,
}

/// Whether standard input is a file or a pipe, so that it is searched when no path is given.
fn input_is_read() -> bool {
    let status = Status::of(Path::new("/dev/stdin"), true);
    status.is_ok_and(|status| matches!(status.kind, Kind::File | Kind::Pipe | Kind::Socket))
}

fn walk(given: &Given, path: &Path, depth: Option<usize>) -> Result<WalkBuilder, Ended> {
    let unrestricted = given.options.iter().filter(|(name, _)| *name == "unrestricted").count();
    let mut overrides = OverrideBuilder::new(".");
    let mut types = TypesBuilder::new();
    types.add_defaults();
    for (name, value) in &given.options {
        let text = shown(value);
        match *name {
            "glob" | "iglob" => {
                overrides.case_insensitive(*name == "iglob").map_err(fail)?;
                overrides.add(&text).map_err(fail)?;
            }
            "type" => {
                types.select(&text);
            }
            "type-not" => {
                types.negate(&text);
            }
            _ => {}
        }
    }
    let mut walk = WalkBuilder::new(path);
    let ignores = unrestricted < 1 && !given.has("no-ignore");
    let by_git = ignores && !given.has("no-ignore-vcs");
    walk.hidden(!(given.has("hidden") || given.has(".") || unrestricted > 1))
        .ignore(ignores)
        .parents(ignores)
        .git_ignore(by_git)
        .git_exclude(by_git)
        .git_global(by_git)
        .follow_links(given.has("follow"))
        .max_depth(depth)
        .overrides(overrides.build().map_err(fail)?)
        .types(types.build().map_err(fail)?)
        .sort_by_file_name(std::cmp::Ord::cmp);
    if ignores {
        walk.add_custom_ignore_filename(".rgignore");
    }
    Ok(walk)
}

fn regex(given: &Given, patterns: &[String]) -> Result<Regex, Ended> {
    let plain = |pattern: &String| {
        let mut text = String::new();
        for sign in pattern.chars() {
            if r"\.+*?()|[]{}^$#&-~".contains(sign) {
                text.push('\\');
            }
            text.push(sign);
        }
        text
    };
    let parts: Vec<String> = patterns
        .iter()
        .map(|pattern| if given.has("fixed-strings") { plain(pattern) } else { pattern.clone() })
        .collect();
    let whole = match given.last(&["line-regexp", "word-regexp"]) {
        Some("line-regexp") => ("^(?:", ")$"),
        Some(_) => (r"\b{start-half}(?:", r")\b{end-half}"),
        None => ("(?:", ")"),
    };
    let parts: Vec<String> = parts.iter().map(|part| format!("{}{part}{}", whole.0, whole.1)).collect();
    // Each is tried by itself first, so that a message shows what was written.
    for pattern in patterns.iter().filter(|_| !given.has("fixed-strings")) {
        if let Err(error) = Regex::new(pattern) {
            let mut why: &dyn std::error::Error = &error;
            while let Some(deeper) = why.source() {
                why = deeper;
            }
            return Err(fail(why));
        }
    }
    let capital = || {
        patterns.iter().any(|pattern| {
            let mut escaped = false;
            pattern.chars().any(|sign| {
                let counts = !escaped && sign.is_uppercase();
                escaped = !escaped && sign == '\\';
                counts
            })
        })
    };
    let insensitive = match given.last(&["ignore-case", "case-sensitive", "smart-case"]) {
        Some("ignore-case") => true,
        Some("smart-case") => !capital(),
        _ => false,
    };
    // Nothing matches when there are no patterns at all.
    let joined = if parts.is_empty() { r"[a&&b]".to_owned() } else { parts.join("|") };
    let syntax = syntax::Config::new().case_insensitive(insensitive).multi_line(true).utf8(false);
    let config = Regex::config().utf8_empty(false);
    Regex::builder().syntax(syntax).configure(config).build(&joined).map_err(fail)
}
