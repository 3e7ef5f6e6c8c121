//! The profiles of a policy file: read after those that they extend.

use std::collections::BTreeMap;

use crate::finding::suggest;
use crate::layer;
use crate::read::{Node, Reading, Record};
use crate::settings::Settings;

/// Far more than a person tells apart; each has a copy of what it inherits.
const MAX_PROFILES: usize = 100;

/// Reads all profiles over the settings outside of them.
pub(crate) fn read(node: &Node<'_>, top: &Settings, reading: &mut Reading<'_>) -> BTreeMap<String, Settings> {
    let Some(table) = Record::of(node, reading, "tables such as [profile.ci]") else {
        return BTreeMap::new();
    };
    if table.entries().count() > MAX_PROFILES {
        let message = format!("there are more than {MAX_PROFILES} profiles");
        reading.find(node.value.span().start, message, None);
        return BTreeMap::new();
    }
    let mut waiting = BTreeMap::new();
    for (name, offset, node) in table.entries() {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
            let message = format!("`{}` is not a name for a profile", node.key);
            reading.find(offset, message, Some("use letters, digits, `-` and `_`".to_owned()));
            continue;
        }
        let Some(mut record) = Record::of(&node, reading, &format!("a table, [profile.{name}]")) else {
            continue;
        };
        let extends = record.node("extends").and_then(|node| {
            let other = reading.text(&node, "the name of a profile in quotes")?;
            Some((other.to_owned(), node.value.span().start))
        });
        waiting.insert(name, Waiting { record, extends });
    }
    let mut profiles = Profiles { waiting, done: BTreeMap::new() };
    while let Some(name) = profiles.waiting.keys().next().copied() {
        profiles.finish(name, top, reading);
    }
    profiles.done
}

/// Profiles that are being read.
struct Profiles<'a> {
    waiting: BTreeMap<&'a str, Waiting<'a>>,
    done: BTreeMap<String, Settings>,
}

struct Waiting<'a> {
    record: Record<'a>,
    extends: Option<(String, usize)>,
}

impl<'a> Profiles<'a> {
    /// Reads a profile, after the chain of those that it extends.
    fn finish(&mut self, name: &'a str, top: &Settings, reading: &mut Reading<'_>) {
        let mut chain: Vec<(String, Waiting<'a>)> = Vec::new();
        let mut next = name.to_owned();
        let mut below = loop {
            let Some(waiting) = self.waiting.remove(next.as_str()) else {
                break self
                    .done
                    .get(&next)
                    .cloned()
                    .unwrap_or_else(|| self.missing(&next, &chain, top, reading));
            };
            let extends = waiting.extends.as_ref().map(|(other, _)| other.clone());
            chain.push((next, waiting));
            match extends {
                Some(other) => next = other,
                None => break top.clone(),
            }
        };
        for (name, waiting) in chain.into_iter().rev() {
            layer::apply(waiting.record, Some(&name), &mut below, reading);
            self.done.insert(name, below.clone());
        }
    }

    /// Says what is wrong with the last name of a chain, and goes on with the top level, to find more.
    fn missing(
        &self,
        name: &str,
        chain: &[(String, Waiting<'_>)],
        top: &Settings,
        reading: &mut Reading<'_>,
    ) -> Settings {
        let Some((last, Waiting { extends: Some((_, offset)), .. })) = chain.last() else {
            return top.clone();
        };
        let key = format!("profile.{last}.extends");
        let names: Vec<&str> = chain.iter().map(|(name, _)| name.as_str()).collect();
        if let Some(index) = names.iter().position(|other| *other == name) {
            let circle = names.get(index..).unwrap_or_default().join(" -> ");
            let message = format!("`{key}` leads back to where it began: {circle} -> {name}");
            reading.find(*offset, message, None);
        } else {
            let known = names.iter().filter(|other| *other != last).copied();
            let hint = suggest(
                name,
                known.chain(self.waiting.keys().copied()).chain(self.done.keys().map(String::as_str)),
            );
            reading.find(*offset, format!("`{key}` is `{}`, which is no profile", name.escape_debug()), hint);
        }
        top.clone()
    }
}
