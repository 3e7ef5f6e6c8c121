//! What an expression's tree comes to.

use std::rc::Rc;

use super::parse::plain_number;
use super::{Binary, Expression, Place, Unary, parse};
use crate::flow::{Flow, Result};
use crate::shell::Shell;
use crate::syntax::ast::{Arithmetic, Bytes};
use crate::syntax::parse_arithmetic_text;

/// A variable's value is an expression again; more such steps are taken for a cycle.
const DEPTH_MAX: u32 = 128;

/// Kept trees of expressions; when there are more, all are forgotten.
const CACHE_MAX: usize = 2000;

impl Shell {
    /// Expands and evaluates what stands in `$(( ))` and its like.
    pub fn arithmetic(&mut self, arithmetic: &Arithmetic) -> Result<i64> {
        if let Some(expression) = arithmetic.parsed.get() {
            let expression = expression.clone();
            return self.evaluate(&expression, 0);
        }
        let constant =
            arithmetic.word.parts.iter().all(|part| matches!(part, crate::syntax::ast::Part::Literal(_)));
        let text = self.expand_to_string(&arithmetic.word)?;
        if constant {
            let expression = self.parsed_expression(&text)?;
            arithmetic.parsed.set(expression.clone()).ok();
            return self.evaluate(&expression, 0);
        }
        self.evaluate_text(&text, 0)
    }

    /// Evaluates a text that is expanded already.
    pub fn evaluate_text(&mut self, text: &[u8], depth: u32) -> Result<i64> {
        if let Some(number) = plain_number(text) {
            return Ok(number);
        }
        let expression = self.parsed_expression(text)?;
        self.evaluate(&expression, depth)
    }

    fn parsed_expression(&mut self, text: &[u8]) -> Result<Rc<Expression>> {
        if let Some(found) = self.expressions.get(text) {
            return Ok(found.clone());
        }
        let expression = match parse(text) {
            Ok(expression) => Rc::new(expression),
            Err(message) => return Err(self.arithmetic_error(&message)),
        };
        if self.expressions.len() >= CACHE_MAX {
            self.expressions.clear();
        }
        self.expressions.insert(text.to_vec(), expression.clone());
        Ok(expression)
    }

    fn arithmetic_error(&mut self, message: &[u8]) -> Flow {
        let context = self.arithmetic_context.clone();
        self.complain(&[context.as_bytes(), message].concat());
        Flow::Discard(1)
    }

    fn evaluate(&mut self, expression: &Expression, depth: u32) -> Result<i64> {
        Ok(match expression {
            Expression::Number(number) => *number,
            Expression::Variable(place) => self.read_place(place, depth)?,
            Expression::Assign(place, operator, value) => {
                // Which element it is about is decided before the value is.
                let place = &self.fixed_place(place)?;
                let value = match operator {
                    None => self.evaluate(value, depth)?,
                    Some(binary) => {
                        let left = self.read_place(place, depth)?;
                        let right = self.evaluate(value, depth)?;
                        self.binary(*binary, left, right)?
                    }
                };
                self.write_place(place, value)?;
                value
            }
            Expression::Step { place, by, before } => {
                let old = self.read_place(place, depth)?;
                let new = old.wrapping_add(*by);
                self.write_place(place, new)?;
                if *before { new } else { old }
            }
            Expression::Unary(unary, operand) => {
                let value = self.evaluate(operand, depth)?;
                match unary {
                    Unary::Minus => value.wrapping_neg(),
                    Unary::Plus => value,
                    Unary::Not => i64::from(value == 0),
                    Unary::Complement => !value,
                }
            }
            Expression::Binary(binary, left, right) => {
                let left = self.evaluate(left, depth)?;
                let right = self.evaluate(right, depth)?;
                self.binary(*binary, left, right)?
            }
            Expression::And(left, right) => {
                i64::from(self.evaluate(left, depth)? != 0 && self.evaluate(right, depth)? != 0)
            }
            Expression::Or(left, right) => {
                i64::from(self.evaluate(left, depth)? != 0 || self.evaluate(right, depth)? != 0)
            }
            Expression::Choice(condition, yes, no) => {
                let branch = if self.evaluate(condition, depth)? != 0 { yes } else { no };
                self.evaluate(branch, depth)?
            }
            Expression::Wrong(message) => return Err(self.arithmetic_error(message)),
            Expression::Comma(left, right) => {
                self.evaluate(left, depth)?;
                self.evaluate(right, depth)?
            }
        })
    }

