//! The text of a script to its commands.

use std::collections::HashMap;
use std::rc::Rc;

use super::Settings;
use super::program::{Action, Address, Case, Command, Part, Program, Substitution};
use crate::posix::{Dialect, Regex, character_length};

pub fn parse(text: &[u8], settings: &Settings) -> Result<Program, String> {
    let mut parser = Parser {
        text,
        at: 0,
        settings,
        commands: Vec::new(),
        blocks: Vec::new(),
        labels: HashMap::new(),
        jumps: Vec::new(),
        files: Vec::new(),
    };
    parser.script().map_err(|message| format!("char {}: {message}", parser.at))?;
    let Parser { mut commands, labels, jumps, files, blocks, .. } = parser;
    if !blocks.is_empty() {
        return Err("char 0: unmatched `{'".to_owned());
    }
    for (at, label) in jumps {
        let end = commands.len();
        let target = if label.is_empty() {
            end
        } else {
            *labels.get(&label).ok_or_else(|| {
                format!("char {}: can't find label for jump to `{}'", text.len(), String::from_utf8_lossy(&label))
            })?
        };
        if let Some(Command { action: Action::Branch(to) | Action::BranchIf(to) | Action::BranchUnless(to), .. }) =
            commands.get_mut(at)
        {
            *to = target;
        }
    }
    Ok(Program { commands, files })
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    settings: &'a Settings,
    commands: Vec<Command>,
    blocks: Vec<usize>,
    labels: HashMap<Vec<u8>, usize>,
    jumps: Vec<(usize, Vec<u8>)>,
    files: Vec<Vec<u8>>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | 0x0b | 0x0c)) {
            self.at += 1;
        }
    }

    fn script(&mut self) -> Result<(), String> {
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r' | b';' | 0x0b | 0x0c)) {
                self.at += 1;
            }
            if self.peek().is_none() {
                return Ok(());
            }
            self.command()?;
        }
    }

    fn command(&mut self) -> Result<(), String> {
        let first = self.address(false)?;
        let mut second = None;
        self.blanks();
        if first.is_some() && self.peek() == Some(b',') {
            self.at += 1;
            self.blanks();
            second = Some(self.address(true)?.ok_or("unexpected `,'")?);
        }
        self.blanks();
        let mut negated = false;
        while self.peek() == Some(b'!') {
            negated = true;
            self.at += 1;
            self.blanks();
        }
        let zero = matches!(first, Some(Address::Line(0)));
        if zero && !matches!(second, Some(Address::Match(_))) {
            return Err("invalid usage of line address 0".to_owned());
        }
        let Some(name) = self.next() else { return Err("missing command".to_owned()) };
        let place = self.commands.len();
        let addresses = usize::from(first.is_some()) + usize::from(second.is_some());
        let action = self.action(name, place, addresses)?;
        if let Some(action) = action {
            self.commands.push(Command { first, second, negated, action, open: zero, until: 0 });
        }
        Ok(())
    }

    fn action(&mut self, name: u8, place: usize, addresses: usize) -> Result<Option<Action>, String> {
        let action = match name {
            b'{' => {
                self.blocks.push(place);
                return Ok(Some(Action::Block(0)));
            }
            b'}' => {
                if addresses > 0 {
                    return Err("} doesn't want any addresses".to_owned());
                }
                let start = self.blocks.pop().ok_or("unexpected `}'")?;
                if let Some(Command { action: Action::Block(end), .. }) = self.commands.get_mut(start) {
                    *end = place;
                }
                Action::BlockEnd
            }
            b'#' => {
                if addresses > 0 {
                    return Err("comments don't accept any addresses".to_owned());
                }
                while self.peek().is_some_and(|byte| byte != b'\n') {
                    self.at += 1;
                }
                return Ok(None);
            }
            b':' => {
                if addresses > 0 {
                    return Err(": doesn't want any addresses".to_owned());
                }
                let label = self.label();
                if label.is_empty() {
                    return Err("\":\" lacks a label".to_owned());
                }
                self.labels.insert(label, place);
                return Ok(None);
            }
            b'a' | b'i' | b'c' => {
                let text = self.lines()?;
                match name {
                    b'a' => Action::Append(text),
                    b'i' => Action::Insert(text),
                    _ => Action::Change(text),
                }
            }
            b'b' | b't' | b'T' => {
                let label = self.label();
                self.jumps.push((place, label));
                match name {
                    b'b' => Action::Branch(0),
                    b't' => Action::BranchIf(0),
                    _ => Action::BranchUnless(0),
                }
            }
            b'r' => Action::ReadFile(self.file_name()?),
            b'R' => Action::ReadLine(self.file_name()?),
            b'w' => Action::Write(self.written()?),
            b'W' => Action::WriteFirst(self.written()?),
            b's' => Action::Substitute(Box::new(self.substitution()?)),
            b'y' => self.transliteration()?,
            b'v' => {
                self.label();
                return Ok(None);
            }
            b'q' | b'Q' | b'l' | b'L' => {
                if addresses > 1 && name != b'l' {
                    return Err("command only uses one address".to_owned());
                }
                self.blanks();
                let number = self.number();
                match name {
                    b'q' | b'Q' => {
                        let code = i32::try_from(number.unwrap_or(0) & 0xff).unwrap_or(0);
                        if name == b'q' { Action::Quit(code) } else { Action::QuitSilently(code) }
                    }
                    b'l' => Action::List(number.map(|number| usize::try_from(number).unwrap_or(0))),
                    _ => return Err("unknown command: `L'".to_owned()),
                }
            }
            b'e' => return Err("e: running commands from a script is not supported".to_owned()),
            b'=' => Action::LineNumber,
            b'd' => Action::Delete,
            b'D' => Action::DeleteFirst,
            b'F' => Action::FileName,
            b'g' => Action::Get,
            b'G' => Action::GetAppend,
            b'h' => Action::Hold,
            b'H' => Action::HoldAppend,
            b'n' => Action::Next,
            b'N' => Action::NextAppend,
            b'p' => Action::Print,
            b'P' => Action::PrintFirst,
            b'x' => Action::Exchange,
            b'z' => Action::Zap,
            other => return Err(format!("unknown command: `{}'", char::from(other))),
        };
        if !matches!(name, b'a' | b'i' | b'c') {
            self.end()?;
        }
        Ok(Some(action))
    }

    /// What may stand behind a command.
    fn end(&mut self) -> Result<(), String> {
        self.blanks();
        match self.peek() {
            None | Some(b'}' | b'#') => Ok(()),
            Some(b';' | b'\n') => {
                self.at += 1;
                Ok(())
            }
            Some(_) => {
                self.at += 1;
                Err("extra characters after command".to_owned())
            }
        }
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.text.get(self.at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = std::str::from_utf8(self.text.get(self.at..self.at + digits)?).ok()?;
        self.at += digits;
        text.parse().ok()
    }

    fn address(&mut self, second: bool) -> Result<Option<Address>, String> {
        let Some(byte) = self.peek() else { return Ok(None) };
        let address = match byte {
            b'0'..=b'9' => {
                let line = self.number().ok_or("invalid line number")?;
                self.blanks();
                if self.peek() == Some(b'~') && !second {
                    self.at += 1;
                    self.blanks();
                    Address::Step(line, self.number().unwrap_or(0))
                } else {
                    Address::Line(line)
                }
            }
            b'+' | b'~' if second => {
                self.at += 1;
                let number = self.number().ok_or("expected number")?;
                if byte == b'+' { Address::More(number) } else { Address::Multiple(number) }
            }
            b'$' => {
                self.at += 1;
                Address::Last
            }
            b'/' | b'\\' => {
                self.at += 1;
                let delimiter = if byte == b'/' { b'/' } else { self.next().ok_or("unterminated address regex")? };
                let pattern = self.delimited(delimiter, true).ok_or("unterminated address regex")?;
                let (mut ignore_case, mut multi_line) = (false, false);
                loop {
                    match self.peek() {
                        Some(b'I') => ignore_case = true,
                        Some(b'M') => multi_line = true,
                        _ => break,
                    }
                    self.at += 1;
                }
                Address::Match(self.regex(&pattern, ignore_case, multi_line)?)
            }
            _ => return Ok(None),
        };
        Ok(Some(address))
    }

    /// The text up to a delimiter, with a backslash before one taken away.
    fn delimited(&mut self, delimiter: u8, pattern: bool) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            let byte = self.next()?;
            if byte == delimiter {
                return Some(text);
            }
            if byte == b'\\' {
                let escaped = self.next()?;
                if escaped == delimiter {
                    // What would be an operator with its backslash stays what it is without.
                    if pattern && delimiter == b'.' {
                        text.push(b'\\');
                    } else if !pattern && escaped == b'&' {
                        text.push(b'\\');
                    }
                    text.push(escaped);
                    continue;
                }
                text.push(b'\\');
                text.push(escaped);
            } else if byte == b'\n' && pattern {
                return None;
            } else {
                text.push(byte);
            }
        }
    }

    fn regex(&self, pattern: &[u8], ignore_case: bool, multi_line: bool) -> Result<Option<Rc<Regex>>, String> {
        if pattern.is_empty() {
            return Ok(None);
        }
        let dialect = Dialect {
            extended: self.settings.extended,
            escapes: true,
            multi_line,
            ignore_case,
            ..Dialect::default()
        };
        Ok(Some(Rc::new(Regex::new(&numbered(pattern, true), dialect)?)))
    }

    fn label(&mut self) -> Vec<u8> {
        self.blanks();
        let start = self.at;
        while self.peek().is_some_and(|byte| byte != b'\n' && byte != b';' && byte != b'}') {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default().trim_ascii_end().to_vec()
    }

    fn file_name(&mut self) -> Result<Vec<u8>, String> {
        self.blanks();
        let start = self.at;
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
        let name = self.text.get(start..self.at).unwrap_or_default().to_vec();
        if name.is_empty() { Err("missing filename in r/R/w/W commands".to_owned()) } else { Ok(name) }
    }

    fn written(&mut self) -> Result<Vec<u8>, String> {
        let name = self.file_name()?;
        self.files.push(name.clone());
        Ok(name)
    }

    /// The text of `a`, `i` and `c`.
    fn lines(&mut self) -> Result<Vec<u8>, String> {
        self.blanks();
        if self.peek().is_none() {
            return Err("expected \\ after `a', `c' or `i'".to_owned());
        }
        if self.peek() == Some(b'\\') {
            let mut ahead = self.at + 1;
            while matches!(self.text.get(ahead), Some(b' ' | b'\t')) {
                ahead += 1;
            }
            if self.text.get(ahead) == Some(&b'\n') {
                self.at = ahead + 1;
            } else if ahead >= self.text.len() {
                return Err("expected \\ after `a', `c' or `i'".to_owned());
            } else {
                // GNU's form on one line, whose backslash keeps blanks.
                self.at += 1;
            }
        }
        let mut text = Vec::new();
        while let Some(byte) = self.next() {
            match byte {
                b'\n' => break,
                b'\\' => match self.next() {
                    None => break,
                    Some(b't') => text.push(b'\t'),
                    Some(escaped) => text.push(escaped),
                },
                other => text.push(other),
            }
        }
        text.push(b'\n');
        Ok(text)
    }

    fn substitution(&mut self) -> Result<Substitution, String> {
        let unterminated = || "unterminated `s' command".to_owned();
        let delimiter = self.next().filter(|byte| *byte != b'\n' && *byte != b'\\').ok_or_else(unterminated)?;
        let pattern = self.delimited(delimiter, true).ok_or_else(unterminated)?;
        let replacement = self.delimited(delimiter, false).ok_or_else(unterminated)?;
        let mut made = Substitution {
            regex: None,
            replacement: parts(&numbered(&replacement, false)),
            global: false,
            number: 1,
            prints: 0,
            file: None,
        };
        let (mut ignore_case, mut multi_line, mut numbered) = (false, false, false);
        loop {
            match self.peek() {
                Some(b'g') if made.global => return Err("multiple `g' options to `s' command".to_owned()),
                Some(b'g') => made.global = true,
                Some(b'p') => made.prints += 1,
                Some(b'i' | b'I') => ignore_case = true,
                Some(b'm' | b'M') => multi_line = true,
                Some(b'e') => return Err("s///e: running commands is not supported".to_owned()),
                Some(b'1'..=b'9') => {
                    if numbered {
                        return Err("multiple number options to `s' command".to_owned());
                    }
                    numbered = true;
                    made.number = self.number().ok_or("number option to `s' command may not be zero")?;
                    continue;
                }
                Some(b'0') => return Err("number option to `s' command may not be zero".to_owned()),
                Some(b'w') => {
                    self.at += 1;
                    made.file = Some(self.written()?);
                    break;
                }
                None | Some(b'}' | b'#' | b';' | b'\n' | b' ' | b'\t' | b'\r') => break,
                Some(_) => {
                    self.at += 1;
                    return Err("unknown option to `s'".to_owned());
                }
            }
            self.at += 1;
        }
        made.regex = self.regex(&pattern, ignore_case, multi_line)?;
        if let Some(regex) = &made.regex
            && let Some(group) = made.replacement.iter().find_map(|part| match part {
                Part::Group(group) if *group > regex.groups() => Some(*group),
                _ => None,
            })
        {
            return Err(format!("invalid reference \\{group} on `s' command's RHS"));
        }
        Ok(made)
    }

    fn transliteration(&mut self) -> Result<Action, String> {
        let unterminated = || "unterminated `y' command".to_owned();
        let delimiter = self.next().ok_or_else(unterminated)?;
        let from = self.delimited(delimiter, false).ok_or_else(unterminated)?;
        let to = self.delimited(delimiter, false).ok_or_else(unterminated)?;
        let (from, to) = (characters(&numbered(&from, false))?, characters(&numbered(&to, false))?);
        if from.len() != to.len() {
            return Err("strings for `y' command are different lengths".to_owned());
        }
        Ok(Action::Transliterate(from.into_iter().zip(to).collect()))
    }
}

