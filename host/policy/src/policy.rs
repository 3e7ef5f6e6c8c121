//! A policy: a file's settings, and those of each of its profiles.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::file::{find, read};
use crate::finding::{Finding, PolicyError, Source, suggest};
use crate::overrides::{Authority, Overrides};
use crate::read::{Reading, Record, parse};
use crate::resolved::Resolved;
use crate::settings::Settings;
use crate::{layer, profiles};

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
        layer::apply(root, None, &mut settings, &mut reading);
        let profiles = match profiles {
            Some(profiles) => profiles::read(&profiles, &settings, &mut reading),
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
    /// A profile may allow more than the top level does, so the person chooses it, whoever makes the request.
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
