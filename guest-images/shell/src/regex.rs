//! Extended regular expressions of POSIX, as `[[ =~ ]]` has them.
//!
//! Own code because the usual crates take the first alternative that matches where POSIX takes the longest, and know no
//! bytes that are no UTF-8. A text is gone through once with all states at the same time, so no expression takes long.

use std::rc::Rc;

use crate::bytes::{char_length, code_point};
use crate::pattern::in_class;

#[derive(Debug)]
enum Step {
    Char(u32),
    Any,
    Set {
        negated: bool,
        items: Vec<Item>,
    },
    /// Tries the first, then the second.
    Split(usize, usize),
    Jump(usize),
    Save(usize),
    Start,
    End,
    WordBoundary(bool),
    WordStart,
    WordEnd,
    Match,
}

#[derive(Debug, Clone)]
enum Item {
    Range(u32, u32),
    Class(&'static str),
}

#[derive(Debug, Clone)]
enum Node {
    Empty,
    Char(u32),
    Any,
    Set { negated: bool, items: Vec<Item> },
    Group(usize, Box<Node>),
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Repeat { node: Box<Node>, least: u32, most: Option<u32> },
    Start,
    End,
    WordBoundary(bool),
    WordStart,
    WordEnd,
}

/// An expression that was read.
#[derive(Debug)]
pub struct Regex {
    steps: Vec<Step>,
    groups: usize,
    any_case: bool,
}

/// A bigger expression, with its repetitions written out, is refused.
const STEPS_MAX: usize = 20_000;
const DEPTH_MAX: u32 = 100;
/// That of POSIX.
const REPEAT_MAX: u32 = 32_767;

/// Why a text is no expression that can be matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Syntax,
    Reference,
}

/// Where each group matched, the whole first.
pub type Groups = Vec<Option<(usize, usize)>>;

impl Regex {
    /// # Errors
    /// When it is not an expression, or one that refers to its own groups, which cannot be matched in one pass.
    pub fn new(text: &[u8], any_case: bool) -> Result<Self, Wrong> {
        let refers = text.windows(2).enumerate().any(|(at, pair)| {
            pair[0] == b'\\'
                && pair[1].is_ascii_digit()
                && text[..at].iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 0
        });
        if refers {
            return Err(Wrong::Reference);
        }
        Self::read(text, any_case).ok_or(Wrong::Syntax)
    }

    fn read(text: &[u8], any_case: bool) -> Option<Self> {
        let codes: Vec<u32> = crate::bytes::chars(text).map(code_point).collect();
        let mut reader = Reader { codes, at: 0, groups: 0, depth: 0 };
        let node = reader.choice()?;
        if reader.at < reader.codes.len() {
            return None;
        }
        let mut regex = Regex { steps: Vec::new(), groups: reader.groups + 1, any_case };
        regex.steps.push(Step::Save(0));
        regex.compile(&node)?;
        regex.steps.push(Step::Save(1));
        regex.steps.push(Step::Match);
        Some(regex)
    }

    fn push(&mut self, step: Step) -> Option<usize> {
        if self.steps.len() >= STEPS_MAX {
            return None;
        }
        self.steps.push(step);
        Some(self.steps.len() - 1)
    }

