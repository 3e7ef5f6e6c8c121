//! diff.

mod compare;
mod drop;
mod files;
mod lines;
mod show;

use std::io::Write as _;

use crate::glob;
use crate::options::{Ended, Given, Nothing, Option_, Order, Value, parse};
use crate::text::shown;
use show::Style;

const OPTIONS: &[Option_] = &[
    ("", "normal", Nothing),
    ("q", "brief", Nothing),
    ("s", "report-identical-files", Nothing),
    ("c", "", Nothing),
    ("C", "context", Value),
    ("u", "", Nothing),
    ("U", "unified", Value),
    ("p", "show-c-function", Nothing),
    ("L", "label", Value),
    ("r", "recursive", Nothing),
    ("N", "new-file", Nothing),
    ("", "unidirectional-new-file", Nothing),
    ("x", "exclude", Value),
    ("i", "ignore-case", Nothing),
    ("Z", "ignore-trailing-space", Nothing),
    ("b", "ignore-space-change", Nothing),
    ("w", "ignore-all-space", Nothing),
    ("B", "ignore-blank-lines", Nothing),
    ("a", "text", Nothing),
    ("", "strip-trailing-cr", Nothing),
    ("d", "minimal", Nothing),
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

/// What of a line does not count.
#[derive(Debug, Default)]
pub struct Ignores {
    pub case: bool,
    pub trailing_space: bool,
    pub space_change: bool,
    pub all_space: bool,
    pub blank_lines: bool,
    /// Look for the fewest changes, whatever it costs.
    pub minimal: bool,
}

/// What is asked for.
#[derive(Debug)]
pub struct Task {
    pub style: Style,
    pub ignores: Ignores,
    pub brief: bool,
    pub tells_identical: bool,
    pub recursive: bool,
    /// A file that is not there is an empty one: for the new side, and for the old one.
    pub absent: (bool, bool),
    pub text: bool,
    pub strips_return: bool,
    pub functions: bool,
    pub labels: Vec<Vec<u8>>,
    excluded: Vec<Vec<u8>>,
    /// The options as they were given, for the line above each file of a folder.
    pub switches: Vec<u8>,
}

impl Task {
    pub fn excludes(&self, name: &[u8]) -> bool {
        self.excluded.iter().any(|pattern| glob::matches(pattern, name, glob::Mode::default()))
    }
}

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let arguments = expanded(arguments);
    let given = parse(tool, OPTIONS, &arguments, (Order::Permuted, 2))?;
    let fail = |message: String| {
        eprintln!("{tool}: {message}\n{tool}: Try '{tool} --help' for more information.");
        Ended(2)
    };
    let task = task(&given, &arguments).map_err(&fail)?;
    let (old, new) = match given.operands.as_slice() {
        [] => return Err(fail(format!("missing operand after '{}'", last(tool, &arguments)))),
        [_] => return Err(fail(format!("missing operand after '{}'", last(tool, &arguments)))),
        [old, new] => (old, new),
        [_, _, extra, ..] => return Err(fail(format!("extra operand '{}'", shown(extra)))),
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let code = files::operands(&task, (old, new), &mut out);
    if let Err(error) = out.flush() {
        eprintln!("{tool}: standard output: {}", crate::text::reason(&error));
        return Ok(2);
    }
    Ok(code)
}

fn last(tool: &str, arguments: &[Vec<u8>]) -> String {
    arguments.last().map_or(tool.to_owned(), |word| shown(word))
}

/// `--unified` and `--context` take a value only when it is attached; without one they are `-u` and `-c`.
fn expanded(arguments: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let short = |word: &Vec<u8>| match word.as_slice() {
        b"--unified" => b"-u".to_vec(),
        b"--context" => b"-c".to_vec(),
        _ => word.clone(),
    };
    let plain = |word: &&Vec<u8>| !matches!(word.as_slice(), b"--color=never" | b"--color=auto");
    arguments.iter().filter(plain).map(short).collect()
}

fn task(given: &Given, arguments: &[Vec<u8>]) -> Result<Task, String> {
    let mut style: Option<Style> = None;
    let digits: String = given
        .options
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| name.len() == 1 && name.parse::<u8>().is_ok())
        .collect();
    let digits: Option<usize> = digits.parse().ok();
    for (name, value) in &given.options {
        let number = || {
            let text = shown(value);
            text.parse::<usize>().map_err(|_| format!("invalid context length '{text}'"))
        };
        let next = match *name {
            "normal" => Style::Normal,
            "u" => Style::Unified(3),
            "unified" => Style::Unified(number()?),
            "c" => Style::Context(3),
            "context" => Style::Context(number()?),
            _ => continue,
        };
        style = Some(match (style, next) {
            (None, next) => next,
            (Some(Style::Normal), Style::Normal) => Style::Normal,
            (Some(Style::Unified(a)), Style::Unified(b)) => Style::Unified(widest(*name, a, b)),
            (Some(Style::Context(a)), Style::Context(b)) => Style::Context(widest(*name, a, b)),
            _ => return Err("conflicting output style options".to_owned()),
        });
    }
    let stated = given.has("unified") || given.has("context");
    let around = |before: usize| digits.filter(|digits| !stated || *digits > before).unwrap_or(before);
    let style = style.map(|style| match style {
        Style::Normal => Style::Normal,
        Style::Unified(before) => Style::Unified(around(before)),
        Style::Context(before) => Style::Context(around(before)),
    });
    let functions = given.has("show-c-function");
    let style = style.unwrap_or(if functions { Style::Context(3) } else { Style::Normal });
    let all = |name: &str| -> Vec<Vec<u8>> {
        given.options.iter().filter(|(given, _)| *given == name).map(|(_, value)| value.clone()).collect()
    };
    let labels = all("label");
    if labels.len() > 2 {
        return Err("too many file label options".to_owned());
    }
    let new_file = given.has("new-file");
    Ok(Task {
        style,
        ignores: Ignores {
            case: given.has("ignore-case"),
            trailing_space: given.has("ignore-trailing-space"),
            space_change: given.has("ignore-space-change"),
            all_space: given.has("ignore-all-space"),
            blank_lines: given.has("ignore-blank-lines"),
            minimal: given.has("minimal"),
        },
        brief: given.has("brief"),
        tells_identical: given.has("report-identical-files"),
        recursive: given.has("recursive"),
        absent: (new_file || given.has("unidirectional-new-file"), new_file),
        text: given.has("text"),
        strips_return: given.has("strip-trailing-cr"),
        functions,
        labels,
        excluded: all("exclude"),
        switches: switches(given, arguments),
    })
}

