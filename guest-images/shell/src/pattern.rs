//! Patterns of file names, `case` and `${x#...}`.
//!
//! A pattern is matched by going through its nodes with the set of places that were reached, so that no pattern takes more
//! than its length times the text's.

use std::collections::BTreeSet;

use crate::bytes::{char_length, code_point};

#[derive(Debug, Clone)]
enum Node {
    Char(u32),
    Any,
    Star,
    Set {
        negated: bool,
        items: Vec<Item>,
    },
    /// `?(a|b)` and its like, by the character before the parenthesis.
    Group(u8, Vec<Vec<Node>>),
}

#[derive(Debug, Clone)]
enum Item {
    Range(u32, u32),
    Class(&'static str),
}

#[derive(Debug, Clone)]
pub struct Pattern {
    nodes: Vec<Node>,
    any_case: bool,
}

/// Groups in groups beyond this stand for themselves.
const DEPTH_MAX: u32 = 50;

const CLASSES: [&str; 14] = [
    "alpha", "digit", "alnum", "upper", "lower", "space", "blank", "punct", "print", "graph", "cntrl",
    "xdigit", "word", "ascii",
];

impl Pattern {
    /// Reads a pattern in which a backslash takes the special meaning from what follows.
    pub fn new(text: &[u8], extended: bool, any_case: bool) -> Self {
        let codes = codes(text);
        let mut reader = Reader { codes: &codes, at: 0, extended };
        let nodes = reader.sequence(0);
        Pattern { nodes, any_case }
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn matches(&self, text: &[u8]) -> bool {
        // Most patterns are plain words.
        if let [Node::Star] = self.nodes.as_slice() {
            return true;
        }
        let codes = codes(text);
        let ends = advance(&self.nodes, &codes, vec![0], self.any_case);
        ends.last() == Some(&codes.len())
    }

    /// Where a prefix that matches ends.
    pub fn prefix(&self, text: &[u8], longest: bool) -> Option<usize> {
        let codes = codes(text);
        let ends = advance(&self.nodes, &codes, vec![0], self.any_case);
        let end = if longest { ends.last() } else { ends.first() };
        end.map(|&end| byte_offset(text, end))
    }

    /// Where a suffix that matches starts.
    pub fn suffix(&self, text: &[u8], longest: bool) -> Option<usize> {
        let mut codes = codes(text);
        let count = codes.len();
        codes.reverse();
        let ends = advance(&reversed(&self.nodes), &codes, vec![0], self.any_case);
        let end = if longest { ends.last() } else { ends.first() };
        end.map(|&end| byte_offset(text, count - end))
    }

    pub fn finder<'a>(&'a self, text: &'a [u8]) -> Finder<'a> {
        let codes = codes(text);
        let mut offsets = Vec::with_capacity(codes.len() + 1);
        let mut at = 0;
        while at < text.len() {
            offsets.push(at);
            at += char_length(&text[at..]);
        }
        offsets.push(at);
        Finder { pattern: self, codes, offsets }
    }
}

/// Finds the longest match at the first place, again and again.
pub struct Finder<'a> {
    pattern: &'a Pattern,
    codes: Vec<u32>,
    offsets: Vec<usize>,
}

impl Finder<'_> {
    /// The next match at or behind an offset.
    pub fn next(&mut self, from: usize) -> Option<(usize, usize)> {
        let first = self.offsets.partition_point(|&offset| offset < from);
        for start in first..self.offsets.len() {
            let ends = advance(&self.pattern.nodes, &self.codes, vec![start], self.pattern.any_case);
            if let Some(&end) = ends.last() {
                return Some((self.offsets[start], self.offsets[end]));
            }
        }
        None
    }
}

fn codes(text: &[u8]) -> Vec<u32> {
    if text.is_ascii() {
        return text.iter().map(|&byte| u32::from(byte)).collect();
    }
    crate::bytes::chars(text)
        .map(|character| match character {
            // A byte that is no character is none of those that are.
            [byte] if *byte >= 0x80 => 0x0011_0000 + u32::from(*byte),
            _ => code_point(character),
        })
        .collect()
}

fn byte_offset(text: &[u8], count: usize) -> usize {
    if text.is_ascii() {
        return count;
    }
    crate::bytes::chars(text).take(count).map(<[u8]>::len).sum()
}

