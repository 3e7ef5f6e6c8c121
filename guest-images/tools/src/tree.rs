//! tree: folders with what is in them, as a drawing.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sandpiper_guest::{bytes, os};

use crate::glob;
use crate::options::{Ended, Nothing, Option_, Order, Value, parse};
use crate::text::{plain_locale, shown};

const OPTIONS: &[Option_] = &[
    ("a", "", Nothing),
    ("d", "", Nothing),
    ("f", "", Nothing),
    ("F", "", Nothing),
    ("i", "", Nothing),
    ("I", "", Value),
    ("L", "", Value),
    ("n", "", Nothing),
    ("P", "", Value),
    ("r", "", Nothing),
    ("", "dirsfirst", Nothing),
    ("", "noreport", Nothing),
];

struct Drawing {
    hidden: bool,
    only_folders: bool,
    full: bool,
    marks: bool,
    flat: bool,
    reversed: bool,
    folders_first: bool,
    levels: usize,
    without: Vec<Vec<u8>>,
    with: Vec<Vec<u8>>,
    /// What is drawn before a name: beside others, as the last, below others, below the last.
    signs: [&'static str; 4],
    out: io::BufWriter<io::StdoutLock<'static>>,
    folders: usize,
    files: usize,
}

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let given = parse(tool, OPTIONS, arguments, (Order::Permuted, 2))?;
    let levels = match given.value("L") {
        Some(text) => shown(text).parse().ok().filter(|levels| *levels > 0).ok_or_else(|| {
            eprintln!("{tool}: Invalid level, must be greater than 0.");
            Ended(1)
        })?,
        None => usize::MAX,
    };
    let patterns = |name: &str| -> Vec<Vec<u8>> {
        let all = given.options.iter().filter(|(given, _)| *given == name);
        all.flat_map(|(_, value)| value.split(|&byte| byte == b'|').map(<[u8]>::to_vec)).collect()
    };
    let mut drawing = Drawing {
        hidden: given.has("a"),
        only_folders: given.has("d"),
        full: given.has("f"),
        marks: given.has("F"),
        flat: given.has("i"),
        reversed: given.has("r"),
        folders_first: given.has("dirsfirst"),
        levels,
        without: patterns("I"),
        with: patterns("P"),
        signs: if plain_locale("LC_CTYPE") {
            ["|-- ", "`-- ", "|   ", "    "]
        } else {
            ["├── ", "└── ", "│\u{a0}\u{a0} ", "    "]
        },
        out: io::BufWriter::new(io::stdout().lock()),
        folders: 0,
        files: 0,
    };
    let mut operands = given.operands.clone();
    if operands.is_empty() {
        operands.push(b".".to_vec());
    }
    let code = drawing.all(&operands, !given.has("noreport"));
    code.or_else(|error| {
        eprintln!("{tool}: {}", crate::text::reason(&error));
        Ok(1)
    })
}

impl Drawing {
    fn all(&mut self, operands: &[Vec<u8>], report: bool) -> io::Result<i32> {
        let mut code = 0;
        for operand in operands {
            let trimmed = match operand.strip_suffix(b"/") {
                Some(rest) if !rest.is_empty() => rest,
                _ => operand,
            };
            let path = PathBuf::from(os(operand));
            self.out.write_all(operand)?;
            if path.is_dir() {
                if self.marks && operand.last() != Some(&b'/') {
                    self.out.write_all(b"/")?;
                }
                self.out.write_all(b"\n")?;
                let entries = self.entries(&path);
                self.folders += usize::from(!entries.is_empty());
                self.inside(trimmed, entries, "", 1)?;
            } else {
                self.out.write_all(b"  [error opening dir]\n")?;
                if path.symlink_metadata().is_ok() {
                    self.files += 1;
                } else {
                    code = 2;
                }
            }
        }
        if report {
            let folders = if self.folders == 1 { "directory" } else { "directories" };
            write!(self.out, "\n{} {folders}", self.folders)?;
            if !self.only_folders {
                write!(self.out, ", {} {}", self.files, if self.files == 1 { "file" } else { "files" })?;
            }
            self.out.write_all(b"\n")?;
        }
        self.out.flush()?;
        Ok(code)
    }

    /// What is shown of a folder: names, and whether they are folders, behind links too.
    fn entries(&self, path: &Path) -> Vec<(Vec<u8>, bool)> {
        let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
        let matches = |patterns: &[Vec<u8>], name: &[u8], folder: bool| {
            patterns.iter().any(|pattern| {
                let (pattern, fits) = match pattern.strip_suffix(b"/") {
                    Some(pattern) => (pattern, folder),
                    None => (pattern.as_slice(), true),
                };
                fits && glob::matches(pattern, name, glob::Mode::default())
            })
        };
        let mut shown: Vec<(Vec<u8>, bool)> = entries
            .filter_map(Result::ok)
            .map(|entry| (bytes(&entry.file_name()).to_vec(), entry.path().is_dir()))
            .filter(|(name, folder)| {
                (self.hidden || name.first() != Some(&b'.'))
                    && (*folder || !self.only_folders)
                    && !matches(&self.without, name, *folder)
                    && (*folder || self.with.is_empty() || matches(&self.with, name, false))
            })
            .collect();
        shown.sort();
        if self.reversed {
            shown.reverse();
        }
        if self.folders_first {
            shown.sort_by_key(|(_, folder)| !folder);
        }
        shown
    }

    fn inside(
        &mut self,
        path: &[u8],
        entries: Vec<(Vec<u8>, bool)>,
        before: &str,
        level: usize,
    ) -> io::Result<()> {
        let count = entries.len();
        let [beside, last, below, below_last] = self.signs;
        for (at, (name, folder)) in entries.into_iter().enumerate() {
            let (sign, next) = if at + 1 < count { (beside, below) } else { (last, below_last) };
            let mut whole = path.to_vec();
            if whole.last() != Some(&b'/') {
                whole.push(b'/');
            }
            whole.extend_from_slice(&name);
            if !self.flat {
                self.out.write_all(before.as_bytes())?;
                self.out.write_all(sign.as_bytes())?;
            }
            self.out.write_all(if self.full { &whole } else { &name })?;
            let place = PathBuf::from(os(&whole));
            let target = fs::read_link(&place).ok();
            if let Some(target) = &target {
                self.out.write_all(b" -> ")?;
                self.out.write_all(bytes(target.as_os_str()))?;
            }
            if self.marks {
                let executable =
                    || sandpiper_guest::Status::of(&place, true).is_ok_and(|status| status.mode & 0o111 != 0);
                if folder {
                    self.out.write_all(b"/")?;
                } else if place.is_file() && executable() {
                    self.out.write_all(b"*")?;
                }
            }
            self.out.write_all(b"\n")?;
            if folder {
                self.folders += 1;
            } else {
                self.files += 1;
            }
            if folder && target.is_none() && level < self.levels {
                let entries = self.entries(&place);
                self.inside(&whole, entries, &format!("{before}{next}"), level + 1)?;
            }
        }
        Ok(())
    }
}
