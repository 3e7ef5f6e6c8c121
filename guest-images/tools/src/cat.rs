//! `cat`, of GNU coreutils. Of our own because uutils' asks of which kind its input is, which WASI does not know of pipes.

use std::fs::File;
use std::io::{self, Read, Write as _};

use sandpiper_guest::os;

use crate::options::{Ended, Given, Nothing, Option_, Order, parse};
use crate::text::{reason, shown};

const OPTIONS: &[Option_] = &[
    ("A", "show-all", Nothing),
    ("b", "number-nonblank", Nothing),
    ("e", "", Nothing),
    ("E", "show-ends", Nothing),
    ("n", "number", Nothing),
    ("s", "squeeze-blank", Nothing),
    ("t", "", Nothing),
    ("T", "show-tabs", Nothing),
    ("u", "", Nothing),
    ("v", "show-nonprinting", Nothing),
];

/// Bytes that are read and written at once: as many as a pipe holds.
const PIECE_BYTES: usize = 64 << 10;

/// How lines are shown.
struct Show {
    ends: bool,
    tabs: bool,
    others: bool,
    squeeze: bool,
    numbers: Numbers,
}

#[derive(PartialEq, Eq)]
enum Numbers {
    None,
    All,
    NonBlank,
}

/// Where the output stands, over all files.
struct State {
    number: u64,
    at_start: bool,
    /// Blank lines that came one after another.
    blank: u32,
    /// A carriage return was the last byte of a piece, and shows as `^M` where a line ends after it.
    carriage: bool,
}

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match parse(tool, OPTIONS, arguments, (Order::Permuted, 1)) {
        Ok(given) => cat(tool, &given),
        Err(Ended(code)) => code,
    }
}

fn cat(tool: &str, given: &Given) -> i32 {
    let has = |names: &[&str]| names.iter().any(|name| given.has(name));
    let show = Show {
        ends: has(&["show-all", "show-ends", "e"]),
        tabs: has(&["show-all", "show-tabs", "t"]),
        others: has(&["show-all", "show-nonprinting", "e", "t"]),
        squeeze: given.has("squeeze-blank"),
        numbers: match (given.has("number-nonblank"), given.has("number")) {
            (true, _) => Numbers::NonBlank,
            (false, true) => Numbers::All,
            (false, false) => Numbers::None,
        },
    };
    let plain = !(show.ends || show.tabs || show.others || show.squeeze) && show.numbers == Numbers::None;
    let mut out = match sandpiper_guest::stdout() {
        Ok(out) => out,
        Err(error) => {
            eprintln!("{tool}: standard output: {}", reason(&error));
            return 1;
        }
    };
    let mut state = State { number: 0, at_start: true, blank: 0, carriage: false };
    let stdin = [b"-".to_vec()];
    let names = if given.operands.is_empty() { &stdin[..] } else { &given.operands };
    let mut code = 0;
    for name in names {
        let done = if name == b"-" {
            copy(&mut io::stdin().lock(), &mut out, if plain { None } else { Some((&show, &mut state)) })
        } else {
            File::open(os(name)).map_err(Failure::Read).and_then(|mut file| {
                copy(&mut file, &mut out, if plain { None } else { Some((&show, &mut state)) })
            })
        };
        match done {
            Ok(()) => {}
            Err(Failure::Read(error)) => {
                eprintln!("{tool}: {}: {}", shown(name), reason(&error));
                code = 1;
            }
            Err(Failure::Write(error)) => {
                eprintln!("{tool}: write error: {}", reason(&error));
                return 1;
            }
        }
    }
    if state.carriage && out.write_all(b"\r").is_err() {
        return 1;
    }
    code
}

enum Failure {
    Read(io::Error),
    Write(io::Error),
}

/// Copies from one to the other, changed where that is asked for.
fn copy(input: &mut impl Read, out: &mut File, mut how: Option<(&Show, &mut State)>) -> Result<(), Failure> {
    let mut buffer = vec![0; PIECE_BYTES];
    let mut changed = Vec::new();
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Read(error)),
        };
        let piece = buffer.get(..count).unwrap_or_default();
        match &mut how {
            None => out.write_all(piece).map_err(Failure::Write)?,
            Some((show, state)) => {
                changed.clear();
                for byte in piece {
                    show_byte(*byte, show, state, &mut changed);
                }
                out.write_all(&changed).map_err(Failure::Write)?;
            }
        }
    }
}

fn show_byte(byte: u8, show: &Show, state: &mut State, out: &mut Vec<u8>) {
    let starts = std::mem::replace(&mut state.at_start, byte == b'\n');
    if starts {
        state.blank = if byte == b'\n' { state.blank.saturating_add(1) } else { 0 };
        if show.squeeze && state.blank > 1 {
            return;
        }
        if show.numbers == Numbers::All || show.numbers == Numbers::NonBlank && byte != b'\n' {
            state.number += 1;
            out.extend_from_slice(format!("{:6}\t", state.number).as_bytes());
        }
    }
    if std::mem::take(&mut state.carriage) {
        out.extend_from_slice(if byte == b'\n' { b"^M" } else { b"\r" });
    }
    match byte {
        b'\n' if show.ends => out.extend_from_slice(b"$\n"),
        b'\n' => out.push(byte),
        b'\t' if show.tabs => out.extend_from_slice(b"^I"),
        b'\t' => out.push(byte),
        b'\r' if show.ends && !show.others => state.carriage = true,
        _ if show.others => caret(byte, out),
        _ => out.push(byte),
    }
}

/// As `cat -v` has it: `^` for control characters, `M-` for the upper half.
fn caret(byte: u8, out: &mut Vec<u8>) {
    let low = byte & 0x7f;
    if byte >= 0x80 {
        out.extend_from_slice(b"M-");
    }
    match low {
        0x7f => out.extend_from_slice(b"^?"),
        0..=0x1f => out.extend_from_slice(&[b'^', low | 0x40]),
        _ => out.push(low),
    }
}
