//! ls, with GNU's options; no stream of a sandbox is a terminal, so one name a line is what it does by itself.

use std::cmp::Ordering;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sandpiper_guest::status::{Kind, Time};
use sandpiper_guest::{Status, bytes, os};

use crate::glob;
use crate::options::{Attached, Ended, Given, Nothing, Option_, Order, Value, parse};
use crate::text::{reason, shown};

mod print;

const OPTIONS: &[Option_] = &[
    ("a", "all", Nothing),
    ("A", "almost-all", Nothing),
    ("", "author", Nothing),
    ("b", "escape", Nothing),
    ("", "block-size", Value),
    ("B", "ignore-backups", Nothing),
    ("c", "", Nothing),
    ("C", "", Nothing),
    ("", "color", Attached),
    ("d", "directory", Nothing),
    ("f", "", Nothing),
    ("F", "classify", Attached),
    ("", "file-type", Nothing),
    ("", "format", Value),
    ("", "full-time", Nothing),
    ("g", "", Nothing),
    ("", "group-directories-first", Nothing),
    ("G", "no-group", Nothing),
    ("h", "human-readable", Nothing),
    ("", "si", Nothing),
    ("H", "dereference-command-line", Nothing),
    ("", "hide", Value),
    ("", "indicator-style", Value),
    ("i", "inode", Nothing),
    ("I", "ignore", Value),
    ("k", "kibibytes", Nothing),
    ("l", "", Nothing),
    ("L", "dereference", Nothing),
    ("m", "", Nothing),
    ("n", "numeric-uid-gid", Nothing),
    ("N", "literal", Nothing),
    ("o", "", Nothing),
    ("p", "", Nothing),
    ("q", "hide-control-chars", Nothing),
    ("Q", "quote-name", Nothing),
    ("r", "reverse", Nothing),
    ("R", "recursive", Nothing),
    ("s", "size", Nothing),
    ("S", "", Nothing),
    ("", "show-control-chars", Nothing),
    ("", "sort", Value),
    ("", "time", Value),
    ("", "time-style", Value),
    ("t", "", Nothing),
    ("u", "", Nothing),
    ("U", "", Nothing),
    ("v", "", Nothing),
    ("w", "width", Value),
    ("x", "", Nothing),
    ("X", "", Nothing),
    ("Z", "context", Nothing),
    ("1", "", Nothing),
    ("", "zero", Nothing),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Single,
    Long,
    Columns,
    Across,
    Commas,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Name,
    None,
    Size,
    Time,
    Version,
    Extension,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    None,
    Slash,
    Kinds,
    All,
}

#[derive(Debug)]
pub struct Settings {
    pub layout: Layout,
    hidden: bool,
    itself: bool,
    directories: bool,
    recursive: bool,
    follow: bool,
    sort: Sort,
    reverse: bool,
    first: bool,
    pub marks: Marks,
    pub inode: bool,
    pub blocks: bool,
    pub human: Option<u64>,
    pub owner: bool,
    pub group: bool,
    pub author: bool,
    pub numeric: bool,
    pub quote: bool,
    pub escape: bool,
    pub question: bool,
    pub time_style: Vec<u8>,
    pub end: u8,
    pub width: usize,
    which: char,
    ignored: Vec<Vec<u8>>,
    now: i64,
}

