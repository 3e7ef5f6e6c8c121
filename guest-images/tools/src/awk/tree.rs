//! What a program is, once read.

use std::rc::Rc;

use crate::posix::Regex;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Global(usize),
    Local(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Less,
    LessEqual,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
}

#[derive(Debug)]
pub enum Expression {
    Number(f64),
    Text(Rc<Vec<u8>>),
    /// By itself, whether the record matches.
    Regex(Rc<Regex>),
    Variable(Place),
    Element(Place, Vec<Expression>),
    Field(Box<Expression>),
    Assign(Box<Expression>, Box<Expression>),
    Update(Operator, Box<Expression>, Box<Expression>),
    /// Whether it is added, and whether the value is that from before.
    Step(Box<Expression>, f64, bool),
    Not(Box<Expression>),
    Minus(Box<Expression>),
    Plus(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    Concat(Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Choose(Box<Expression>, Box<Expression>, Box<Expression>),
    Match(Box<Expression>, Box<Expression>, bool),
    In(Vec<Expression>, Place),
    Group(Box<Expression>),
    Call(usize, Vec<Expression>),
    Builtin(&'static str, Vec<Expression>),
    /// From where, into what.
    GetLine(Source, Option<Box<Expression>>),
}

#[derive(Debug)]
pub enum Source {
    Main,
    File(Box<Expression>),
    Command(Box<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    File,
    Append,
    Command,
}

#[derive(Debug)]
pub enum Statement {
    Expression(Expression),
    Print(Vec<Expression>, Option<(Target, Expression)>),
    Printf(Vec<Expression>, Option<(Target, Expression)>),
    If(Expression, Box<Statement>, Option<Box<Statement>>),
    While(Expression, Box<Statement>),
    Do(Box<Statement>, Expression),
    For(Option<Box<Statement>>, Option<Expression>, Option<Box<Statement>>, Box<Statement>),
    ForIn(Place, Place, Box<Statement>),
    Block(Vec<Statement>),
    Next,
    NextFile,
    Exit(Option<Expression>),
    Return(Option<Expression>),
    Break,
    Continue,
    Delete(Place, Option<Vec<Expression>>),
}

#[derive(Debug)]
pub enum Pattern {
    Always,
    When(Expression),
    Between(Expression, Expression),
}

#[derive(Debug, Default)]
pub struct Function {
    pub name: String,
    pub parameters: usize,
    pub body: Vec<Statement>,
    pub defined: bool,
}

#[derive(Debug, Default)]
pub struct Program {
    pub begin: Vec<Vec<Statement>>,
    pub rules: Vec<(Pattern, Option<Vec<Statement>>)>,
    pub end: Vec<Vec<Statement>>,
    pub functions: Vec<Function>,
    pub globals: Vec<String>,
}
