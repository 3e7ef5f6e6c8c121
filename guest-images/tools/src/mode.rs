//! Modes of files as people write them, and chmod.

use std::fs;
use std::path::Path;

use sandpiper_guest::status::Kind;
use sandpiper_guest::{Status, bytes, os, set_mode, umask};

use crate::options::{Ended, Nothing, Option_, Order, Value, parse as parse_options};
use crate::text::{reason, shown};

/// A change of a mode.
#[derive(Debug, Clone)]
pub enum Change {
    Absolute(u32),
    Clauses(Vec<Clause>),
}

#[derive(Debug, Clone)]
pub struct Clause {
    /// Which bits, as a mask; none when nobody is named, so that the umask counts.
    who: Option<u32>,
    operator: u8,
    bits: u32,
    /// `X`, and a copy from `u`, `g` or `o`.
    conditional: bool,
    copied: Option<u8>,
}

impl Change {
    /// The mode that this makes of a mode.
    pub fn apply(&self, mode: u32, directory: bool, mask: u32) -> u32 {
        let clauses = match self {
            Change::Absolute(bits) => return *bits,
            Change::Clauses(clauses) => clauses,
        };
        let mut now = mode & 0o7777;
        for clause in clauses {
            let mut bits = clause.bits;
            if clause.conditional && (directory || now & 0o111 != 0) {
                bits |= 0o111;
            }
            if let Some(from) = clause.copied {
                let shift = match from {
                    b'u' => 6,
                    b'g' => 3,
                    _ => 0,
                };
                bits |= ((now >> shift) & 7) * 0o111;
            }
            let who = clause.who.unwrap_or(0o7777 & !mask);
            let value = bits & who;
            now = match clause.operator {
                b'+' => now | value,
                b'-' => now & !value,
                _ => (now & !(clause.who.unwrap_or(0o777) & if directory { 0o1777 } else { 0o7777 })) | value,
            };
        }
        now
    }
}