/// A file to show.
#[derive(Debug)]
pub struct Entry {
    pub name: Vec<u8>,
    pub path: PathBuf,
    pub status: Option<Status>,
    pub kind: Kind,
}

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn settings(tool: &str, given: &Given) -> Result<Settings, Ended> {
    let refuse = |message: String| {
        eprintln!("{tool}: {message}");
        Ended(2)
    };
    let color = given.value("color").map(<[u8]>::to_vec);
    if matches!(color.as_deref(), Some(b"always" | b"yes" | b"force" | b"")) && given.has("color") {
        return Err(refuse("--color=always is not supported".to_owned()));
    }
    if given.has("context") || given.has("block-size") {
        return Err(refuse("-Z and --block-size are not supported".to_owned()));
    }
    let mut layout = match tool {
        "dir" => Layout::Columns,
        "vdir" => Layout::Long,
        _ => Layout::Single,
    };
    for (name, value) in &given.options {
        layout = match (*name, value.as_slice()) {
            ("l" | "g" | "o" | "numeric-uid-gid" | "full-time", _) => Layout::Long,
            ("1", _) if layout != Layout::Long => Layout::Single,
            ("C", _) => Layout::Columns,
            ("x", _) => Layout::Across,
            ("m", _) => Layout::Commas,
            ("format", b"long" | b"verbose") => Layout::Long,
            ("format", b"single-column") => Layout::Single,
            ("format", b"vertical") => Layout::Columns,
            ("format", b"horizontal" | b"across") => Layout::Across,
            ("format", b"commas") => Layout::Commas,
            ("format", other) => return Err(refuse(format!("invalid argument '{}' for '--format'", shown(other)))),
            _ => layout,
        };
    }
    let which = match given.last(&["c", "u", "time"]) {
        Some("c") => 'c',
        Some("u") => 'a',
        Some(_) => match given.value("time").unwrap_or_default() {
            b"ctime" | b"status" => 'c',
            b"atime" | b"access" | b"use" => 'a',
            b"mtime" | b"modification" => 'm',
            other => return Err(refuse(format!("invalid argument '{}' for '--time'", shown(other)))),
        },
        None => 'm',
    };
    let sort = match given.last(&["S", "t", "U", "v", "X", "f", "sort"]) {
        Some("S") => Sort::Size,
        Some("t") => Sort::Time,
        Some("U" | "f") => Sort::None,
        Some("v") => Sort::Version,
        Some("X") => Sort::Extension,
        Some(_) => match given.value("sort").unwrap_or_default() {
            b"none" => Sort::None,
            b"name" => Sort::Name,
            b"size" => Sort::Size,
            b"time" => Sort::Time,
            b"version" => Sort::Version,
            b"extension" => Sort::Extension,
            other => return Err(refuse(format!("invalid argument '{}' for '--sort'", shown(other)))),
        },
        None if which != 'm' && layout != Layout::Long => Sort::Time,
        None => Sort::Name,
    };
    let marks = match given.last(&["p", "classify", "file-type", "indicator-style"]) {
        None => Marks::None,
        Some("p") => Marks::Slash,
        Some("classify") => match given.value("classify").unwrap_or_default() {
            b"never" | b"auto" => Marks::None,
            _ => Marks::All,
        },
        Some("file-type") => Marks::Kinds,
        Some(_) => match given.value("indicator-style").unwrap_or_default() {
            b"slash" => Marks::Slash,
            b"file-type" => Marks::Kinds,
            b"classify" => Marks::All,
            _ => Marks::None,
        },
    };
    let mut ignored: Vec<Vec<u8>> = Vec::new();
    let all = given.has("all") || given.has("almost-all") || given.has("f");
    for (name, value) in &given.options {
        if *name == "ignore" || (*name == "hide" && !all) {
            ignored.push(value.clone());
        }
    }
    if given.has("ignore-backups") {
        ignored.push(b"*~".to_vec());
    }
    Ok(Settings {
        layout,
        hidden: all,
        itself: given.last(&["all", "almost-all", "f"]).is_some_and(|name| name != "almost-all"),
        directories: given.has("directory"),
        recursive: given.has("recursive"),
        follow: given.has("dereference"),
        sort,
        reverse: given.has("reverse"),
        first: given.has("group-directories-first"),
        marks,
        inode: given.has("inode"),
        blocks: given.has("size"),
        human: if given.has("human-readable") {
            Some(1024)
        } else {
            given.has("si").then_some(1000)
        },
        owner: !given.has("g"),
        group: !given.has("o") && !given.has("no-group"),
        author: given.has("author"),
        numeric: given.has("numeric-uid-gid"),
        quote: given.has("quote-name"),
        escape: given.has("escape") || given.has("quote-name"),
        question: given.has("hide-control-chars"),
        time_style: if given.last(&["full-time", "time-style"]) == Some("full-time") {
            b"full-iso".to_vec()
        } else {
            given.value("time-style").unwrap_or(b"locale").to_vec()
        },
        end: if given.has("zero") { 0 } else { b'\n' },
        width: given.value("width").and_then(|text| shown(text).parse().ok()).unwrap_or(80),
        which,
        ignored,
        now: crate::time::now(),
    })
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let mut given = parse(tool, OPTIONS, arguments, (Order::Permuted, 2))?;
    let settings = settings(tool, &given)?;
    if given.operands.is_empty() {
        given.operands.push(b".".to_vec());
    }
    let mut list = List { settings, out: io::BufWriter::with_capacity(1 << 16, io::stdout()), code: 0, begun: false };
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    let settings = &list.settings;
    // Links that are named are followed to directories, unless they are shown themselves.
    let follows = settings.follow
        || given.has("dereference-command-line")
        || !(settings.layout == Layout::Long || settings.directories || settings.marks == Marks::All);
    for operand in &given.operands {
        let path = PathBuf::from(os(operand));
        let own = Status::of(&path, false);
        let status = if follows { Status::of(&path, true).or(own) } else { own };
        match status {
            Ok(status) => {
                let entry = Entry { name: operand.clone(), path, kind: status.kind, status: Some(status) };
                if entry.kind == Kind::Directory && !list.settings.directories {
                    directories.push(entry);
                } else {
                    files.push(entry);
                }
            }
            Err(error) => {
                list.code = 2;
                eprintln!("{tool}: cannot access '{}': {}", shown(operand), reason(&error));
            }
        }
    }
    let result = list.all(files, directories, given.operands.len() > 1);
    if let Err(error) = result.and_then(|()| list.out.flush()) {
        if error.kind() != io::ErrorKind::BrokenPipe {
            eprintln!("{tool}: write error: {}", reason(&error));
        }
        list.code = 2;
    }
    Ok(list.code)
}

