//! Parameter expansions.

use std::cell::OnceCell;
use std::rc::Rc;

use super::ast::{Arithmetic, Bytes, Name, Operator, Parameter, Part, Replace, Subscript, Word};
use super::words::{Context, Stop};
use super::{Parser, SyntaxError};
use crate::bytes::name_length;

const SPECIAL: &[u8] = b"@*#?-$!0";

impl Parser {
    /// `$name`, `$1`, `$@`; none where the `$` is just that.
    pub(super) fn plain_parameter(&mut self) -> Option<Part> {
        let start = self.at;
        let next = self.byte(start + 1)?;
        let name = if next.is_ascii_alphabetic() || next == b'_' {
            let mut end = start + 1;
            while self.byte(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                end += 1;
            }
            self.at = end;
            Name::Variable(self.text[start + 1..end].to_vec())
        } else if (b'1'..=b'9').contains(&next) {
            self.at += 2;
            Name::Positional(usize::from(next - b'0'))
        } else if SPECIAL.contains(&next) {
            self.at += 2;
            Name::Special(next)
        } else {
            return None;
        };
        let text = self.slice(start);
        Some(Part::Parameter(Rc::new(Parameter {
            name,
            subscript: None,
            indirect: false,
            operator: Operator::None,
            text,
        })))
    }

    /// `${...}`.
    pub(super) fn braced_parameter(&mut self, doubled: bool) -> Result<Part, SyntaxError> {
        let start = self.at;
        self.enter()?;
        self.at += 2;
        let parsed = self.parameter_inside(start, doubled);
        self.depth -= 1;
        match parsed? {
            Some(parameter) => Ok(Part::Parameter(Rc::new(parameter))),
            None => {
                self.at = start + 2;
                self.skip_bad(start)?;
                Ok(Part::Bad(self.slice(start).to_vec()))
            }
        }
    }

