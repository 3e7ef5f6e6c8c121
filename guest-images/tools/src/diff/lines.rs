//! The lines of two files, as numbers that say which are equal under the options.

use std::collections::HashMap;

use super::Ignores;
use super::compare::{self, Change};

/// The lines of a file, without their ends.
#[derive(Debug, Default)]
pub struct Lines<'a> {
    pub all: Vec<&'a [u8]>,
    /// The last one has no newline.
    pub incomplete: bool,
}

impl<'a> Lines<'a> {
    pub fn of(text: &'a [u8]) -> Lines<'a> {
        let mut all: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
        let incomplete = all.last().is_some_and(|last| !last.is_empty());
        if !incomplete {
            all.pop();
        }
        Lines { all, incomplete }
    }

    fn has_newline(&self, at: usize) -> bool {
        !self.incomplete || at + 1 < self.all.len()
    }
}

/// The changes between two texts; `horizon` lines before and behind what differs are looked at too.
pub fn changes(old: &Lines<'_>, new: &Lines<'_>, ignores: &Ignores, horizon: usize) -> Vec<Change> {
    let same =
        |a: usize, b: usize| old.all.get(a) == new.all.get(b) && old.has_newline(a) && new.has_newline(b);
    let least = old.all.len().min(new.all.len());
    let before = (0..least).take_while(|&at| same(at, at)).count().saturating_sub(horizon);
    let mut behind = 0;
    if old.incomplete == new.incomplete {
        let equal =
            |back: usize| old.all.get(old.all.len() - 1 - back) == new.all.get(new.all.len() - 1 - back);
        behind = (0..least - before).take_while(|&back| equal(back)).count().saturating_sub(horizon);
    }
    let mut numbers = HashMap::new();
    let mut classes = |side: &Lines<'_>| -> Vec<u32> {
        let end = side.all.len() - behind;
        let window = side.all.get(before..end).unwrap_or_default().iter().enumerate();
        window
            .map(|(at, line)| {
                let whole = side.has_newline(before + at) || ignores.completes();
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                *numbers.entry((ignores.reduced(line), whole)).or_insert(next)
            })
            .collect()
    };
    let (x, y) = (classes(old), classes(new));
    let mut changes = compare::changes(&x, &y, ignores.minimal);
    for change in &mut changes {
        change.old += before;
        change.new += before;
    }
    changes
}

impl Ignores {
    /// Whether a line equals one that lacks its newline.
    fn completes(&self) -> bool {
        self.all_space || self.space_change || self.trailing_space
    }

    /// A line without what does not count.
    fn reduced(&self, line: &[u8]) -> Vec<u8> {
        let space = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0b;
        let mut reduced = Vec::with_capacity(line.len());
        let end = if self.completes() {
            line.len() - line.iter().rev().take_while(|byte| space(**byte)).count()
        } else {
            line.len()
        };
        let mut gap = false;
        for &byte in line.get(..end).unwrap_or_default() {
            if space(byte) && self.all_space {
                continue;
            }
            if space(byte) && self.space_change {
                if !gap {
                    reduced.push(b' ');
                }
                gap = true;
                continue;
            }
            gap = false;
            reduced.push(if self.case { byte.to_ascii_lowercase() } else { byte });
        }
        reduced
    }

    /// Whether these lines are blank ones that do not count.
    fn blank(&self, mut lines: impl Iterator<Item = usize>, side: &Lines<'_>) -> bool {
        lines.all(|at| {
            let line = side.all.get(at).copied().unwrap_or_default();
            let space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
            if self.all_space || self.space_change || self.trailing_space {
                line.iter().all(space)
            } else {
                line.is_empty()
            }
        })
    }

    /// Whether a change does not count.
    pub fn trivial(&self, change: &Change, old: &Lines<'_>, new: &Lines<'_>) -> bool {
        self.blank_lines
            && self.blank(change.old..change.old + change.deleted, old)
            && self.blank(change.new..change.new + change.inserted, new)
    }
}
