//! sed, with GNU's extensions; `e` (which runs commands) is refused.

use crate::options::{Attached, Ended, Nothing, Option_, Order, Value, parse};

mod input;
mod output;
mod program;
mod run;
mod script;
mod substitute;

const OPTIONS: &[Option_] = &[
    ("n", "quiet", Nothing),
    ("", "silent", Nothing),
    ("e", "expression", Value),
    ("f", "file", Value),
    ("E", "regexp-extended", Nothing),
    ("r", "regexp-extended", Nothing),
    ("i", "in-place", Attached),
    ("l", "line-length", Value),
    ("s", "separate", Nothing),
    ("u", "unbuffered", Nothing),
    ("z", "null-data", Nothing),
];

/// How the script is run.
#[derive(Debug)]
pub struct Settings {
    pub quiet: bool,
    pub extended: bool,
    /// Files are changed; the suffix of what they were, which is empty when that is not kept.
    pub in_place: Option<Vec<u8>>,
    pub separate: bool,
    pub unbuffered: bool,
    pub line_end: u8,
    pub wrap: usize,
}

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let mut given = parse(tool, OPTIONS, arguments, (Order::Permuted, 1))?;
    let mut script: Option<Vec<u8>> = None;
    let mut add = |text: &[u8]| match &mut script {
        None => script = Some(text.to_vec()),
        Some(script) => {
            script.push(b'\n');
            script.extend_from_slice(text);
        }
    };
    for (name, value) in &given.options {
        match *name {
            "expression" => add(value),
            "file" => {
                let text = crate::text::read(value).map_err(|error| {
                    eprintln!("sed: couldn't open file {}: {}", crate::text::shown(value), crate::text::reason(&error));
                    Ended(1)
                })?;
                add(text.strip_suffix(b"\n").unwrap_or(&text));
            }
            _ => {}
        }
    }
    let script = match script {
        Some(script) => script,
        None if given.operands.is_empty() => {
            eprintln!("Usage: {tool} [OPTION]... {{script-only-if-no-other-script}} [input-file]...");
            return Err(Ended(1));
        }
        None => given.operands.remove(0),
    };
    let wrap = match given.value("line-length") {
        None => 70,
        Some(text) => String::from_utf8_lossy(text).parse().map_err(|_| {
            eprintln!("sed: invalid line length: {}", crate::text::shown(text));
            Ended(1)
        })?,
    };
    let quiet = given.has("quiet") || given.has("silent") || script.starts_with(b"#n\n") || script == b"#n";
    let in_place = given.value("in-place").map(<[u8]>::to_vec);
    let settings = Settings {
        quiet,
        extended: given.has("regexp-extended"),
        separate: given.has("separate") || in_place.is_some(),
        in_place,
        unbuffered: given.has("unbuffered"),
        line_end: if given.has("null-data") { 0 } else { b'\n' },
        wrap,
    };
    let program = script::parse(&script, &settings).map_err(|message| {
        eprintln!("sed: -e expression #1, {message}");
        Ended(1)
    })?;
    Ok(run::run(program, &settings, given.operands))
}