struct Reader<'a> {
    codes: &'a [u32],
    at: usize,
    extended: bool,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.codes.get(self.at + ahead).and_then(|&code| char::from_u32(code))
    }

    /// Nodes up to the end, or in a group up to `|` or `)`.
    fn sequence(&mut self, depth: u32) -> Vec<Node> {
        let mut nodes = Vec::new();
        while let Some(&code) = self.codes.get(self.at) {
            let character = self.peek(0).unwrap_or('\u{fffd}');
            if depth > 0 && matches!(character, '|' | ')') {
                break;
            }
            if self.extended
                && depth < DEPTH_MAX
                && matches!(character, '?' | '*' | '+' | '@' | '!')
                && self.peek(1) == Some('(')
            {
                let start = self.at;
                self.at += 2;
                if let Some(alternatives) = self.alternatives(depth + 1) {
                    nodes.push(Node::Group(u8::try_from(code).unwrap_or(b'@'), alternatives));
                    continue;
                }
                self.at = start;
            }
            self.at += 1;
            match character {
                '*' => {
                    if !matches!(nodes.last(), Some(Node::Star)) {
                        nodes.push(Node::Star);
                    }
                }
                '?' => nodes.push(Node::Any),
                '[' => match self.set() {
                    Some(set) => nodes.push(set),
                    None => nodes.push(Node::Char(code)),
                },
                '\\' if self.at < self.codes.len() => {
                    nodes.push(Node::Char(self.codes[self.at]));
                    self.at += 1;
                }
                _ => nodes.push(Node::Char(code)),
            }
        }
        nodes
    }

    fn alternatives(&mut self, depth: u32) -> Option<Vec<Vec<Node>>> {
        let mut alternatives = Vec::new();
        loop {
            alternatives.push(self.sequence(depth));
            match self.peek(0) {
                Some('|') => self.at += 1,
                Some(')') => {
                    self.at += 1;
                    return Some(alternatives);
                }
                _ => return None,
            }
        }
    }

    /// What stands behind `[`; none, and nothing passed, when it does not close.
    fn set(&mut self) -> Option<Node> {
        let start = self.at;
        let found = self.set_inside();
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn set_inside(&mut self) -> Option<Node> {
        let negated = matches!(self.peek(0), Some('!' | '^'));
        if negated {
            self.at += 1;
        }
        let mut items = Vec::new();
        let first = self.at;
        loop {
            let code = *self.codes.get(self.at)?;
            let character = char::from_u32(code).unwrap_or('\u{fffd}');
            if character == ']' && self.at > first {
                self.at += 1;
                return Some(Node::Set { negated, items });
            }
            if character == '[' && matches!(self.peek(1), Some(':' | '=' | '.')) {
                let kind = self.peek(1)?;
                let mut end = self.at + 2;
                while end + 1 < self.codes.len()
                    && !(self.codes[end] == u32::from(kind) && self.codes[end + 1] == u32::from(']'))
                {
                    end += 1;
                }
                if end + 1 < self.codes.len() {
                    let inside: String = self.codes[self.at + 2..end]
                        .iter()
                        .filter_map(|&code| char::from_u32(code))
                        .collect();
                    if kind == ':' {
                        if let Some(class) = CLASSES.iter().find(|class| **class == inside) {
                            items.push(Item::Class(class));
                        }
                        self.at = end + 2;
                        continue;
                    }
                    if let Some(one) = inside.chars().next() {
                        items.push(Item::Range(u32::from(one), u32::from(one)));
                        self.at = end + 2;
                        continue;
                    }
                }
            }
            let low = self.set_char()?;
            if self.peek(0) == Some('-') && self.peek(1).is_some_and(|next| next != ']') {
                self.at += 1;
                let high = self.set_char()?;
                items.push(Item::Range(low, high));
            } else {
                items.push(Item::Range(low, low));
            }
        }
    }

    fn set_char(&mut self) -> Option<u32> {
        if self.peek(0) == Some('\\') {
            self.at += 1;
        }
        let code = *self.codes.get(self.at)?;
        self.at += 1;
        Some(code)
    }
}

fn reversed(nodes: &[Node]) -> Vec<Node> {
    nodes
        .iter()
        .rev()
        .map(|node| match node {
            Node::Group(kind, alternatives) => {
                Node::Group(*kind, alternatives.iter().map(|nodes| reversed(nodes)).collect())
            }
            other => other.clone(),
        })
        .collect()
}

fn folded(code: u32) -> u32 {
    char::from_u32(code).and_then(|c| c.to_lowercase().next()).map_or(code, u32::from)
}

fn same(left: u32, right: u32, any_case: bool) -> bool {
    left == right || (any_case && folded(left) == folded(right))
}