    fn compile(&mut self, node: &Node) -> Option<()> {
        match node {
            Node::Empty => {}
            Node::Char(code) => {
                self.push(Step::Char(*code))?;
            }
            Node::Any => {
                self.push(Step::Any)?;
            }
            Node::Set { negated, items } => {
                self.push(Step::Set { negated: *negated, items: items.clone() })?;
            }
            Node::Start => {
                self.push(Step::Start)?;
            }
            Node::End => {
                self.push(Step::End)?;
            }
            Node::WordBoundary(wanted) => {
                self.push(Step::WordBoundary(*wanted))?;
            }
            Node::WordStart => {
                self.push(Step::WordStart)?;
            }
            Node::WordEnd => {
                self.push(Step::WordEnd)?;
            }
            Node::Group(number, inner) => {
                self.push(Step::Save(2 * number))?;
                self.compile(inner)?;
                self.push(Step::Save(2 * number + 1))?;
            }
            Node::Sequence(nodes) => {
                for node in nodes {
                    self.compile(node)?;
                }
            }
            Node::Choice(nodes) => {
                let mut jumps = Vec::new();
                for (at, node) in nodes.iter().enumerate() {
                    if at + 1 == nodes.len() {
                        self.compile(node)?;
                        break;
                    }
                    let split = self.push(Step::Split(0, 0))?;
                    self.compile(node)?;
                    jumps.push(self.push(Step::Jump(0))?);
                    self.steps[split] = Step::Split(split + 1, self.steps.len());
                }
                let end = self.steps.len();
                for jump in jumps {
                    self.steps[jump] = Step::Jump(end);
                }
            }
            Node::Repeat { node, least, most } => {
                for _ in 0..*least {
                    self.compile(node)?;
                }
                match most {
                    None => {
                        let split = self.push(Step::Split(0, 0))?;
                        self.compile(node)?;
                        self.push(Step::Jump(split))?;
                        self.steps[split] = Step::Split(split + 1, self.steps.len());
                    }
                    Some(most) => {
                        let mut splits = Vec::new();
                        for _ in *least..*most {
                            splits.push(self.push(Step::Split(0, 0))?);
                            self.compile(node)?;
                        }
                        let end = self.steps.len();
                        for split in splits {
                            self.steps[split] = Step::Split(split + 1, end);
                        }
                    }
                }
            }
        }
        Some(())
    }

    /// The leftmost match, and of those the longest.
    pub fn find(&self, text: &[u8]) -> Option<Groups> {
        let mut codes = Vec::with_capacity(text.len());
        let mut offsets = Vec::with_capacity(text.len() + 1);
        let mut at = 0;
        while at < text.len() {
            let length = char_length(&text[at..]);
            codes.push(code_point(&text[at..at + length]));
            offsets.push(at);
            at += length;
        }
        offsets.push(at);
        let run = Run { regex: self, codes: &codes };
        let slots = run.search()?;
        let place = |slot: usize| slots[slot].map(|at| offsets[at]);
        Some((0..self.groups).map(|group| Some((place(2 * group)?, place(2 * group + 1)?))).collect())
    }
}

type Slots = Rc<Vec<Option<usize>>>;

struct Run<'a> {
    regex: &'a Regex,
    codes: &'a [u32],
}

