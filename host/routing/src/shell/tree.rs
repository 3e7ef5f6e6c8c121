//! The tree of a shell text, as far as it matters which commands run.

use std::rc::Rc;

/// Commands one after another.
#[derive(Debug, Default)]
pub struct List {
    pub items: Vec<AndOr>,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Debug)]
pub struct AndOr {
    pub first: Pipeline,
    pub rest: Vec<(Connector, Pipeline)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connector {
    And,
    Or,
}

#[derive(Debug, Default)]
pub struct Pipeline {
    pub negated: bool,
    pub commands: Vec<Node>,
}

/// A command with its redirections.
#[derive(Debug)]
pub struct Node {
    pub kind: Kind,
    pub redirects: Vec<Redirect>,
    pub line: u32,
    /// As it was written, from its start to its end in the text.
    pub text: (usize, usize),
}

#[derive(Debug)]
pub enum Kind {
    Simple {
        assignments: Vec<(String, Word)>,
        words: Vec<Word>,
    },
    Group(List),
    Subshell(List),
    If {
        branches: Vec<(List, List)>,
        otherwise: Option<List>,
    },
    Loop {
        variable: Option<String>,
        words: Vec<Word>,
        condition: List,
        body: List,
    },
    Case {
        subject: Word,
        arms: Vec<Arm>,
    },
    Function {
        name: String,
        body: Rc<Node>,
    },
    /// `[[ ]]` and `(( ))`.
    Condition(Vec<Word>),
}

/// Patterns of a `case`, and what runs for them; a pattern `*` is unknown as a whole.
#[derive(Debug)]
pub struct Arm {
    pub patterns: Vec<Word>,
    pub body: List,
}

#[derive(Debug)]
pub struct Redirect {
    pub descriptor: Option<u32>,
    pub operation: Operation,
}

#[derive(Debug)]
pub enum Operation {
    Read(Word),
    Write(Word),
    Append(Word),
    HereString(Word),
    HereDocument(Word),
    Other,
}

/// A word before expansion.
#[derive(Clone, Debug, Default)]
pub struct Word {
    pub parts: Vec<Part>,
    pub quoted: bool,
}

#[derive(Clone, Debug)]
pub enum Part {
    Text(String),
    /// A parameter with what stands for it where it is not set.
    Variable {
        name: String,
        default: Option<Vec<Part>>,
        quoted: bool,
    },
    Substitution(Rc<List>),
    /// `<( )` and `>( )`.
    Process(Rc<List>),
    /// What is not known before the run: arithmetic, patterns, other expansions.
    Unknown,
}

impl Word {
    /// The word's text, where it has nothing to expand.
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The word as a keyword: literal and without quotes.
    pub fn keyword(&self) -> Option<&str> {
        self.literal().filter(|text| !self.quoted && !text.is_empty())
    }
}
