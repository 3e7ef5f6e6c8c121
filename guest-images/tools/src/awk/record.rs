//! The record and its fields.

use std::rc::Rc;

use super::run::{FS, Flow, Machine, NF, Run};
use super::value::Value;
use crate::posix::Regex;

/// How fields are separated.
#[derive(Debug, Clone)]
pub enum Fields {
    Blanks,
    Byte(u8),
    Characters,
    Regex(Rc<Regex>),
}

/// No record has more; what the program asks for beyond is a mistake.
const FIELDS_MAX: usize = 10_000_000;

impl Machine<'_> {
    pub fn set_record(&mut self, record: Vec<u8>) {
        self.record = Rc::new(record);
        self.split = false;
        self.stale = false;
    }

    /// The whole record, made of its fields if they changed.
    pub fn whole(&mut self) -> Rc<Vec<u8>> {
        if self.stale {
            let separator = self.output_separator();
            let mut record = Vec::new();
            for (at, field) in self.fields.iter().enumerate() {
                if at > 0 {
                    record.extend_from_slice(&separator);
                }
                record.extend_from_slice(&field.bytes(&self.convert));
            }
            self.record = Rc::new(record);
            self.stale = false;
        }
        Rc::clone(&self.record)
    }

    pub fn fields_of(&mut self, separator: &[u8]) -> Run<Fields> {
        Ok(match separator {
            b" " => Fields::Blanks,
            [] => Fields::Characters,
            b"\\" => Fields::Byte(b'\\'),
            [byte] => Fields::Byte(*byte),
            b"\\|" => Fields::Byte(b'|'),
            _ => Fields::Regex(self.regex_of(separator)?),
        })
    }

    /// Makes the fields known.
    pub fn need_fields(&mut self) -> Run<()> {
        if self.split {
            return Ok(());
        }
        self.split = true;
        if self.separator.is_none() {
            let text = self.special(FS).bytes(&self.convert);
            self.separator = Some(self.fields_of(&text)?);
        }
        let paragraphs = matches!(self.record_separator()?, super::streams::Separator::Paragraph);
        let record = Rc::clone(&self.record);
        self.fields.clear();
        if let Some(separator) = &self.separator {
            let fields = &mut self.fields;
            pieces(&record, separator, paragraphs, |piece, _| fields.push(Value::Input(Rc::new(piece.to_vec()))));
        }
        #[allow(clippy::cast_precision_loss)]
        self.set_number(NF, self.fields.len() as f64);
        Ok(())
    }

    pub fn field(&mut self, number: f64) -> Run<Value> {
        let at = index(number)?;
        if at == 0 {
            return Ok(Value::Input(self.whole()));
        }
        self.need_fields()?;
        Ok(self.fields.get(at - 1).cloned().unwrap_or_default())
    }

    pub fn set_field(&mut self, number: f64, value: Value) -> Run<()> {
        let at = index(number)?;
        if at == 0 {
            let bytes = value.bytes(&self.convert);
            self.set_record(bytes.to_vec());
            return Ok(());
        }
        self.need_fields()?;
        if self.fields.len() < at {
            self.fields.resize(at, Value::Text(Rc::default()));
            #[allow(clippy::cast_precision_loss)]
            self.set_number(NF, at as f64);
        }
        if let Some(field) = self.fields.get_mut(at - 1) {
            *field = value;
        }
        self.stale = true;
        Ok(())
    }

    /// `NF` was set.
    pub fn cut_fields(&mut self) -> Run<()> {
        let wanted = self.special(NF).number();
        let count = index(wanted)?;
        self.need_fields()?;
        self.fields.resize(count, Value::Text(Rc::default()));
        self.set_number(NF, wanted.trunc());
        self.stale = true;
        Ok(())
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn index(number: f64) -> Run<usize> {
    if number < 0.0 || number.is_nan() {
        return Err(Flow::Failed(format!("attempt to access field {}", number.trunc())));
    }
    if number > FIELDS_MAX as f64 {
        return Err(Flow::Failed(format!("field {number} is too many")));
    }
    Ok(number as usize)
}

/// Calls for each piece, with the separator behind it.
pub fn pieces(text: &[u8], separator: &Fields, newline_too: bool, mut each: impl FnMut(&[u8], &[u8])) {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
    match separator {
        Fields::Blanks => {
            let mut rest = text;
            loop {
                let skip = rest.iter().take_while(|byte| blank(byte)).count();
                rest = rest.get(skip..).unwrap_or_default();
                if rest.is_empty() {
                    return;
                }
                let length = rest.iter().take_while(|byte| !blank(byte)).count();
                let (piece, behind) = rest.split_at(length);
                let gap = behind.iter().take_while(|byte| blank(byte)).count();
                each(piece, behind.get(..gap).unwrap_or_default());
                rest = behind;
            }
        }
        _ if text.is_empty() => {}
        Fields::Byte(byte) => {
            let mut rest = text;
            let find = |rest: &[u8]| {
                if newline_too { memchr::memchr2(*byte, b'\n', rest) } else { memchr::memchr(*byte, rest) }
            };
            while let Some(at) = find(rest) {
                each(rest.get(..at).unwrap_or_default(), rest.get(at..=at).unwrap_or_default());
                rest = rest.get(at + 1..).unwrap_or_default();
            }
            each(rest, b"");
        }
        Fields::Characters => {
            let mut at = 0;
            while at < text.len() {
                let length = crate::posix::character_length(text.get(at..).unwrap_or_default());
                each(text.get(at..at + length).unwrap_or_default(), b"");
                at += length;
            }
        }
        Fields::Regex(regex) => {
            let mut start = 0;
            let mut at = 0;
            while let Some((from, to)) = regex.find_at(text, at) {
                if from == to {
                    at = to + 1;
                    if at > text.len() {
                        break;
                    }
                    continue;
                }
                let piece = text.get(start..from).unwrap_or_default();
                let gap = text.get(from..to).unwrap_or_default();
                if newline_too {
                    let mut lines = piece.split(|&byte| byte == b'\n').peekable();
                    while let Some(line) = lines.next() {
                        each(line, if lines.peek().is_some() { b"\n" } else { gap });
                    }
                } else {
                    each(piece, gap);
                }
                (start, at) = (to, to);
            }
            let piece = text.get(start..).unwrap_or_default();
            if newline_too {
                for line in piece.split(|&byte| byte == b'\n') {
                    each(line, b"\n");
                }
            } else {
                each(piece, b"");
            }
        }
    }
}
