//! `[[ ... ]]`.

use super::ast::Test;
use super::compound::is_bare;
use super::words::Context;
use super::{Parser, SyntaxError};

const UNARY: &[u8] = b"abcdefghknoprstuvwxzGLNORS";

impl Parser {
    /// The expression behind `[[`, and the `]]`.
    pub(super) fn test(&mut self) -> Result<Test, SyntaxError> {
        self.enter()?;
        let test = self.test_or()?;
        self.skip_test_blanks();
        let word = self.test_word(Context::Command)?;
        if &*word.text != b"]]" {
            let mut error = self.error(b"");
            error.message =
                [b"syntax error in conditional expression: unexpected token `", &*word.text, b"'"].concat();
            return Err(error);
        }
        self.depth -= 1;
        Ok(test)
    }

    fn skip_test_blanks(&mut self) {
        loop {
            self.skip_blanks();
            match self.here() {
                Some(b'\n') => self.at += 1,
                Some(b'#') => {
                    while self.here().is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn test_or(&mut self) -> Result<Test, SyntaxError> {
        let mut left = self.test_and()?;
        loop {
            self.skip_test_blanks();
            if !self.looking_at(b"||") {
                return Ok(left);
            }
            self.at += 2;
            left = Test::Or(Box::new(left), Box::new(self.test_and()?));
        }
    }

    fn test_and(&mut self) -> Result<Test, SyntaxError> {
        let mut left = self.test_term()?;
        loop {
            self.skip_test_blanks();
            if !self.looking_at(b"&&") {
                return Ok(left);
            }
            self.at += 2;
            left = Test::And(Box::new(left), Box::new(self.test_term()?));
        }
    }

    fn test_term(&mut self) -> Result<Test, SyntaxError> {
        self.enter()?;
        let test = self.test_term_inside();
        self.depth -= 1;
        test
    }

    fn test_term_inside(&mut self) -> Result<Test, SyntaxError> {
        self.skip_test_blanks();
        if self.here() == Some(b'(') {
            self.at += 1;
            let inner = self.test_or()?;
            self.skip_test_blanks();
            if self.here() != Some(b')') {
                return Err(self.unexpected_here());
            }
            self.at += 1;
            return Ok(Test::Group(Box::new(inner)));
        }
        let first = self.test_word(Context::Command)?;
        if &*first.text == b"!" {
            return Ok(Test::Not(Box::new(self.test_term()?)));
        }
        if &*first.text == b"]]" {
            return Err(self.unexpected_test(b"]]"));
        }
        if first.text.len() == 2 && first.text[0] == b'-' && UNARY.contains(&first.text[1]) && is_bare(&first)
        {
            self.skip_blanks();
            let start = self.at;
            if self.here().is_none_or(|byte| b")\n&|;<>".contains(&byte)) {
                return Err(self.unexpected_test(b"newline"));
            }
            let operand = self.test_word(Context::Command)?;
            if &*operand.text == b"]]" {
                self.at = start;
                return Ok(Test::NonEmpty(first));
            }
            return Ok(Test::Unary(first.text.to_vec(), operand));
        }
        self.skip_blanks();
        if let Some(operator @ (b'<' | b'>')) = self.here() {
            self.at += 1;
            let right = self.test_word(Context::Command)?;
            return Ok(Test::Binary(vec![operator], first, right));
        }
        if self.here().is_none_or(|byte| b")\n&|;".contains(&byte)) {
            return Ok(Test::NonEmpty(first));
        }
        let before = self.at;
        let operator = self.test_word(Context::Command)?;
        let context = match &*operator.text {
            b"]]" => {
                self.at = before;
                return Ok(Test::NonEmpty(first));
            }
            b"=~" => Context::Regex,
            b"==" | b"=" | b"!=" => Context::Pattern,
            b"-eq" | b"-ne" | b"-lt" | b"-le" | b"-gt" | b"-ge" | b"-nt" | b"-ot" | b"-ef" => {
                Context::Command
            }
            _ => {
                let mut error = self.error(b"");
                error.message = b"conditional binary operator expected".to_vec();
                return Err(error);
            }
        };
        let right = self.test_word(context)?;
        if &*right.text == b"]]" {
            return Err(self.unexpected_test(b"]]"));
        }
        Ok(Test::Binary(operator.text.to_vec(), first, right))
    }

    fn unexpected_test(&mut self, token: &[u8]) -> SyntaxError {
        self.error(&[b"unexpected argument `", token, b"' to conditional operator"].concat())
    }
}
