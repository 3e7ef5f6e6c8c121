//! Whether a file passes, and what is done with it.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use sandpiper_guest::status::Kind;
use sandpiper_guest::{Status, bytes, users};

use super::parse::Test;
use super::walk::{Entry, Search, followed};
use crate::glob;
use crate::text::{reason, shown};

/// So many bytes of arguments go to one command, as Linux lets them.
const BATCH_MAX: usize = 128 << 10;

impl Search {
    pub fn holds(&mut self, test: &Test, entry: &Entry) -> bool {
        if self.quit {
            return false;
        }
        let status = |found: fn(&Status) -> i64| entry.status().map(found);
        match test {
            Test::True => true,
            Test::False => false,
            Test::Not(inner) => !self.holds(inner, entry),
            Test::And(left, right) => self.holds(left, entry) && self.holds(right, entry),
            Test::Or(left, right) => self.holds(left, entry) || self.holds(right, entry),
            Test::Comma(left, right) => {
                self.holds(left, entry);
                self.holds(right, entry)
            }
            Test::Name(pattern, mode) => glob::matches(pattern, base_name(&entry.name), *mode),
            Test::PathName(pattern, mode) => glob::matches(pattern, &entry.name, *mode),
            Test::LinkName(pattern, mode) => {
                entry.kind == Kind::Link
                    && fs::read_link(&entry.path)
                        .is_ok_and(|target| glob::matches(pattern, bytes(target.as_os_str()), *mode))
            }
            Test::Regex(regexes) => regexes.iter().any(|regex| {
                regex.find_at(&entry.name, 0).is_some_and(|(from, to)| from == 0 && to == entry.name.len())
            }),
            Test::Kind(letters, other) => {
                let kind = if *other && entry.kind == Kind::Link {
                    followed(&entry.path).unwrap_or(Kind::Link)
                } else {
                    entry.kind
                };
                let letter = if kind == Kind::File { 'f' } else { kind.letter() };
                letters.iter().any(|known| char::from(*known) == letter)
            }
            Test::Size(number, unit) => entry
                .status()
                .is_some_and(|status| number.holds(i64::try_from(status.size.div_ceil(*unit)).unwrap_or(i64::MAX))),
            Test::Time(which, number, unit) => entry.status().is_some_and(|status| {
                let (seconds, nanoseconds) = which.of(status);
                let age = self.now.0 - seconds - i64::from(nanoseconds > self.now.1);
                if *unit == 60 {
                    // A part of a minute counts as one: `-mmin -1` is less than a minute ago.
                    let (_, part) = which.of(status);
                    let whole = age.rem_euclid(60) == 0 && part == self.now.1;
                    return number.holds(age.div_euclid(60) + i64::from(!whole));
                }
                number.holds(age.div_euclid(*unit))
            }),
            Test::Newer(which, time) => entry.status().is_some_and(|status| which.of(status) > *time),
            Test::Empty => match entry.kind {
                Kind::File => status(|status| i64::from(status.size == 0)) == Some(1),
                Kind::Directory => fs::read_dir(&entry.path).is_ok_and(|mut entries| entries.next().is_none()),
                _ => false,
            },
            Test::Mode(kind, mode) => entry.status().is_some_and(|status| match kind {
                '-' => status.mode & mode == *mode,
                '/' => *mode == 0 || status.mode & mode != 0,
                _ => status.mode == *mode,
            }),
            Test::User(number) => status(|status| i64::from(status.user)).is_some_and(|user| number.holds(user)),
            Test::Group(number) => status(|status| i64::from(status.group)).is_some_and(|group| number.holds(group)),
            Test::NoUser => entry.status().is_some_and(|status| users::user_name(status.user).is_none()),
            Test::NoGroup => entry.status().is_some_and(|status| users::group_name(status.group).is_none()),
            Test::Links(number) => entry
                .status()
                .is_some_and(|status| number.holds(i64::try_from(status.links).unwrap_or(i64::MAX))),
            Test::Inode(number) => entry
                .status()
                .is_some_and(|status| number.holds(i64::try_from(status.inode).unwrap_or(i64::MAX))),
            Test::Same(device, inode) => {
                entry.status().is_some_and(|status| status.device == *device && status.inode == *inode)
            }
            Test::Access(kinds) => sandpiper_guest::access(&entry.path, *kinds).is_ok(),
            Test::Prune => {
                self.prune = true;
                true
            }
            Test::Quit => {
                self.quit = true;
                true
            }
            Test::Delete => self.delete(entry),
            Test::Print(file, end) => {
                let mut text = entry.name.clone();
                text.push(*end);
                self.write(*file, &text);
                true
            }
            Test::Printf(file, format) => {
                let text = super::printf::format(format, entry, self);
                self.write(*file, &text);
                true
            }
            Test::List(file) => {
                if let Some(status) = entry.status() {
                    let text = super::printf::listed(status, entry, self.now.0);
                    self.write(*file, &text);
                }
                true
            }
            Test::Exec { words, many, inside, asks, batch } => {
                let (folder, name) = if *inside { apart(entry) } else { (None, entry.name.clone()) };
                if *many {
                    self.collect(words, *batch, folder, name);
                    return true;
                }
                let words: Vec<Vec<u8>> = words.iter().map(|word| replaced(word, &name)).collect();
                if *asks {
                    let _ = self.out.flush();
                    eprint!("< {} ... {} > ? ", shown(words.first().map_or(b"", |word| word)), shown(&entry.name));
                    if !crate::small::agreed() {
                        return false;
                    }
                }
                self.run(&words, folder)
            }
        }
    }

