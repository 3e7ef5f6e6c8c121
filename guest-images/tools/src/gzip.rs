//! gzip, gunzip and zcat.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use sandpiper_guest::{Status, os};

use crate::options::{Ended, Nothing, Option_, Order, Value, parse};
use crate::text::{reason, shown};

const OPTIONS: &[Option_] = &[
    ("c", "stdout", Nothing),
    ("", "to-stdout", Nothing),
    ("d", "decompress", Nothing),
    ("", "uncompress", Nothing),
    ("f", "force", Nothing),
    ("k", "keep", Nothing),
    ("n", "no-name", Nothing),
    ("N", "name", Nothing),
    ("q", "quiet", Nothing),
    ("S", "suffix", Value),
    ("t", "test", Nothing),
    ("v", "verbose", Nothing),
    ("1", "fast", Nothing),
    ("2", "", Nothing),
    ("3", "", Nothing),
    ("4", "", Nothing),
    ("5", "", Nothing),
    ("6", "", Nothing),
    ("7", "", Nothing),
    ("8", "", Nothing),
    ("9", "best", Nothing),
];

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let given = parse(tool, OPTIONS, arguments, (Order::Permuted, 1))?;
    let test = given.has("test");
    let unpacks = tool != "gzip" || given.has("decompress") || given.has("uncompress") || test;
    let to_stdout = tool == "zcat" || given.has("stdout") || given.has("to-stdout");
    let level = match given.last(&["fast", "2", "3", "4", "5", "6", "7", "8", "best"]) {
        Some("fast") => 1,
        Some("best") => 9,
        Some(digit) => digit.parse().unwrap_or(6),
        None => 6,
    };
    let suffix = given.value("suffix").map_or(b".gz".to_vec(), <[u8]>::to_vec);
    let mut names = given.operands.clone();
    if names.is_empty() {
        names.push(b"-".to_vec());
    }
    let mut code = 0;
    for name in names {
        let result = if name == b"-" {
            convert(unpacks, level, &mut io::stdin().lock(), &mut stdout(test))
        } else {
            let path = PathBuf::from(os(&name));
            let one = || -> io::Result<()> {
                let status = Status::of(&path, true)?;
                if path.is_dir() {
                    return Err(io::Error::other("is a directory -- ignored"));
                }
                let mut input = File::open(&path)?;
                if to_stdout || test {
                    return convert(unpacks, level, &mut input, &mut stdout(test));
                }
                let target = if unpacks {
                    match name.strip_suffix(suffix.as_slice()) {
                        Some(stem) => stem.to_vec(),
                        None if name.ends_with(b".tgz") => [name.get(..name.len() - 3).unwrap_or_default(), b"tar"].concat(),
                        None => return Err(io::Error::other("unknown suffix -- ignored")),
                    }
                } else if name.ends_with(&suffix) {
                    return Err(io::Error::other(format!("already has {} suffix -- unchanged", shown(&suffix))));
                } else {
                    [name.as_slice(), suffix.as_slice()].concat()
                };
                let target = PathBuf::from(os(&target));
                if target.exists() && !given.has("force") {
                    return Err(io::Error::other(format!("{} already exists;\tnot overwritten", target.display())));
                }
                let mut output = io::BufWriter::new(File::create(&target)?);
                let done = convert(unpacks, level, &mut input, &mut output).and_then(|()| output.flush());
                drop(output);
                if let Err(error) = done {
                    fs::remove_file(&target)?;
                    return Err(error);
                }
                sandpiper_guest::set_mode(&target, status.mode)?;
                if !given.has("keep") {
                    fs::remove_file(&path)?;
                }
                Ok(())
            };
            one()
        };
        if let Err(error) = result {
            if error.kind() == io::ErrorKind::BrokenPipe {
                return Ok(1);
            }
            code = if error.to_string().ends_with("ignored") { 2 } else { 1 };
            let text = match error.kind() {
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => "not in gzip format".to_owned(),
                io::ErrorKind::UnexpectedEof => "unexpected end of file".to_owned(),
                _ => reason(&error),
            };
            let name = if name == b"-" { "stdin".to_owned() } else { shown(&name) };
            eprintln!("\n{tool}: {name}: {text}");
        }
    }
    Ok(code)
}

fn stdout(nowhere: bool) -> Box<dyn Write> {
    if nowhere { Box::new(io::sink()) } else { Box::new(io::stdout()) }
}

/// Packs into the format of gzip, as made on Unix.
pub fn encoder<W: Write>(output: W, level: Compression) -> GzEncoder<W> {
    const UNIX: u8 = 3;
    GzBuilder::new().operating_system(UNIX).write(output, level)
}

fn convert(unpacks: bool, level: u32, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
    if unpacks {
        io::copy(&mut MultiGzDecoder::new(input), output)?;
        return output.flush();
    }
    let mut encoder = encoder(output, Compression::new(level));
    io::copy(input, &mut encoder)?;
    encoder.finish()?.flush()
}
