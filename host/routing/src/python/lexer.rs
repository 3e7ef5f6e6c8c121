//! Python text to logical lines of tokens, in one pass and without recursion.
//!
//! Own code and not a crate's parser: what is wanted are imports and calls, of files that may be anything, in some
//! microseconds each; a parser of the whole language builds a tree of each file, and what descends recursively dies
//! of a text that is nested deeply enough.

use std::cell::RefCell;
use std::rc::Rc;

use super::names::{self, NameId, Names};
use crate::limits::EVIDENCE_BYTES_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Name(NameId),
    /// With its prefix and quotes.
    Text,
    Number,
    /// Any other byte.
    Mark(u8),
}

#[derive(Clone, Copy, Debug)]
pub struct Token {
    pub kind: Kind,
    pub start: u32,
    pub end: u32,
}

/// A logical line: brackets and backslashes join physical ones.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub indent: u32,
    /// Number of its first physical line, from 1.
    pub number: u32,
    /// Where its text begins.
    start: u32,
    /// Whether it may hold several statements.
    pub has_semicolon: bool,
    /// Its tokens; of a function's body, only once that is read.
    pub first: usize,
    pub end: usize,
    /// The line after the block that it opens: the next one that is indented no further.
    pub block_end: usize,
}

/// Of a line whose tokens are not read yet.
const UNREAD: usize = usize::MAX;

impl Line {
    pub fn is_read(&self) -> bool {
        self.first != UNREAD
    }
}

/// Items that are read as they are needed, by number.
#[derive(Debug, Default)]
pub struct Growing<T>(RefCell<Vec<T>>);

impl<T: Copy> Growing<T> {
    pub fn get(&self, index: usize) -> Option<T> {
        self.0.borrow().get(index).copied()
    }

    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }
}

/// A file as lines of tokens. Bodies of functions are read when they are reached: most are not.
#[derive(Debug)]
pub struct Source {
    text: Rc<[u8]>,
    pub tokens: Growing<Token>,
    pub lines: Growing<Line>,
}

impl Source {
    /// Reads a text; each text, however broken, has lines.
    pub fn new(text: Rc<[u8]>, names: &mut Names) -> Self {
        let mut lexer = Lexer {
            text: &text,
            at: 0,
            number: 1,
            open: 0,
            names,
            tokens: Vec::with_capacity(text.len() / 10),
            lines: Vec::with_capacity(text.len() / 32),
            body: None,
            semicolon: false,
        };
        lexer.run();
        let (tokens, mut lines) = (lexer.tokens, lexer.lines);
        close_blocks(&mut lines);
        Self { text, tokens: Growing(RefCell::new(tokens)), lines: Growing(RefCell::new(lines)) }
    }

    /// Reads the lines of a function's body, once it is reached.
    pub fn read(&self, lines: (usize, usize), names: &mut Names) {
        let mut known = self.lines.0.borrow_mut();
        let mut tokens = self.tokens.0.borrow_mut();
        let mut lexer = Lexer {
            text: &self.text,
            at: 0,
            number: 0,
            open: 0,
            names,
            tokens: std::mem::take(&mut *tokens),
            lines: Vec::new(),
            body: None,
            semicolon: false,
        };
        for line in known.get_mut(lines.0..lines.1).unwrap_or_default() {
            if !line.is_read() {
                lexer.at = to_usize(line.start);
                lexer.open = 0;
                line.first = lexer.tokens.len();
                lexer.tokens_of_line();
                line.end = lexer.tokens.len();
                line.has_semicolon = lexer.semicolon;
            }
        }
        *tokens = lexer.tokens;
    }

    /// The bytes of a token.
    pub fn bytes(&self, token: Token) -> &[u8] {
        let range = to_usize(token.start)..to_usize(token.end);
        self.text.get(range).unwrap_or_default()
    }

    /// The physical line in which a logical one begins.
    pub fn line_text(&self, line: &Line) -> &[u8] {
        let rest = self.text.get(to_usize(line.start)..).unwrap_or_default();
        let shown = rest.get(..EVIDENCE_BYTES_MAX).unwrap_or(rest);
        let end = shown.iter().position(|&byte| byte == b'\n').unwrap_or(shown.len());
        shown.get(..end).unwrap_or_default()
    }

