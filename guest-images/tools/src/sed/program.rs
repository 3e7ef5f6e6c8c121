//! What a script is, once read.

use std::rc::Rc;

use crate::posix::Regex;

#[derive(Debug)]
pub struct Program {
    pub commands: Vec<Command>,
    /// Files that `w` writes to; they are made before anything is read.
    pub files: Vec<Vec<u8>>,
}

#[derive(Debug)]
pub struct Command {
    pub first: Option<Address>,
    pub second: Option<Address>,
    pub negated: bool,
    pub action: Action,
    /// Of the range: whether it is open, and its last line where that is known.
    pub open: bool,
    pub until: u64,
}

#[derive(Debug, Clone)]
pub enum Address {
    Line(u64),
    Last,
    /// None is the expression that was used last.
    Match(Option<Rc<Regex>>),
    Step(u64, u64),
    /// `addr,+N` and `addr,~N`.
    More(u64),
    Multiple(u64),
}

#[derive(Debug)]
pub enum Action {
    /// Up to the command behind its end, if the address does not hold.
    Block(usize),
    BlockEnd,
    LineNumber,
    Append(Vec<u8>),
    Insert(Vec<u8>),
    Change(Vec<u8>),
    Branch(usize),
    BranchIf(usize),
    BranchUnless(usize),
    Delete,
    DeleteFirst,
    FileName,
    Get,
    GetAppend,
    Hold,
    HoldAppend,
    List(Option<usize>),
    Next,
    NextAppend,
    Print,
    PrintFirst,
    Quit(i32),
    QuitSilently(i32),
    ReadFile(Vec<u8>),
    ReadLine(Vec<u8>),
    Substitute(Box<Substitution>),
    Write(Vec<u8>),
    WriteFirst(Vec<u8>),
    Exchange,
    Transliterate(Vec<(Vec<u8>, Vec<u8>)>),
    Zap,
}

#[derive(Debug)]
pub struct Substitution {
    pub regex: Option<Rc<Regex>>,
    pub replacement: Vec<Part>,
    pub global: bool,
    /// Which match is the first to be replaced.
    pub number: u64,
    pub prints: u32,
    pub file: Option<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    Text(Vec<u8>),
    Group(usize),
    Case(Case),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    Upper,
    Lower,
    UpperNext,
    LowerNext,
    End,
}
