//! Compound commands.

use super::ast::{Arithmetic, Arm, ArmEnd, Kind, List, Part, Word};
use super::parameter::plain;
use super::token::Token;
use super::words::Context;
use super::{Parser, SyntaxError};

impl Parser {
    /// The compound command that begins here; none when it is a simple one.
    pub(super) fn compound(&mut self) -> Result<Option<Kind>, SyntaxError> {
        let token = self.peek()?.clone();
        if token.is_operator("(") {
            return self.parenthesis().map(Some);
        }
        let Token::Word(word) = &token else { return Ok(None) };
        let kind = match &*word.text {
            b"{" => self.group()?,
            b"if" => self.if_clause()?,
            b"while" => self.while_clause(false)?,
            b"until" => self.while_clause(true)?,
            b"for" => self.for_clause()?,
            b"select" => self.select_clause()?,
            b"case" => self.case_clause()?,
            b"function" => self.function_clause()?,
            b"coproc" => self.coprocess()?,
            b"[[" => {
                self.take()?;
                Kind::Test(self.test()?)
            }
            _ => return Ok(None),
        };
        Ok(Some(kind))
    }

    fn expect(&mut self, reserved: &str) -> Result<(), SyntaxError> {
        if !self.peek()?.is(reserved) {
            return Err(self.unexpected_here());
        }
        self.take()?;
        Ok(())
    }

    /// `(( ))` or `( )`.
    fn parenthesis(&mut self) -> Result<Kind, SyntaxError> {
        self.peek()?;
        let start = self.token_start();
        if self.byte(start + 1) == Some(b'(')
            && let Some(arithmetic) = self.arithmetic(start + 2)?
        {
            return Ok(Kind::Arithmetic(arithmetic));
        }
        self.take()?;
        let list = self.body_until(&|token| token.is_operator(")"))?;
        self.take()?;
        Ok(Kind::Subshell(list))
    }

    fn group(&mut self) -> Result<Kind, SyntaxError> {
        self.take()?;
        let list = self.body_until(&|token| token.is("}"))?;
        self.take()?;
        Ok(Kind::Group(list))
    }

    fn if_clause(&mut self) -> Result<Kind, SyntaxError> {
        let mut branches = Vec::new();
        loop {
            // `if` or `elif`.
            self.take()?;
            let condition = self.body_until(&|token| token.is("then"))?;
            self.take()?;
            let body = self.body_until(&|token| token.is("elif") || token.is("else") || token.is("fi"))?;
            branches.push((condition, body));
            if !self.peek()?.is("elif") {
                break;
            }
        }
        let mut otherwise = None;
        if self.peek()?.is("else") {
            self.take()?;
            otherwise = Some(self.body_until(&|token| token.is("fi"))?);
        }
        self.expect("fi")?;
        Ok(Kind::If(branches, otherwise))
    }

    fn while_clause(&mut self, until: bool) -> Result<Kind, SyntaxError> {
        self.take()?;
        let condition = self.body_until(&|token| token.is("do"))?;
        let body = self.do_group()?;
        Ok(Kind::While { until, condition, body })
    }

    fn do_group(&mut self) -> Result<List, SyntaxError> {
        self.expect("do")?;
        let body = self.body_until(&|token| token.is("done"))?;
        self.take()?;
        Ok(body)
    }

    /// The body of `for` may stand in braces.
    fn loop_body(&mut self) -> Result<List, SyntaxError> {
        if self.peek()?.is("{") {
            self.take()?;
            let body = self.body_until(&|token| token.is("}"))?;
            self.take()?;
            return Ok(body);
        }
        self.do_group()
    }

    fn for_clause(&mut self) -> Result<Kind, SyntaxError> {
        self.take()?;
        self.peek()?;
        let start = self.token_start();
        if self.text.get(start..start + 2) == Some(b"((") {
            return self.arithmetic_for(start);
        }
        let (name, words) = self.names_and_words()?;
        let body = self.loop_body()?;
        Ok(Kind::For { name, words, body })
    }

    fn select_clause(&mut self) -> Result<Kind, SyntaxError> {
        self.take()?;
        let (name, words) = self.names_and_words()?;
        let body = self.loop_body()?;
        Ok(Kind::Select { name, words, body })
    }

