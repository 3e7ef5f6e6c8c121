//! Tokens: words, operators, ends of lines.

use super::ast::{Bytes, Word};
use super::words::Context;
use super::{Parser, SyntaxError};

#[derive(Debug, Clone)]
pub enum Token {
    Word(Word),
    Operator(&'static str),
    /// A number right before `<` or `>`.
    Number(u32),
    /// `{name}` right before `<` or `>`.
    Variable(Bytes),
    Newline,
    End,
}

impl Token {
    pub(super) fn text(&self) -> Bytes {
        match self {
            Token::Word(word) => word.text.to_vec(),
            Token::Operator(operator) => operator.as_bytes().to_vec(),
            Token::Number(number) => number.to_string().into_bytes(),
            Token::Variable(name) => [b"{", name.as_slice(), b"}"].concat(),
            Token::Newline => b"newline".to_vec(),
            Token::End => b"end of file".to_vec(),
        }
    }

    /// Is this word, written without quotes, the reserved word?
    pub(super) fn is(&self, reserved: &str) -> bool {
        matches!(self, Token::Word(word) if &*word.text == reserved.as_bytes())
    }

    pub(super) fn is_operator(&self, operator: &str) -> bool {
        matches!(self, Token::Operator(found) if *found == operator)
    }
}

/// Longer ones first.
const OPERATORS: [&str; 24] = [
    "<<<", "<<-", ";;&", "&>>", "&&", "||", ";;", ";&", "<<", ">>", "<&", ">&", "<>", ">|", "&>", "|&", "&",
    "|", ";", "<", ">", "(", ")", "\n",
];

impl Parser {
    /// The next token, left where it is.
    pub(super) fn peek(&mut self) -> Result<&Token, SyntaxError> {
        if self.peeked.as_ref().is_none_or(|(start, _, _)| *start != self.at) {
            self.skip_blanks();
            if self.here() == Some(b'#') {
                self.skip_comment();
            }
            let start = self.at;
            let token = self.lex()?;
            let end = self.at;
            self.at = start;
            self.peeked = Some((start, token, end));
        }
        match &self.peeked {
            Some((_, token, _)) => Ok(token),
            None => unreachable!("it was just read"),
        }
    }

    /// The next token, passed. At the end of a line the bodies of here-documents are read.
    pub(super) fn take(&mut self) -> Result<Token, SyntaxError> {
        self.peek()?;
        let Some((_, token, end)) = self.peeked.take() else { unreachable!("it was just peeked") };
        self.at = end;
        if matches!(token, Token::Newline) {
            self.read_here_documents()?;
        }
        Ok(token)
    }

    /// Where the peeked token starts.
    pub(super) fn token_start(&self) -> usize {
        self.peeked.as_ref().map_or(self.at, |(start, _, _)| *start)
    }

    fn skip_comment(&mut self) {
        while self.here().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    fn lex(&mut self) -> Result<Token, SyntaxError> {
        let Some(first) = self.here() else { return Ok(Token::End) };
        if matches!(first, b'<' | b'>') && self.byte(self.at + 1) == Some(b'(') {
            return self.word_token();
        }
        if b"&|;<>()\n".contains(&first) {
            for operator in OPERATORS {
                if self.looking_at(operator.as_bytes()) {
                    self.at += operator.len();
                    return Ok(if operator == "\n" { Token::Newline } else { Token::Operator(operator) });
                }
            }
        }
        if first.is_ascii_digit()
            && let Some(number) = self.number_before_redirection()
        {
            return Ok(Token::Number(number));
        }
        if first == b'{'
            && let Some(name) = self.variable_before_redirection()
        {
            return Ok(Token::Variable(name));
        }
        self.word_token()
    }

    fn word_token(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        let word = self.word(Context::Command)?;
        if self.at == start {
            let byte = self.text[start];
            return Err(self.error(&[b"syntax error near unexpected token `", &[byte][..], b"'"].concat()));
        }
        Ok(Token::Word(word))
    }

    fn number_before_redirection(&mut self) -> Option<u32> {
        let mut end = self.at;
        while self.byte(end).is_some_and(|byte| byte.is_ascii_digit()) {
            end += 1;
        }
        if !matches!(self.byte(end), Some(b'<' | b'>')) {
            return None;
        }
        let number = std::str::from_utf8(&self.text[self.at..end]).ok()?.parse().ok()?;
        self.at = end;
        Some(number)
    }

    fn variable_before_redirection(&mut self) -> Option<Bytes> {
        let mut end = self.at + 1;
        while self.byte(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            end += 1;
        }
        let name = self.text[self.at + 1..end].to_vec();
        if self.byte(end) != Some(b'}') || !matches!(self.byte(end + 1), Some(b'<' | b'>')) {
            return None;
        }
        if !crate::bytes::is_name(&name) {
            return None;
        }
        self.at = end + 1;
        Some(name)
    }
}
