//! Which files are ignored: `.gitignore` in each directory, `info/exclude` of the repository and the
//! file that `core.excludesFile` names (gitignore(5)).

use super::failure::Result;
use super::wildcard::{Slash, matches};
use super::work_tree::{Kind, WorkTree, split};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The largest ignore file that is read: each pattern is matched against each file.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The rules of one working tree, read as they are needed.
#[derive(Debug)]
pub(super) struct Ignores {
    tree: Rc<WorkTree>,
    /// Those outside the tree, the weakest first.
    shared: Vec<Rule>,
    by_directory: RefCell<HashMap<Vec<u8>, Rc<Vec<Rule>>>>,
}

#[derive(Debug)]
struct Rule {
    pattern: Vec<u8>,
    negated: bool,
    directory_only: bool,
    /// The pattern has a slash, so it is matched against the path from its file's directory.
    anchored: bool,
}

impl Ignores {
    /// Takes the contents of the files outside the tree, the weakest first.
    pub(super) fn new(tree: Rc<WorkTree>, shared: &[Vec<u8>]) -> Self {
        let shared = shared.iter().flat_map(|text| rules(text)).collect();
        Self { tree, shared, by_directory: RefCell::default() }
    }

    /// Tells whether a path is ignored, where no directory above it is.
    pub(super) fn is_ignored_itself(&self, path: &[u8], directory: bool) -> Result<bool> {
        let (mut base, _) = split(path);
        loop {
            let rules = self.rules_in(base)?;
            let from = if base.is_empty() { 0 } else { base.len() + 1 };
            if let Some(answer) = decide(&rules, path.get(from..).unwrap_or_default(), directory) {
                return Ok(answer);
            }
            if base.is_empty() {
                break;
            }
            base = split(base).0;
        }
        Ok(decide(&self.shared, path, directory).unwrap_or(false))
    }

    fn rules_in(&self, directory: &[u8]) -> Result<Rc<Vec<Rule>>> {
        if let Some(rules) = self.by_directory.borrow().get(directory) {
            return Ok(Rc::clone(rules));
        }
        let path =
            if directory.is_empty() { b".gitignore".to_vec() } else { [directory, b"/.gitignore"].concat() };
        // Like git, a symbolic link counts as no rules.
        let found = match self.tree.stat(&path)? {
            Some(stat) if matches!(stat.kind, Kind::File { .. }) && stat.size <= MAX_FILE_BYTES => {
                rules(&self.tree.read(&path, stat.kind)?)
            }
            _ => Vec::new(),
        };
        let found = Rc::new(found);
        self.by_directory.borrow_mut().insert(directory.to_vec(), Rc::clone(&found));
        Ok(found)
    }
}

/// What the last rule that matches says, if one does.
fn decide(rules: &[Rule], path: &[u8], directory: bool) -> Option<bool> {
    let (_, name) = split(path);
    rules
        .iter()
        .rev()
        .filter(|rule| directory || !rule.directory_only)
        .find(|rule| matches(&rule.pattern, if rule.anchored { path } else { name }, Slash::Stops))
        .map(|rule| !rule.negated)
}

fn rules(text: &[u8]) -> Vec<Rule> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.split(|byte| *byte == b'\n').filter_map(rule).collect()
}

fn rule(line: &[u8]) -> Option<Rule> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.first() == Some(&b'#') {
        return None;
    }
    let (negated, line) = line.strip_prefix(b"!").map_or((false, line), |rest| (true, rest));
    let line = without_trailing_spaces(line);
    let (directory_only, line) = line.strip_suffix(b"/").map_or((false, line), |rest| (true, rest));
    let anchored = line.contains(&b'/');
    let pattern = line.strip_prefix(b"/").unwrap_or(line).to_vec();
    (!pattern.is_empty()).then_some(Rule { pattern, negated, directory_only, anchored })
}

/// Cuts spaces at the end that no backslash keeps.
fn without_trailing_spaces(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut escaped = false;
    for (at, byte) in line.iter().enumerate() {
        if *byte != b' ' || escaped {
            end = at + 1;
        }
        escaped = *byte == b'\\' && !escaped;
    }
    line.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{decide, rules};

    fn ignored(text: &str, path: &str, directory: bool) -> bool {
        decide(&rules(text.as_bytes()), path.as_bytes(), directory).unwrap_or(false)
    }

    #[test]
    fn the_last_rule_that_matches_decides() {
        assert!(ignored("*.o\n!keep.o\n", "a/x.o", false));
        assert!(!ignored("*.o\n!keep.o\n", "keep.o", false));
    }

    #[test]
    fn a_slash_anchors_and_a_last_slash_asks_for_a_directory() {
        assert!(ignored("/a\n", "a", false));
        assert!(!ignored("/a\n", "b/a", false));
        assert!(ignored("b/a\n", "b/a", false));
        assert!(!ignored("a/\n", "a", false));
        assert!(ignored("a/\n", "x/a", true));
    }

    #[test]
    fn spaces_at_the_end_count_only_after_a_backslash() {
        assert!(ignored("a  \n", "a", false));
        assert!(ignored("a\\ \n", "a ", false));
        assert!(ignored("\\#x\r\n", "#x", false));
    }
}