/// The default of 3 lines gives way to a number, however they are ordered.
fn widest(name: &str, before: usize, next: usize) -> usize {
    if matches!(name, "u" | "c") { before.max(next) } else { next }
}

/// The words that are no operands.
fn switches(given: &Given, arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut operands = given.operands.iter().peekable();
    let mut switches = Vec::new();
    let mut value = false;
    for word in arguments {
        if !value && operands.peek() == Some(&word) {
            operands.next();
            continue;
        }
        value = !value && takes_next(word);
        switches.push(b' ');
        switches.extend_from_slice(&quoted(word));
    }
    switches
}

/// Whether the word behind this one is its value.
fn takes_next(word: &[u8]) -> bool {
    if word.starts_with(b"--") {
        return matches!(word, b"--label" | b"--exclude");
    }
    let at = word.iter().position(|letter| b"CULx".contains(letter));
    word.starts_with(b"-") && at.is_some_and(|at| at + 1 == word.len())
}

/// A word as a shell would have to be given it.
fn quoted(word: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(byte) || *byte >= 0x80;
    if !word.is_empty() && word.iter().all(plain) {
        return word.to_vec();
    }
    let mut text = b"'".to_vec();
    for &byte in word {
        if byte == b'\'' {
            text.extend_from_slice(b"'\\''");
        } else {
            text.push(byte);
        }
    }
    text.push(b'\'');
    text
}