/// Octal or symbolic; none when it is neither.
pub fn parse(text: &[u8]) -> Option<Change> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777).map(Change::Absolute);
    }
    let mut clauses = Vec::new();
    for part in text.split(',') {
        let mut rest = part.as_bytes();
        let mut who = 0;
        let mut named = false;
        while let Some((letter @ (b'u' | b'g' | b'o' | b'a'), behind)) = rest.split_first() {
            named = true;
            who |= match letter {
                b'u' => 0o4700,
                b'g' => 0o2070,
                b'o' => 0o1007,
                _ => 0o7777,
            };
            rest = behind;
        }
        if rest.is_empty() {
            return None;
        }
        while let Some((&operator @ (b'+' | b'-' | b'='), behind)) = rest.split_first() {
            rest = behind;
            let mut clause =
                Clause { who: named.then_some(who), operator, bits: 0, conditional: false, copied: None };
            while let Some((&letter, behind)) = rest.split_first() {
                match letter {
                    b'r' => clause.bits |= 0o444,
                    b'w' => clause.bits |= 0o222,
                    b'x' => clause.bits |= 0o111,
                    b'X' => clause.conditional = true,
                    b's' => clause.bits |= 0o6000,
                    b't' => clause.bits |= 0o1000,
                    b'u' | b'g' | b'o' => clause.copied = Some(letter),
                    b'+' | b'-' | b'=' => break,
                    _ => return None,
                }
                rest = behind;
            }
            clauses.push(clause);
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(Change::Clauses(clauses))
}

/// A mode as `ls -l` shows it.
pub fn symbols(kind: Kind, mode: u32) -> String {
    let mut text = String::new();
    text.push(kind.letter());
    for (shift, special, letters) in [(6, 0o4000, ('s', 'S')), (3, 0o2000, ('s', 'S')), (0, 0o1000, ('t', 'T'))] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letters.0,
            (true, false) => letters.1,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

const OPTIONS: &[Option_] = &[
    ("c", "changes", Nothing),
    ("fs", "silent", Nothing),
    ("", "quiet", Nothing),
    ("v", "verbose", Nothing),
    ("R", "recursive", Nothing),
    ("", "reference", Value),
    ("", "preserve-root", Nothing),
    ("", "no-preserve-root", Nothing),
];

/// chmod.
pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match chmod(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn chmod(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    // `-w` and its like are modes, not options.
    let mut modes = Vec::new();
    let mut words = Vec::new();
    for argument in arguments {
        let is_mode = argument.len() > 1
            && argument.first() == Some(&b'-')
            && argument.get(1).is_some_and(|letter| b"rwxXst".contains(letter));
        if is_mode { modes.push(argument.clone()) } else { words.push(argument.clone()) }
    }
    let mut given = parse_options(tool, OPTIONS, &words, (Order::Permuted, 1))?;
    let fail = |message: String| {
        eprintln!("{tool}: {message}");
        Ended(1)
    };
    let change = if let Some(file) = given.value("reference") {
        let status = Status::of(Path::new(&os(file)), true)
            .map_err(|error| fail(format!("failed to get attributes of '{}': {}", shown(file), reason(&error))))?;
        Change::Absolute(status.mode)
    } else {
        if modes.is_empty() {
            if given.operands.is_empty() {
                return Err(fail(format!("missing operand\nTry '{tool} --help' for more information.")));
            }
            modes.push(given.operands.remove(0));
        }
        let text = modes.join(&b',');
        parse(&text).ok_or_else(|| {
            fail(format!("invalid mode: '{}'\nTry '{tool} --help' for more information.", shown(&text)))
        })?
    };
    if given.operands.is_empty() {
        let last = modes.last().map(|mode| shown(mode)).unwrap_or_default();
        return Err(fail(format!("missing operand after '{last}'\nTry '{tool} --help' for more information.")));
    }
    let mut run = Chmod {
        tool,
        change,
        mask: umask(),
        recursive: given.has("recursive"),
        silent: given.has("silent") || given.has("quiet"),
        verbose: given.has("verbose"),
        changes: given.has("changes"),
        failed: false,
    };
    for operand in &given.operands {
        run.file(operand, true);
    }
    Ok(i32::from(run.failed))
}

struct Chmod<'a> {
    tool: &'a str,
    change: Change,
    mask: u32,
    recursive: bool,
    silent: bool,
    verbose: bool,
    changes: bool,
    failed: bool,
}

impl Chmod<'_> {
    fn complain(&mut self, message: &str) {
        self.failed = true;
        if !self.silent {
            eprintln!("{}: {message}", self.tool);
        }
    }

    fn file(&mut self, name: &[u8], operand: bool) {
        let path = std::path::PathBuf::from(os(name));
        let status = match Status::of(&path, operand) {
            Ok(status) => status,
            Err(error) => return self.complain(&format!("cannot access '{}': {}", shown(name), reason(&error))),
        };
        if status.kind == Kind::Link {
            return;
        }
        let directory = status.kind == Kind::Directory;
        let mode = self.change.apply(status.mode, directory, self.mask);
        if let Err(error) = set_mode(&path, mode) {
            return self.complain(&format!("changing permissions of '{}': {}", shown(name), reason(&error)));
        }
        let with = |mode: u32| format!("{mode:04o} ({})", symbols(Kind::File, mode).get(1..).unwrap_or_default());
        if mode != status.mode && (self.verbose || self.changes) {
            println!("mode of '{}' changed from {} to {}", shown(name), with(status.mode), with(mode));
        } else if self.verbose {
            println!("mode of '{}' retained as {}", shown(name), with(mode));
        }
        if self.recursive && directory {
            match fs::read_dir(&path) {
                Ok(entries) => {
                    for entry in entries.flatten() {
                        let mut inner = name.to_vec();
                        if inner.last() != Some(&b'/') {
                            inner.push(b'/');
                        }
                        inner.extend_from_slice(bytes(&entry.file_name()));
                        self.file(&inner, false);
                    }
                }
                Err(error) => self.complain(&format!("cannot read directory '{}': {}", shown(name), reason(&error))),
            }
        }
    }
}
