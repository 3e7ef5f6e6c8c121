//! Expressions, from the loosest operator to the tightest.

use std::rc::Rc;

use super::super::lex::{BUILTINS, Token};
use super::super::tree::{Expression, Operator, Source};
use super::{DEPTH_MAX, DIALECT, Parser};
use crate::posix::Regex;

type Parsed = Result<Expression, String>;

impl Parser {
    pub(super) fn expression(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("program is nested too deep".to_owned());
        }
        let value = self.ternary();
        self.depth -= 1;
        value
    }

    fn is_target(value: &Expression) -> bool {
        matches!(value, Expression::Variable(_) | Expression::Element(..) | Expression::Field(_))
    }

    fn ternary(&mut self) -> Parsed {
        let condition = self.or()?;
        if self.takes("?") {
            self.newlines();
            let yes = self.ternary()?;
            self.newlines();
            self.expect(":")?;
            self.newlines();
            let no = self.ternary()?;
            return Ok(Expression::Choose(Box::new(condition), Box::new(yes), Box::new(no)));
        }
        if Self::is_target(&condition) {
            return self.assignment(condition);
        }
        Ok(condition)
    }

    fn assignment(&mut self, target: Expression) -> Parsed {
        let operator = match self.peek() {
            Token::Mark("=") => None,
            Token::Mark("+=") => Some(Operator::Add),
            Token::Mark("-=") => Some(Operator::Subtract),
            Token::Mark("*=") => Some(Operator::Multiply),
            Token::Mark("/=") => Some(Operator::Divide),
            Token::Mark("%=") => Some(Operator::Modulo),
            Token::Mark("^=" | "**=") => Some(Operator::Power),
            _ => return Ok(target),
        };
        self.at += 1;
        self.newlines();
        let value = self.ternary()?;
        Ok(match operator {
            None => Expression::Assign(Box::new(target), Box::new(value)),
            Some(operator) => Expression::Update(operator, Box::new(target), Box::new(value)),
        })
    }

    fn or(&mut self) -> Parsed {
        let mut left = self.and()?;
        while self.takes("||") {
            self.newlines();
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed {
        let mut left = self.membership()?;
        while self.takes("&&") {
            self.newlines();
            left = Expression::And(Box::new(left), Box::new(self.membership()?));
        }
        Ok(left)
    }

    fn membership(&mut self) -> Parsed {
        let mut left = self.matching()?;
        while !self.no_in && self.takes_word("in") {
            let Token::Name(name) = self.next() else { return Err("syntax error: expected an array".to_owned()) };
            let place = self.place(&name);
            left = Expression::In(vec![left], place);
        }
        Ok(left)
    }

    fn matching(&mut self) -> Parsed {
        let mut left = self.comparison()?;
        loop {
            let positive = if self.takes("~") {
                true
            } else if self.takes("!~") {
                false
            } else {
                return Ok(left);
            };
            left = Expression::Match(Box::new(left), Box::new(self.comparison()?), positive);
        }
    }

    fn comparison(&mut self) -> Parsed {
        let left = self.concatenation()?;
        let operator = match self.peek() {
            Token::Mark("<") => Operator::Less,
            Token::Mark("<=") => Operator::LessEqual,
            Token::Mark("==") => Operator::Equal,
            Token::Mark("!=") => Operator::NotEqual,
            Token::Mark(">") if !self.no_greater => Operator::Greater,
            Token::Mark(">=") => Operator::GreaterEqual,
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.concatenation()?;
        Ok(Expression::Binary(operator, Box::new(left), Box::new(right)))
    }

    /// Concatenations, and commands that lines are read from.
    pub(super) fn concatenation(&mut self) -> Parsed {
        let mut left = self.additive()?;
        loop {
            if self.sees("|")
                && matches!(self.tokens.get(self.at + 1), Some((Token::Word("getline"), _)))
            {
                self.at += 2;
                let target = self.optional_target()?;
                left = Expression::GetLine(Source::Command(Box::new(left)), target);
                continue;
            }
            if !self.begins_value() {
                return Ok(left);
            }
            left = Expression::Concat(Box::new(left), Box::new(self.additive()?));
        }
    }

    fn begins_value(&self) -> bool {
        match self.peek() {
            Token::Number(_) | Token::Text(_) | Token::Regex(_) | Token::Name(_) | Token::Function(_) => true,
            Token::Mark(mark) => matches!(*mark, "(" | "$" | "!" | "-" | "+" | "++" | "--"),
            _ => false,
        }
    }

    fn additive(&mut self) -> Parsed {
        let mut left = self.multiplicative()?;
        loop {
            let operator = match self.peek() {
                Token::Mark("+") => Operator::Add,
                Token::Mark("-") => Operator::Subtract,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expression::Binary(operator, Box::new(left), Box::new(self.multiplicative()?));
        }
    }

    fn multiplicative(&mut self) -> Parsed {
        let mut left = self.unary()?;
        loop {
            let operator = match self.peek() {
                Token::Mark("*") => Operator::Multiply,
                Token::Mark("/") => Operator::Divide,
                Token::Mark("%") => Operator::Modulo,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expression::Binary(operator, Box::new(left), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Parsed {
        if self.takes("!") {
            return Ok(Expression::Not(Box::new(self.unary()?)));
        }
        if self.takes("-") {
            return Ok(Expression::Minus(Box::new(self.unary()?)));
        }
        if self.takes("+") {
            return Ok(Expression::Plus(Box::new(self.unary()?)));
        }
        self.power()
    }

    fn power(&mut self) -> Parsed {
        let base = self.postfix()?;
        if self.takes("^") || self.takes("**") {
            // The exponent can have a sign, and groups from the right.
            let exponent = if self.takes("-") {
                Expression::Minus(Box::new(self.power()?))
            } else if self.takes("+") {
                self.power()?
            } else if self.takes("!") {
                Expression::Not(Box::new(self.power()?))
            } else {
                self.power()?
            };
            return Ok(Expression::Binary(Operator::Power, Box::new(base), Box::new(exponent)));
        }
        Ok(base)
    }

    fn postfix(&mut self) -> Parsed {
        let value = self.primary()?;
        if Self::is_target(&value) {
            if self.takes("++") {
                return Ok(Expression::Step(Box::new(value), 1.0, true));
            }
            if self.takes("--") {
                return Ok(Expression::Step(Box::new(value), -1.0, true));
            }
            // An assignment within a larger expression, as in `a && b = c`.
            if matches!(self.peek(), Token::Mark("=" | "+=" | "-=" | "*=" | "/=" | "%=" | "^=" | "**=")) {
                return self.assignment(value);
            }
        }
        Ok(value)
    }

    fn optional_target(&mut self) -> Result<Option<Box<Expression>>, String> {
        if self.sees("$") || matches!(self.peek(), Token::Name(_)) {
            return self.primary().map(|target| Some(Box::new(target)));
        }
        Ok(None)
    }

    fn primary(&mut self) -> Parsed {
        match self.next() {
            Token::Number(number) => Ok(Expression::Number(number)),
            Token::Text(text) => Ok(Expression::Text(Rc::new(text))),
            Token::Regex(text) => Ok(Expression::Regex(Rc::new(Regex::new(&text, DIALECT)?))),
            Token::Mark("$") => {
                if self.takes("++") {
                    let inner = self.primary()?;
                    return Ok(Expression::Field(Box::new(Expression::Step(Box::new(inner), 1.0, false))));
                }
                if self.takes("--") {
                    let inner = self.primary()?;
                    return Ok(Expression::Field(Box::new(Expression::Step(Box::new(inner), -1.0, false))));
                }
                if self.takes("-") {
                    return Ok(Expression::Field(Box::new(Expression::Minus(Box::new(self.primary()?)))));
                }
                Ok(Expression::Field(Box::new(self.primary()?)))
            }
            Token::Mark(step @ ("++" | "--")) => {
                let target = self.primary()?;
                if !Self::is_target(&target) {
                    return Err(format!("syntax error: {step} of what is no variable"));
                }
                Ok(Expression::Step(Box::new(target), if step == "++" { 1.0 } else { -1.0 }, false))
            }
            Token::Mark("(") => {
                let mut values = self.list(")")?;
                if values.len() > 1 {
                    if !self.takes_word("in") {
                        return Err(format!("syntax error at or near {}", self.shown()));
                    }
                    let Token::Name(name) = self.next() else { return Err("syntax error: expected an array".to_owned()) };
                    let place = self.place(&name);
                    return Ok(Expression::In(values, place));
                }
                match values.pop() {
                    Some(value) => Ok(Expression::Group(Box::new(value))),
                    None => Err("syntax error at or near )".to_owned()),
                }
            }
            Token::Mark("-") => Ok(Expression::Minus(Box::new(self.unary()?))),
            Token::Mark("+") => Ok(Expression::Plus(Box::new(self.unary()?))),
            Token::Mark("!") => Ok(Expression::Not(Box::new(self.unary()?))),
            Token::Word("getline") => {
                let target = self.optional_target()?;
                if self.takes("<") {
                    let file = self.postfix()?;
                    return Ok(Expression::GetLine(Source::File(Box::new(file)), target));
                }
                Ok(Expression::GetLine(Source::Main, target))
            }
            Token::Name(name) => {
                let place = self.place(&name);
                if self.takes("[") {
                    let mut keys = self.list("]")?;
                    // An array of arrays is none of POSIX.
                    if self.sees("[") {
                        return Err("arrays of arrays are not supported".to_owned());
                    }
                    if keys.is_empty() {
                        keys.push(Expression::Text(Rc::default()));
                    }
                    return Ok(Expression::Element(place, keys));
                }
                Ok(Expression::Variable(place))
            }
            Token::Function(name) => {
                if let Some(builtin) = BUILTINS.iter().find(|builtin| **builtin == name) {
                    let values = if self.takes("(") { self.list(")")? } else { Vec::new() };
                    if values.is_empty() && !matches!(*builtin, "length" | "rand" | "srand" | "systime" | "fflush" | "strftime") {
                        return Err(format!("syntax error: {name} needs arguments"));
                    }
                    return Ok(Expression::Builtin(builtin, values));
                }
                self.expect("(")?;
                let values = self.list(")")?;
                let at = self.function(&name);
                Ok(Expression::Call(at, values))
            }
            _ => {
                self.at = self.at.saturating_sub(1);
                Err(format!("syntax error at or near {}", self.shown()))
            }
        }
    }
}
