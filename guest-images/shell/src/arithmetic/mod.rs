//! Arithmetic: 64-bit integers that wrap, as in C.

mod evaluate;
mod parse;

pub use parse::parse;

use crate::syntax::ast::Bytes;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    Number(i64),
    Variable(Place),
    /// `=`, or `op=` with the operator.
    Assign(Place, Option<Binary>, Box<Expression>),
    /// `++` or `--`.
    Step {
        place: Place,
        by: i64,
        before: bool,
    },
    Unary(Unary, Box<Expression>),
    Binary(Binary, Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Choice(Box<Expression>, Box<Expression>, Box<Expression>),
    Comma(Box<Expression>, Box<Expression>),
    /// What is wrong behind a comma: bash evaluates what stands before it first.
    Wrong(Bytes),
}

/// A variable or an element of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub name: Bytes,
    pub subscript: Option<Bytes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    Minus,
    Plus,
    Not,
    Complement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    Multiply,
    Divide,
    Remainder,
    Add,
    Subtract,
    ShiftLeft,
    ShiftRight,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    BitAnd,
    BitXor,
    BitOr,
    Power,
}
