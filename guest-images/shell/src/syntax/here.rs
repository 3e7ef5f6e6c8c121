//! Here-documents.

use std::rc::Rc;

use super::ast::{Bytes, HereDocument, Part, Word};
use super::words::Context;
use super::{Parser, SyntaxError};

impl Parser {
    pub(super) fn here_document(&mut self, strip_tabs: bool, delimiter: &Word) -> Rc<HereDocument> {
        let mut plain = Bytes::new();
        let mut quoted = false;
        unquoted(&delimiter.parts, &mut plain, &mut quoted);
        let document =
            Rc::new(HereDocument { delimiter: plain, quoted, strip_tabs, body: std::cell::OnceCell::new() });
        self.pending.push(document.clone());
        document
    }

    /// Reads the bodies that are due, at the start of a line.
    pub(super) fn read_here_documents(&mut self) -> Result<(), SyntaxError> {
        for document in std::mem::take(&mut self.pending) {
            let start_line = self.line_at(self.at);
            let body = self.here_text(&document, start_line);
            let word = if document.quoted {
                let text: Rc<[u8]> = body.clone().into();
                Word { parts: vec![Part::Quoted(body)], text, braces: false }
            } else {
                let mut inner = Parser::new(&body, start_line, self.settings.clone());
                inner.depth = self.depth;
                inner.word(Context::HereDocument)?
            };
            document.body.set(word).ok();
        }
        Ok(())
    }

    fn here_text(&mut self, document: &HereDocument, start_line: u32) -> Bytes {
        let mut body = Bytes::new();
        loop {
            let mut line = Bytes::new();
            let mut ended = false;
            while let Some(byte) = self.here() {
                self.at += 1;
                line.push(byte);
                if byte == b'\n' {
                    ended = true;
                    // A continued line is one line, also for the delimiter.
                    if !document.quoted && ends_with_odd_backslash(&line) {
                        line.truncate(line.len() - 2);
                        continue;
                    }
                    break;
                }
            }
            let stripped: &[u8] = if document.strip_tabs {
                let tabs = line.iter().take_while(|&&byte| byte == b'\t').count();
                &line[tabs..]
            } else {
                &line
            };
            let bare = stripped.strip_suffix(b"\n").unwrap_or(stripped);
            if (ended || !bare.is_empty()) && bare == document.delimiter {
                return body;
            }
            // Inside `$( )` the delimiter may be followed by the closing parenthesis.
            if self.substitutions > 0
                && bare.starts_with(&document.delimiter)
                && !document.delimiter.is_empty()
            {
                let rest = &bare[document.delimiter.len()..];
                if rest.first() == Some(&b')') {
                    let back = rest.len() + usize::from(ended);
                    self.at -= back;
                    return body;
                }
            }
            body.extend_from_slice(stripped);
            if !ended {
                let message = format!(
                    "warning: here-document at line {} delimited by end-of-file (wanted `{}')",
                    start_line.saturating_sub(1),
                    String::from_utf8_lossy(&document.delimiter)
                );
                self.warnings.push(message.into_bytes());
                return body;
            }
        }
    }
}

fn ends_with_odd_backslash(line: &[u8]) -> bool {
    let line = &line[..line.len() - 1];
    line.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// A delimiter is not expanded, only its quotes are removed.
fn unquoted(parts: &[Part], plain: &mut Bytes, quoted: &mut bool) {
    for part in parts {
        match part {
            Part::Literal(text) | Part::Bad(text) => plain.extend_from_slice(text),
            Part::Quoted(text) => {
                *quoted = true;
                plain.extend_from_slice(text);
            }
            Part::Double(inner) => {
                *quoted = true;
                unquoted(inner, plain, &mut false);
            }
            Part::Tilde(text) => {
                plain.push(b'~');
                plain.extend_from_slice(text);
            }
            Part::Parameter(parameter) => plain.extend_from_slice(&parameter.text),
            Part::Command(_) | Part::Arithmetic(_) | Part::Process { .. } => {}
        }
    }
}