    fn names_and_words(&mut self) -> Result<(Vec<u8>, Option<Vec<Word>>), SyntaxError> {
        let Token::Word(name) = self.peek()?.clone() else { return Err(self.unexpected_here()) };
        self.take()?;
        let name = name.text.to_vec();
        let mut words = None;
        if self.peek()?.is_operator(";") {
            self.take()?;
            self.skip_newlines()?;
            return Ok((name, words));
        }
        self.skip_newlines()?;
        if self.peek()?.is("in") {
            self.take()?;
            let mut list = Vec::new();
            while let Token::Word(word) = self.peek()?.clone() {
                self.take()?;
                list.push(word);
            }
            words = Some(list);
            if self.peek()?.is_operator(";") {
                self.take()?;
            } else if !matches!(self.peek()?, Token::Newline) {
                return Err(self.unexpected_here());
            }
        }
        self.skip_newlines()?;
        Ok((name, words))
    }

    fn arithmetic_for(&mut self, start: usize) -> Result<Kind, SyntaxError> {
        let Some(_) = self.arithmetic(start + 2)? else { return Err(self.unexpected_here()) };
        let end = self.at - 2;
        let mut parts = Vec::new();
        let mut from = start + 2;
        let mut depth = 0_u32;
        for at in start + 2..=end {
            match self.text[at] {
                b'(' => depth += 1,
                b')' if at < end => depth -= 1,
                b';' if depth == 0 => {
                    parts.push(self.arithmetic_of(from, at)?);
                    from = at + 1;
                }
                _ => {}
            }
        }
        parts.push(self.arithmetic_of(from, end)?);
        let Ok(parts) = <[Arithmetic; 3]>::try_from(parts) else {
            return Err(self.error(b"syntax error: arithmetic expression required"));
        };
        if self.peek()?.is_operator(";") {
            self.take()?;
        }
        self.skip_newlines()?;
        let body = self.loop_body()?;
        Ok(Kind::ArithmeticFor { parts, body })
    }

    fn case_clause(&mut self) -> Result<Kind, SyntaxError> {
        self.take()?;
        let Token::Word(subject) = self.peek()?.clone() else { return Err(self.unexpected_here()) };
        self.take()?;
        self.skip_newlines()?;
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.skip_newlines()?;
            if self.peek()?.is("esac") {
                self.take()?;
                return Ok(Kind::Case { subject, arms });
            }
            if self.peek()?.is_operator("(") {
                self.take()?;
            }
            let mut patterns = Vec::new();
            loop {
                let Token::Word(pattern) = self.peek()?.clone() else { return Err(self.unexpected_here()) };
                self.take()?;
                patterns.push(pattern);
                if !self.peek()?.is_operator("|") {
                    break;
                }
                self.take()?;
            }
            if !self.peek()?.is_operator(")") {
                return Err(self.unexpected_here());
            }
            self.take()?;
            let body = self.list_until(&|token| {
                token.is("esac")
                    || token.is_operator(";;")
                    || token.is_operator(";&")
                    || token.is_operator(";;&")
            })?;
            let end = match self.peek()? {
                Token::Operator(";&") => ArmEnd::FallThrough,
                Token::Operator(";;&") => ArmEnd::TestNext,
                _ => ArmEnd::Leave,
            };
            match self.peek()? {
                Token::Operator(_) => {
                    self.take()?;
                }
                Token::End => return Err(self.unexpected_here()),
                _ => {}
            }
            arms.push(Arm { patterns, body, end });
        }
    }

    fn function_clause(&mut self) -> Result<Kind, SyntaxError> {
        self.take()?;
        let Token::Word(name) = self.peek()?.clone() else { return Err(self.unexpected_here()) };
        self.take()?;
        if self.peek()?.is_operator("(") {
            let open = self.at;
            self.take()?;
            if self.peek()?.is_operator(")") {
                self.take()?;
            } else {
                self.at = open;
                self.peeked = None;
            }
        }
        self.function_body(name.text.to_vec())
    }

    /// Read so that what stands behind is understood; running one is refused.
    fn coprocess(&mut self) -> Result<Kind, SyntaxError> {
        self.take()?;
        if self.compound()?.is_none() {
            if let Token::Word(word) = self.peek()?.clone()
                && plain(&word).is_some_and(|name| crate::bytes::is_name(&name))
            {
                let start = self.at;
                self.take()?;
                if self.compound()?.is_none() {
                    self.at = start;
                    self.peeked = None;
                    self.command()?;
                }
            } else {
                self.command()?;
            }
        }
        Ok(Kind::Coprocess)
    }

    /// One operand of `[[ ]]`.
    pub(super) fn test_word(&mut self, context: Context) -> Result<Word, SyntaxError> {
        self.skip_blanks();
        let start = self.at;
        let word = self.word(context)?;
        if self.at == start {
            return Err(self.unexpected_here());
        }
        Ok(word)
    }
}

/// Is the word written without quotes and expansions?
pub(super) fn is_bare(word: &Word) -> bool {
    matches!(word.parts.as_slice(), [Part::Literal(_)])
}