impl Run<'_> {
    fn search(&self) -> Option<Slots> {
        let count = self.regex.steps.len();
        let mut current: Vec<(usize, Slots)> = Vec::new();
        let mut seen = vec![usize::MAX; count];
        let mut best: Option<Slots> = None;
        for at in 0..=self.codes.len() {
            // Threads in order of preference; the earliest start comes first.
            let mut threads = Vec::new();
            for (step, slots) in current.drain(..) {
                self.follow(step, at, slots, &mut seen, &mut threads);
            }
            if best.is_none() {
                self.follow(0, at, Rc::new(vec![None; 2 * self.regex.groups]), &mut seen, &mut threads);
            }
            for (step, slots) in threads {
                match &self.regex.steps[step] {
                    Step::Match => {
                        // Of those that start first, the longest; of these, the preferred one.
                        let better = best.as_ref().is_none_or(|best| {
                            slots[0] < best[0] || (slots[0] == best[0] && slots[1] > best[1])
                        });
                        if better {
                            best = Some(slots);
                        }
                    }
                    step_kind
                        if at < self.codes.len()
                            && self.takes(step_kind, self.codes[at])
                            && best.as_ref().is_none_or(|best| slots[0] <= best[0]) =>
                    {
                        current.push((step + 1, slots));
                    }
                    _ => {}
                }
            }
            if current.is_empty() && best.is_some() {
                break;
            }
        }
        best
    }

    fn takes(&self, step: &Step, code: u32) -> bool {
        let any_case = self.regex.any_case;
        match step {
            Step::Char(wanted) => *wanted == code || (any_case && folded(*wanted) == folded(code)),
            Step::Any => true,
            Step::Set { negated, items } => {
                let fits = |code| {
                    items.iter().any(|item| match item {
                        Item::Range(low, high) => (*low..=*high).contains(&code),
                        Item::Class(class) => in_class(code, class),
                    })
                };
                let inside = fits(code) || (any_case && (fits(folded(code)) || fits(raised(code))));
                inside != *negated
            }
            _ => false,
        }
    }

    /// Goes on to the steps that take a character, or to the match.
    fn follow(
        &self,
        step: usize,
        at: usize,
        slots: Slots,
        seen: &mut [usize],
        threads: &mut Vec<(usize, Slots)>,
    ) {
        let mut pending = vec![(step, slots)];
        while let Some((step, slots)) = pending.pop() {
            if seen[step] == at {
                continue;
            }
            seen[step] = at;
            let word = |at: usize| self.codes.get(at).is_some_and(|&code| in_class(code, "word"));
            let before = at > 0 && word(at - 1);
            let after = word(at);
            let goes = match &self.regex.steps[step] {
                Step::Jump(to) => {
                    pending.push((*to, slots));
                    continue;
                }
                Step::Split(first, second) => {
                    pending.push((*second, slots.clone()));
                    pending.push((*first, slots));
                    continue;
                }
                Step::Save(slot) => {
                    let mut changed = slots.as_ref().clone();
                    changed[*slot] = Some(at);
                    pending.push((step + 1, Rc::new(changed)));
                    continue;
                }
                Step::Start => at == 0,
                Step::End => at == self.codes.len(),
                Step::WordBoundary(wanted) => (before != after) == *wanted,
                Step::WordStart => !before && after,
                Step::WordEnd => before && !after,
                _ => {
                    threads.push((step, slots));
                    continue;
                }
            };
            if goes {
                pending.push((step + 1, slots));
            }
        }
    }
}

fn folded(code: u32) -> u32 {
    char::from_u32(code).and_then(|c| c.to_lowercase().next()).map_or(code, u32::from)
}

fn raised(code: u32) -> u32 {
    char::from_u32(code).and_then(|c| c.to_uppercase().next()).map_or(code, u32::from)
}

