//! `head`, of GNU coreutils. Of our own because uutils' gives back what it read too far on Unix alone, and
//! `(head -1; sort) < file` lives on that.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::os::fd::AsFd as _;

use memchr::{memchr_iter, memrchr_iter};
use sandpiper_guest::os;
use uucore::parser::parse_size::parse_size_u64_max;

use crate::options::{Ended, Nothing, Option_, Order, Value, parse};
use crate::text::{reason, shown};

const OPTIONS: &[Option_] = &[
    ("c", "bytes", Value),
    ("n", "lines", Value),
    ("q", "quiet", Nothing),
    ("", "silent", Nothing),
    ("v", "verbose", Nothing),
    ("z", "zero-terminated", Nothing),
];

/// Bytes that are read at once: as many as a pipe holds.
const PIECE_BYTES: usize = 64 << 10;

/// What is shown of each file.
struct Part {
    unit: Unit,
    count: u64,
    /// The count is of what is left out at the end.
    all_but: bool,
}

#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    /// Lines, each with the byte that ends it.
    Lines(u8),
}

/// What went wrong while a file was shown.
enum Failed {
    Reading(io::Error),
    Writing(io::Error),
}

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    let modern = obsolete(arguments);
    match run(tool, modern.as_deref().unwrap_or(arguments)) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

/// The arguments with `-5cv`, as POSIX had it once, said by options; none where there is nothing of that kind.
fn obsolete(arguments: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let (first, rest) = arguments.split_first()?;
    let text = std::str::from_utf8(first.strip_prefix(b"-")?).ok()?;
    let letters = text.trim_start_matches(|sign: char| sign.is_ascii_digit());
    let digits = text.strip_suffix(letters).filter(|digits| !digits.is_empty())?;
    let (mut unit, mut suffix, mut others) = ("n", "", Vec::new());
    for letter in letters.chars() {
        match letter {
            'c' => unit = "c",
            'l' => unit = "n",
            'b' => (unit, suffix) = ("c", "b"),
            'k' => (unit, suffix) = ("c", "K"),
            'm' => (unit, suffix) = ("c", "M"),
            'q' | 'v' | 'z' => others.push(format!("-{letter}").into_bytes()),
            _ => return None,
        }
    }
    let count = format!("-{unit}{digits}{suffix}").into_bytes();
    Some(std::iter::once(count).chain(others).chain(rest.iter().cloned()).collect())
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let given = parse(tool, OPTIONS, arguments, (Order::Permuted, 1))?;
    let end = if given.has("zero-terminated") { 0 } else { b'\n' };
    let (what, unit) = match given.last(&["bytes", "lines"]) {
        Some("bytes") => ("bytes", Unit::Bytes),
        _ => ("lines", Unit::Lines(end)),
    };
    let value = shown(given.value(what).unwrap_or(b"10"));
    let (all_but, digits) = value.strip_prefix('-').map_or((false, &*value), |digits| (true, digits));
    let count = parse_size_u64_max(digits).map_err(|_| {
        eprintln!("{tool}: invalid number of {what}: '{value}'");
        Ended(1)
    })?;
    let part = Part { unit, count, all_but };

    let mut names = given.operands.clone();
    if names.is_empty() {
        names.push(b"-".to_vec());
    }
    let quiet = given.last(&["quiet", "silent", "verbose"]);
    let headers = quiet.map_or(names.len() > 1, |last| last == "verbose");
    let mut out = BufWriter::with_capacity(PIECE_BYTES, io::stdout().lock());
    let (mut code, mut first) = (0, true);
    for name in names {
        let input = if name == b"-" { io::stdin().as_fd().try_clone_to_owned().map(File::from) } else { File::open(os(&name)) };
        let mut input = match input {
            Ok(input) => input,
            Err(error) => {
                eprintln!("{tool}: cannot open '{}' for reading: {}", shown(&name), reason(&error));
                code = 1;
                continue;
            }
        };
        let called = if name == b"-" { "standard input".to_owned() } else { shown(&name) };
        let header = if headers { format!("{}==> {called} <==\n", if first { "" } else { "\n" }) } else { String::new() };
        first = false;
        let done = out.write_all(header.as_bytes()).map_err(Failed::Writing).and_then(|()| show(&part, &mut input, &mut out));
        match done.and_then(|()| out.flush().map_err(Failed::Writing)) {
            Ok(()) => {}
            Err(Failed::Reading(error)) => {
                eprintln!("{tool}: error reading '{called}': {}", reason(&error));
                code = 1;
            }
            Err(Failed::Writing(error)) => {
                eprintln!("{tool}: error writing 'standard output': {}", reason(&error));
                return Ok(1);
            }
        }
    }
    Ok(code)
}

/// Shows the part of a file, which stands behind that afterwards, where it can be set back.
fn show(part: &Part, input: &mut File, out: &mut dyn Write) -> Result<(), Failed> {
    let beyond = if part.all_but { all_but(part, input, out)? } else { beginning(part, input, out)? };
    if beyond > 0 {
        // A pipe keeps no place: what was read of it is gone, with GNU's too.
        let _ = input.seek(SeekFrom::Current(-i64::try_from(beyond).unwrap_or(0)));
    }
    Ok(())
}

/// Shows the first bytes or lines; gives how many bytes were read beyond them.
fn beginning(part: &Part, input: &mut File, out: &mut dyn Write) -> Result<usize, Failed> {
    let mut left = part.count;
    let mut piece = vec![0; PIECE_BYTES];
    while left > 0 {
        let read = input.read(&mut piece).map_err(Failed::Reading)?;
        if read == 0 {
            break;
        }
        let bytes = piece.get(..read).unwrap_or_default();
        let wanted = match part.unit {
            Unit::Bytes => {
                let wanted = usize::try_from(left).map_or(read, |left| left.min(read));
                left -= wanted as u64;
                wanted
            }
            Unit::Lines(end) => {
                let mut wanted = read;
                for at in memchr_iter(end, bytes) {
                    left -= 1;
                    if left == 0 {
                        wanted = at + 1;
                        break;
                    }
                }
                wanted
            }
        };
        out.write_all(bytes.get(..wanted).unwrap_or_default()).map_err(Failed::Writing)?;
        if left == 0 {
            return Ok(read - wanted);
        }
    }
    Ok(0)
}

/// Shows all but the last bytes or lines, and keeps no more than those; gives how many bytes they are.
fn all_but(part: &Part, input: &mut File, out: &mut dyn Write) -> Result<usize, Failed> {
    let count = usize::try_from(part.count).unwrap_or(usize::MAX);
    let mut held: Vec<u8> = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = input.read(&mut piece).map_err(Failed::Reading)?;
        held.extend_from_slice(piece.get(..read).unwrap_or_default());
        let ended = read == 0;
        let sure = match part.unit {
            Unit::Bytes => held.len().saturating_sub(count),
            // A line that may not be over yet counts as one.
            Unit::Lines(end) if count > 0 || !ended => {
                let open = ended && held.last().is_some_and(|last| *last != end);
                let behind = memrchr_iter(end, &held).nth(count.saturating_sub(usize::from(open)));
                behind.map_or(0, |at| at + 1)
            }
            Unit::Lines(_) => held.len(),
        };
        out.write_all(held.get(..sure).unwrap_or_default()).map_err(Failed::Writing)?;
        held.drain(..sure);
        if ended {
            return Ok(held.len());
        }
    }
}
