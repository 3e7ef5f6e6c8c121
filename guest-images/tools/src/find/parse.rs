//! The expression to its tree.

use std::path::Path;

use sandpiper_guest::{Status, os, users};

use crate::glob::Mode;
use crate::posix::{Around, Dialect, Regex};
use crate::text::{reason, shown};

/// A comparison with a number: `+n`, `-n` or `n`.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    pub order: std::cmp::Ordering,
    pub number: i64,
}

impl Compared {
    pub fn holds(self, value: i64) -> bool {
        value.cmp(&self.number) == self.order
    }
}

/// Which of a file's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Accessed,
    Modified,
    Changed,
}

impl Which {
    pub fn of(self, status: &Status) -> (i64, u32) {
        match self {
            Which::Accessed => status.accessed,
            Which::Modified => status.modified,
            Which::Changed => status.changed,
        }
    }

    fn from(letter: u8) -> Option<Which> {
        Some(match letter {
            b'a' => Which::Accessed,
            b'm' => Which::Modified,
            b'c' => Which::Changed,
            _ => return None,
        })
    }
}

#[derive(Debug)]
pub enum Test {
    True,
    False,
    Not(Box<Test>),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
    Comma(Box<Test>, Box<Test>),
    Name(Vec<u8>, Mode),
    PathName(Vec<u8>, Mode),
    LinkName(Vec<u8>, Mode),
    Regex(Vec<Regex>),
    Kind(Vec<u8>, bool),
    /// The number in units of so many bytes.
    Size(Compared, u64),
    /// Of so many seconds.
    Time(Which, Compared, i64),
    Newer(Which, (i64, u32)),
    Empty,
    Mode(char, u32),
    User(Compared),
    Group(Compared),
    NoUser,
    NoGroup,
    Links(Compared),
    Inode(Compared),
    Same(u64, u64),
    Access(u32),
    Prune,
    Quit,
    Delete,
    Print(Option<usize>, u8),
    Printf(Option<usize>, Vec<u8>),
    List(Option<usize>),
    /// Whether all names go to one command, whether it runs where the file is, whether it is asked for.
    Exec { words: Vec<Vec<u8>>, many: bool, inside: bool, asks: bool, batch: usize },
}

/// What holds for all of a search.
#[derive(Debug, Default)]
pub struct Settings {
    pub follow: bool,
    pub follow_operands: bool,
    pub depth_first: bool,
    pub one_device: bool,
    pub least: usize,
    pub most: Option<usize>,
    pub acts: bool,
    pub batches: usize,
    pub files: Vec<Vec<u8>>,
    pub ignore_races: bool,
    day_start: bool,
    extended: bool,
}

pub struct Parser<'a> {
    words: &'a [Vec<u8>],
    at: usize,
    pub settings: Settings,
    /// Seconds since 1970.
    now: (i64, u32),
}

impl<'a> Parser<'a> {
    pub fn new(words: &'a [Vec<u8>], settings: Settings, now: (i64, u32)) -> Self {
        Parser { words, at: 0, settings, now }
    }

    pub fn expression(&mut self) -> Result<Test, String> {
        if self.words.is_empty() {
            return Ok(Test::True);
        }
        let test = self.comma()?;
        match self.words.get(self.at) {
            None => Ok(test),
            Some(word) if word == b")" => Err("invalid expression; you have too many ')'".to_owned()),
            Some(word) => Err(format!("paths must precede expression: `{}'", shown(word))),
        }
    }

    fn takes(&mut self, words: &[&str]) -> bool {
        let found = self.words.get(self.at).is_some_and(|word| words.iter().any(|known| known.as_bytes() == word));
        self.at += usize::from(found);
        found
    }

    fn comma(&mut self) -> Result<Test, String> {
        let mut left = self.or()?;
        while self.takes(&[","]) {
            left = Test::Comma(Box::new(left), Box::new(self.or()?));
        }
        Ok(left)
    }

