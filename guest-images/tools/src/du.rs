//! du: how much room files take. Each file counts once, however many names it has.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sandpiper_guest::status::Kind;
use sandpiper_guest::{Status, bytes, os};

use crate::glob;
use crate::options::{Ended, Nothing, Option_, Order, Value, parse};
use crate::text::{reason, shown};

const OPTIONS: &[Option_] = &[
    ("0", "null", Nothing),
    ("a", "all", Nothing),
    ("", "apparent-size", Nothing),
    ("b", "bytes", Nothing),
    ("c", "total", Nothing),
    ("d", "max-depth", Value),
    ("", "exclude", Value),
    ("h", "human-readable", Nothing),
    ("k", "", Nothing),
    ("L", "dereference", Nothing),
    ("l", "count-links", Nothing),
    ("m", "", Nothing),
    ("S", "separate-dirs", Nothing),
    ("s", "summarize", Nothing),
];

#[derive(Debug, Clone, Copy)]
enum Unit {
    Of(u64),
    Human,
}

struct Walk {
    unit: Unit,
    apparent: bool,
    all: bool,
    most: usize,
    follow: bool,
    links: bool,
    separate: bool,
    end: u8,
    excluded: Vec<Vec<u8>>,
    seen: HashSet<(u64, u64)>,
    out: io::BufWriter<io::StdoutLock<'static>>,
    code: i32,
}

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let given = parse(tool, OPTIONS, arguments, (Order::Permuted, 2))?;
    let fail = |message: String| {
        eprintln!("{tool}: {message}\nTry '{tool} --help' for more information.");
        Ended(1)
    };
    let summary = given.has("summarize");
    if summary && given.has("all") {
        return Err(fail("cannot both summarize and show all entries".to_owned()));
    }
    let most = match given.value("max-depth") {
        Some(text) => {
            Some(shown(text).parse().map_err(|_| fail(format!("invalid maximum depth '{}'", shown(text))))?)
        }
        None => None,
    };
    if summary && most.is_some_and(|most: usize| most > 0) {
        return Err(fail("warning: summarizing conflicts with --max-depth".to_owned()));
    }
    let unit = match given.last(&["bytes", "human-readable", "k", "m"]) {
        Some("bytes") => Unit::Of(1),
        Some("human-readable") => Unit::Human,
        Some("m") => Unit::Of(1 << 20),
        _ => Unit::Of(1 << 10),
    };
    let mut walk = Walk {
        unit,
        apparent: given.has("apparent-size") || given.has("bytes"),
        all: given.has("all"),
        most: if summary { 0 } else { most.unwrap_or(usize::MAX) },
        follow: given.has("dereference"),
        links: given.has("count-links"),
        separate: given.has("separate-dirs"),
        end: if given.has("null") { 0 } else { b'\n' },
        excluded: given
            .options
            .iter()
            .filter(|(name, _)| *name == "exclude")
            .map(|(_, value)| value.clone())
            .collect(),
        seen: HashSet::new(),
        out: io::BufWriter::new(io::stdout().lock()),
        code: 0,
    };
    let mut operands = given.operands.clone();
    if operands.is_empty() {
        operands.push(b".".to_vec());
    }
    let mut total = 0u64;
    let result = operands.iter().try_for_each(|operand| -> io::Result<()> {
        total = total.saturating_add(walk.visit(operand, 0)?.unwrap_or(0));
        Ok(())
    });
    let result = result.and_then(|()| if given.has("total") { walk.print(total, b"total") } else { Ok(()) });
    match result.and_then(|()| walk.out.flush()) {
        Ok(()) => Ok(walk.code),
        Err(error) => {
            eprintln!("{tool}: write error: {}", reason(&error));
            Ok(1)
        }
    }
}

impl Walk {
    /// The room of what is at a path and below; none when it counted already.
    fn visit(&mut self, name: &[u8], depth: usize) -> io::Result<Option<u64>> {
        let last = name.rsplit(|&byte| byte == b'/').find(|part| !part.is_empty()).unwrap_or(name);
        let hides = |pattern: &Vec<u8>| {
            [name, last].iter().any(|text| glob::matches(pattern, text, glob::Mode::default()))
        };
        if self.excluded.iter().any(hides) {
            return Ok(None);
        }
        let path = PathBuf::from(os(name));
        let status = match Status::of(&path, self.follow) {
            Ok(status) => status,
            Err(error) => {
                self.code = 1;
                eprintln!("du: cannot access '{}': {}", shown(name), reason(&error));
                return Ok(None);
            }
        };
        let directory = status.kind == Kind::Directory;
        let once = !self.links && (depth == 0 || directory || status.links > 1);
        if once && status.inode != 0 && !self.seen.insert((status.device, status.inode)) {
            return Ok(None);
        }
        let own = if self.apparent { status.size } else { status.blocks.saturating_mul(512) };
        let mut size = own;
        let mut files = own;
        if directory {
            match children(&path) {
                Ok(inner) => {
                    for child in inner {
                        let mut inside = name.to_vec();
                        if inside.last() != Some(&b'/') {
                            inside.push(b'/');
                        }
                        inside.extend_from_slice(&child);
                        let below = self.visit(&inside, depth + 1)?.unwrap_or(0);
                        size = size.saturating_add(below);
                        if self.separate && !Path::new(&os(&inside)).is_dir() {
                            files = files.saturating_add(below);
                        }
                    }
                }
                Err(error) => {
                    self.code = 1;
                    eprintln!("du: cannot read directory '{}': {}", shown(name), reason(&error));
                }
            }
        }
        if depth <= self.most && (directory || self.all || depth == 0) {
            self.print(if self.separate && directory { files } else { size }, name)?;
        }
        Ok(Some(size))
    }

    fn print(&mut self, size: u64, name: &[u8]) -> io::Result<()> {
        let text = match self.unit {
            Unit::Of(unit) => size.div_ceil(unit).to_string(),
            Unit::Human => human(size),
        };
        write!(self.out, "{text}\t")?;
        self.out.write_all(name)?;
        self.out.write_all(&[self.end])
    }
}

fn children(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    fs::read_dir(path)?.map(|entry| Ok(bytes(&entry?.file_name()).to_vec())).collect()
}

/// A size in powers of 1024, rounded up, with one decimal below ten.
pub fn human(size: u64) -> String {
    if size < 1024 {
        return size.to_string();
    }
    let mut unit = 1u128;
    for (at, letter) in "KMGTPE".chars().enumerate() {
        unit <<= 10;
        let tenths = (u128::from(size) * 10).div_ceil(unit);
        if tenths < 100 {
            return format!("{}.{}{letter}", tenths / 10, tenths % 10);
        }
        let whole = u128::from(size).div_ceil(unit);
        if whole < 1024 || at == 5 {
            return format!("{whole}{letter}");
        }
    }
    size.to_string()
}
