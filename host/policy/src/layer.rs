//! One layer of a policy: the keys of a table, read over the settings below it.

use std::collections::BTreeSet;

use toml::de::DeValue;

use crate::entries::EntryKey;
use crate::finding::Finding;
use crate::read::{Node, Reading, Record};
use crate::settings::{Entries, Origin, Setting, Settings, Visitor};
use crate::value::Value;

/// Reads the keys of a table over settings.
pub(crate) fn apply(
    record: Record<'_>,
    profile: Option<&str>,
    settings: &mut Settings,
    reading: &mut Reading<'_>,
) {
    let mut layer = Layer { reading, profile, records: vec![Some(record)] };
    settings.visit(&mut layer);
    layer.end();
    for (origin, message) in settings.contradictions() {
        if let Origin::File { place, .. } = origin {
            reading.add(Finding { place, message, hint: None });
        }
    }
}

/// One layer of a policy, as a visitor that reads.
struct Layer<'a, 'r, 's> {
    reading: &'r mut Reading<'s>,
    profile: Option<&'r str>,
    /// The tables that have begun; `None` for one that is not there.
    records: Vec<Option<Record<'a>>>,
}

impl<'a> Layer<'a, '_, '_> {
    fn node(&mut self, name: &'static str) -> Option<Node<'a>> {
        self.records.last_mut()?.as_mut()?.node(name)
    }

    fn origin(&self, offset: usize) -> Origin {
        Origin::File {
            place: self.reading.source.place(offset),
            profile: self.profile.map(ToOwned::to_owned),
        }
    }
}

impl Visitor for Layer<'_, '_, '_> {
    fn begin(&mut self, name: &'static str, _about: &'static str) {
        let record =
            self.node(name).and_then(|node| Record::of(&node, self.reading, &format!("a table, [{name}]")));
        self.records.push(record);
    }

    fn end(&mut self) {
        if let Some(Some(record)) = self.records.pop() {
            record.end(self.reading);
        }
    }

    fn setting<T: Value>(&mut self, name: &'static str, _about: &'static str, setting: &mut Setting<T>) {
        if let Some(node) = self.node(name)
            && let Some(value) = T::read(&node, self.reading)
        {
            let origin = self.origin(node.value.span().start);
            setting.set(value, origin);
        }
    }

    fn entries<K: EntryKey, V: Value>(
        &mut self,
        name: &'static str,
        _about: &'static str,
        entries: &mut Entries<K, V>,
    ) {
        let Some(node) = self.node(name) else { return };
        let Some(record) = Record::of(&node, self.reading, &format!("a table, [{name}]")) else { return };
        let mut seen = BTreeSet::new();
        for (text, offset, node) in record.entries() {
            let key = match K::parse(text) {
                Ok(key) => key,
                Err(wrong) => {
                    self.reading.find(offset, format!("in `{name}`: {wrong}"), None);
                    continue;
                }
            };
            if !seen.insert(key.clone()) {
                let hint = "a slash at the end makes no other path".to_owned();
                self.reading.find(offset, format!("`{}` is there twice", node.key), Some(hint));
            }
            if matches!(node.value.get_ref(), DeValue::Boolean(false)) {
                entries.remove(&key);
                continue;
            }
            let Some(value) = V::read(&node, self.reading) else { continue };
            let origin = self.origin(node.value.span().start);
            match entries.get_mut(&key) {
                Some(entry) => entry.set(value, origin),
                None => {
                    entries.insert(key, Setting::first(value, origin));
                }
            }
        }
    }
}
