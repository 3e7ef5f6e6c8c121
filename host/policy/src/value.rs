//! Values as people write them in a policy: how each is read, written and described.

use std::collections::BTreeSet;
use std::time::Duration;

use sandpiper_core::{Access, GitDirectory, Lack, Metering, parse_size};
use serde_json::json;
use toml::de::DeValue;

use crate::finding::suggest;
use crate::read::{Node, Reading};

/// A kind of value.
pub(crate) trait Value: Clone + PartialEq {
    /// Reads one; what is wrong with it is among the findings then.
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self>;
    /// As TOML that reads as the same value; `None` where it is not set.
    fn write(&self) -> Option<String>;
    /// As JSON Schema.
    fn schema() -> serde_json::Value;
}

/// A text as TOML.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A number of bytes, written as `256MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub(crate) u64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match units.iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(formatter, "{}{unit}", self.0 / factor),
            None => write!(formatter, "{}", self.0),
        }
    }
}

impl Value for Bytes {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let expected = "a size in quotes, such as \"256MiB\"";
        let size = parse_size(reading.text(node, expected)?);
        if size.is_err() {
            reading.expected(node, expected);
        }
        size.ok().map(Self)
    }

    fn write(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }

    fn schema() -> serde_json::Value {
        json!({
            "type": "string",
            "pattern": "^[0-9]+\\s*([bB]|[kKmMgGtT]([iI]?[bB])?)?$",
            "examples": ["256MiB"],
        })
    }
}

impl Value for Duration {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let expected = "a duration in quotes, such as \"30s\" or \"1m 30s\"";
        let duration = humantime::parse_duration(reading.text(node, expected)?);
        if duration.is_err() {
            reading.expected(node, expected);
        }
        duration.ok()
    }

    fn write(&self) -> Option<String> {
        Some(quoted(&humantime::format_duration(*self).to_string()))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^(0|(\\s*[0-9]+\\s*[a-zA-Zµ]+)+)\\s*$", "examples": ["30s", "1m 30s"] })
    }
}

impl Value for u64 {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let integer = match node.value.get_ref() {
            DeValue::Integer(integer) => Self::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        if integer.is_none() {
            reading.expected(node, "a whole number from 0, without quotes");
        }
        integer
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "integer", "minimum": 0 })
    }
}

impl Value for u32 {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let number = Self::try_from(u64::read(node, reading)?).ok();
        if number.is_none() {
            reading.expected(node, "at most 4294967295");
        }
        number
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "integer", "minimum": 0, "maximum": Self::MAX })
    }
}

impl Value for bool {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let value = node.value.get_ref().as_bool();
        if value.is_none() {
            reading.expected(node, "true or false");
        }
        value
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "boolean" })
    }
}

/// A name that another program knows: a template, an image, a network. Printable, without spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    pub(crate) const fn new(name: String) -> Self {
        Self(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for Name {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let expected = "a name in quotes, without spaces and not beginning with `-`";
        let text = reading.text(node, expected)?;
        // A name may become an argument of a command or a part of an address.
        if text.is_empty() || text.starts_with('-') || !text.chars().all(|c| c.is_ascii_graphic()) {
            reading.expected(node, expected);
            return None;
        }
        Some(Self(text.to_owned()))
    }

    fn write(&self) -> Option<String> {
        Some(quoted(&self.0))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^[!-,.-~][!-~]*$" })
    }
}

impl<T: Value> Value for Option<T> {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        // A profile takes away what is set below it.
        if matches!(node.value.get_ref(), DeValue::Boolean(false)) {
            return Some(None);
        }
        T::read(node, reading).map(Some)
    }

    fn write(&self) -> Option<String> {
        self.as_ref().and_then(Value::write)
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [T::schema(), { "const": false }] })
    }
}

/// Far more than a person writes; each item may be compiled.
const MAX_ITEMS: usize = 1000;

impl<T: Value> Value for Vec<T> {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(array) = node.value.get_ref().as_array() else {
            reading.expected(node, "a list in brackets");
            return None;
        };
        if array.len() > MAX_ITEMS {
            let message = format!("`{}` has {} items, expected at most {MAX_ITEMS}", node.key, array.len());
            reading.find(node.value.span().start, message, None);
            return None;
        }
        let mut items = Self::new();
        let mut written = BTreeSet::new();
        for (index, value) in array.iter().enumerate() {
            let node = Node { key: format!("{}[{index}]", node.key), value };
            // All are read, to find what is wrong with each.
            let Some(item) = T::read(&node, reading) else { continue };
            if written.insert(item.write()) {
                items.push(item);
            } else {
                reading.refuse(&node, "is there twice", "leave it out");
            }
        }
        (items.len() == array.len()).then_some(items)
    }

    fn write(&self) -> Option<String> {
        let items: Vec<String> = self.iter().filter_map(Value::write).collect();
        Some(format!("[{}]", items.join(", ")))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "array", "items": T::schema(), "uniqueItems": true, "maxItems": MAX_ITEMS })
    }
}

/// A value that is one of a few words.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    const ALL: &'static [(&'static str, Self)];
}

impl<T: Choice> Value for T {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let words: Vec<&str> = T::ALL.iter().map(|(word, _)| *word).collect();
        let listed: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let expected = match listed.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        };
        let text = reading.text(node, &expected)?;
        let found = T::ALL.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let written = reading.source.written(node.value.span());
            let near = suggest(text, words).filter(|hint| hint.starts_with("did"));
            let message = format!("`{}` is `{written}`, expected {expected}", node.key);
            reading.find(node.value.span().start, message, near);
        }
        found.map(|(_, value)| *value)
    }

    fn write(&self) -> Option<String> {
        T::ALL.iter().find(|(_, value)| value == self).map(|(word, _)| quoted(word))
    }

    fn schema() -> serde_json::Value {
        json!({ "enum": T::ALL.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
    }
}

impl Choice for Metering {
    const ALL: &'static [(&'static str, Self)] = &[("fuel", Self::Fuel), ("deadline", Self::Deadline)];
}

impl Choice for Access {
    const ALL: &'static [(&'static str, Self)] =
        &[("read-only", Self::ReadOnly), ("read-write", Self::ReadWrite)];
}

impl Choice for Lack {
    const ALL: &'static [(&'static str, Self)] = Self::ALL;
}

impl Choice for GitDirectory {
    const ALL: &'static [(&'static str, Self)] = &[("shown", Self::Shown), ("hidden", Self::Hidden)];
}
