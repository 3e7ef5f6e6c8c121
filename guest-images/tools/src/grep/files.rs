//! Which files are looked at.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sandpiper_guest::{bytes, os};

use super::search::{Search, Source};
use super::{Shows, Task};
use crate::glob::{self, Mode};
use crate::options::{Ended, Given};
use crate::text::reason;

/// Which files are looked at.
#[derive(Debug)]
pub struct Scope {
    recursive: bool,
    follow: bool,
    skip_directories: bool,
    skip_devices: bool,
    /// In order: whether it includes, and the pattern.
    files: Vec<(bool, Vec<u8>)>,
    directories: Vec<Vec<u8>>,
    label: String,
}

impl Scope {
    pub fn of(given: &Given, tool: &str) -> Result<Scope, Ended> {
        let fail = |message: String| {
            eprintln!("{tool}: {message}");
            Ended(2)
        };
        let mut scope = Scope {
            recursive: false,
            follow: false,
            skip_directories: false,
            skip_devices: false,
            files: Vec::new(),
            directories: Vec::new(),
            label: given.value("label").map_or("(standard input)".into(), |label| String::from_utf8_lossy(label).into_owned()),
        };
        for (name, value) in &given.options {
            match *name {
                "recursive" => (scope.recursive, scope.follow) = (true, false),
                "dereference-recursive" => (scope.recursive, scope.follow) = (true, true),
                "directories" => match value.as_slice() {
                    b"recurse" => scope.recursive = true,
                    b"skip" => scope.skip_directories = true,
                    b"read" => scope.skip_directories = false,
                    _ => return Err(fail("invalid argument for --directories".to_owned())),
                },
                "devices" => match value.as_slice() {
                    b"skip" => scope.skip_devices = true,
                    b"read" => scope.skip_devices = false,
                    _ => return Err(fail("unknown devices method".to_owned())),
                },
                "include" => scope.files.push((true, value.clone())),
                "exclude" => scope.files.push((false, value.clone())),
                "exclude-from" => {
                    let text = crate::text::read(value).map_err(|error| {
                        fail(format!("{}: {}", String::from_utf8_lossy(value), reason(&error)))
                    })?;
                    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
                    scope.files.extend(lines.map(|line| (false, line.to_vec())));
                }
                "exclude-dir" => {
                    let value = value.strip_suffix(b"/").unwrap_or(value);
                    scope.directories.push(value.to_vec());
                }
                _ => {}
            }
        }
        Ok(scope)
    }

    pub fn names_by_default(&self, operands: &[Vec<u8>]) -> bool {
        match operands {
            [] => self.recursive,
            [only] => self.recursive && Path::new(&os(only)).is_dir(),
            _ => true,
        }
    }

    /// The last pattern that matches says; without one, a file is looked at when no pattern includes.
    fn takes_file(&self, path: &[u8]) -> bool {
        for (includes, pattern) in self.files.iter().rev() {
            if covers(pattern, path) {
                return *includes;
            }
        }
        self.files.last().is_none_or(|(includes, _)| !includes) && !self.files.iter().any(|(includes, _)| *includes)
    }

    fn takes_directory(&self, path: &[u8]) -> bool {
        !self.directories.iter().any(|pattern| covers(pattern, path))
    }
}

/// Whether a pattern matches a path or what is behind one of its slashes.
fn covers(pattern: &[u8], path: &[u8]) -> bool {
    let starts = std::iter::once(0).chain(path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1));
    starts.into_iter().any(|start| {
        path.get(start..).is_some_and(|rest| !rest.is_empty() && glob::matches(pattern, rest, Mode::default()))
    })
}

/// Looks at all; whether something was selected, and whether something failed.
pub fn run(task: &Task, scope: &Scope, operands: &[Vec<u8>], out: &mut dyn Write) -> (bool, bool) {
    let mut walk = Walk { task, scope, search: Search::new(task, out), failed: false, ancestors: Vec::new() };
    if operands.is_empty() {
        if scope.recursive {
            walk.directory(Path::new("."), b"");
        } else {
            walk.standard_input();
        }
    }
    for operand in operands {
        if walk.done() {
            break;
        }
        if operand == b"-" {
            walk.standard_input();
        } else {
            walk.operand(operand);
        }
    }
    (walk.search.selected, walk.failed || walk.search.failed)
}

struct Walk<'a> {
    task: &'a Task,
    scope: &'a Scope,
    search: Search<'a>,
    failed: bool,
    /// Directories that are being looked at, when links are followed.
    ancestors: Vec<PathBuf>,
}

impl Walk<'_> {
    fn done(&self) -> bool {
        self.search.failed || (self.task.shows == Shows::Nothing && self.search.selected)
    }

    fn complain(&mut self, path: &[u8], error: &io::Error) {
        self.failed = true;
        if !self.task.silent {
            eprintln!("{}: {}: {}", self.task.tool, String::from_utf8_lossy(path), reason(error));
        }
    }

    fn standard_input(&mut self) {
        let name = self.scope.label.clone().into_bytes();
        if let Err(error) = self.search.file(&name, Source::Input(io::stdin().lock())) {
            self.complain(&name, &error);
        }
    }

    fn operand(&mut self, operand: &[u8]) {
        let path = PathBuf::from(os(operand));
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => {
                if !self.scope.takes_directory(operand) {
                } else if self.scope.recursive {
                    self.directory(&path, operand);
                } else if !self.scope.skip_directories {
                    self.complain(operand, &io::ErrorKind::IsADirectory.into());
                }
            }
            Ok(found) => {
                if self.scope.takes_file(operand) && !(self.scope.skip_devices && !found.is_file()) {
                    self.file(&path, operand);
                }
            }
            Err(error) => self.complain(operand, &error),
        }
    }

    fn file(&mut self, path: &Path, name: &[u8]) {
        let result = fs::File::open(path).and_then(|file| self.search.file(name, Source::File(file)));
        if let Err(error) = result {
            self.complain(name, &error);
        }
    }

    fn directory(&mut self, path: &Path, name: &[u8]) {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.complain(name, &error),
        };
        if self.scope.follow {
            let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            if self.ancestors.contains(&real) {
                eprintln!("{}: {}: warning: recursive directory loop", self.task.tool, String::from_utf8_lossy(name));
                return;
            }
            self.ancestors.push(real);
        }
        for entry in entries {
            if self.done() {
                break;
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.complain(name, &error);
                    break;
                }
            };
            let mut inner = name.to_vec();
            if !inner.is_empty() && inner.last() != Some(&b'/') {
                inner.push(b'/');
            }
            inner.extend_from_slice(bytes(&entry.file_name()));
            let path = entry.path();
            let kind = match entry.file_type() {
                Ok(kind) if kind.is_symlink() => {
                    if !self.scope.follow {
                        continue;
                    }
                    match fs::metadata(&path) {
                        Ok(found) => found.file_type(),
                        Err(error) => {
                            self.complain(&inner, &error);
                            continue;
                        }
                    }
                }
                Ok(kind) => kind,
                Err(error) => {
                    self.complain(&inner, &error);
                    continue;
                }
            };
            if kind.is_dir() {
                if self.scope.takes_directory(&inner) {
                    self.directory(&path, &inner);
                }
            } else if kind.is_file() && self.scope.takes_file(&inner) {
                self.file(&path, &inner);
            }
        }
        if self.scope.follow {
            self.ancestors.pop();
        }
    }
}