    /// The number of the physical line of a token of a logical line; far into a long one, that of its beginning.
    pub fn number_of(&self, line: &Line, token: usize) -> u32 {
        const FAR_BYTES: u32 = 16 * 1024;
        let Some(token) = self.tokens.get(token) else { return line.number };
        if token.start.saturating_sub(line.start) > FAR_BYTES {
            return line.number;
        }
        let between = self.text.get(to_usize(line.start)..to_usize(token.start)).unwrap_or_default();
        let lines = between.split(|&byte| byte == b'\n').count().saturating_sub(1);
        line.number.saturating_add(to_u32(lines))
    }
}

/// By byte: it may be part of a name or a number.
const IS_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    loop {
        table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// By byte: it means something in a line whose tokens are not noted.
const ENDS_PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &[u8] = b"\n#\\\"'()[]{}";
    while let [byte, after @ ..] = rest {
        table[*byte as usize] = true;
        rest = after;
    }
    table
};

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn close_blocks(lines: &mut [Line]) {
    let mut open: Vec<(usize, u32)> = Vec::new();
    for index in 0..lines.len() {
        let Some(indent) = lines.get(index).map(|line| line.indent) else { continue };
        while let Some(&(opener, outer)) = open.last() {
            if outer < indent {
                break;
            }
            open.pop();
            if let Some(line) = lines.get_mut(opener) {
                line.block_end = index;
            }
        }
        open.push((index, indent));
    }
}

struct Lexer<'t, 'n> {
    text: &'t [u8],
    at: usize,
    number: u32,
    /// Open brackets.
    open: u32,
    names: &'n mut Names,
    tokens: Vec<Token>,
    lines: Vec<Line>,
    /// In the body of a function that is indented so.
    body: Option<u32>,
    /// The line has had one.
    semicolon: bool,
}

impl Lexer<'_, '_> {
    fn run(&mut self) {
        if self.text.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        while self.at < self.text.len() {
            self.logical_line();
        }
        let count = self.lines.len();
        for line in &mut self.lines {
            line.block_end = count;
        }
    }