struct Reader {
    codes: Vec<u32>,
    at: usize,
    groups: usize,
    depth: u32,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.codes.get(self.at).map(|&code| char::from_u32(code).unwrap_or('\u{fffd}'))
    }

    fn ahead(&self, by: usize) -> Option<char> {
        self.codes.get(self.at + by).and_then(|&code| char::from_u32(code))
    }

    fn choice(&mut self) -> Option<Node> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let mut nodes = vec![self.sequence()?];
        while self.peek() == Some('|') {
            self.at += 1;
            nodes.push(self.sequence()?);
        }
        self.depth -= 1;
        Some(if nodes.len() == 1 { nodes.pop()? } else { Node::Choice(nodes) })
    }

    fn sequence(&mut self) -> Option<Node> {
        let mut nodes = Vec::new();
        loop {
            match self.peek() {
                None | Some('|') => break,
                Some(')') if self.depth > 1 => break,
                _ => {}
            }
            let atom = self.atom(nodes.is_empty())?;
            nodes.push(self.repeated(atom)?);
        }
        Some(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.pop()?,
            _ => Node::Sequence(nodes),
        })
    }

    fn repeated(&mut self, atom: Node) -> Option<Node> {
        let mut node = atom;
        loop {
            let (least, most) = match self.peek() {
                Some('*') => (0, None),
                Some('+') => (1, None),
                Some('?') => (0, Some(1)),
                Some('{') => {
                    self.at += 1;
                    let least = self.number();
                    if least.is_none() && self.peek() != Some(',') {
                        return None;
                    }
                    let most = if self.peek() == Some(',') {
                        self.at += 1;
                        self.number()
                    } else {
                        least
                    };
                    if self.peek() != Some('}') {
                        return None;
                    }
                    let least = least.unwrap_or(0);
                    if most.is_some_and(|most| most < least || most > REPEAT_MAX) || least > REPEAT_MAX {
                        return None;
                    }
                    (least, most)
                }
                _ => return Some(node),
            };
            self.at += 1;
            node = Node::Repeat { node: Box::new(node), least, most };
        }
    }

    fn number(&mut self) -> Option<u32> {
        let mut value = None;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            value = Some(value.unwrap_or(0_u32).saturating_mul(10).saturating_add(digit));
            self.at += 1;
        }
        value
    }

    fn atom(&mut self, first: bool) -> Option<Node> {
        let code = *self.codes.get(self.at)?;
        let character = self.peek()?;
        self.at += 1;
        Some(match character {
            '.' => Node::Any,
            '^' => {
                if matches!(self.peek(), Some('*' | '+' | '?' | '{')) {
                    return None;
                }
                Node::Start
            }
            '$' => Node::End,
            '(' => {
                self.groups += 1;
                let number = self.groups;
                let inner = self.choice()?;
                if self.peek() != Some(')') {
                    return None;
                }
                self.at += 1;
                Node::Group(number, Box::new(inner))
            }
            '[' => self.set()?,
            '*' | '+' | '?' | '{' if first => return None,
            '\\' => {
                let next = *self.codes.get(self.at)?;
                let letter = self.peek()?;
                self.at += 1;
                let class = |negated, class| Node::Set { negated, items: vec![Item::Class(class)] };
                match letter {
                    'w' => class(false, "word"),
                    'W' => class(true, "word"),
                    's' => class(false, "space"),
                    'S' => class(true, "space"),
                    'b' => Node::WordBoundary(true),
                    'B' => Node::WordBoundary(false),
                    '<' => Node::WordStart,
                    '>' => Node::WordEnd,
                    '`' => Node::Start,
                    '\'' => Node::End,
                    _ => Node::Char(next),
                }
            }
            _ => Node::Char(code),
        })
    }

    fn set(&mut self) -> Option<Node> {
        let negated = self.peek() == Some('^');
        if negated {
            self.at += 1;
        }
        let mut items = Vec::new();
        let first = self.at;
        loop {
            let character = self.peek()?;
            if character == ']' && self.at > first {
                self.at += 1;
                return Some(Node::Set { negated, items });
            }
            if character == '[' && matches!(self.ahead(1), Some(':' | '=' | '.')) {
                let kind = self.ahead(1)?;
                self.at += 2;
                let mut inside = String::new();
                while !(self.peek()? == kind && self.ahead(1)? == ']') {
                    inside.push(self.peek()?);
                    self.at += 1;
                }
                self.at += 2;
                if kind == ':' {
                    items.push(Item::Class(class(&inside)?));
                } else {
                    let mut characters = inside.chars();
                    let code = u32::from(characters.next()?);
                    if characters.next().is_some() {
                        return None;
                    }
                    items.push(Item::Range(code, code));
                }
                continue;
            }
            let low = self.codes[self.at];
            self.at += 1;
            if self.peek() == Some('-') && self.ahead(1).is_some_and(|next| next != ']') {
                self.at += 1;
                let high = self.codes[self.at];
                self.at += 1;
                if high < low {
                    return None;
                }
                items.push(Item::Range(low, high));
            } else {
                items.push(Item::Range(low, low));
            }
        }
    }
}

fn class(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 12] = [
        "alpha", "digit", "alnum", "upper", "lower", "space", "blank", "punct", "print", "graph", "cntrl",
        "xdigit",
    ];
    NAMES.into_iter().find(|known| *known == name)
}
