//! Compound commands and functions.

use std::rc::Rc;

use super::parse::Parser;
use super::tree::{Arm, Kind, List, Part, Word};
use crate::limits::SHELL_DEPTH_MAX;

impl Parser<'_> {
    pub(super) fn function(&mut self, name: String) -> Option<Kind> {
        self.skip_lines();
        self.depth += 1;
        let body = if self.depth > SHELL_DEPTH_MAX {
            self.complete = false;
            self.at = self.text.len();
            None
        } else {
            self.command()
        };
        self.depth -= 1;
        Some(Kind::Function { name, body: Rc::new(body?) })
    }

    pub(super) fn if_command(&mut self) -> Kind {
        let mut branches = Vec::new();
        let mut otherwise = None;
        loop {
            let condition = self.list(&["then"]);
            self.expect("then");
            let body = self.list(&["elif", "else", "fi"]);
            branches.push((condition, body));
            if self.expect("elif") {
                continue;
            }
            if self.expect("else") {
                otherwise = Some(self.list(&["fi"]));
            }
            self.expect("fi");
            return Kind::If { branches, otherwise };
        }
    }

    pub(super) fn for_command(&mut self) -> Kind {
        self.skip_blanks();
        let mut words = Vec::new();
        let mut variable = None;
        if self.take(b"((") {
            self.skip_arithmetic();
        } else {
            variable = self.word().literal().map(str::to_owned);
            self.skip_lines();
            if self.expect("in") {
                loop {
                    self.skip_blanks();
                    if matches!(
                        self.byte(0),
                        None | Some(b';' | b'\n' | b'&' | b'|' | b')' | b'(' | b'<' | b'>')
                    ) {
                        break;
                    }
                    words.push(self.word());
                }
            }
        }
        self.skip_blanks();
        self.take(b";");
        self.skip_lines();
        let body = self.body();
        Kind::Loop { variable, words, condition: List::default(), body }
    }

    pub(super) fn body(&mut self) -> List {
        let closing = if self.expect("do") {
            "done"
        } else if self.expect("{") {
            "}"
        } else {
            return List::default();
        };
        let body = self.list(&[closing]);
        self.expect(closing);
        body
    }

    pub(super) fn case_command(&mut self) -> Kind {
        self.skip_blanks();
        let subject = self.word();
        self.skip_lines();
        self.expect("in");
        let mut arms = Vec::new();
        loop {
            self.skip_lines();
            if self.byte(0).is_none() || self.expect("esac") {
                return Kind::Case { subject, arms };
            }
            let before = self.at;
            self.take(b"(");
            let mut patterns = Vec::new();
            while self.byte(0).is_some_and(|byte| byte != b')' && byte != b'\n') {
                let at = self.at;
                let pattern = self.word();
                if self.at == at {
                    self.at += 1;
                } else {
                    patterns.push(pattern);
                }
            }
            self.take(b")");
            arms.push(Arm { patterns, body: self.list(&["esac"]) });
            self.skip_lines();
            if self.take(b";;") {
                self.take(b"&");
            } else {
                self.take(b";&");
            }
            if self.at == before {
                self.at += 1;
            }
        }
    }

    pub(super) fn condition(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        loop {
            self.skip_lines();
            let before = self.at;
            let word = self.word();
            if word.keyword() == Some("]]") {
                return words;
            }
            if self.at == before {
                // Brackets and comparisons.
                self.at += 1;
                if self.at >= self.text.len() {
                    return words;
                }
                words.push(Word { parts: vec![Part::Unknown], quoted: false });
            } else {
                words.push(word);
            }
        }
    }

    pub(super) fn skip_arithmetic(&mut self) {
        let mut open = 2u32;
        while let Some(byte) = self.byte(0) {
            self.at += 1;
            match byte {
                b'(' => open += 1,
                b')' => {
                    open -= 1;
                    if open == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }
}
