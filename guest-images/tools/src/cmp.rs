//! cmp.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};

use sandpiper_guest::{Status, os};

use crate::options::{Ended, Given, Nothing, Option_, Order, Value, parse};
use crate::text::{plain_locale, reason, shown};

const OPTIONS: &[Option_] = &[
    ("b", "print-bytes", Nothing),
    ("i", "ignore-initial", Value),
    ("l", "verbose", Nothing),
    ("n", "bytes", Value),
    ("s", "quiet", Nothing),
    ("", "silent", Nothing),
];

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

/// One of the two files.
struct Side {
    name: Vec<u8>,
    input: Box<dyn Read>,
    /// What is left of a file that has a size.
    size: Option<u64>,
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let given = parse(tool, OPTIONS, arguments, (Order::Permuted, 2))?;
    let fail = |message: String| {
        eprintln!("{tool}: {message}\n{tool}: Try '{tool} --help' for more information.");
        Ended(2)
    };
    let number = |text: &[u8], option: &str| {
        size(text).ok_or_else(|| fail(format!("invalid {option} value '{}'", shown(text))))
    };
    let (first, second) = match given.operands.as_slice() {
        [] => return Err(fail("missing operand after 'cmp'".to_owned())),
        [only] => (only.clone(), b"-".to_vec()),
        [first, second, ..] => (first.clone(), second.clone()),
    };
    if let Some(extra) = given.operands.get(4) {
        return Err(fail(format!("extra operand '{}'", shown(extra))));
    }
    let mut skips = (0, 0);
    if let Some(value) = given.value("ignore-initial") {
        skips = match value.iter().position(|&byte| byte == b':') {
            Some(at) => (
                number(value.get(..at).unwrap_or_default(), "--ignore-initial")?,
                number(value.get(at + 1..).unwrap_or_default(), "--ignore-initial")?,
            ),
            None => (number(value, "--ignore-initial")?, number(value, "--ignore-initial")?),
        };
    }
    if let Some(value) = given.operands.get(2) {
        skips.0 = number(value, "SKIP")?;
    }
    if let Some(value) = given.operands.get(3) {
        skips.1 = number(value, "SKIP")?;
    }
    let limit = given.value("bytes").map(|value| number(value, "--bytes")).transpose()?;
    let quiet = given.has("quiet") || given.has("silent");
    if quiet && given.has("verbose") {
        return Err(fail("options -l and -s are incompatible".to_owned()));
    }
    if first == second && skips.0 == skips.1 {
        return Ok(0);
    }
    let mut sides = Vec::new();
    for (name, skip) in [(first, skips.0), (second, skips.1)] {
        match open(&name, skip) {
            Ok((input, size)) => sides.push(Side { name, input, size }),
            Err(error) => {
                if !quiet {
                    eprintln!("{tool}: {}: {}", shown(&name), reason(&error));
                }
                return Ok(2);
            }
        }
    }
    compare(&given, quiet, limit, &mut sides).or_else(|error| {
        eprintln!("{tool}: {}", reason(&error));
        Ok(2)
    })
}

