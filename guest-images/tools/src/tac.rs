//! tac: the crate maps files into memory, or copies them to temporary ones, and the sandbox has neither.

use std::io::{self, BufWriter, Write};

use crate::options::{Ended, Nothing, Option_, Order, Value, parse};
use crate::text::{read, reason, shown};

const OPTIONS: &[Option_] = &[("b", "before", Nothing), ("s", "separator", Value)];

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let given = parse(tool, OPTIONS, arguments, (Order::Permuted, 2))?;
    let separator = match given.value("separator") {
        Some(b"") => b"\0",
        Some(text) => text,
        None => b"\n",
    };
    let mut names = given.operands.clone();
    if names.is_empty() {
        names.push(b"-".to_vec());
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let mut code = 0;
    for name in names {
        match read(&name) {
            Ok(text) => {
                if let Err(error) = reversed(&text, separator, given.has("before"), &mut out) {
                    eprintln!("{tool}: write error: {}", reason(&error));
                    return Ok(1);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                eprintln!("{tool}: {}: read error: Is a directory", shown(&name));
                code = 1;
            }
            Err(error) => {
                eprintln!("{tool}: failed to open '{}' for reading: {}", shown(&name), reason(&error));
                code = 1;
            }
        }
    }
    Ok(if out.flush().is_err() { 1 } else { code })
}

/// Writes the records from the last to the first; a separator belongs to the record before it, or behind it.
fn reversed(text: &[u8], separator: &[u8], before: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut end = text.len();
    let mut searched = text.len();
    while let Some(at) = memchr::memmem::rfind(text.get(..searched).unwrap_or_default(), separator) {
        let start = if before { at } else { at + separator.len() };
        if start < end || before {
            out.write_all(text.get(start..end).unwrap_or_default())?;
        }
        end = start;
        searched = at;
    }
    out.write_all(text.get(..end).unwrap_or_default())
}
