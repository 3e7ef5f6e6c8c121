//! Expressions with references to groups, which no automaton can match: by trying, the longer repetition first.

use regex_automata::meta;
use regex_automata::util::syntax as rust_syntax;
use regex_automata::{Anchored, Input};

use super::syntax::{Node, Tree, character_length};
use super::translate::class;
use super::{Dialect, Span};

/// More steps than this for one match is an expression that would take for ever.
const STEPS_MAX: usize = 200_000_000;

#[derive(Debug)]
pub struct Program {
    code: Vec<Step>,
    groups: usize,
    dialect: Dialect,
}

#[derive(Debug)]
enum Step {
    Literal(Vec<u8>),
    Any,
    Set(Box<meta::Regex>),
    Assert(Node),
    Save(usize),
    Reference(usize),
    /// The first is tried first.
    Split(usize, usize),
    Jump(usize),
    /// Goes on only if the match grew since the slot was saved: an empty repetition would never end.
    Grew(usize),
    Match,
}

impl Program {
    pub fn new(tree: &Tree, dialect: Dialect) -> Result<Program, String> {
        let mut program = Program { code: Vec::new(), groups: tree.groups, dialect };
        let mut slots = 2 * (tree.groups + 1);
        program.emit(&tree.root, &mut slots)?;
        program.code.push(Step::Match);
        Ok(program)
    }

    fn emit(&mut self, node: &Node, slots: &mut usize) -> Result<(), String> {
        if self.code.len() > 1_000_000 {
            return Err("Regular expression too big".to_owned());
        }
        match node {
            Node::Empty => {}
            Node::Literal(bytes) => self.code.push(Step::Literal(bytes.clone())),
            Node::Any => self.code.push(Step::Any),
            Node::Set(inner, negated) => {
                let config = rust_syntax::Config::new()
                    .utf8(false)
                    .case_insensitive(self.dialect.ignore_case);
                let set = meta::Regex::builder()
                    .syntax(config)
                    .build(&class(inner, *negated, self.dialect))
                    .map_err(|error| error.to_string())?;
                self.code.push(Step::Set(Box::new(set)));
            }
            Node::Group(inner, group) => {
                self.code.push(Step::Save(2 * group));
                self.emit(inner, slots)?;
                self.code.push(Step::Save(2 * group + 1));
            }
            Node::Repeat(inner, least, most) => {
                for _ in 0..*least {
                    self.emit(inner, slots)?;
                }
                match most {
                    None => {
                        let slot = *slots;
                        *slots += 1;
                        let split = self.code.len();
                        self.code.push(Step::Split(split + 1, 0));
                        self.code.push(Step::Save(slot));
                        self.emit(inner, slots)?;
                        self.code.push(Step::Grew(slot));
                        self.code.push(Step::Jump(split));
                        let end = self.code.len();
                        self.patch(split, end);
                    }
                    Some(most) => {
                        let mut splits = Vec::new();
                        for _ in *least..*most {
                            splits.push(self.code.len());
                            self.code.push(Step::Split(self.code.len() + 1, 0));
                            self.emit(inner, slots)?;
                        }
                        let end = self.code.len();
                        for split in splits {
                            self.patch(split, end);
                        }
                    }
                }
            }
            Node::Concat(nodes) => {
                for node in nodes {
                    self.emit(node, slots)?;
                }
            }
            Node::Alternate(branches) => {
                let mut jumps = Vec::new();
                for (at, branch) in branches.iter().enumerate() {
                    if at + 1 == branches.len() {
                        self.emit(branch, slots)?;
                        break;
                    }
                    let split = self.code.len();
                    self.code.push(Step::Split(split + 1, 0));
                    self.emit(branch, slots)?;
                    jumps.push(self.code.len());
                    self.code.push(Step::Jump(0));
                    let next = self.code.len();
                    self.patch(split, next);
                }
                let end = self.code.len();
                for jump in jumps {
                    self.patch(jump, end);
                }
            }
            Node::Reference(group) => self.code.push(Step::Reference(*group)),
            assertion => self.code.push(Step::Assert(assertion.clone())),
        }
        Ok(())
    }

    fn patch(&mut self, at: usize, target: usize) {
        match self.code.get_mut(at) {
            Some(Step::Split(_, second)) => *second = target,
            Some(Step::Jump(to)) => *to = target,
            _ => {}
        }
    }

    /// The leftmost match that begins at or behind `from`.
    pub fn find(&self, text: &[u8], from: usize) -> Option<Vec<Span>> {
        let mut steps = 0;
        let mut start = from;
        while start <= text.len() {
            if let Some(spans) = self.run(text, start, &mut steps) {
                return Some(spans);
            }
            if steps > STEPS_MAX {
                // Saying that there is no match could be wrong.
                eprintln!("regular expression: too many ways to match");
                std::process::exit(2);
            }
            start += character_length(text.get(start..).unwrap_or_default()).max(1);
        }
        None
    }