    pub fn write(&mut self, file: Option<usize>, text: &[u8]) {
        let result = match file.and_then(|file| self.files.get_mut(file)) {
            Some(file) => file.write_all(text),
            None => self.out.write_all(text),
        };
        if let Err(error) = result {
            if error.kind() != io::ErrorKind::BrokenPipe {
                eprintln!("find: write error: {}", reason(&error));
            }
            self.code = 1;
            self.quit = true;
        }
    }

    fn delete(&mut self, entry: &Entry) -> bool {
        if entry.name == b"." {
            return true;
        }
        let result = if entry.kind == Kind::Directory {
            fs::remove_dir(&entry.path)
        } else {
            fs::remove_file(&entry.path)
        };
        match result {
            Ok(()) => true,
            Err(error) => {
                self.code = 1;
                let _ = self.out.flush();
                eprintln!("find: cannot delete \u{2018}{}\u{2019}: {}", shown(&entry.name), reason(&error));
                false
            }
        }
    }

    fn run(&mut self, words: &[Vec<u8>], folder: Option<PathBuf>) -> bool {
        let _ = self.out.flush();
        let mut command = crate::small::quiet_input(words);
        command.stdin(std::process::Stdio::inherit());
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        match command.status() {
            Ok(status) => status.success(),
            Err(error) => {
                let program = words.first().map_or(&b""[..], |word| word);
                eprintln!("find: \u{2018}{}\u{2019}: {}", shown(program), reason(&error));
                crate::program::tell_if_absent(program, &error);
                false
            }
        }
    }

    fn collect(&mut self, words: &[Vec<u8>], at: usize, folder: Option<PathBuf>, name: Vec<u8>) {
        let Some((_, place, names)) = self.batches.get_mut(at) else { return };
        let full = names.iter().map(|name| name.len() + 1).sum::<usize>() + name.len() > BATCH_MAX;
        if !names.is_empty() && (full || *place != folder) {
            self.flush_batch(at);
        }
        if let Some((known, place, names)) = self.batches.get_mut(at) {
            known.clear();
            known.extend_from_slice(words);
            *place = folder;
            names.push(name);
        }
    }

    fn flush_batch(&mut self, at: usize) {
        let Some((words, folder, names)) = self.batches.get_mut(at) else { return };
        if names.is_empty() {
            return;
        }
        let (mut words, folder) = (words.clone(), folder.clone());
        words.append(names);
        if !self.run(&words, folder) {
            self.code = 1;
        }
    }

    pub fn finish(&mut self) {
        for at in 0..self.batches.len() {
            self.flush_batch(at);
        }
        if let Err(error) = self.out.flush() {
            if error.kind() != io::ErrorKind::BrokenPipe {
                eprintln!("find: write error: {}", reason(&error));
            }
            self.code = 1;
        }
    }
}

/// The part behind the last slash.
pub fn base_name(name: &[u8]) -> &[u8] {
    let trimmed = name.len() - name.iter().rev().take_while(|byte| **byte == b'/').count();
    if trimmed == 0 {
        return name.get(..1).unwrap_or_default();
    }
    let name = name.get(..trimmed).unwrap_or_default();
    let start = name.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
    name.get(start..).unwrap_or_default()
}

/// The directory that a file is in, and its name there.
fn apart(entry: &Entry) -> (Option<PathBuf>, Vec<u8>) {
    let mut name = b"./".to_vec();
    name.extend_from_slice(base_name(&entry.name));
    let folder = match entry.path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    (Some(folder), name)
}

fn replaced(word: &[u8], name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = word;
    while let Some(at) = memchr::memmem::find(rest, b"{}") {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(name);
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}