    /// To the `}` that closes what is no parameter expansion.
    fn skip_bad(&mut self, start: usize) -> Result<(), SyntaxError> {
        loop {
            match self.here() {
                None => return Err(self.unclosed(start, "}")),
                Some(b'}') => break,
                Some(b'\\') => self.at += 2,
                Some(b'$' | b'`') => {
                    if self.dollar(true)?.is_none() {
                        self.at += 1;
                    }
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    fn closed(&mut self) -> bool {
        if self.here() == Some(b'}') {
            self.at += 1;
            return true;
        }
        false
    }

    /// None when it is not a parameter expansion.
    fn parameter_inside(&mut self, start: usize, doubled: bool) -> Result<Option<Parameter>, SyntaxError> {
        let make = |parser: &Parser, name, subscript, indirect, operator| {
            let text = parser.slice(start);
            Ok(Some(Parameter { name, subscript, indirect, operator, text }))
        };
        // `${#}`, `${#x}`, but `${#-x}`, `${#:-x}` and `${##x}` are about `$#`.
        if self.here() == Some(b'#') {
            let next = self.byte(self.at + 1);
            let about_count = match next {
                Some(b'}') => true,
                Some(b':' | b'%' | b'=' | b'+' | b'/' | b'-' | b'?' | b'#' | b'@') => {
                    self.byte(self.at + 2) != Some(b'}')
                }
                _ => false,
            };
            if !about_count {
                self.at += 1;
                let Some(name) = self.parameter_name() else { return Ok(None) };
                let subscript = self.parameter_subscript(&name)?;
                if !self.closed() {
                    return Ok(None);
                }
                return make(self, name, subscript, false, Operator::Length);
            }
        }
        let mut indirect = false;
        if self.here() == Some(b'!')
            && !matches!(self.byte(self.at + 1), Some(b'}' | b':' | b'-' | b'=' | b'+'))
        {
            indirect = true;
            self.at += 1;
            // `${!#}` is the last argument.
            if matches!(self.here(), Some(b'%' | b'/' | b'^' | b',')) {
                indirect = false;
                self.at -= 1;
            }
        }
        let Some(name) = self.parameter_name() else { return Ok(None) };
        if indirect
            && let Name::Variable(_) = name
            && let Some(kind @ (b'*' | b'@')) = self.here()
            && self.byte(self.at + 1) == Some(b'}')
        {
            self.at += 2;
            return make(self, name, None, false, Operator::Names(kind));
        }
        let subscript = self.parameter_subscript(&name)?;
        if indirect && self.here() == Some(b'}') {
            self.at += 1;
            return match subscript {
                Some(Subscript::All(kind)) => make(self, name, None, false, Operator::Keys(kind)),
                subscript => make(self, name, subscript, true, Operator::None),
            };
        }
        let Some(operator) = self.operator(doubled)? else { return Ok(None) };
        make(self, name, subscript, indirect, operator)
    }

    fn parameter_name(&mut self) -> Option<Name> {
        let first = self.here()?;
        if first.is_ascii_digit() {
            let start = self.at;
            while self.here().is_some_and(|byte| byte.is_ascii_digit()) {
                self.at += 1;
            }
            let number = std::str::from_utf8(&self.text[start..self.at]).ok()?.parse().unwrap_or(usize::MAX);
            return Some(if number == 0 { Name::Special(b'0') } else { Name::Positional(number) });
        }
        if SPECIAL.contains(&first) {
            self.at += 1;
            return Some(Name::Special(first));
        }
        // A script read line by line may go on behind what is there.
        let mut end = self.at;
        while self.byte(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            end += 1;
        }
        let length = name_length(&self.text[self.at..end]);
        if length == 0 {
            return None;
        }
        let name = self.text[self.at..self.at + length].to_vec();
        self.at += length;
        Some(Name::Variable(name))
    }

    fn parameter_subscript(&mut self, name: &Name) -> Result<Option<Subscript>, SyntaxError> {
        if self.here() != Some(b'[') || !matches!(name, Name::Variable(_)) {
            return Ok(None);
        }
        let start = self.at;
        self.at += 1;
        if let Some(kind @ (b'@' | b'*')) = self.here()
            && self.byte(self.at + 1) == Some(b']')
        {
            self.at += 2;
            return Ok(Some(Subscript::All(kind)));
        }
        let word = self.word(Context::Subscript)?;
        if self.here() != Some(b']') {
            return Err(self.unclosed(start, "]"));
        }
        self.at += 1;
        Ok(Some(Subscript::Index(word)))
    }

    fn operand(&mut self, doubled: bool) -> Result<Word, SyntaxError> {
        let start = self.at;
        if doubled {
            let parts = self.double_parts(Stop::Brace)?;
            return Ok(Word { parts, text: self.slice(start), braces: false });
        }
        let mut word = self.word(Context::Operand)?;
        word.braces = false;
        Ok(word)
    }

    /// A pattern has quotes of its own, also between double quotes.
    fn pattern(&mut self, context: Context) -> Result<Word, SyntaxError> {
        let mut word = self.word(context)?;
        word.braces = false;
        Ok(word)
    }

    /// The operator behind a name, and the closing brace; none when it is not one.
    fn operator(&mut self, doubled: bool) -> Result<Option<Operator>, SyntaxError> {
        if self.closed() {
            return Ok(Some(Operator::None));
        }
        let Some(first) = self.here() else { return Ok(None) };
        let second = self.byte(self.at + 1);
        let operator = match first {
            b'-' | b'=' | b'?' | b'+' => {
                self.at += 1;
                Operator::Test { kind: first, colon: false, word: self.operand(doubled)? }
            }
            b':' if matches!(second, Some(b'-' | b'=' | b'?' | b'+')) => {
                self.at += 2;
                Operator::Test { kind: second.unwrap_or(b'-'), colon: true, word: self.operand(doubled)? }
            }
            b':' => {
                self.at += 1;
                let offset = self.offset()?;
                let mut length = None;
                if self.here() == Some(b':') {
                    self.at += 1;
                    length = Some(self.offset()?);
                }
                Operator::Substring { offset, length }
            }
            b'#' | b'%' => {
                let longest = second == Some(first);
                self.at += if longest { 2 } else { 1 };
                Operator::Remove { suffix: first == b'%', longest, pattern: self.pattern(Context::Operand)? }
            }
            b'/' => {
                self.at += 1;
                let kind = match second {
                    Some(b'/') => Replace::All,
                    Some(b'#') => Replace::Prefix,
                    Some(b'%') => Replace::Suffix,
                    _ => Replace::First,
                };
                if kind != Replace::First {
                    self.at += 1;
                }
                // `${x///y}` replaces slashes.
                let lead =
                    kind == Replace::All && self.here() == Some(b'/') && self.byte(self.at + 1) == Some(b'/');
                let pattern = if lead {
                    self.at += 1;
                    Word { parts: vec![Part::Quoted(b"/".to_vec())], text: b"/"[..].into(), braces: false }
                } else {
                    self.pattern(Context::Search)?
                };
                let empty = Word { parts: Vec::new(), text: b""[..].into(), braces: false };
                let replacement = if self.here() == Some(b'/') {
                    self.at += 1;
                    // Quotes count in it also between double quotes.
                    self.operand(false)?
                } else {
                    empty
                };
                Operator::Replace { kind, pattern, replacement }
            }
            b'^' | b',' => {
                let all = second == Some(first);
                self.at += if all { 2 } else { 1 };
                let pattern = self.pattern(Context::Operand)?;
                Operator::Case {
                    kind: first,
                    all,
                    pattern: Some(pattern).filter(|word| !word.parts.is_empty()),
                }
            }
            b'@' => match second {
                Some(kind @ (b'Q' | b'E' | b'P' | b'A' | b'a' | b'U' | b'u' | b'L' | b'K' | b'k')) => {
                    self.at += 2;
                    Operator::Transform(kind)
                }
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        Ok(if self.closed() { Some(operator) } else { None })
    }

    fn offset(&mut self) -> Result<Arithmetic, SyntaxError> {
        let start = self.at;
        let parts = self.double_parts(Stop::Offset)?;
        let word = Word { parts, text: self.slice(start), braces: false };
        Ok(Arithmetic { word, parsed: OnceCell::new() })
    }
}

/// The plain text of a word that has nothing but text in it.
pub(super) fn plain(word: &Word) -> Option<Bytes> {
    match word.parts.as_slice() {
        [] => Some(Bytes::new()),
        [Part::Literal(text)] => Some(text.clone()),
        _ => None,
    }
}
