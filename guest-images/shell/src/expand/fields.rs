//! Fields in the making: which of their bytes were quoted, and where values are split.

use crate::syntax::ast::Bytes;

/// Text with, for each byte, whether it was quoted.
#[derive(Debug, Default, Clone)]
pub struct Field {
    pub text: Bytes,
    pub quoted: Vec<bool>,
}

/// Collects what the parts of a word expand to.
#[derive(Debug)]
pub struct Fields {
    pub done: Vec<Field>,
    current: Field,
    /// There is a field even when it is empty.
    started: bool,
    /// A blank just ended a field, so a delimiter behind it ends the same one.
    after_blank: bool,
    /// A quoted list was empty, so the quotes around it make no field.
    pub empty_list: bool,
    pub splits: bool,
    /// Unquoted text is split too: it stands in `${x:-here}`.
    pub splits_literals: bool,
    ifs: Option<Bytes>,
}

impl Fields {
    pub fn new(splits: bool, ifs: Option<Bytes>) -> Self {
        Fields {
            done: Vec::new(),
            current: Field::default(),
            started: false,
            after_blank: false,
            empty_list: false,
            splits,
            splits_literals: false,
            ifs,
        }
    }

    /// What stands between the elements of `"$*"`.
    pub fn joiner(&self) -> &[u8] {
        match &self.ifs {
            None => b" ",
            Some(ifs) => &ifs[..crate::bytes::char_length(ifs)],
        }
    }

    fn push(&mut self, text: &[u8], quoted: bool) {
        if text.is_empty() {
            return;
        }
        self.current.text.extend_from_slice(text);
        self.current.quoted.resize(self.current.text.len(), quoted);
        self.after_blank = false;
    }

    pub fn literal(&mut self, text: &[u8]) {
        if self.splits_literals && self.splits {
            self.value(text);
        } else {
            self.push(text, false);
        }
    }

    pub fn quoted(&mut self, text: &[u8]) {
        self.push(text, true);
    }

    /// From here on there is a field.
    pub fn start(&mut self) {
        self.started = true;
        self.after_blank = false;
    }

    /// How much is in the making; tells whether something came.
    pub fn length(&self) -> (usize, usize) {
        (self.done.len(), self.current.text.len())
    }

    /// The unquoted value of an expansion: split where splitting is done.
    pub fn value(&mut self, text: &[u8]) {
        if !self.splits {
            self.push(text, false);
            return;
        }
        let ifs: &[u8] = match &self.ifs {
            None => b" \t\n",
            Some(ifs) => ifs,
        };
        if ifs.is_empty() || !text.iter().any(|byte| ifs.contains(byte)) {
            self.push(text, false);
            return;
        }
        let ifs = ifs.to_vec();
        let mut from = 0;
        for (at, byte) in text.iter().enumerate() {
            if !ifs.contains(byte) {
                continue;
            }
            self.push(&text[from..at], false);
            from = at + 1;
            if b" \t\n".contains(byte) {
                if self.has_field() {
                    self.finish();
                    self.after_blank = true;
                }
            } else if self.after_blank {
                self.after_blank = false;
            } else {
                self.finish();
            }
        }
        self.push(&text[from..], false);
    }

    fn has_field(&self) -> bool {
        self.started || !self.current.text.is_empty()
    }

    fn finish(&mut self) {
        self.done.push(std::mem::take(&mut self.current));
        self.started = false;
        self.after_blank = false;
    }

    /// Ends a field between elements of a list.
    pub fn next(&mut self) {
        if self.has_field() {
            self.finish();
        }
    }

    pub fn into_fields(mut self) -> Vec<Field> {
        self.next();
        self.done
    }

    /// All as one field.
    pub fn into_one(mut self) -> Field {
        if self.done.is_empty() {
            return self.current;
        }
        self.next();
        let mut one = Field::default();
        for (at, field) in self.done.into_iter().enumerate() {
            if at > 0 {
                one.text.push(b' ');
                one.quoted.push(false);
            }
            one.text.extend_from_slice(&field.text);
            one.quoted.extend_from_slice(&field.quoted);
        }
        one
    }
}

impl Field {
    /// As a pattern: what was quoted stands for itself.
    pub fn pattern(&self) -> Bytes {
        let mut out = Bytes::with_capacity(self.text.len());
        for (&byte, &quoted) in self.text.iter().zip(&self.quoted) {
            if quoted && b"*?[]\\!^-()|+@".contains(&byte) {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out
    }

    /// As a regular expression: what was quoted stands for itself.
    pub fn regex(&self) -> Bytes {
        let mut out = Bytes::with_capacity(self.text.len());
        for (&byte, &quoted) in self.text.iter().zip(&self.quoted) {
            if quoted && b"\\.[]{}()*+?|^$".contains(&byte) {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out
    }

    pub fn has_pattern(&self, extended: bool) -> bool {
        self.text.iter().zip(&self.quoted).enumerate().any(|(at, (&byte, &quoted))| {
            !quoted
                && (at == 0 || self.text[at - 1] != b'\\' || self.quoted[at - 1])
                && (b"*?".contains(&byte)
                    || (byte == b'[' && self.text[at + 1..].contains(&b']'))
                    || (extended && b"+@!".contains(&byte) && self.text.get(at + 1) == Some(&b'(')))
        })
    }
}
