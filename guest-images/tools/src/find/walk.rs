//! Going through directories.

use std::cell::OnceCell;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sandpiper_guest::status::Kind;
use sandpiper_guest::{Status, bytes, os};

use super::parse::{Parser, Settings, Test};
use crate::text::{reason, shown};

/// A file that was come to.
pub struct Entry {
    pub name: Vec<u8>,
    pub path: PathBuf,
    pub depth: usize,
    /// The operand that it was found below.
    pub start: usize,
    pub kind: Kind,
    pub follow: bool,
    pub status: OnceCell<Option<Status>>,
}

impl Entry {
    /// What is known of it; a link that leads nowhere is looked at itself.
    pub fn status(&self) -> Option<&Status> {
        let made = self.status.get_or_init(|| {
            let followed = if self.follow { Status::of(&self.path, true).ok() } else { None };
            followed.or_else(|| Status::of(&self.path, false).ok())
        });
        made.as_ref()
    }
}

pub struct Search {
    pub settings: Settings,
    pub now: (i64, u32),
    pub out: io::BufWriter<io::Stdout>,
    pub files: Vec<fs::File>,
    pub code: i32,
    pub quit: bool,
    pub prune: bool,
    /// The words of `-exec ... +`, and the names collected for each directory that they run in.
    pub batches: Vec<(Vec<Vec<u8>>, Option<PathBuf>, Vec<Vec<u8>>)>,
}

pub fn main(_: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(arguments) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("find: {message}");
            1
        }
    }
}

fn run(arguments: &[Vec<u8>]) -> Result<i32, String> {
    let mut settings = Settings::default();
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        match word.as_slice() {
            b"-L" => (settings.follow, settings.follow_operands) = (true, true),
            b"-H" => (settings.follow, settings.follow_operands) = (false, true),
            b"-P" => (settings.follow, settings.follow_operands) = (false, false),
            b"-O0" | b"-O1" | b"-O2" | b"-O3" => {}
            b"--" => {
                at += 1;
                break;
            }
            b"--version" | b"-version" => {
                println!("find (sandpiper tools) {}", env!("CARGO_PKG_VERSION"));
                return Ok(0);
            }
            b"--help" | b"-help" => {
                println!("Usage: find [-H] [-L] [-P] [path...] [expression]");
                return Ok(0);
            }
            _ => break,
        }
        at += 1;
    }
    let mut starts = Vec::new();
    while let Some(word) = arguments.get(at) {
        if word.starts_with(b"-") && word.len() > 1 || matches!(word.as_slice(), b"(" | b")" | b"!" | b",") {
            break;
        }
        starts.push(word.clone());
        at += 1;
    }
    if starts.is_empty() {
        starts.push(b".".to_vec());
    }
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let now = (i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX), elapsed.subsec_nanos());
    let mut parser = Parser::new(arguments.get(at..).unwrap_or_default(), settings, now);
    let test = parser.expression()?;
    let now = parser.now();
    let settings = parser.settings;
    let mut files = Vec::new();
    for name in &settings.files {
        files.push(fs::File::create(os(name)).map_err(|error| format!("'{}': {}", shown(name), reason(&error)))?);
    }
    let test = if settings.acts {
        test
    } else {
        Test::And(Box::new(test), Box::new(Test::Print(None, b'\n')))
    };
    let batches = vec![(Vec::new(), None, Vec::new()); settings.batches];
    let mut search = Search {
        settings,
        now,
        out: io::BufWriter::with_capacity(1 << 16, io::stdout()),
        files,
        code: 0,
        quit: false,
        prune: false,
        batches,
    };
    for start in starts {
        if search.quit {
            break;
        }
        let path = PathBuf::from(os(&start));
        let follow = search.settings.follow || search.settings.follow_operands;
        let status = Status::of(&path, follow).or_else(|_| Status::of(&path, false));
        match status {
            Ok(status) => {
                let device = status.device;
                let entry = Entry {
                    start: start.len(),
                    name: start,
                    path,
                    depth: 0,
                    kind: status.kind,
                    follow,
                    status: OnceCell::from(Some(status)),
                };
                search.visit(&entry, &test, device, &mut Vec::new());
            }
            Err(error) => search.complain(&start, &error),
        }
    }
    search.finish();
    Ok(search.code)
}

impl Search {
    pub fn complain(&mut self, name: &[u8], error: &io::Error) {
        self.code = 1;
        let _ = self.out.flush();
        eprintln!("find: \u{2018}{}\u{2019}: {}", shown(name), reason(error));
    }

    fn visit(&mut self, entry: &Entry, test: &Test, device: u64, above: &mut Vec<(u64, u64)>) {
        let in_range = entry.depth >= self.settings.least;
        self.prune = false;
        if !self.settings.depth_first && in_range {
            self.holds(test, entry);
        }
        let deeper = self.settings.most.is_none_or(|most| entry.depth < most);
        let elsewhere = self.settings.one_device && entry.status().is_some_and(|status| status.device != device);
        if entry.kind == Kind::Directory && !self.prune && !self.quit && deeper && !elsewhere {
            self.descend(entry, test, device, above);
        }
        if self.settings.depth_first && in_range && !self.quit {
            self.holds(test, entry);
        }
    }

    fn descend(&mut self, entry: &Entry, test: &Test, device: u64, above: &mut Vec<(u64, u64)>) {
        if self.settings.follow
            && let Some(status) = entry.status()
        {
            let own = (status.device, status.inode);
            if above.contains(&own) {
                self.code = 1;
                eprintln!("find: File system loop detected; \u{2018}{}\u{2019} is part of the same file system loop", shown(&entry.name));
                return;
            }
            above.push(own);
        }
        let entries = match fs::read_dir(&entry.path) {
            Ok(entries) => entries,
            Err(error) => {
                self.complain(&entry.name, &error);
                return;
            }
        };
        for inner in entries {
            if self.quit {
                break;
            }
            let inner = match inner {
                Ok(inner) => inner,
                Err(error) => {
                    self.complain(&entry.name, &error);
                    break;
                }
            };
            let mut name = entry.name.clone();
            if name.last() != Some(&b'/') {
                name.push(b'/');
            }
            name.extend_from_slice(bytes(&inner.file_name()));
            let path = PathBuf::from(os(&name));
            let mut kind = match inner.file_type() {
                Ok(kind) => kind_of(kind),
                Err(error) => {
                    self.complain(&name, &error);
                    continue;
                }
            };
            if kind == Kind::Link && self.settings.follow {
                kind = followed(&path).unwrap_or(kind);
            }
            let inner = Entry {
                name,
                path,
                depth: entry.depth + 1,
                start: entry.start,
                kind,
                follow: self.settings.follow,
                status: OnceCell::new(),
            };
            self.visit(&inner, test, device, above);
        }
        if self.settings.follow {
            above.pop();
        }
    }
}

pub fn followed(path: &Path) -> Option<Kind> {
    Status::of(path, true).ok().map(|status| status.kind)
}

fn kind_of(kind: fs::FileType) -> Kind {
    if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Link
    } else if kind.is_file() {
        Kind::File
    } else {
        other_kind(kind)
    }
}

#[cfg(unix)]
fn other_kind(kind: fs::FileType) -> Kind {
    use std::os::unix::fs::FileTypeExt as _;
    if kind.is_fifo() {
        Kind::Pipe
    } else if kind.is_socket() {
        Kind::Socket
    } else if kind.is_block_device() {
        Kind::Block
    } else {
        Kind::Character
    }
}

#[cfg(not(unix))]
fn other_kind(_: fs::FileType) -> Kind {
    Kind::Character
}
