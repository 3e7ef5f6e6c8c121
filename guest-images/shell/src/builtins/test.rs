//! `test` and `[`.

use crate::flow::{Flow, Result, Status};
use crate::run::test::{compare, text_test};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;

pub fn bracket(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    match arguments.split_last() {
        Some((last, rest)) if last == b"]" && !rest.is_empty() => evaluate(shell, "[", &rest[1..]),
        _ => {
            shell.complain_as("[", "missing `]'");
            Ok(2)
        }
    }
}

pub fn test(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    evaluate(shell, "test", &arguments[1..])
}

fn evaluate(shell: &mut Shell, who: &'static str, words: &[Bytes]) -> Result<Status> {
    let mut reader = Reader { shell, words, at: 0, depth: 0 };
    match reader.by_count() {
        Ok(holds) => Ok(u8::from(!holds)),
        Err(Wrong::Flow(flow)) => Err(flow),
        Err(Wrong::Message(message)) => {
            reader.shell.complain_as(who, message);
            Ok(2)
        }
    }
}

enum Wrong {
    Message(Bytes),
    Flow(Flow),
}

impl From<Flow> for Wrong {
    fn from(flow: Flow) -> Self {
        Wrong::Flow(flow)
    }
}

type Tested = std::result::Result<bool, Wrong>;

struct Reader<'a> {
    shell: &'a mut Shell,
    words: &'a [Bytes],
    at: usize,
    depth: u32,
}

fn is_binary(word: &[u8]) -> bool {
    matches!(
        word,
        b"=" | b"=="
            | b"!="
            | b"<"
            | b">"
            | b"-eq"
            | b"-ne"
            | b"-lt"
            | b"-le"
            | b"-gt"
            | b"-ge"
            | b"-nt"
            | b"-ot"
            | b"-ef"
    )
}

fn is_unary(word: &[u8]) -> bool {
    word.len() == 2 && word[0] == b'-' && b"abcdefghknoprstuvwxzGLNORS".contains(&word[1])
}

impl Reader<'_> {
    /// POSIX decides by the number of words, and only beyond four by a grammar.
    fn by_count(&mut self) -> Tested {
        let words = self.words;
        match words {
            [] => Ok(false),
            [one] => Ok(!one.is_empty()),
            [first, second] if first == b"!" => Ok(second.is_empty()),
            [first, second] if is_unary(first) => Ok(self.shell.unary_test(first[1], second)?),
            [first, _] => Err(Wrong::Message([first.as_slice(), b": unary operator expected"].concat())),
            [left, operator, right] if is_binary(operator) => self.binary(left, operator, right),
            [left, operator, right] if operator == b"-a" => Ok(!left.is_empty() && !right.is_empty()),
            [left, operator, right] if operator == b"-o" => Ok(!left.is_empty() || !right.is_empty()),
            [first, rest @ ..] if first == b"!" && rest.len() <= 3 => {
                self.words = rest;
                let holds = self.by_count()?;
                self.words = words;
                Ok(!holds)
            }
            [open, middle, close] if open == b"(" && close == b")" => Ok(!middle.is_empty()),
            [_, operator, _] => {
                Err(Wrong::Message([operator.as_slice(), b": binary operator expected"].concat()))
            }
            [open, first, second, close] if open == b"(" && close == b")" => {
                self.words = std::slice::from_ref(first);
                let pair = [first.clone(), second.clone()];
                let mut inner = Reader { shell: &mut *self.shell, words: &pair, at: 0, depth: 0 };
                inner.by_count()
            }
            _ => {
                let holds = self.or()?;
                if self.at < self.words.len() {
                    return Err(Wrong::Message(b"too many arguments".to_vec()));
                }
                Ok(holds)
            }
        }
    }

    fn peek(&self) -> Option<&Bytes> {
        self.words.get(self.at)
    }

    fn or(&mut self) -> Tested {
        let mut holds = self.and()?;
        while self.peek().is_some_and(|word| word == b"-o") {
            self.at += 1;
            let right = self.and()?;
            holds |= right;
        }
        Ok(holds)
    }

    fn and(&mut self) -> Tested {
        let mut holds = self.term()?;
        while self.peek().is_some_and(|word| word == b"-a") {
            self.at += 1;
            let right = self.term()?;
            holds &= right;
        }
        Ok(holds)
    }

    fn term(&mut self) -> Tested {
        self.depth += 1;
        if self.depth > 500 {
            return Err(Wrong::Message(b"expression is nested too deeply".to_vec()));
        }
        let Some(word) = self.words.get(self.at) else {
            return Err(Wrong::Message(b"argument expected".to_vec()));
        };
        self.at += 1;
        if word == b"!" {
            return Ok(!self.term()?);
        }
        if self.words.get(self.at).is_some_and(|operator| is_binary(operator))
            && self.at + 1 < self.words.len()
        {
            let (operator, right) = (&self.words[self.at], &self.words[self.at + 1]);
            self.at += 2;
            return self.binary(word, operator, right);
        }
        if word == b"(" {
            let holds = self.or()?;
            if self.peek().is_none_or(|word| word != b")") {
                return Err(Wrong::Message(b"`)' expected".to_vec()));
            }
            self.at += 1;
            return Ok(holds);
        }
        if is_unary(word) && self.at < self.words.len() {
            let value = &self.words[self.at];
            self.at += 1;
            return Ok(self.shell.unary_test(word[1], value)?);
        }
        Ok(!word.is_empty())
    }

    fn binary(&mut self, left: &[u8], operator: &[u8], right: &[u8]) -> Tested {
        if let Some(holds) = text_test(operator, left, right) {
            return Ok(holds);
        }
        let number = |word: &[u8]| {
            crate::bytes::decimal(word)
                .ok_or_else(|| Wrong::Message([word, b": integer expression expected"].concat()))
        };
        Ok(compare(operator, number(left)?, number(right)?))
    }
}
