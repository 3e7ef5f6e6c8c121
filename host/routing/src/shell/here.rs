//! Redirections and here-documents, whose text comes after the line that they are in.

use std::rc::Rc;

use super::parse::Parser;
use super::tree::{Kind, List, Node, Operation, Part, Redirect, Word};
use super::words::text_word;

/// Here-documents are numbered as they are begun, and read at the end of the line.
pub(super) struct Here {
    number: usize,
    delimiter: String,
    quoted: bool,
    strip_tabs: bool,
}

impl Parser<'_> {
    pub(super) fn redirect(&mut self) -> Option<Redirect> {
        let start = self.at;
        let rest = self.text.get(start..)?;
        let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
        let descriptor = std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok();
        self.at += digits;
        let both = self.looking_at(b"&>");
        if both {
            self.at += 1;
        }
        if !matches!(self.byte(0), Some(b'<' | b'>')) || (self.byte(1) == Some(b'(') && digits == 0) {
            self.at = start;
            return None;
        }
        let operation = if self.take(b"<<<") {
            self.skip_blanks();
            Operation::HereString(self.word())
        } else if self.take(b"<<") {
            let strip_tabs = self.take(b"-");
            self.skip_blanks();
            let delimiter = self.word();
            let number = self.bodies.len();
            self.bodies.push(None);
            self.heres.push(Here {
                number,
                quoted: delimiter.quoted,
                delimiter: delimiter.literal().unwrap_or_default().to_owned(),
                strip_tabs,
            });
            // The number stands for the body until that is read.
            Operation::HereDocument(Word { parts: vec![Part::Text(number.to_string())], quoted: false })
        } else if self.take(b"<&") || self.take(b">&") || self.take(b"<>") {
            self.skip_blanks();
            self.word();
            Operation::Other
        } else if self.take(b"<") {
            self.skip_blanks();
            Operation::Read(self.word())
        } else if self.take(b">>") {
            self.skip_blanks();
            Operation::Append(self.word())
        } else {
            self.at += 1;
            self.take(b"|");
            self.skip_blanks();
            Operation::Write(self.word())
        };
        Some(Redirect { descriptor: if both { None } else { descriptor }, operation })
    }

    pub(super) fn newline(&mut self) {
        self.at += 1;
        for here in std::mem::take(&mut self.heres) {
            let body = self.here_body(&here);
            if let Some(place) = self.bodies.get_mut(here.number) {
                *place = Some(body);
            }
        }
    }

    fn here_body(&mut self, here: &Here) -> Word {
        let mut body = Vec::new();
        while self.at < self.text.len() {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let length = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |end| end + 1);
            let whole = rest.get(..length).unwrap_or_default();
            self.at += length;
            let tabs =
                if here.strip_tabs { whole.iter().take_while(|&&byte| byte == b'\t').count() } else { 0 };
            let line = whole.get(tabs..).unwrap_or_default();
            if line.strip_suffix(b"\n").unwrap_or(line) == here.delimiter.as_bytes() {
                break;
            }
            body.extend_from_slice(line);
        }
        if here.quoted || !body.iter().any(|byte| matches!(byte, b'$' | b'`' | b'\\')) {
            return text_word(&body);
        }
        let mut inner = self.within(&body);
        let mut word = Word { quoted: true, ..Word::default() };
        inner.double_quoted(&mut word, None);
        self.complete &= inner.complete;
        word
    }
}

/// Puts the bodies of here-documents in the place of their numbers.
pub(super) fn fill(list: &mut List, bodies: &mut [Option<Word>]) {
    if bodies.is_empty() {
        return;
    }
    for item in &mut list.items {
        for pipeline in
            std::iter::once(&mut item.first).chain(item.rest.iter_mut().map(|(_, pipeline)| pipeline))
        {
            for command in &mut pipeline.commands {
                fill_command(command, bodies);
            }
        }
    }
}

fn fill_command(command: &mut Node, bodies: &mut [Option<Word>]) {
    for redirect in &mut command.redirects {
        if let Operation::HereDocument(word) = &mut redirect.operation {
            let number = word.literal().and_then(|text| text.parse::<usize>().ok());
            let body = number.and_then(|number| bodies.get_mut(number)).and_then(Option::take);
            *word = body.unwrap_or_default();
        }
    }
    match &mut command.kind {
        Kind::Simple { assignments, words } => {
            let values = assignments.iter_mut().map(|(_, word)| word);
            for word in values.chain(words) {
                fill_parts(&mut word.parts, bodies);
            }
        }
        Kind::Group(list) | Kind::Subshell(list) => fill(list, bodies),
        Kind::If { branches, otherwise } => {
            for (condition, body) in branches {
                fill(condition, bodies);
                fill(body, bodies);
            }
            if let Some(list) = otherwise {
                fill(list, bodies);
            }
        }
        Kind::Loop { condition, body, .. } => {
            fill(condition, bodies);
            fill(body, bodies);
        }
        Kind::Case { arms, .. } => {
            for arm in arms {
                fill(&mut arm.body, bodies);
            }
        }
        Kind::Function { body, .. } => {
            if let Some(body) = Rc::get_mut(body) {
                fill_command(body, bodies);
            }
        }
        Kind::Condition(_) => {}
    }
}

fn fill_parts(parts: &mut [Part], bodies: &mut [Option<Word>]) {
    for part in parts {
        if let Part::Substitution(list) | Part::Process(list) = part
            && let Some(list) = Rc::get_mut(list)
        {
            fill(list, bodies);
        }
    }
}
