//! The tree of a script: what the parser makes and the evaluator runs.

use std::cell::OnceCell;
use std::rc::Rc;

use crate::arithmetic::Expression;

/// Bytes of a script or a value: bash's strings are bytes without NUL, in any encoding.
pub type Bytes = Vec<u8>;

/// Commands that run one after another.
#[derive(Debug, Default)]
pub struct List {
    pub items: Vec<Item>,
}

/// One element of a list.
#[derive(Debug)]
pub struct Item {
    pub first: Pipeline,
    pub rest: Vec<(Connector, Pipeline)>,
    pub background: bool,
    pub text: Rc<[u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connector {
    And,
    Or,
}

#[derive(Debug)]
pub struct Pipeline {
    pub timed: Option<TimeStyle>,
    pub negated: bool,
    /// Empty for `time` or `!` alone.
    pub stages: Vec<Command>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeStyle {
    Bash,
    Posix,
}

#[derive(Debug)]
pub struct Command {
    pub kind: Kind,
    pub redirects: Vec<Redirect>,
    pub line: u32,
    /// `|&` follows: standard error goes where standard output goes, after all redirections.
    pub pipes_errors: bool,
    /// The command as it was written, for `BASH_COMMAND`.
    pub text: Rc<[u8]>,
}

#[derive(Debug)]
pub enum Kind {
    Simple(Simple),
    Group(List),
    Subshell(List),
    If(Vec<(List, List)>, Option<List>),
    While { until: bool, condition: List, body: List },
    For { name: Bytes, words: Option<Vec<Word>>, body: List },
    Select { name: Bytes, words: Option<Vec<Word>>, body: List },
    ArithmeticFor { parts: [Arithmetic; 3], body: List },
    Case { subject: Word, arms: Vec<Arm> },
    Arithmetic(Arithmetic),
    Test(Test),
    Function(Rc<Function>),
    Coprocess,
}

#[derive(Debug)]
pub struct Simple {
    pub assignments: Vec<Assignment>,
    pub arguments: Vec<Argument>,
}

/// An argument; of `declare` and its like it may be an assignment.
#[derive(Debug)]
pub enum Argument {
    Word(Word),
    Assignment(Assignment, Word),
}

#[derive(Debug)]
pub struct Assignment {
    pub name: Bytes,
    pub subscript: Option<Word>,
    pub append: bool,
    pub value: AssignedValue,
}

#[derive(Debug)]
pub enum AssignedValue {
    Scalar(Word),
    Array(Vec<Element>),
}

#[derive(Debug)]
pub struct Element {
    pub subscript: Option<Word>,
    pub append: bool,
    pub value: Word,
}

#[derive(Debug)]
pub struct Arm {
    pub patterns: Vec<Word>,
    pub body: List,
    pub end: ArmEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArmEnd {
    Leave,
    FallThrough,
    TestNext,
}

#[derive(Debug)]
pub struct Function {
    pub name: Bytes,
    pub body: Command,
    /// The file that defines it, for `BASH_SOURCE`; set when the definition runs.
    pub source: OnceCell<Bytes>,
}

/// What stands between `[[` and `]]`.
#[derive(Debug)]
pub enum Test {
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
    Not(Box<Test>),
    Group(Box<Test>),
    Unary(Bytes, Word),
    Binary(Bytes, Word, Word),
    NonEmpty(Word),
}

#[derive(Debug)]
pub struct Redirect {
    pub target: RedirectTarget,
    pub operation: Operation,
}

/// The descriptor that a redirection is about.
#[derive(Debug)]
pub enum RedirectTarget {
    Default,
    Number(u32),
    Variable(Bytes),
}

#[derive(Debug)]
pub enum Operation {
    Read(Word),
    Write(Word),
    Clobber(Word),
    Append(Word),
    ReadWrite(Word),
    /// `&>` and `&>>`.
    Both {
        append: bool,
        word: Word,
    },
    DuplicateInput(Word),
    DuplicateOutput(Word),
    HereString(Word),
    HereDocument(Rc<HereDocument>),
}

#[derive(Debug)]
pub struct HereDocument {
    pub delimiter: Bytes,
    pub quoted: bool,
    pub strip_tabs: bool,
    /// Read when the parser reaches the end of the line.
    pub body: OnceCell<Word>,
}

/// A word before expansion.
#[derive(Debug, Clone)]
pub struct Word {
    pub parts: Vec<Part>,
    /// As it was written.
    pub text: Rc<[u8]>,
    /// Has an unquoted `{`, so brace expansion has to look.
    pub braces: bool,
}

#[derive(Debug, Clone)]
pub enum Part {
    /// Unquoted text; pattern characters in it are active.
    Literal(Bytes),
    /// Text from `'...'`, `$'...'` or a backslash.
    Quoted(Bytes),
    /// Between double quotes; literals inside are quoted text.
    Double(Vec<Part>),
    Parameter(Rc<Parameter>),
    Command(Rc<Substitution>),
    Arithmetic(Rc<Arithmetic>),
    /// `<( )` reads from the list, `>( )` writes to it.
    Process {
        reads: bool,
        list: Rc<List>,
    },
    /// `~` or `~name`.
    Tilde(Bytes),
    /// `${ ... }` that is no parameter expansion; an error when it is reached.
    Bad(Bytes),
}

#[derive(Debug)]
pub struct Substitution {
    /// A syntax error inside backquotes is one only when it is reached.
    pub list: Result<List, Bytes>,
}

/// An arithmetic expression before expansion.
#[derive(Debug)]
pub struct Arithmetic {
    pub word: Word,
    /// Kept when the text has nothing to expand.
    pub parsed: OnceCell<Rc<Expression>>,
}

#[derive(Debug)]
pub struct Parameter {
    pub name: Name,
    pub subscript: Option<Subscript>,
    /// `${!name...}`.
    pub indirect: bool,
    pub operator: Operator,
    /// As it was written, for messages.
    pub text: Rc<[u8]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    Variable(Bytes),
    Positional(usize),
    /// One of `@*#?-$!0`.
    Special(u8),
}

#[derive(Debug)]
pub enum Subscript {
    /// `[@]` or `[*]`.
    All(u8),
    Index(Word),
}

#[derive(Debug)]
pub enum Operator {
    None,
    Length,
    /// `-`, `=`, `?` or `+`; with a colon an empty value counts as unset.
    Test {
        kind: u8,
        colon: bool,
        word: Word,
    },
    Remove {
        suffix: bool,
        longest: bool,
        pattern: Word,
    },
    Replace {
        kind: Replace,
        pattern: Word,
        replacement: Word,
    },
    Substring {
        offset: Arithmetic,
        length: Option<Arithmetic>,
    },
    /// `^` or `,`, once or for all characters.
    Case {
        kind: u8,
        all: bool,
        pattern: Option<Word>,
    },
    Transform(u8),
    /// `${!name[@]}`.
    Keys(u8),
    /// `${!prefix*}`.
    Names(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    First,
    All,
    Prefix,
    Suffix,
}