fn characters(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        if rest.first() == Some(&b'\\') && rest.len() > 1 {
            at += 2;
            found.push(match rest.get(1) {
                Some(b'\\') => vec![b'\\'],
                Some(&other) => match crate::posix::escaped(other) {
                    Some(meant) => vec![meant],
                    None if other == b'\n' => vec![b'\n'],
                    None => return Err("unknown command: y with a stray backslash".to_owned()),
                },
                None => Vec::new(),
            });
            continue;
        }
        let length = character_length(rest);
        found.push(rest.get(..length).unwrap_or_default().to_vec());
        at += length;
    }
    Ok(found)
}

/// Characters by their numbers, `\x41`, `\o101`, `\d065` and `\cA`, as themselves.
fn numbered(text: &[u8], pattern: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let Some(&kind) = text.get(at + 1).filter(|_| byte == b'\\') else {
            out.push(byte);
            at += 1;
            continue;
        };
        let (base, most) = match kind {
            b'x' => (16, 2),
            b'o' => (8, 3),
            b'd' => (10, 3),
            b'c' if text.len() > at + 2 => {
                out.push(text.get(at + 2).copied().unwrap_or(0).to_ascii_uppercase() ^ 0x40);
                at += 3;
                continue;
            }
            _ => {
                out.extend_from_slice(&[byte, kind]);
                at += 2;
                continue;
            }
        };
        let digits: String = text
            .get(at + 2..)
            .unwrap_or_default()
            .iter()
            .take(most)
            .map(|digit| char::from(*digit))
            .take_while(|digit| digit.is_digit(base))
            .collect();
        match u32::from_str_radix(&digits, base) {
            Ok(number) => {
                let meant = number.to_le_bytes()[0];
                let special: &[u8] = if pattern { b"$*.[]\\^+?(){}|/" } else { b"&\\" };
                if special.contains(&meant) {
                    out.push(b'\\');
                }
                out.push(meant);
                at += 2 + digits.len();
            }
            Err(_) => {
                out.extend_from_slice(&[byte, kind]);
                at += 2;
            }
        }
    }
    out
}

fn parts(text: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        let part = match byte {
            b'&' => Part::Group(0),
            b'\\' => match bytes.next() {
                None => {
                    literal.push(b'\\');
                    continue;
                }
                Some(digit @ b'0'..=b'9') => Part::Group(usize::from(digit - b'0')),
                Some(b'U') => Part::Case(Case::Upper),
                Some(b'L') => Part::Case(Case::Lower),
                Some(b'u') => Part::Case(Case::UpperNext),
                Some(b'l') => Part::Case(Case::LowerNext),
                Some(b'E') => Part::Case(Case::End),
                Some(other) => {
                    literal.push(crate::posix::escaped(other).unwrap_or(other));
                    continue;
                }
            },
            other => {
                literal.push(other);
                continue;
            }
        };
        if !literal.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut literal)));
        }
        parts.push(part);
    }
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    parts
}