pub struct List {
    pub settings: Settings,
    pub out: io::BufWriter<io::Stdout>,
    code: i32,
    begun: bool,
}

impl List {
    fn all(&mut self, mut files: Vec<Entry>, mut directories: Vec<Entry>, several: bool) -> io::Result<()> {
        self.settings.sort(&mut files);
        self.settings.sort(&mut directories);
        if !files.is_empty() {
            self.begun = true;
            self.print(&files)?;
        }
        for entry in directories {
            self.directory(&entry.name, &entry.path, several || self.settings.recursive, 2)?;
        }
        Ok(())
    }

    fn directory(&mut self, name: &[u8], path: &Path, titled: bool, failure: i32) -> io::Result<()> {
        let found = match fs::read_dir(path) {
            Ok(found) => found,
            Err(error) => {
                self.code = self.code.max(failure);
                self.out.flush()?;
                eprintln!("ls: cannot open directory '{}': {}", shown(name), reason(&error));
                return Ok(());
            }
        };
        if titled {
            if self.begun {
                self.out.write_all(b"\n")?;
            }
            self.out.write_all(name)?;
            self.out.write_all(b":\n")?;
        }
        self.begun = true;
        let mut names: Vec<Vec<u8>> = Vec::new();
        if self.settings.itself {
            names.extend([b".".to_vec(), b"..".to_vec()]);
        }
        for entry in found {
            match entry {
                Ok(entry) => names.push(bytes(&entry.file_name()).to_vec()),
                Err(error) => {
                    self.code = self.code.max(1);
                    eprintln!("ls: reading directory '{}': {}", shown(name), reason(&error));
                }
            }
        }
        let mut entries = Vec::new();
        for inner in names {
            let hidden = inner.first() == Some(&b'.') && !self.settings.hidden;
            let mode = glob::Mode { period: true, ..glob::Mode::default() };
            if hidden || self.settings.ignored.iter().any(|pattern| glob::matches(pattern, &inner, mode)) {
                continue;
            }
            let path = path.join(os(&inner));
            let own = Status::of(&path, false);
            let status = if self.settings.follow { Status::of(&path, true).or(own) } else { own };
            match status {
                Ok(status) => entries.push(Entry { name: inner, path, kind: status.kind, status: Some(status) }),
                Err(error) => {
                    self.code = self.code.max(1);
                    eprintln!("ls: cannot access '{}': {}", path.display(), reason(&error));
                    entries.push(Entry { name: inner, path, kind: Kind::File, status: None });
                }
            }
        }
        self.settings.sort(&mut entries);
        if self.settings.layout == Layout::Long || self.settings.blocks {
            let total: u64 = entries.iter().filter_map(|entry| entry.status.as_ref()).map(|status| status.blocks).sum();
            let text = match self.settings.human {
                Some(base) => print::human(total * 512, base),
                None => total.div_ceil(2).to_string(),
            };
            self.out.write_all(format!("total {text}").as_bytes())?;
            self.out.write_all(&[self.settings.end])?;
        }
        self.print(&entries)?;
        if self.settings.recursive {
            for entry in entries.iter().filter(|entry| entry.kind == Kind::Directory) {
                if entry.name == b"." || entry.name == b".." {
                    continue;
                }
                let mut inner = name.to_vec();
                if inner.last() != Some(&b'/') {
                    inner.push(b'/');
                }
                inner.extend_from_slice(&entry.name);
                self.directory(&inner, &entry.path, true, 1)?;
            }
        }
        Ok(())
    }
}

