//! Reads a table of a policy key by key; what was not asked for is an unknown key.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::finding::{Finding, Source, suggest};
use crate::value::Value;

/// A value of the file and its dotted key.
pub(crate) struct Node<'a> {
    pub(crate) key: String,
    pub(crate) value: &'a Spanned<DeValue<'a>>,
}

/// A file that is being read, and what was found wrong with it so far.
pub(crate) struct Reading<'a> {
    pub(crate) source: &'a Source<'a>,
    pub(crate) findings: Vec<Finding>,
}

impl Reading<'_> {
    /// Nobody reads more at once, and a file may have a hundred thousand.
    const MAX_FINDINGS: usize = 100;

    pub(crate) fn find(&mut self, offset: usize, message: String, hint: Option<String>) {
        self.add(Finding { place: self.source.place(offset), message, hint });
    }

    /// Adds a finding, unless it is there: what profiles inherit is found wrong once.
    pub(crate) fn add(&mut self, finding: Finding) {
        if self.findings.len() == Self::MAX_FINDINGS {
            let message = "there are more mistakes, which are listed once these are mended".to_owned();
            self.findings.push(Finding { message, hint: None, ..finding });
        } else if self.findings.len() < Self::MAX_FINDINGS && !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Says of a value what would work in its place.
    pub(crate) fn expected(&mut self, node: &Node<'_>, expected: &str) {
        let written = self.source.written(node.value.span());
        self.find(
            node.value.span().start,
            format!("`{}` is `{written}`, expected {expected}", node.key),
            None,
        );
    }

    /// Says of a value what is wrong with it, and what to do.
    pub(crate) fn refuse(&mut self, node: &Node<'_>, wrong: &str, hint: impl Into<String>) {
        self.find(node.value.span().start, format!("`{}` {wrong}", node.key), Some(hint.into()));
    }

    /// A text, where the value is one.
    pub(crate) fn text<'a>(&mut self, node: &Node<'a>, expected: &str) -> Option<&'a str> {
        let text = node.value.get_ref().as_str();
        if text.is_none() {
            self.expected(node, expected);
        }
        text
    }
}

/// A table that is being read.
pub(crate) struct Record<'a> {
    key: String,
    table: &'a DeTable<'a>,
    known: Vec<&'static str>,
}

impl<'a> Record<'a> {
    /// The whole file.
    pub(crate) fn root(table: &'a DeTable<'a>) -> Self {
        Self { key: String::new(), table, known: Vec::new() }
    }

    /// The table that a value is.
    pub(crate) fn of(node: &Node<'a>, reading: &mut Reading<'_>, expected: &str) -> Option<Self> {
        let table = node.value.get_ref().as_table();
        if table.is_none() {
            reading.expected(node, expected);
        }
        Some(Self::at(node, table?))
    }

    /// The table of a value, which is known to be one.
    pub(crate) fn at(node: &Node<'a>, table: &'a DeTable<'a>) -> Self {
        Self { key: node.key.clone(), table, known: Vec::new() }
    }

    /// The value of a key, which is known from then on.
    pub(crate) fn node(&mut self, name: &'static str) -> Option<Node<'a>> {
        self.known.push(name);
        let value = self.table.get(name)?;
        Some(Node { key: self.below(name), value })
    }

    /// The value of a key, where it is there and sound.
    pub(crate) fn optional<T: Value>(&mut self, name: &'static str, reading: &mut Reading<'_>) -> Option<T> {
        let node = self.node(name)?;
        T::read(&node, reading)
    }

    /// All keys with the offsets of their names.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, usize, Node<'a>)> {
        self.table.iter().map(|(name, value)| {
            let key = self.below(name.get_ref());
            (name.get_ref().as_ref(), name.span().start, Node { key, value })
        })
    }

    /// Finds the keys that nobody asked for.
    pub(crate) fn end(self, reading: &mut Reading<'_>) {
        for (name, offset, node) in self.entries() {
            if !self.known.contains(&name) {
                let hint = suggest(name, self.known.iter().copied());
                reading.find(offset, format!("unknown key `{}`", node.key), hint);
            }
        }
    }

    fn below(&self, name: &str) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let name = if !name.is_empty() && name.chars().all(bare) {
            name.to_owned()
        } else {
            toml::Value::from(name).to_string()
        };
        if self.key.is_empty() { name } else { format!("{}.{name}", self.key) }
    }
}

/// Parses the file into a tree with places.
pub(crate) fn parse<'a>(text: &'a str, source: &Source<'_>) -> Result<DeTable<'a>, Vec<Finding>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(root.into_inner());
    }
    // The message alone: the parser's whole text shows the line, which may have a secret in it.
    let finding = |err: &toml::de::Error| Finding {
        place: source.place(err.span().as_ref().map_or(0, |span: &Range<usize>| span.start)),
        message: err.message().to_owned(),
        hint: None,
    };
    Err(errors.iter().map(finding).collect())
}