/// From sorted places in the text, the sorted places that are reached through the nodes.
fn advance(nodes: &[Node], text: &[u32], mut places: Vec<usize>, any_case: bool) -> Vec<usize> {
    for node in nodes {
        if places.is_empty() {
            return places;
        }
        match node {
            Node::Char(code) => {
                places.retain_mut(|place| {
                    let fits = text.get(*place).is_some_and(|&found| same(found, *code, any_case));
                    *place += 1;
                    fits
                });
            }
            Node::Any => places.retain_mut(|place| {
                *place += 1;
                *place <= text.len()
            }),
            Node::Set { negated, items } => places.retain_mut(|place| {
                let fits = text.get(*place).is_some_and(|&found| in_set(found, items, any_case) != *negated);
                *place += 1;
                fits
            }),
            Node::Star => {
                let first = places[0];
                places = (first..=text.len()).collect();
            }
            Node::Group(kind, alternatives) => {
                places = advance_group(*kind, alternatives, text, places, any_case);
            }
        }
    }
    places
}

fn once(alternatives: &[Vec<Node>], text: &[u32], places: &[usize], any_case: bool) -> BTreeSet<usize> {
    alternatives.iter().flat_map(|nodes| advance(nodes, text, places.to_vec(), any_case)).collect()
}

fn advance_group(
    kind: u8,
    alternatives: &[Vec<Node>],
    text: &[u32],
    places: Vec<usize>,
    any_case: bool,
) -> Vec<usize> {
    match kind {
        b'@' => once(alternatives, text, &places, any_case).into_iter().collect(),
        b'?' => {
            let mut ends = once(alternatives, text, &places, any_case);
            ends.extend(places);
            ends.into_iter().collect()
        }
        b'*' | b'+' => {
            let mut ends: BTreeSet<usize> =
                if kind == b'*' { places.iter().copied().collect() } else { BTreeSet::new() };
            let mut fresh = places;
            while !fresh.is_empty() {
                let reached = once(alternatives, text, &fresh, any_case);
                fresh = reached.into_iter().filter(|&end| ends.insert(end)).collect();
            }
            ends.into_iter().collect()
        }
        // Everything that no alternative matches.
        _ => {
            let mut ends = BTreeSet::new();
            for &place in &places {
                let matched = once(alternatives, text, &[place], any_case);
                ends.extend((place..=text.len()).filter(|end| !matched.contains(end)));
            }
            ends.into_iter().collect()
        }
    }
}

fn in_set(code: u32, items: &[Item], any_case: bool) -> bool {
    items.iter().any(|item| match item {
        Item::Range(low, high) => {
            (*low..=*high).contains(&code)
                || (any_case && {
                    let lower = folded(code);
                    let upper =
                        char::from_u32(code).and_then(|c| c.to_uppercase().next()).map_or(code, u32::from);
                    (*low..=*high).contains(&lower) || (*low..=*high).contains(&upper)
                })
        }
        Item::Class(class) => {
            in_class(code, class)
                || (any_case && matches!(*class, "upper" | "lower") && in_class(code, "alpha"))
        }
    })
}

/// Is a character in a class of POSIX?
pub fn in_class(code: u32, class: &str) -> bool {
    let Some(c) = char::from_u32(code) else { return false };
    match class {
        "alpha" => c.is_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "alnum" => c.is_alphanumeric(),
        "upper" => c.is_uppercase(),
        "lower" => c.is_lowercase(),
        "space" => c.is_ascii_whitespace() || c == '\u{b}' || (!c.is_ascii() && c.is_whitespace()),
        "blank" => c == ' ' || c == '\t',
        "punct" => {
            c.is_ascii_punctuation()
                || (!c.is_ascii() && !c.is_alphanumeric() && !c.is_whitespace() && !c.is_control())
        }
        "print" => !c.is_control(),
        "graph" => !c.is_control() && !c.is_whitespace(),
        "cntrl" => c.is_control(),
        "xdigit" => c.is_ascii_hexdigit(),
        "word" => c.is_alphanumeric() || c == '_',
        "ascii" => c.is_ascii(),
        _ => false,
    }
}

/// Is there something in a pattern's text that is more than itself?
pub fn has_active(text: &[u8], extended: bool) -> bool {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 1,
            b'*' | b'?' | b'[' => return true,
            b'+' | b'@' | b'!' if extended && text.get(at + 1) == Some(&b'(') => return true,
            _ => {}
        }
        at += 1;
    }
    false
}

/// The text that a pattern without active characters matches.
pub fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'\\' && at + 1 < text.len() {
            at += 1;
        }
        out.push(text[at]);
        at += 1;
    }
    out
}