    fn or(&mut self) -> Result<Test, String> {
        let mut left = self.and()?;
        while self.takes(&["-o", "-or"]) {
            left = Test::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Test, String> {
        let mut left = self.not()?;
        loop {
            let explicit = self.takes(&["-a", "-and"]);
            match self.words.get(self.at).map(Vec::as_slice) {
                None | Some(b")" | b"," | b"-o" | b"-or") if !explicit => return Ok(left),
                None => return Err("expected an expression after `-a'".to_owned()),
                _ => left = Test::And(Box::new(left), Box::new(self.not()?)),
            }
        }
    }

    fn not(&mut self) -> Result<Test, String> {
        if self.takes(&["!", "-not"]) {
            return Ok(Test::Not(Box::new(self.not()?)));
        }
        if self.takes(&["("]) {
            if self.takes(&[")"]) {
                return Err("invalid expression; empty parentheses are not allowed.".to_owned());
            }
            let inner = self.comma()?;
            if !self.takes(&[")"]) {
                return Err("invalid expression; I was expecting to find a ')' somewhere but did not see one.".to_owned());
            }
            return Ok(inner);
        }
        self.primary()
    }

    fn value(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let value = self.words.get(self.at).cloned().ok_or_else(|| format!("missing argument to `{name}'"))?;
        self.at += 1;
        Ok(value)
    }

    fn number(&mut self, name: &str) -> Result<Compared, String> {
        let text = self.value(name)?;
        compared(&text).ok_or_else(|| format!("invalid argument `{}' to `{name}'", shown(&text)))
    }

    fn count(&mut self, name: &str) -> Result<usize, String> {
        let text = self.value(name)?;
        shown(&text).parse().map_err(|_| {
            format!("Expected a positive decimal integer argument to {name}, but got `{}'", shown(&text))
        })
    }

    fn status(&mut self, name: &str) -> Result<Status, String> {
        let file = self.value(name)?;
        Status::of(Path::new(&os(&file)), true).map_err(|error| format!("`{}': {}", shown(&file), reason(&error)))
    }

    fn output(&mut self, name: &str) -> Result<Option<usize>, String> {
        let file = self.value(name)?;
        let known = self.settings.files.iter().position(|known| *known == file);
        Ok(Some(known.unwrap_or_else(|| {
            self.settings.files.push(file);
            self.settings.files.len() - 1
        })))
    }

    fn primary(&mut self) -> Result<Test, String> {
        let Some(word) = self.words.get(self.at) else { return Err("expected an expression".to_owned()) };
        self.at += 1;
        let word = shown(word);
        let name = word.as_str();
        let case = Mode { ignore_case: true, ..Mode::default() };
        let acts = |parser: &mut Self| parser.settings.acts = true;
        Ok(match name {
            "-true" => Test::True,
            "-false" => Test::False,
            "-name" => Test::Name(self.value(name)?, Mode::default()),
            "-iname" => Test::Name(self.value(name)?, case),
            "-path" | "-wholename" => Test::PathName(self.value(name)?, Mode::default()),
            "-ipath" | "-iwholename" => Test::PathName(self.value(name)?, case),
            "-lname" => Test::LinkName(self.value(name)?, Mode::default()),
            "-ilname" => Test::LinkName(self.value(name)?, case),
            "-regextype" => {
                let kind = self.value(name)?;
                self.settings.extended = match kind.as_slice() {
                    b"posix-extended" | b"egrep" | b"posix-egrep" | b"awk" | b"gnu-awk" | b"posix-awk" => true,
                    b"posix-basic" | b"ed" | b"sed" | b"grep" | b"emacs" | b"findutils-default" | b"posix-minimal-basic" => false,
                    _ => return Err(format!("Unknown regular expression type `{}'", shown(&kind))),
                };
                Test::True
            }
            "-regex" | "-iregex" => {
                let pattern = self.value(name)?;
                let emacs = !self.settings.extended;
                let dialect = Dialect { extended: !emacs, ignore_case: name == "-iregex", ..Dialect::default() };
                // The default's + and ? are operators without a backslash, its groups with one.
                let pattern = if emacs { emacs_pattern(&pattern) } else { pattern };
                Test::Regex(Regex::any(&[pattern], dialect, Around::Line)?)
            }
            "-type" | "-xtype" => {
                let kinds = self.value(name)?;
                let letters: Vec<u8> = kinds.split(|&byte| byte == b',').flatten().copied().collect();
                if let Some(wrong) = letters.iter().find(|letter| !b"fdlpscb".contains(letter)) {
                    return Err(format!("Unknown argument to {name}: {}", char::from(*wrong)));
                }
                Test::Kind(letters, name == "-xtype")
            }
            "-size" => {
                let text = self.value(name)?;
                let (digits, unit) = match text.split_last() {
                    Some((b'c', digits)) => (digits, 1),
                    Some((b'w', digits)) => (digits, 2),
                    Some((b'b', digits)) => (digits, 512),
                    Some((b'k', digits)) => (digits, 1 << 10),
                    Some((b'M', digits)) => (digits, 1 << 20),
                    Some((b'G', digits)) => (digits, 1 << 30),
                    _ => (text.as_slice(), 512),
                };
                let number = compared(digits).ok_or_else(|| format!("Invalid argument `{}' to -size", shown(&text)))?;
                Test::Size(number, unit)
            }
            "-mtime" | "-atime" | "-ctime" => {
                Test::Time(self.which(name), self.number(name)?, 86400)
            }
            "-mmin" | "-amin" | "-cmin" => Test::Time(self.which(name), self.number(name)?, 60),
            "-daystart" => {
                self.settings.day_start = true;
                self.now = (self.now.0 - self.now.0.rem_euclid(86400) + 86400, 0);
                Test::True
            }
            "-newer" => Test::Newer(Which::Modified, self.status(name)?.modified),
            "-anewer" => Test::Newer(Which::Accessed, self.status(name)?.modified),
            "-cnewer" => Test::Newer(Which::Changed, self.status(name)?.modified),
            _ if name.starts_with("-newer") && name.len() == 8 => {
                let letters = name.as_bytes();
                let unknown = || format!("unknown predicate `{name}'");
                let which = letters.get(6).copied().and_then(Which::from).ok_or_else(unknown)?;
                let time = match letters.get(7).copied() {
                    Some(b't') => {
                        let text = self.value(name)?;
                        date(&text, self.now.0).ok_or_else(|| {
                            format!("I cannot figure out how to interpret `{}' as a date or time", shown(&text))
                        })?
                    }
                    Some(letter) => Which::from(letter).ok_or_else(unknown)?.of(&self.status(name)?),
                    None => return Err(unknown()),
                };
                Test::Newer(which, time)
            }
            "-empty" => Test::Empty,
            "-perm" => {
                let text = shown(&self.value(name)?);
                let (kind, rest) = match text.chars().next() {
                    Some(kind @ ('-' | '/')) => (kind, text.get(1..).unwrap_or_default()),
                    _ => ('=', text.as_str()),
                };
                let mode = crate::mode::parse(rest.as_bytes())
                    .map(|change| change.apply(0, false, 0))
                    .ok_or_else(|| format!("invalid mode `{text}'"))?;
                Test::Mode(kind, mode)
            }
            "-user" | "-uid" => {
                let text = self.value(name)?;
                let number = users::user_number(&shown(&text)).map(|number| Compared {
                    order: std::cmp::Ordering::Equal,
                    number: i64::from(number),
                });
                Test::User(number.or_else(|| compared(&text)).ok_or_else(|| {
                    format!("`{}' is not the name of a known user", shown(&text))
                })?)
            }
            "-group" | "-gid" => {
                let text = self.value(name)?;
                let number = users::group_number(&shown(&text)).map(|number| Compared {
                    order: std::cmp::Ordering::Equal,
                    number: i64::from(number),
                });
                Test::Group(number.or_else(|| compared(&text)).ok_or_else(|| {
                    format!("`{}' is not the name of an existing group", shown(&text))
                })?)
            }
            "-nouser" => Test::NoUser,
            "-nogroup" => Test::NoGroup,
            "-links" => Test::Links(self.number(name)?),
            "-inum" => Test::Inode(self.number(name)?),
            "-samefile" => {
                let status = self.status(name)?;
                Test::Same(status.device, status.inode)
            }
            "-readable" => Test::Access(sandpiper_guest::READ),
            "-writable" => Test::Access(sandpiper_guest::WRITE),
            "-executable" => Test::Access(sandpiper_guest::EXECUTE),
            "-prune" => Test::Prune,
            "-depth" | "-d" => {
                self.settings.depth_first = true;
                Test::True
            }
            "-follow" => {
                self.settings.follow = true;
                Test::True
            }
            "-xdev" | "-mount" => {
                self.settings.one_device = true;
                Test::True
            }
            "-noleaf" | "-warn" | "-nowarn" | "-noignore_readdir_race" => Test::True,
            "-ignore_readdir_race" => {
                self.settings.ignore_races = true;
                Test::True
            }
            "-maxdepth" => {
                self.settings.most = Some(self.count(name)?);
                Test::True
            }
            "-mindepth" => {
                self.settings.least = self.count(name)?;
                Test::True
            }
            "-quit" => {
                acts(self);
                Test::Quit
            }
            "-delete" => {
                acts(self);
                self.settings.depth_first = true;
                Test::Delete
            }
            "-print" | "-print0" => {
                acts(self);
                Test::Print(None, if name == "-print" { b'\n' } else { 0 })
            }
            "-fprint" | "-fprint0" => {
                acts(self);
                Test::Print(self.output(name)?, if name == "-fprint" { b'\n' } else { 0 })
            }
            "-printf" => {
                acts(self);
                Test::Printf(None, self.value(name)?)
            }
            "-fprintf" => {
                acts(self);
                let file = self.output(name)?;
                Test::Printf(file, self.value(name)?)
            }
            "-ls" => {
                acts(self);
                Test::List(None)
            }
            "-fls" => {
                acts(self);
                Test::List(self.output(name)?)
            }
            "-exec" | "-execdir" | "-ok" | "-okdir" => {
                acts(self);
                self.exec(name)?
            }
            ")" => return Err("invalid expression; you have too many ')'".to_owned()),
            _ if name.starts_with('-') => return Err(format!("unknown predicate `{name}'")),
            _ => return Err(format!("paths must precede expression: `{name}'")),
        })
    }

    fn which(&self, name: &str) -> Which {
        name.as_bytes().get(1).copied().and_then(Which::from).unwrap_or(Which::Modified)
    }

    pub fn now(&self) -> (i64, u32) {
        self.now
    }

    fn exec(&mut self, name: &str) -> Result<Test, String> {
        let mut words = Vec::new();
        let many = loop {
            let word = self.value(name)?;
            if word == b";" {
                break false;
            }
            if word == b"+" && words.last().is_some_and(|last: &Vec<u8>| last == b"{}") {
                words.pop();
                break true;
            }
            words.push(word);
        };
        if words.is_empty() {
            return Err(format!("invalid argument `;' to `{name}'"));
        }
        let batch = self.settings.batches;
        self.settings.batches += usize::from(many);
        Ok(Test::Exec { words, many, inside: name.ends_with("dir"), asks: name.starts_with("-ok"), batch })
    }
}

fn compared(text: &[u8]) -> Option<Compared> {
    let (order, digits) = match text.first()? {
        b'+' => (std::cmp::Ordering::Greater, text.get(1..)?),
        b'-' => (std::cmp::Ordering::Less, text.get(1..)?),
        _ => (std::cmp::Ordering::Equal, text),
    };
    let number = std::str::from_utf8(digits).ok()?.parse::<u32>().ok()?;
    Some(Compared { order, number: i64::from(number) })
}

fn emacs_pattern(pattern: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = pattern.iter().copied().peekable();
    let mut bracket = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' => bracket = true,
            b']' => bracket = false,
            b'\\' if !bracket => {
                out.push(byte);
                out.extend(bytes.next());
                continue;
            }
            b'+' | b'?' if !bracket => out.push(b'\\'),
            _ => {}
        }
        out.push(byte);
    }
    out
}