    fn run(&self, text: &[u8], start: usize, steps: &mut usize) -> Option<Vec<Span>> {
        let mut slots: Vec<Option<usize>> = vec![None; 2 * (self.groups + 1)];
        // What to do when a way turns out wrong: go on elsewhere, or put a slot back.
        enum Undo {
            Try(usize, usize),
            Slot(usize, Option<usize>),
        }
        let mut stack = Vec::new();
        let (mut at, mut place) = (0, start);
        loop {
            *steps += 1;
            if *steps > STEPS_MAX {
                return None;
            }
            let next = match self.code.get(at)? {
                Step::Match => {
                    let mut spans = vec![Some((start, place))];
                    for group in 1..=self.groups {
                        spans.push(match (slots.get(2 * group), slots.get(2 * group + 1)) {
                            (Some(Some(from)), Some(Some(to))) if from <= to => Some((*from, *to)),
                            _ => None,
                        });
                    }
                    return Some(spans);
                }
                Step::Literal(bytes) => self.same(text, place, bytes).then_some((at + 1, place + bytes.len())),
                Step::Any => {
                    let length = character_length(text.get(place..).unwrap_or_default());
                    let newline = self.dialect.lines && text.get(place) == Some(&b'\n');
                    (length > 0 && !newline).then_some((at + 1, place + length))
                }
                Step::Set(set) => set
                    .find(Input::new(text).range(place..).anchored(Anchored::Yes))
                    .map(|found| (at + 1, found.end())),
                Step::Assert(assertion) => self.holds(assertion, text, place).then_some((at + 1, place)),
                Step::Save(slot) => {
                    if slots.len() <= *slot {
                        slots.resize(slot + 1, None);
                    }
                    if let Some(value) = slots.get_mut(*slot) {
                        stack.push(Undo::Slot(*slot, *value));
                        *value = Some(place);
                    }
                    Some((at + 1, place))
                }
                Step::Reference(group) => match (slots.get(2 * group), slots.get(2 * group + 1)) {
                    (Some(Some(from)), Some(Some(to))) => {
                        let bytes = text.get(*from..*to).unwrap_or_default();
                        self.same(text, place, bytes).then_some((at + 1, place + bytes.len()))
                    }
                    _ => None,
                },
                Step::Split(first, second) => {
                    stack.push(Undo::Try(*second, place));
                    Some((*first, place))
                }
                Step::Jump(to) => Some((*to, place)),
                Step::Grew(slot) => {
                    let before = slots.get(*slot).copied().flatten();
                    if before == Some(place) { Some((at + 2, place)) } else { Some((at + 1, place)) }
                }
            };
            if let Some(next) = next {
                (at, place) = next;
                continue;
            }
            loop {
                match stack.pop()? {
                    Undo::Slot(slot, value) => {
                        if let Some(kept) = slots.get_mut(slot) {
                            *kept = value;
                        }
                    }
                    Undo::Try(to, from) => {
                        (at, place) = (to, from);
                        break;
                    }
                }
            }
        }
    }

    fn same(&self, text: &[u8], place: usize, bytes: &[u8]) -> bool {
        let Some(there) = text.get(place..place + bytes.len()) else { return false };
        if !self.dialect.ignore_case || there == bytes {
            return there == bytes;
        }
        match (std::str::from_utf8(there), std::str::from_utf8(bytes)) {
            (Ok(left), Ok(right)) => left.to_lowercase() == right.to_lowercase(),
            _ => there.eq_ignore_ascii_case(bytes),
        }
    }

    fn holds(&self, assertion: &Node, text: &[u8], place: usize) -> bool {
        let word = |at: Option<usize>| {
            at.and_then(|at| text.get(at)).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        };
        let (before, after) = (word(place.checked_sub(1)), word(Some(place)));
        let lines = self.dialect.lines || self.dialect.multi_line;
        let newline = |at: Option<usize>| lines && at.and_then(|at| text.get(at)) == Some(&b'\n');
        match assertion {
            Node::Start => place == 0 || newline(place.checked_sub(1)),
            Node::End => place == text.len() || newline(Some(place)),
            Node::BufferStart => place == 0,
            Node::BufferEnd => place == text.len(),
            Node::WordStart => !before && after,
            Node::WordEnd => before && !after,
            Node::HalfStart => !before,
            Node::HalfEnd => !after,
            Node::Boundary => before != after,
            Node::NotBoundary => before == after,
            _ => false,
        }
    }
}
