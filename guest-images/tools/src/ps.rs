//! `ps`, of procps. All processes of the sandbox have one user and no terminal, and nobody counts their time one
//! by one: such columns show a dash.

use std::io::{self, Write as _};

use sandpiper_guest::{Process, users};

use crate::options::{Ended, Nothing, Option_, Order, Value, parse};
use crate::text::shown;

const OPTIONS: &[Option_] = &[
    ("e", "", Nothing),
    ("A", "", Nothing),
    ("f", "full", Nothing),
    ("o", "format", Value),
    ("p", "pid", Value),
    ("", "no-headers", Nothing),
];

/// A column: its name for `-o`, its heading, its width, and whether its text stands at the right.
type Column = (&'static str, &'static str, usize, bool);

const COLUMNS: &[Column] = &[
    ("user", "USER", 8, false),
    ("uid", "UID", 5, true),
    ("pid", "PID", 7, true),
    ("ppid", "PPID", 7, true),
    ("c", "C", 2, true),
    ("%cpu", "%CPU", 4, true),
    ("%mem", "%MEM", 4, true),
    ("vsz", "VSZ", 6, true),
    ("rss", "RSS", 5, true),
    ("stime", "STIME", 5, false),
    ("start", "START", 5, false),
    ("tty", "TTY", 8, false),
    ("tt", "TT", 8, false),
    ("stat", "STAT", 4, false),
    ("s", "S", 1, false),
    ("time", "TIME", 8, true),
    ("ucmd", "CMD", 15, false),
    ("comm", "COMMAND", 15, false),
    ("args", "COMMAND", 27, false),
    ("cmd", "CMD", 27, false),
];

const USUAL: &[&str] = &["pid", "tty", "time", "ucmd"];
const FULL: &[&str] = &["user", "pid", "ppid", "c", "stime", "tty", "time", "cmd"];
const BSD: &[&str] = &["user", "pid", "%cpu", "%mem", "vsz", "rss", "tty", "stat", "start", "time", "args"];

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let given = parse(tool, OPTIONS, arguments, (Order::Permuted, 1))?;
    let mut names: Vec<String> = USUAL.iter().map(|name| (*name).to_owned()).collect();
    if given.has("full") {
        names = FULL.iter().map(|name| (*name).to_owned()).collect();
    }
    // BSD's options have no dash.
    for operand in &given.operands {
        if !operand.iter().all(|letter| b"auxw".contains(letter)) {
            eprintln!("{tool}: of the options without a dash, only a, u, x and w are supported: {}", shown(operand));
            return Err(Ended(1));
        }
        let wanted = if operand.contains(&b'u') { BSD } else { USUAL };
        names = wanted.iter().map(|name| (*name).to_owned()).collect();
    }
    let formats: Vec<&[u8]> = given.options.iter().filter(|(name, _)| *name == "format").map(|(_, value)| value.as_slice()).collect();
    let mut heads: Vec<Option<String>> = vec![None; names.len()];
    if !formats.is_empty() {
        (names, heads) = formats.into_iter().flat_map(columns).unzip();
    }
    let mut table = Vec::new();
    for (name, head) in names.iter().zip(heads) {
        let alias = match name.as_str() {
            "command" => "args",
            "ucomm" => "comm",
            "euser" | "uname" => "user",
            "pcpu" => "%cpu",
            "pmem" => "%mem",
            "tname" => "tty",
            "state" => "s",
            name => name,
        };
        let Some(column) = COLUMNS.iter().find(|column| column.0 == alias) else {
            eprintln!("{tool}: error: unknown user-defined format specifier \"{name}\"");
            return Err(Ended(1));
        };
        let head = head.unwrap_or_else(|| column.1.to_owned());
        table.push((*column, head));
    }
    let mut processes = sandpiper_guest::processes();
    if let Some(list) = given.value("pid") {
        let wanted: Vec<String> = shown(list).split([',', ' ']).map(str::to_owned).collect();
        processes.retain(|process| wanted.contains(&process.pid.to_string()));
    }
    let mut lines = Vec::new();
    if !given.has("no-headers") && table.iter().any(|(_, head)| !head.is_empty()) {
        lines.push(table.iter().map(|(_, head)| head.clone()).collect::<Vec<_>>());
    }
    for process in &processes {
        lines.push(table.iter().map(|(column, _)| cell(column.0, process)).collect());
    }
    let mut out = io::stdout().lock();
    for line in lines {
        let mut text = String::new();
        for (at, (cell, ((_, _, width, right), head))) in line.iter().zip(&table).enumerate() {
            let width = (*width).max(head.len());
            if at > 0 {
                text.push(' ');
            }
            if *right {
                text.push_str(&format!("{cell:>width$}"));
            } else if at + 1 == table.len() {
                text.push_str(cell);
            } else {
                text.push_str(&format!("{cell:<width$}"));
            }
        }
        if writeln!(out, "{text}").is_err() {
            return Ok(1);
        }
    }
    Ok(i32::from(processes.is_empty()))
}

/// The columns of `-o pid,comm=NAME`, each with the heading that is asked for; the last heading goes to the end.
fn columns(format: &[u8]) -> Vec<(String, Option<String>)> {
    let mut columns = Vec::new();
    let text = shown(format);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find([',', ' ', '=']).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        if let Some(head) = behind.strip_prefix('=') {
            // A heading that is empty may have more columns behind it.
            let (head, more) = head.strip_prefix(',').map_or((head, ""), |more| ("", more));
            columns.push((name.to_owned(), Some(head.to_owned())));
            rest = more;
        } else {
            if !name.is_empty() {
                columns.push((name.to_owned(), None));
            }
            rest = behind.get(1..).unwrap_or_default();
        }
    }
    columns
}

fn cell(column: &str, process: &Process) -> String {
    let own = process.pid == std::process::id();
    let arguments: Vec<&[u8]> = process.arguments.split(|byte| *byte == 0).collect();
    let first = arguments.first().map(|first| first.rsplit(|byte| *byte == b'/').next().unwrap_or(first));
    let name = first.map(shown).unwrap_or_default();
    match column {
        "pid" => process.pid.to_string(),
        "ppid" => process.parent.to_string(),
        "user" => users::user_name(users::USER).unwrap_or_default(),
        "uid" => users::USER.to_string(),
        "tty" | "tt" => "?".to_owned(),
        "stat" | "s" if process.ended => "Z".to_owned(),
        "stat" | "s" if own => "R".to_owned(),
        "stat" | "s" => "S".to_owned(),
        "ucmd" | "comm" | "args" | "cmd" if process.ended => "<defunct>".to_owned(),
        "ucmd" | "comm" => name.chars().take(15).collect(),
        "args" | "cmd" => {
            let texts: Vec<String> = arguments.iter().map(|argument| shown(argument)).collect();
            texts.join(" ").trim_end().to_owned()
        }
        _ => "-".to_owned(),
    }
}
