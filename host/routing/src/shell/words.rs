//! Words of a shell text: quotes, and what is expanded in them.

use std::rc::Rc;

use super::here::fill;
use super::parse::Parser;
use super::tree::{List, Part, Word};
use crate::limits::SHELL_DEPTH_MAX;

impl Parser<'_> {
    pub(super) fn word(&mut self) -> Word {
        let mut word = Word::default();
        while let Some(byte) = self.byte(0) {
            match byte {
                b'<' | b'>' if self.byte(1) == Some(b'(') && word.parts.is_empty() => {
                    self.at += 2;
                    let list = self.nested();
                    word.parts.push(Part::Process(list));
                }
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                b'\'' => {
                    self.at += 1;
                    word.quoted = true;
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    let length = rest.iter().position(|&byte| byte == b'\'').unwrap_or(rest.len());
                    push_text(&mut word, rest.get(..length).unwrap_or_default());
                    self.at += length + 1;
                }
                b'"' => {
                    self.at += 1;
                    word.quoted = true;
                    self.double_quoted(&mut word, Some(b'"'));
                }
                b'\\' => {
                    if self.byte(1) == Some(b'\n') {
                        self.at += 2;
                    } else {
                        word.quoted = true;
                        let length = self.character_length(1);
                        let text = self.text.get(self.at + 1..self.at + 1 + length).unwrap_or_default();
                        push_text(&mut word, text);
                        self.at += 1 + length.max(1);
                    }
                }
                b'$' | b'`' => self.expansion(&mut word, false),
                b'*' | b'?' => {
                    self.at += 1;
                    word.parts.push(Part::Unknown);
                }
                _ => {
                    let length = self.character_length(0).max(1);
                    let text = self.text.get(self.at..self.at + length).unwrap_or_default();
                    push_text(&mut word, text);
                    self.at += length;
                }
            }
        }
        word
    }

    /// Bytes of the character at a distance, so that text stays UTF-8.
    fn character_length(&self, ahead: usize) -> usize {
        let Some(first) = self.byte(ahead) else { return 0 };
        let length = match first {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        let there = self.text.len().saturating_sub(self.at + ahead);
        length.min(there)
    }

    /// The inside of double quotes up to `end`, or of a here-document.
    pub(super) fn double_quoted(&mut self, word: &mut Word, end: Option<u8>) {
        while let Some(byte) = self.byte(0) {
            if Some(byte) == end {
                self.at += 1;
                return;
            }
            match byte {
                b'\\' => match self.byte(1) {
                    Some(b'\n') => self.at += 2,
                    Some(escaped @ (b'$' | b'`' | b'"' | b'\\')) => {
                        push_text(word, &[escaped]);
                        self.at += 2;
                    }
                    _ => {
                        push_text(word, b"\\");
                        self.at += 1;
                    }
                },
                b'$' | b'`' => self.expansion(word, true),
                _ => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    let plain = |byte: &u8| !matches!(byte, b'\\' | b'$' | b'`') && Some(*byte) != end;
                    let length = rest.iter().take_while(|byte| plain(byte)).count().max(1);
                    push_text(word, rest.get(..length).unwrap_or_default());
                    self.at += length;
                }
            }
        }
    }

    fn expansion(&mut self, word: &mut Word, quoted: bool) {
        if self.byte(0) == Some(b'`') {
            let rest = self.text.get(self.at + 1..).unwrap_or_default();
            let mut inner = Vec::new();
            let mut bytes = rest.iter().copied().enumerate();
            let mut length = rest.len();
            while let Some((index, byte)) = bytes.next() {
                match byte {
                    b'`' => {
                        length = index + 1;
                        break;
                    }
                    b'\\' => match bytes.next() {
                        Some((_, escaped @ (b'`' | b'\\' | b'$'))) => inner.push(escaped),
                        Some((_, other)) => inner.extend([b'\\', other]),
                        None => {}
                    },
                    other => inner.push(other),
                }
            }
            self.at += 1 + length;
            word.parts.push(Part::Substitution(self.inner_list(&inner)));
            return;
        }
        match self.byte(1) {
            Some(b'(') if self.byte(2) == Some(b'(') => {
                self.at += 3;
                self.skip_arithmetic();
                word.parts.push(Part::Unknown);
            }
            Some(b'(') => {
                self.at += 2;
                let list = self.nested();
                word.parts.push(Part::Substitution(list));
            }
            Some(b'{') => {
                self.at += 2;
                let part = self.braced(quoted);
                word.parts.push(part);
            }
            Some(b'\'') if !quoted => {
                self.at += 2;
                word.quoted = true;
                while let Some(byte) = self.byte(0) {
                    self.at += if byte == b'\\' { 2 } else { 1 };
                    if byte == b'\'' {
                        break;
                    }
                }
                word.parts.push(Part::Unknown);
            }
            Some(b'"') if !quoted => self.at += 1,
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' => {
                self.at += 1;
                let rest = self.text.get(self.at..).unwrap_or_default();
                let length = if byte.is_ascii_digit() {
                    1
                } else {
                    rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
                };
                let name = String::from_utf8_lossy(rest.get(..length).unwrap_or_default()).into_owned();
                self.at += length;
                word.parts.push(Part::Variable { name, default: None, quoted });
            }
            Some(special @ (b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!')) => {
                self.at += 2;
                let name = char::from(special).to_string();
                word.parts.push(Part::Variable { name, default: None, quoted });
            }
            _ => {
                push_text(word, b"$");
                self.at += 1;
            }
        }
    }

    /// The inside of `$( )` or `<( )`.
    fn nested(&mut self) -> Rc<List> {
        let list = self.list(&[]);
        self.take(b")");
        Rc::new(list)
    }

    fn inner_list(&mut self, text: &[u8]) -> Rc<List> {
        let mut inner = self.within(text);
        let mut list = inner.list(&[]);
        fill(&mut list, &mut inner.bodies);
        self.complete &= inner.complete;
        Rc::new(list)
    }

    /// The inside of `${ }`.
    fn braced(&mut self, quoted: bool) -> Part {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let name = String::from_utf8_lossy(rest.get(..length).unwrap_or_default()).into_owned();
        self.at += length;
        // The first of an array is what its name alone means.
        if self.looking_at(b"[0]}") {
            self.at += 3;
        }
        let simple = self.byte(0) == Some(b'}');
        let has_default = self.looking_at(b":-") || self.looking_at(b":=");
        if has_default {
            self.at += 2;
        }
        let mut inner = Word { quoted: true, ..Word::default() };
        self.depth += 1;
        if self.depth > SHELL_DEPTH_MAX {
            self.complete = false;
            self.at = self.text.len();
        }
        self.default_text(&mut inner);
        self.depth -= 1;
        if !name.is_empty() && (simple || has_default) {
            Part::Variable { name, default: has_default.then_some(inner.parts), quoted }
        } else {
            // Its substitutions run all the same.
            inner.parts.retain(|part| matches!(part, Part::Substitution(_)));
            inner.parts.into_iter().next().unwrap_or(Part::Unknown)
        }
    }

    /// The text up to the `}` that closes, with the expansions in it.
    fn default_text(&mut self, word: &mut Word) {
        while let Some(byte) = self.byte(0) {
            match byte {
                b'}' => {
                    self.at += 1;
                    return;
                }
                b'"' => {
                    self.at += 1;
                    self.double_quoted(word, Some(b'"'));
                }
                b'\'' => {
                    self.at += 1;
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    let length = rest.iter().position(|&byte| byte == b'\'').unwrap_or(rest.len());
                    push_text(word, rest.get(..length).unwrap_or_default());
                    self.at += length + 1;
                }
                b'\\' => self.at += 2,
                b'$' | b'`' => self.expansion(word, true),
                _ => {
                    let length = self.character_length(0).max(1);
                    push_text(word, self.text.get(self.at..self.at + length).unwrap_or_default());
                    self.at += length;
                }
            }
        }
    }
}

pub(super) fn push_text(word: &mut Word, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(Part::Text(last)) = word.parts.last_mut() {
        last.push_str(&text);
    } else if !text.is_empty() {
        word.parts.push(Part::Text(text.into_owned()));
    }
}

pub(super) fn text_word(bytes: &[u8]) -> Word {
    let mut word = Word { quoted: true, ..Word::default() };
    push_text(&mut word, bytes);
    word
}
