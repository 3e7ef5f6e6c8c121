//! A policy: a file's settings, and those of each of its profiles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use crate::file::{find, read};
use crate::finding::{Finding, PolicyError, Source, suggest};
use crate::mount::EntryKey;
use crate::overrides::{Authority, Overrides};
use crate::read::{Node, Reading, Record, parse};
use crate::resolved::Resolved;
use crate::settings::{Entries, Origin, Setting, Settings, Visitor};
use crate::value::Value;

/// A policy that was read, and has no mistake in any profile.
///
/// # Examples
/// ```
/// use std::path::Path;
/// use sandpiper_policy::{Authority, Overrides, Policy};
/// let text = "[limits]\ntimeout = \"5s\"\n[profile.ci.limits]\ntimeout = \"1m\"\n";
/// let policy = Policy::parse(Path::new("sandpiper.toml"), text)?;
/// let ci = policy.resolve(Some("ci"), Overrides::default(), Authority::Person)?;
/// assert_eq!(ci.limits().wall.as_secs(), 60);
/// # Ok::<(), sandpiper_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    path: Option<PathBuf>,
    settings: Settings,
    profiles: BTreeMap<String, Settings>,
}

impl Policy {
    /// The policy where there is no file: it allows nothing.
    pub fn empty() -> Self {
        Self { path: None, settings: Settings::default(), profiles: BTreeMap::new() }
    }

    /// Reads the file at an absolute path, which the person named and so vouches for.
    ///
    /// # Errors
    /// [`PolicyError`]: it cannot be read, or it has mistakes.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        Self::parse(path, &read(path)?)
    }

    /// Reads the nearest [`crate::FILE_NAME`] at or above an absolute directory; `None` where there is none.
    /// The search ends at the root of the file system and, on Unix, at a directory of another user, so that
    /// what somebody put into `/tmp` is not followed.
    ///
    /// # Errors
    /// [`PolicyError`]: it cannot be read, others could have written it, or it has mistakes.
    pub fn discover(start: &Path) -> Result<Option<Self>, PolicyError> {
        find(start)?.map(|(path, text)| Self::parse(&path, &text)).transpose()
    }

    /// Reads a policy from its text; relative paths in it begin at the directory of `path`.
    ///
    /// # Errors
    /// [`PolicyError::Invalid`] with all mistakes.
    pub fn parse(path: &Path, text: &str) -> Result<Self, PolicyError> {
        let source = Source::new(path, text);
        let invalid = |mut findings: Vec<Finding>| {
            findings.sort_by(|first, second| first.place.cmp(&second.place));
            Err(PolicyError::Invalid { findings })
        };
        let root = match parse(text, &source) {
            Ok(root) => root,
            Err(findings) => return invalid(findings),
        };
        let mut reading = Reading { source: &source, findings: Vec::new() };
        let mut root = Record::root(&root);
        let profiles = root.node("profile");
        let mut settings = Settings::default();
        apply(root, None, &mut settings, &mut reading);
        let profiles = match profiles {
            Some(profiles) => Profiles::read(&profiles, &settings, &mut reading),
            None => BTreeMap::new(),
        };
        if reading.findings.is_empty() {
            return Ok(Self { path: Some(path.to_owned()), settings, profiles });
        }
        invalid(reading.findings)
    }

    /// The names of the profiles.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// What holds for one run: defaults, then the file, then the profile and those that it extends, then
    /// what the command line or a request says.
    ///
    /// # Errors
    /// [`PolicyError::UnknownProfile`]; [`PolicyError::Widened`] where a request asks for more than the
    /// policy allows; [`PolicyError::Override`] where the result cannot be enforced.
    pub fn resolve(
        &self,
        profile: Option<&str>,
        overrides: Overrides,
        authority: Authority,
    ) -> Result<Resolved, PolicyError> {
        let settings = match profile {
            None => &self.settings,
            Some(name) => self.profiles.get(name).ok_or_else(|| PolicyError::UnknownProfile {
                name: name.to_owned(),
                policy: self
                    .path
                    .as_ref()
                    .map_or_else(|| "the empty policy".into(), |path| path.display().to_string()),
                hint: suggest(name, self.profiles())
                    .unwrap_or_else(|| format!("make one: [profile.{name}] in {}", crate::FILE_NAME)),
            })?,
        };
        let mut settings = settings.clone();
        overrides.apply(&mut settings, authority)?;
        if let Some((_, message)) = settings.contradictions().into_iter().next() {
            return Err(PolicyError::Override { message });
        }
        Ok(Resolved::new(settings, self.path.clone(), profile.map(ToOwned::to_owned)))
    }
}

/// Reads the keys of a table over settings.
fn apply(record: Record<'_>, profile: Option<&str>, settings: &mut Settings, reading: &mut Reading<'_>) {
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

/// The profiles of a file, which are read after those that they extend.
struct Profiles<'a> {
    waiting: BTreeMap<&'a str, Waiting<'a>>,
    done: BTreeMap<String, Settings>,
}

struct Waiting<'a> {
    record: Record<'a>,
    extends: Option<(String, usize)>,
}

impl<'a> Profiles<'a> {
    fn read(node: &Node<'a>, top: &Settings, reading: &mut Reading<'_>) -> BTreeMap<String, Settings> {
        let Some(table) = Record::of(node, reading, "tables such as [profile.ci]") else {
            return BTreeMap::new();
        };
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
        let mut profiles = Self { waiting, done: BTreeMap::new() };
        while let Some(name) = profiles.waiting.keys().next().copied() {
            profiles.finish(name, top, reading);
        }
        profiles.done
    }

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
            apply(waiting.record, Some(&name), &mut below, reading);
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