    fn logical_line(&mut self) {
        let mut indent = 0u32;
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b' ' => indent = indent.saturating_add(1),
                b'\t' => indent = (indent / 8 + 1).saturating_mul(8),
                0x0c => indent = 0,
                _ => break,
            }
            self.at += 1;
        }
        let (first, number, start) = (self.tokens.len(), self.number, self.at);
        self.open = 0;
        if self.body.is_some_and(|outer| indent <= outer) && !self.is_blank() {
            self.body = None;
        }
        let line = Line {
            indent,
            number,
            start: to_u32(start),
            has_semicolon: true,
            first: UNREAD,
            end: UNREAD,
            block_end: 0,
        };
        if self.body.is_some() {
            if !self.is_blank() {
                self.lines.push(line);
            }
            self.skim_line();
            return;
        }
        self.tokens_of_line();
        if self.tokens.len() > first {
            self.lines.push(Line { first, end: self.tokens.len(), has_semicolon: self.semicolon, ..line });
            let is_def =
                |at: usize| self.tokens.get(at).is_some_and(|token| token.kind == Kind::Name(names::DEF));
            let is_async = self.tokens.get(first).is_some_and(|token| token.kind == Kind::Name(names::ASYNC));
            if is_def(first + usize::from(is_async)) {
                self.body = Some(indent);
            }
        }
    }

    fn is_blank(&self) -> bool {
        matches!(self.text.get(self.at), None | Some(b'\n' | b'\r' | b'#'))
    }

    /// Goes to the end of a logical line without noting what is in it.
    fn skim_line(&mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'\n' => {
                    self.at += 1;
                    self.number = self.number.saturating_add(1);
                    if self.open == 0 {
                        return;
                    }
                }
                b'#' => self.skip_comment(),
                b'\\' => self.skip_backslash(),
                b'"' | b'\'' => self.skip_string(byte),
                b'(' | b'[' | b'{' => {
                    self.open = self.open.saturating_add(1);
                    self.at += 1;
                }
                b')' | b']' | b'}' => {
                    self.open = self.open.saturating_sub(1);
                    self.at += 1;
                }
                _ => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    self.at +=
                        rest.iter().position(|&byte| ENDS_PLAIN[usize::from(byte)]).unwrap_or(rest.len());
                }
            }
        }
    }

    fn skip_comment(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    }

    /// A backslash before the end of a line joins it to the next.
    fn skip_backslash(&mut self) {
        self.at += 1;
        if self.text.get(self.at) == Some(&b'\r') {
            self.at += 1;
        }
        if self.text.get(self.at) == Some(&b'\n') {
            self.at += 1;
            self.number = self.number.saturating_add(1);
        }
    }

    fn tokens_of_line(&mut self) {
        self.semicolon = false;
        while let Some(&byte) = self.text.get(self.at) {
            let start = self.at;
            match byte {
                b'\n' => {
                    self.at += 1;
                    self.number = self.number.saturating_add(1);
                    if self.open == 0 {
                        return;
                    }
                }
                b' ' | b'\t' | b'\r' | 0x0c => self.at += 1,
                b'#' => self.skip_comment(),
                b'\\' => self.skip_backslash(),
                b'"' | b'\'' => {
                    self.skip_string(byte);
                    self.push(Kind::Text, start);
                }
                b'0'..=b'9' => {
                    self.skip_word();
                    self.push(Kind::Number, start);
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xff => {
                    self.skip_word();
                    match self.text.get(self.at) {
                        Some(&quote @ (b'"' | b'\'')) if self.at - start <= 2 && self.is_prefix(start) => {
                            self.skip_string(quote);
                            self.push(Kind::Text, start);
                        }
                        _ => {
                            let name = self.text.get(start..self.at).unwrap_or_default();
                            let id = self.names.id(name);
                            self.push(Kind::Name(id), start);
                        }
                    }
                }
                _ => {
                    match byte {
                        b'(' | b'[' | b'{' => self.open = self.open.saturating_add(1),
                        b')' | b']' | b'}' => self.open = self.open.saturating_sub(1),
                        b';' => self.semicolon = true,
                        _ => {}
                    }
                    self.at += 1;
                    self.push(Kind::Mark(byte), start);
                }
            }
        }
    }

    fn push(&mut self, kind: Kind, start: usize) {
        self.tokens.push(Token { kind, start: to_u32(start), end: to_u32(self.at) });
    }

    fn skip_word(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|&byte| !IS_WORD[usize::from(byte)]).unwrap_or(rest.len());
    }

    fn is_prefix(&self, start: usize) -> bool {
        let prefix = self.text.get(start..self.at).unwrap_or_default();
        prefix.iter().all(|byte| b"rRbBfFuUtT".contains(byte))
    }

    fn skip_string(&mut self, quote: u8) {
        let triple = [quote; 3];
        let is_triple = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(&triple));
        self.at += if is_triple { 3 } else { 1 };
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' => {
                    if self.text.get(self.at) == Some(&b'\n') {
                        self.number = self.number.saturating_add(1);
                    }
                    self.at = (self.at + 1).min(self.text.len());
                }
                b'\n' if is_triple => self.number = self.number.saturating_add(1),
                b'\n' => {
                    // An error in Python; the line ends here.
                    self.at -= 1;
                    return;
                }
                byte if byte == quote => {
                    if !is_triple {
                        return;
                    }
                    if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(&[quote; 2])) {
                        self.at += 2;
                        return;
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(u32, u32, usize, usize)> {
        let source = Source::new(text.as_bytes().into(), &mut Names::new());
        let lines = source.lines.0.borrow();
        lines.iter().map(|line| (line.number, line.indent, line.end - line.first, line.block_end)).collect()
    }

    #[test]
    fn brackets_and_strings_join_lines() {
        assert_eq!(lines("a = [\n1,\n]\nb"), [(1, 0, 6, 1), (4, 0, 1, 2)]);
        assert_eq!(lines("'''\nimport x\n'''\nb"), [(1, 0, 1, 1), (4, 0, 1, 2)]);
        assert_eq!(lines("a \\\n b\nc # (\nd"), [(1, 0, 2, 1), (3, 0, 1, 2), (4, 0, 1, 3)]);
    }

    #[test]
    fn a_block_ends_where_the_indentation_does() {
        assert_eq!(lines("if a:\n  b\n  c\nd"), [(1, 0, 3, 3), (2, 2, 1, 2), (3, 2, 1, 3), (4, 0, 1, 4)]);
    }

    #[test]
    fn an_open_string_ends_with_its_line() {
        assert_eq!(lines("a = 'x\nb").len(), 2);
    }
}