impl Settings {
    pub fn time(&self, status: &Status) -> Time {
        match self.which {
            'c' => status.changed,
            'a' => status.accessed,
            _ => status.modified,
        }
    }

    pub fn stamp(&self, status: &Status) -> String {
        let time = self.time(status);
        let local = crate::time::local(time);
        let recent = time.0 > self.now - 31_556_952 / 2 && time.0 <= self.now;
        match self.time_style.strip_prefix(b"posix-").unwrap_or(&self.time_style) {
            b"full-iso" => {
                format!("{}.{:09} {}", crate::time::format(&local, "%F %T"), time.1, crate::time::format(&local, "%z"))
            }
            b"long-iso" => crate::time::format(&local, "%F %H:%M"),
            b"iso" => crate::time::format(&local, if recent { "%m-%d %H:%M" } else { "%Y-%m-%d " }),
            [b'+', format @ ..] => {
                let format = shown(format);
                let mut forms = format.splitn(2, '\n');
                let old = forms.next().unwrap_or_default().to_owned();
                let form = forms.next().filter(|_| recent).map_or(old, str::to_owned);
                crate::time::format(&local, &form)
            }
            _ => crate::time::recent(time, self.now),
        }
    }

    fn sort(&self, entries: &mut [Entry]) {
        if self.sort != Sort::None {
            entries.sort_by(|left, right| {
                let order = match (self.sort, &left.status, &right.status) {
                    (Sort::Size, Some(left), Some(right)) => right.size.cmp(&left.size),
                    (Sort::Time, Some(left), Some(right)) => self.time(right).cmp(&self.time(left)),
                    (Sort::Version, ..) => versions(&left.name, &right.name),
                    (Sort::Extension, ..) => extension(&left.name).cmp(extension(&right.name)),
                    _ => Ordering::Equal,
                };
                let order = order.then_with(|| left.name.cmp(&right.name));
                if self.reverse { order.reverse() } else { order }
            });
        }
        if self.first {
            let is_directory = |entry: &Entry| {
                entry.kind == Kind::Directory
                    || (entry.kind == Kind::Link && entry.path.is_dir())
            };
            entries.sort_by_key(|entry| !is_directory(entry));
        }
    }
}

fn extension(name: &[u8]) -> &[u8] {
    name.iter().rposition(|&byte| byte == b'.').and_then(|at| name.get(at..)).unwrap_or_default()
}

/// Names with numbers in them by the numbers.
fn versions(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left, mut right) = (left, right);
    loop {
        let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (count_left, count_right) = (digits(left), digits(right));
        if count_left > 0 && count_right > 0 {
            let number = |text: &[u8], count: usize| {
                let text = text.get(..count).unwrap_or_default();
                let zeros = text.iter().take_while(|byte| **byte == b'0').count();
                (count - zeros, text.get(zeros..).unwrap_or_default().to_vec())
            };
            let order = number(left, count_left).cmp(&number(right, count_right));
            if order != Ordering::Equal {
                return order;
            }
            left = left.get(count_left..).unwrap_or_default();
            right = right.get(count_right..).unwrap_or_default();
            continue;
        }
        match (left.split_first(), right.split_first()) {
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some((a, rest_left)), Some((b, rest_right))) => {
                let rank = |byte: u8| match byte {
                    b'~' => -1,
                    byte if byte.is_ascii_alphabetic() => i32::from(byte),
                    byte => i32::from(byte) + 256,
                };
                let order = rank(*a).cmp(&rank(*b));
                if order != Ordering::Equal {
                    return order;
                }
                (left, right) = (rest_left, rest_right);
            }
        }
    }
}
