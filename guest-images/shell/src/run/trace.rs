//! What `set -x` shows.

use super::{Operand, Shell};
use crate::expand::escape::quoted_for_set;
use crate::syntax::ast::{Arithmetic, Assignment, Bytes, Word};
use crate::system;

fn shown(word: &[u8]) -> Bytes {
    if word.is_empty() { b"''".to_vec() } else { quoted_for_set(word) }
}

impl Shell {
    /// The prompt, its first character repeated for each level of substitution.
    fn trace_prompt(&mut self) -> Bytes {
        let prompt = self.variable_value(b"PS4").unwrap_or_default();
        self.options.xtrace = false;
        let (status, pipe_status) = (self.status, self.pipe_status.clone());
        let prompt = self.expand_prompt(&prompt);
        self.status = status;
        self.pipe_status = pipe_status;
        self.options.xtrace = true;
        let first = crate::bytes::char_length(&prompt);
        let mut out = prompt[..first].repeat(self.trace_level() as usize);
        out.extend_from_slice(&prompt);
        out
    }

    fn trace_level(&self) -> u32 {
        self.trace_depth
    }

    pub(super) fn trace_line(&mut self, line: &[u8]) {
        self.flush_to(1);
        let mut out = self.trace_prompt();
        out.extend_from_slice(line);
        out.push(b'\n');
        let target = self.variable_value(b"BASH_XTRACEFD").and_then(|fd| crate::bytes::decimal(&fd));
        let fd = target
            .and_then(|fd| u32::try_from(fd).ok())
            .filter(|fd| self.descriptors.open.contains(fd))
            .unwrap_or(2);
        system::write_all(fd, &out).ok();
    }

    pub(super) fn trace_words(&mut self, words: &[Bytes]) {
        let line = words.iter().map(|word| shown(word)).collect::<Vec<_>>().join(b" ".as_slice());
        self.trace_line(&line);
    }

    pub(super) fn trace_operands(&mut self, operands: &[Operand]) {
        let words: Vec<Bytes> = operands
            .iter()
            .map(|operand| match operand {
                Operand::Text(text) => shown(text),
                Operand::Assignment {
                    name,
                    append,
                    value: super::assign::OperandValue::Scalar(value),
                    ..
                } => [name.as_slice(), if *append { b"+=" } else { b"=" }, &quoted_for_set(value)].concat(),
                Operand::Assignment { text, .. } => text.clone(),
            })
            .collect();
        self.trace_line(&words.join(b" ".as_slice()));
    }

    pub(super) fn trace_assignment(
        &mut self,
        name: &[u8],
        subscript: Option<&[u8]>,
        append: bool,
        value: &[u8],
    ) {
        let mut line = name.to_vec();
        if let Some(subscript) = subscript {
            line = [line.as_slice(), b"[", subscript, b"]"].concat();
        }
        line.extend_from_slice(if append { b"+=" } else { b"=" });
        line.extend_from_slice(&quoted_for_set(value));
        self.trace_line(&line);
    }

    pub(super) fn trace_array(&mut self, assignment: &Assignment) {
        let crate::syntax::ast::AssignedValue::Array(elements) = &assignment.value else { return };
        let words: Vec<Bytes> = elements.iter().map(|element| element.value.text.to_vec()).collect();
        let operator: &[u8] = if assignment.append { b"+=(" } else { b"=(" };
        let line = [assignment.name.as_slice(), operator, &words.join(b" ".as_slice()), b")"].concat();
        self.trace_line(&line);
    }

    pub(super) fn trace_for(&mut self, name: &[u8], words: Option<&[Word]>) {
        let words: Vec<Bytes> = match words {
            Some(words) => words.iter().map(|word| word.text.to_vec()).collect(),
            None => vec![b"\"$@\"".to_vec()],
        };
        let line = [b"for ", name, b" in ", &words.join(b" ".as_slice())].concat();
        self.trace_line(&line);
    }

    pub(super) fn trace_case(&mut self, subject: &Word) {
        let line = [b"case ".as_slice(), &subject.text, b" in"].concat();
        self.trace_line(&line);
    }

    pub(super) fn trace_arithmetic(&mut self, arithmetic: &Arithmetic) {
        let text = self.expand_to_string(&arithmetic.word).unwrap_or_default();
        let line = [b"(( ", text.as_slice(), b" ))"].concat();
        self.trace_line(&line);
    }
}