/// A number with the suffixes that GNU has for sizes.
fn size(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, suffix) = text.split_at(digits);
    let number: u64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    let unit: u64 = match suffix {
        b"" => 1,
        b"kB" => 1000,
        b"k" | b"K" | b"KiB" => 1 << 10,
        b"MB" => 1_000_000,
        b"M" | b"MiB" => 1 << 20,
        b"GB" => 1_000_000_000,
        b"G" | b"GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

fn open(name: &[u8], skip: u64) -> io::Result<(Box<dyn Read>, Option<u64>)> {
    let (mut input, size): (Box<dyn Read>, _) = if name == b"-" {
        (Box::new(io::stdin().lock()), None)
    } else {
        let path = os(name);
        let file = File::open(&path)?;
        let status = Status::of(path.as_ref(), true)?;
        let regular = status.kind == sandpiper_guest::status::Kind::File;
        if status.kind == sandpiper_guest::status::Kind::Directory {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        (Box::new(BufReader::with_capacity(1 << 16, file)), regular.then(|| status.size.saturating_sub(skip)))
    };
    io::copy(&mut input.by_ref().take(skip), &mut io::sink())?;
    Ok((input, size))
}

fn compare(given: &Given, quiet: bool, limit: Option<u64>, sides: &mut [Side]) -> io::Result<i32> {
    let [left, right] = sides else { return Ok(2) };
    if quiet && limit.is_none() && left.size.zip(right.size).is_some_and(|(a, b)| a != b && a > 0 && b > 0) {
        return Ok(1);
    }
    let (all, bytes) = (given.has("verbose"), given.has("print-bytes"));
    let most = [limit, left.size, right.size].into_iter().flatten().min().unwrap_or(u64::MAX >> 1);
    let width = most.to_string().len();
    let mut out = BufWriter::new(io::stdout().lock());
    let (mut at, mut line, mut differs) = (0u64, 1u64, false);
    let (mut one, mut two) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut last = 0;
    loop {
        let room = limit.map_or(1 << 16, |limit| usize::try_from(limit - at).unwrap_or(1 << 16).min(1 << 16));
        let read =
            (fill(&mut left.input, one.get_mut(..room))?, fill(&mut right.input, two.get_mut(..room))?);
        for (&a, &b) in one.iter().zip(&two).take(read.0.min(read.1)) {
            at += 1;
            last = a;
            if a == b {
                line += u64::from(a == b'\n');
                continue;
            }
            differs = true;
            if quiet {
                return Ok(1);
            }
            let (name, other) = (shown(&left.name), shown(&right.name));
            match (all, bytes) {
                (true, true) => {
                    writeln!(out, "{at:>width$} {a:>3o} {:<4} {b:>3o} {}", visible(a), visible(b))?
                }
                (true, false) => writeln!(out, "{at:>width$} {a:>3o} {b:>3o}")?,
                (false, true) => {
                    writeln!(
                        out,
                        "{name} {other} differ: byte {at}, line {line} is {a:>3o} {} {b:>3o} {}",
                        visible(a),
                        visible(b)
                    )?;
                }
                (false, false) => {
                    let unit = if plain_locale("LC_MESSAGES") { "char" } else { "byte" };
                    writeln!(out, "{name} {other} differ: {unit} {at}, line {line}")?;
                }
            }
            if !all {
                out.flush()?;
                return Ok(1);
            }
        }
        if read.0 != read.1 {
            out.flush()?;
            let short = if read.0 < read.1 { left } else { right };
            if !quiet {
                let name = shown(&short.name);
                if at == 0 {
                    eprintln!("cmp: EOF on {name} which is empty");
                } else if all {
                    eprintln!("cmp: EOF on {name} after byte {at}");
                } else if last == b'\n' {
                    eprintln!("cmp: EOF on {name} after byte {at}, line {}", line - 1);
                } else {
                    eprintln!("cmp: EOF on {name} after byte {at}, in line {line}");
                }
            }
            return Ok(1);
        }
        if read.0 < room || limit.is_some_and(|limit| at >= limit) {
            out.flush()?;
            return Ok(i32::from(differs));
        }
    }
}

fn fill(input: &mut Box<dyn Read>, buffer: Option<&mut [u8]>) -> io::Result<usize> {
    let Some(mut buffer) = buffer else { return Ok(0) };
    let mut filled = 0;
    while !buffer.is_empty() {
        match input.read(buffer) {
            Ok(0) => break,
            Ok(read) => {
                filled += read;
                buffer = buffer.get_mut(read..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A byte as `cat -t` shows it.
fn visible(byte: u8) -> String {
    let (meta, byte) = if byte >= 0x80 { ("M-", byte - 0x80) } else { ("", byte) };
    match byte {
        0..=31 => format!("{meta}^{}", char::from(byte + 64)),
        127 => format!("{meta}^?"),
        _ => format!("{meta}{}", char::from(byte)),
    }
}
