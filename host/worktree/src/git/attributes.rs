//! Attributes of paths (gitattributes(5)), of which line ends and binary files are decided; nothing
//! that they name is ever run.

use super::failure::Result;
use super::wildcard::{Slash, matches};
use super::work_tree::{Kind, WorkTree, split};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The largest attributes file that is read.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What is said of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Set,
    Unset,
    Value(Vec<u8>),
}

/// The attributes of one path, by name.
pub(super) type Attributes = HashMap<Vec<u8>, State>;

/// Attributes with what is said of each; no state makes one unspecified.
type Assignments = Vec<(Vec<u8>, Option<State>)>;

/// The rules of one working tree, read as they are needed.
#[derive(Debug)]
pub(super) struct AttributeFiles {
    tree: Rc<WorkTree>,
    /// Those of the system and of the user, weaker than those of the tree.
    general: Vec<Line>,
    /// `info/attributes` of the repository, stronger than those of the tree.
    shared: Vec<Line>,
    by_directory: RefCell<HashMap<Vec<u8>, Rc<Vec<Line>>>>,
}

#[derive(Debug)]
struct Line {
    target: Target,
    states: Assignments,
}

#[derive(Debug)]
enum Target {
    Pattern { pattern: Vec<u8>, anchored: bool },
    Macro(Vec<u8>),
}

impl AttributeFiles {
    /// Takes the contents of the files of the system and of the user, the weakest first, and of
    /// `info/attributes`.
    pub(super) fn new(tree: Rc<WorkTree>, general: &[Vec<u8>], info: &[u8]) -> Self {
        let general = general.iter().flat_map(|text| lines(text)).collect();
        Self { tree, general, shared: lines(info), by_directory: RefCell::default() }
    }

    /// The attributes of a path.
    pub(super) fn of(&self, path: &[u8]) -> Result<Attributes> {
        let mut files: Vec<(usize, Rc<Vec<Line>>)> = vec![(0, self.lines_in(b"")?)];
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            files.push((at + 1, self.lines_in(path.get(..at).unwrap_or_default())?));
        }
        let mut macros: HashMap<&[u8], &Assignments> = HashMap::new();
        let root = files.first().map(|(_, lines)| Rc::clone(lines)).unwrap_or_default();
        for line in self.general.iter().chain(root.iter()).chain(&self.shared) {
            if let Target::Macro(name) = &line.target {
                macros.insert(name, &line.states);
            }
        }
        let mut found = Attributes::new();
        apply(&self.general, path, &macros, &mut found);
        for (from, lines) in &files {
            apply(lines, path.get(*from..).unwrap_or_default(), &macros, &mut found);
        }
        apply(&self.shared, path, &macros, &mut found);
        Ok(found)
    }

    fn lines_in(&self, directory: &[u8]) -> Result<Rc<Vec<Line>>> {
        if let Some(lines) = self.by_directory.borrow().get(directory) {
            return Ok(Rc::clone(lines));
        }
        let path = if directory.is_empty() {
            b".gitattributes".to_vec()
        } else {
            [directory, b"/.gitattributes"].concat()
        };
        let found = match self.tree.stat(&path)? {
            Some(stat) if matches!(stat.kind, Kind::File { .. }) && stat.size <= MAX_FILE_BYTES => {
                lines(&self.tree.read(&path, stat.kind)?)
            }
            _ => Vec::new(),
        };
        let found = Rc::new(found);
        self.by_directory.borrow_mut().insert(directory.to_vec(), Rc::clone(&found));
        Ok(found)
    }
}

fn apply(lines: &[Line], path: &[u8], macros: &HashMap<&[u8], &Assignments>, found: &mut Attributes) {
    let (_, name) = split(path);
    for line in lines {
        let Target::Pattern { pattern, anchored } = &line.target else { continue };
        if !matches(pattern, if *anchored { path } else { name }, Slash::Stops) {
            continue;
        }
        for (attribute, state) in &line.states {
            assign(found, attribute, state.as_ref());
            if state == &Some(State::Set) {
                if attribute == b"binary" {
                    for off in ["diff", "merge", "text"] {
                        assign(found, off.as_bytes(), Some(&State::Unset));
                    }
                }
                for (inner, state) in macros.get(attribute.as_slice()).copied().into_iter().flatten() {
                    assign(found, inner, state.as_ref());
                }
            }
        }
    }
}

fn assign(found: &mut Attributes, attribute: &[u8], state: Option<&State>) {
    match state {
        Some(state) => found.insert(attribute.to_vec(), state.clone()),
        None => found.remove(attribute),
    };
}

fn lines(text: &[u8]) -> Vec<Line> {
    text.split(|byte| *byte == b'\n').filter_map(line).collect()
}

fn line(text: &[u8]) -> Option<Line> {
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let first = words.next()?;
    if matches!(first.first(), Some(b'#' | b'!')) {
        return None;
    }
    let target = if let Some(name) = first.strip_prefix(b"[attr]") {
        Target::Macro(name.to_vec())
    } else {
        let anchored = first.contains(&b'/');
        Target::Pattern { pattern: first.strip_prefix(b"/").unwrap_or(first).to_vec(), anchored }
    };
    let states = words.map(|word| match word {
        [b'-', name @ ..] => (name.to_vec(), Some(State::Unset)),
        [b'!', name @ ..] => (name.to_vec(), None),
        word => match word.iter().position(|byte| *byte == b'=') {
            Some(at) => {
                let (name, value) = word.split_at(at);
                (name.to_vec(), Some(State::Value(value.get(1..).unwrap_or_default().to_vec())))
            }
            None => (word.to_vec(), Some(State::Set)),
        },
    });
    Some(Line { target, states: states.collect() })
}