/// A date of the common forms: ISO, `@seconds`, `now`, `today`, `yesterday`, `N units ago`.
fn date(text: &[u8], now: i64) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if let Some(seconds) = text.strip_prefix('@') {
        return Some((seconds.parse().ok()?, 0));
    }
    let day = now - now.rem_euclid(86400);
    match text {
        "now" => return Some((now, 0)),
        "today" => return Some((now, 0)),
        "yesterday" => return Some((now - 86400, 0)),
        "midnight" => return Some((day, 0)),
        _ => {}
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [number, unit, "ago"] = words.as_slice() {
        let length = match unit.trim_end_matches('s') {
            "second" | "sec" => 1,
            "minute" | "min" => 60,
            "hour" => 3600,
            "day" => 86400,
            "week" => 604_800,
            _ => return None,
        };
        return Some((now - number.parse::<i64>().ok()? * length, 0));
    }
    let iso = text.replacen(' ', "T", 1);
    if let Ok(stamp) = iso.parse::<jiff::Timestamp>() {
        return Some((stamp.as_second(), u32::try_from(stamp.subsec_nanosecond()).ok()?));
    }
    let civil = iso
        .parse::<jiff::civil::DateTime>()
        .or_else(|_| iso.parse::<jiff::civil::Date>().map(|date| date.at(0, 0, 0, 0)))
        .ok()?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some((zoned.timestamp().as_second(), 0))
}
