//! A resolved policy for people: as TOML with where each value comes from, and one key at a time.

use std::fmt::{self, Write as _};

use crate::entries::EntryKey;
use crate::finding::{PolicyError, suggest};
use crate::resolved::Resolved;
use crate::settings::{Entries, Origin, Setting, Visitor};
use crate::value::{Value, quoted};

impl Resolved {
    /// The whole policy as TOML that reads as the same policy, with the origin of each value as a comment.
    /// Secrets are shown as references.
    pub fn show(&self) -> String {
        let mut show = Show::default();
        self.settings.clone().visit(&mut show);
        let file =
            self.path.as_ref().map_or_else(|| "no policy file".into(), |path| path.display().to_string());
        let profile =
            self.profile.as_ref().map_or_else(String::new, |profile| format!(", profile {profile}"));
        format!("# {}{profile}\n{}", file.escape_debug(), show.text)
    }

    /// What a key is for, its value, who says so, and what it was before; a table's name gives all its keys.
    ///
    /// # Errors
    /// [`PolicyError::UnknownKey`] with the nearest key.
    pub fn explain(&self, key: &str) -> Result<Vec<Explanation>, PolicyError> {
        let mut explain = Explain::default();
        self.settings.clone().visit(&mut explain);
        // As a finding writes it, `mounts."/workspace"`, or without quotes.
        let key = &key.replace('"', "");
        let (below, names) = (format!("{key}."), explain.names);
        let matching = |found: &Explanation| found.key == *key || found.key.starts_with(&below);
        let found: Vec<_> = explain.found.into_iter().filter(matching).collect();
        if found.is_empty() {
            let hint = suggest(key, names.iter().map(String::as_str)).filter(|hint| hint.starts_with("did"));
            let hint = hint.unwrap_or_else(|| "`sandpiper policy show` lists all keys".to_owned());
            return Err(PolicyError::UnknownKey { key: key.clone(), hint });
        }
        Ok(found)
    }
}

/// What is known of a key of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The key, with its table.
    pub key: String,
    /// What it is for.
    pub about: &'static str,
    /// The value as TOML, and who says so; `None` where there is none.
    pub value: Option<String>,
    /// Who says so.
    pub origin: Origin,
    /// What it was before, the last one first, with who said so.
    pub before: Vec<(Option<String>, Origin)>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write!(formatter, "{} = {}  ({})\n  {}", self.key, written(&self.value), self.origin, self.about)?;
        for (value, origin) in &self.before {
            write!(formatter, "\n  in place of {}  ({origin})", written(value))?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Show {
    text: String,
}

impl Show {
    /// A line, with the origin where comments of such lines begin.
    fn line(&mut self, text: &str, origin: &Origin) {
        const COMMENTS: usize = 40;
        let origin = origin.to_string();
        let _ = writeln!(self.text, "{text:COMMENTS$} # {}", origin.escape_debug());
    }
}

impl Visitor for Show {
    fn begin(&mut self, name: &'static str, _about: &'static str) {
        let _ = writeln!(self.text, "\n[{name}]");
    }

    fn end(&mut self) {}

    fn setting<T: Value>(&mut self, name: &'static str, _about: &'static str, setting: &mut Setting<T>) {
        match setting.value.write() {
            Some(value) => self.line(&format!("{name} = {value}"), &setting.origin),
            None => self.line(&format!("# {name} is not set"), &setting.origin),
        }
    }

    fn entries<K: EntryKey, V: Value>(
        &mut self,
        name: &'static str,
        about: &'static str,
        entries: &mut Entries<K, V>,
    ) {
        self.begin(name, about);
        for (key, setting) in entries {
            let value = setting.value.write().unwrap_or_default();
            self.line(&format!("{} = {value}", quoted(key.as_text())), &setting.origin);
        }
    }
}

#[derive(Default)]
struct Explain {
    table: &'static str,
    found: Vec<Explanation>,
    names: Vec<String>,
}

impl Explain {
    fn add<T: Value>(&mut self, key: String, about: &'static str, setting: &Setting<T>) {
        let before = setting.before.iter().rev();
        self.names.push(key.clone());
        self.found.push(Explanation {
            key,
            about,
            value: setting.value.write(),
            origin: setting.origin.clone(),
            before: before.map(|(value, origin)| (value.write(), origin.clone())).collect(),
        });
    }
}

impl Visitor for Explain {
    fn begin(&mut self, name: &'static str, _about: &'static str) {
        self.table = name;
        self.names.push(name.to_owned());
    }

    fn end(&mut self) {}

    fn setting<T: Value>(&mut self, name: &'static str, about: &'static str, setting: &mut Setting<T>) {
        self.add(format!("{}.{name}", self.table), about, setting);
    }

    fn entries<K: EntryKey, V: Value>(
        &mut self,
        name: &'static str,
        about: &'static str,
        entries: &mut Entries<K, V>,
    ) {
        self.begin(name, about);
        if entries.is_empty() {
            let (value, origin) = (None, Origin::Default);
            self.found.push(Explanation { key: name.to_owned(), about, value, origin, before: Vec::new() });
        }
        for (key, setting) in entries {
            self.add(format!("{name}.{}", key.as_text()), about, setting);
        }
    }
}