    fn binary(&mut self, binary: Binary, left: i64, right: i64) -> Result<i64> {
        let shift = u32::try_from(right & 63).unwrap_or(0);
        Ok(match binary {
            Binary::Multiply => left.wrapping_mul(right),
            Binary::Divide | Binary::Remainder if right == 0 => {
                return Err(self.arithmetic_error(b"division by 0 (error token is \"0\")"));
            }
            Binary::Divide => left.wrapping_div(right),
            Binary::Remainder => left.wrapping_rem(right),
            Binary::Add => left.wrapping_add(right),
            Binary::Subtract => left.wrapping_sub(right),
            Binary::ShiftLeft => left.wrapping_shl(shift),
            Binary::ShiftRight => left.wrapping_shr(shift),
            Binary::Less => i64::from(left < right),
            Binary::LessOrEqual => i64::from(left <= right),
            Binary::Greater => i64::from(left > right),
            Binary::GreaterOrEqual => i64::from(left >= right),
            Binary::Equal => i64::from(left == right),
            Binary::NotEqual => i64::from(left != right),
            Binary::BitAnd => left & right,
            Binary::BitXor => left ^ right,
            Binary::BitOr => left | right,
            Binary::Power if right < 0 => {
                return Err(self.arithmetic_error(b"exponent less than 0"));
            }
            Binary::Power => power(left, right),
        })
    }

    fn read_place(&mut self, place: &Place, depth: u32) -> Result<i64> {
        if depth > DEPTH_MAX {
            let message = [place.name.as_slice(), b": expression recursion level exceeded"].concat();
            return Err(self.arithmetic_error(&message));
        }
        let value = match &place.subscript {
            None => self.variable_value(&place.name),
            Some(subscript) => {
                let subscript = self.arithmetic_subscript(subscript)?;
                self.element_value(&place.name, &subscript)?
            }
        };
        match value {
            Some(value) => self.evaluate_text(&value, depth + 1),
            None if self.options.nounset => {
                self.complain(&[place.name.as_slice(), b": unbound variable"].concat());
                Err(self.fatal_expansion())
            }
            None => Ok(0),
        }
    }

    fn write_place(&mut self, place: &Place, value: i64) -> Result<()> {
        let text = value.to_string().into_bytes();
        match &place.subscript {
            None => self.assign(&place.name, text),
            Some(subscript) => {
                let subscript = self.arithmetic_subscript(subscript)?;
                self.assign_element(&place.name, &subscript, text)
            }
        }
    }

    fn fixed_place(&mut self, place: &Place) -> Result<Place> {
        let Some(subscript) = &place.subscript else { return Ok(place.clone()) };
        let mut subscript = self.arithmetic_subscript(subscript)?;
        let (name, _) = self.resolve(&place.name);
        let associative = matches!(
            self.variables.get(&name).map(|variable| &variable.value),
            Some(crate::variables::Value::Associative(_))
        );
        if !associative {
            subscript = self.evaluate_text(&subscript, 0)?.to_string().into_bytes();
        }
        Ok(Place { name: place.name.clone(), subscript: Some(subscript) })
    }

    /// What stands between brackets is expanded when it was not before, as of `let 'a[$i]=1'`.
    fn arithmetic_subscript(&mut self, subscript: &[u8]) -> Result<Bytes> {
        if !subscript.iter().any(|byte| b"$`\"'\\".contains(byte)) {
            return Ok(subscript.to_vec());
        }
        match parse_arithmetic_text(subscript, &self.parser_settings()) {
            Ok(word) => self.expand_to_string(&word),
            Err(_) => Ok(subscript.to_vec()),
        }
    }
}

fn power(base: i64, exponent: i64) -> i64 {
    let (mut result, mut base, mut exponent) = (1_i64, base, exponent);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    result
}
