//! The text that is being parsed, and where the parser is in it.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::ast::{Bytes, HereDocument, List};
use super::token::Token;
use super::{DEPTH_MAX, SyntaxError};

/// Gives the text of a script piece by piece; none at its end.
pub type Reader = Box<dyn FnMut() -> Option<Bytes>>;

/// What the shell's options and aliases mean for the parser.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub extended_globs: bool,
    pub aliases: Option<BTreeMap<Bytes, Bytes>>,
}

pub struct Parser {
    pub(super) text: Bytes,
    pub(super) at: usize,
    reader: Option<Reader>,
    pub settings: Settings,
    pub(super) pending: Vec<Rc<HereDocument>>,
    pub(super) depth: u32,
    /// How many `$( )` are open.
    pub(super) substitutions: u32,
    /// Position and number of a line that was counted already.
    counted: (usize, u32),
    pub(super) peeked: Option<(usize, Token, usize)>,
    /// Text that came from an alias, by its end; inside it that alias is not expanded again.
    pub(super) alias_spans: Vec<(Bytes, usize)>,
    /// The word from here on may be an alias too, because an alias's text ended with a blank.
    pub(super) alias_next: Option<usize>,
    pub warnings: Vec<Bytes>,
}

impl Parser {
    pub fn new(text: &[u8], first_line: u32, settings: Settings) -> Self {
        Parser {
            text: text.to_vec(),
            at: 0,
            reader: None,
            settings,
            pending: Vec::new(),
            depth: 0,
            substitutions: 0,
            counted: (0, first_line),
            peeked: None,
            alias_spans: Vec::new(),
            alias_next: None,
            warnings: Vec::new(),
        }
    }

    pub fn from_reader(reader: Reader, settings: Settings) -> Self {
        let mut parser = Parser::new(b"", 1, settings);
        parser.reader = Some(reader);
        parser
    }

    /// The next complete command line: none at the end of the text.
    pub fn next_line(&mut self) -> Result<Option<List>, SyntaxError> {
        self.forget_read_text();
        loop {
            match self.peek()? {
                Token::End => return Ok(None),
                Token::Newline => self.take()?,
                _ => break,
            };
        }
        let list = self.line_list()?;
        Ok(Some(list))
    }

    /// Everything up to the end of the text.
    pub fn whole(&mut self) -> Result<List, SyntaxError> {
        let mut list = List::default();
        while let Some(mut line) = self.next_line()? {
            list.items.append(&mut line.items);
        }
        Ok(list)
    }

    /// After an error: goes on behind the line where it was.
    pub fn skip_line(&mut self) {
        self.peeked = None;
        self.pending.clear();
        self.depth = 0;
        while let Some(byte) = self.byte(self.at) {
            self.at += 1;
            if byte == b'\n' {
                break;
            }
        }
    }

    /// Where the parser is, for `since`.
    pub fn position(&mut self) -> usize {
        self.forget_read_text();
        self.at
    }

    /// What was read since a position.
    pub fn since(&self, from: usize) -> Bytes {
        self.text.get(from..self.at).map(<[u8]>::to_vec).unwrap_or_default()
    }

    /// A script on standard input is dropped as it is read, so that its length is no matter.
    fn forget_read_text(&mut self) {
        if self.at > 64 * 1024 && self.peeked.is_none() {
            self.line_at(self.at);
            let cut = self.at;
            self.text.drain(..cut);
            self.at = 0;
            self.counted.0 = 0;
            self.alias_spans.clear();
        }
    }

    /// The byte at a position, reading more text where needed.
    pub(super) fn byte(&mut self, at: usize) -> Option<u8> {
        while at >= self.text.len() {
            let more = self.reader.as_mut()?();
            match more {
                Some(more) => self.text.extend_from_slice(&more),
                None => {
                    self.reader = None;
                    return None;
                }
            }
        }
        self.text.get(at).copied()
    }

    pub(super) fn here(&mut self) -> Option<u8> {
        self.byte(self.at)
    }

    pub(super) fn looking_at(&mut self, what: &[u8]) -> bool {
        (0..what.len()).all(|i| self.byte(self.at + i) == Some(what[i]))
    }

    /// Skips blanks and continued lines.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            match self.here() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.byte(self.at + 1) == Some(b'\n') => self.at += 2,
                _ => return,
            }
        }
    }

    /// The number of the line of a position.
    pub(super) fn line_at(&mut self, at: usize) -> u32 {
        let (from, line) = self.counted;
        let newlines = |part: &[u8]| {
            u32::try_from(part.iter().filter(|&&byte| byte == b'\n').count()).unwrap_or(u32::MAX)
        };
        let line = if at >= from {
            line + newlines(&self.text[from..at.min(self.text.len())])
        } else {
            line.saturating_sub(newlines(&self.text[at..from.min(self.text.len())]))
        };
        self.counted = (at, line);
        line
    }

    pub fn line(&mut self) -> u32 {
        self.line_at(self.at)
    }

    /// The source from a position to here, without continued lines.
    pub(super) fn slice(&self, from: usize) -> Rc<[u8]> {
        without_continuations(&self.text[from..self.at.min(self.text.len())]).into()
    }

    pub(super) fn enter(&mut self) -> Result<(), SyntaxError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(b"commands are nested too deeply"));
        }
        Ok(())
    }

    pub(super) fn error(&mut self, message: &[u8]) -> SyntaxError {
        let line = self.line_at(self.at.min(self.text.len()));
        SyntaxError { message: message.to_vec(), line, shown: None, incomplete: false }
    }

    pub(super) fn unexpected(&mut self, token: &Token, start: usize) -> SyntaxError {
        if matches!(token, Token::End) {
            return self.unexpected_end();
        }
        let mut message = b"syntax error near unexpected token `".to_vec();
        message.extend_from_slice(&token.text());
        message.push(b'\'');
        let line = self.line_at(start);
        let begin = self.text[..start].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let end = self.text[start..]
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(self.text.len(), |at| start + at);
        let shown = Some(self.text[begin..end].to_vec());
        SyntaxError { message, line, shown, incomplete: false }
    }

    pub(super) fn unexpected_end(&mut self) -> SyntaxError {
        let mut error = self.error(b"syntax error: unexpected end of file");
        error.line += u32::from(self.text.last() != Some(&b'\n'));
        error.incomplete = true;
        error
    }

    pub(super) fn unclosed(&mut self, start: usize, closing: &str) -> SyntaxError {
        let line = self.line_at(start);
        let message = format!("unexpected EOF while looking for matching `{closing}'").into_bytes();
        SyntaxError { message, line, shown: None, incomplete: true }
    }
}

pub(super) fn without_continuations(text: &[u8]) -> Bytes {
    if !text.windows(2).any(|pair| pair == b"\\\n") {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let mut single = false;
    while at < text.len() {
        match text[at] {
            b'\\' if !single && text.get(at + 1) == Some(&b'\n') => at += 1,
            b'\\' if !single && at + 1 < text.len() => {
                out.extend_from_slice(&text[at..at + 2]);
                at += 1;
            }
            byte => {
                if byte == b'\'' {
                    single = !single;
                }
                out.push(byte);
            }
        }
        at += 1;
    }
    out
}
