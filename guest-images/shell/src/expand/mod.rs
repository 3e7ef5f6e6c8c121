//! From words to arguments: brace, tilde, parameter, command and arithmetic expansion, splitting, path names, quote removal.

mod brace;
pub mod escape;
mod fields;
mod operator;
mod parameter;
mod path;
pub mod prompt;

pub use fields::{Field, Fields};

use crate::flow::{Flow, Result};
use crate::shell::Shell;
use crate::syntax::ast::{Bytes, Part, Word};
use crate::system;

impl Shell {
    /// The arguments that words come to.
    pub fn expand_words<'a>(&mut self, words: impl IntoIterator<Item = &'a Word>) -> Result<Vec<Bytes>> {
        let mut out = Vec::new();
        for word in words {
            self.expand_word(word, &mut out)?;
        }
        Ok(out)
    }

    pub fn expand_word(&mut self, word: &Word, out: &mut Vec<Bytes>) -> Result<()> {
        if let [Part::Literal(text)] = word.parts.as_slice()
            && !text.iter().any(|byte| b"*?[{+@!".contains(byte))
        {
            out.push(text.clone());
            return Ok(());
        }
        if word.braces && self.options.braceexpand {
            for parts in brace::expand(&word.parts) {
                self.expand_fields(&parts, out)?;
            }
            return Ok(());
        }
        self.expand_fields(&word.parts, out)
    }

    fn expand_fields(&mut self, parts: &[Part], out: &mut Vec<Bytes>) -> Result<()> {
        let mut fields = Fields::new(true, self.ifs());
        self.expand_parts(parts, false, &mut fields)?;
        for field in fields.into_fields() {
            if self.options.noglob || !field.has_pattern(self.shopt.extglob) {
                out.push(field.text);
                continue;
            }
            let found = self.matching_paths(&field.pattern());
            if !found.is_empty() {
                out.extend(found);
            } else if self.shopt.failglob {
                self.complain(&[b"no match: ", field.text.as_slice()].concat());
                return Err(Flow::Discard(1));
            } else if !self.shopt.nullglob {
                out.push(field.text);
            }
        }
        Ok(())
    }

    /// Expansion without splitting and path names, as of the value of an assignment.
    pub fn expand_to_string(&mut self, word: &Word) -> Result<Bytes> {
        if let [Part::Literal(text)] = word.parts.as_slice() {
            return Ok(text.clone());
        }
        Ok(self.expand_one(word)?.text)
    }

    fn expand_one(&mut self, word: &Word) -> Result<Field> {
        let mut fields = Fields::new(false, self.ifs());
        self.expand_parts(&word.parts, false, &mut fields)?;
        Ok(fields.into_one())
    }

    /// Expansion to a pattern, in which what was quoted is escaped.
    pub fn expand_pattern(&mut self, word: &Word) -> Result<Bytes> {
        Ok(self.expand_one(word)?.pattern())
    }

    /// Expansion to a regular expression, in which what was quoted is escaped.
    pub fn expand_regex(&mut self, word: &Word) -> Result<Bytes> {
        Ok(self.expand_one(word)?.regex())
    }

    pub(super) fn expand_parts(&mut self, parts: &[Part], doubled: bool, fields: &mut Fields) -> Result<()> {
        for part in parts {
            match part {
                Part::Literal(text) if doubled => fields.quoted(text),
                Part::Literal(text) => fields.literal(text),
                Part::Quoted(text) => {
                    fields.quoted(text);
                    fields.start();
                }
                Part::Double(inner) => self.expand_doubled(inner, fields)?,
                Part::Parameter(parameter) => self.expand_parameter(parameter, doubled, fields)?,
                Part::Command(substitution) => {
                    let output = self.substitute(substitution)?;
                    self.push_value(&output, doubled, fields);
                }
                Part::Arithmetic(arithmetic) => {
                    let number = self.arithmetic(arithmetic)?.to_string();
                    self.push_value(number.as_bytes(), doubled, fields);
                }
                Part::Process { reads, list } => {
                    let path = self.substitute_process(*reads, list)?;
                    fields.quoted(&path);
                }
                Part::Tilde(name) => {
                    let home = self.tilde(name);
                    fields.quoted(&home);
                    fields.start();
                }
                Part::Bad(text) => {
                    self.complain(&[text.as_slice(), b": bad substitution"].concat());
                    return Err(Flow::Discard(1));
                }
            }
        }
        Ok(())
    }

    #[allow(clippy::unused_self)] // One name for both ways of adding a value.
    pub(super) fn push_value(&mut self, value: &[u8], doubled: bool, fields: &mut Fields) {
        if doubled {
            fields.quoted(value);
        } else {
            fields.value(value);
        }
    }

    fn expand_doubled(&mut self, inner: &[Part], fields: &mut Fields) -> Result<()> {
        let before = fields.length();
        let outer = std::mem::replace(&mut fields.empty_list, false);
        let literals = std::mem::replace(&mut fields.splits_literals, false);
        self.expand_parts(inner, true, fields)?;
        fields.splits_literals = literals;
        if !fields.empty_list || fields.length() != before {
            fields.start();
        }
        fields.empty_list = outer;
        Ok(())
    }

    pub fn tilde(&mut self, name: &[u8]) -> Bytes {
        let known = match name {
            b"" => self.variable_value(b"HOME").or_else(|| system::home(b"")),
            b"+" => self.variable_value(b"PWD"),
            b"-" => self.variable_value(b"OLDPWD"),
            digits if digits.iter().all(|byte| byte.is_ascii_digit() || b"+-".contains(byte)) => {
                self.stacked_directory(digits)
            }
            name => system::home(name),
        };
        known.unwrap_or_else(|| [b"~", name].concat())
    }

    /// The text with parameters, commands and arithmetic expanded, as of `PS4`.
    pub fn expand_text(&mut self, text: &[u8]) -> Bytes {
        let Ok(word) = crate::syntax::parse_double_quoted_text(text, &self.parser_settings()) else {
            return text.to_vec();
        };
        self.expand_to_string(&word).unwrap_or_default()
    }
}
