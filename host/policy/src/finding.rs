//! What is wrong with a policy, and where.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place in a policy file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    file: Arc<Path>,
    line: usize,
    column: usize,
}

impl Place {
    /// The file, as it was named.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// One mistake in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it is.
    pub place: Place,
    /// The key and what is wrong with it; never a secret's value.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Why there is no policy to go by.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("cannot read the policy {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file could have been written by somebody else.
    #[error("the policy {} is not trusted: {why}", .path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// What others can do.
        why: String,
        /// What to do about it.
        hint: String,
    },
    /// The file has mistakes, in the order of their lines.
    #[error("{}", joined(.findings))]
    Invalid {
        /// All of them.
        findings: Vec<Finding>,
    },
    /// The policy has no such profile.
    #[error("there is no profile `{name}` in {}", .policy)]
    UnknownProfile {
        /// The name asked for.
        name: String,
        /// Which policy.
        policy: String,
        /// The profiles that there are.
        hint: String,
    },
    /// A request asks for more than the policy allows.
    #[error("`{key}` is asked to be {asked}, and the policy allows {allowed} ({origin})")]
    Widened {
        /// The key of the policy.
        key: String,
        /// The value asked for.
        asked: String,
        /// The value of the policy.
        allowed: String,
        /// Where the policy says so.
        origin: String,
    },
    /// What the command line adds contradicts itself or cannot be enforced.
    #[error("{message}")]
    Override {
        /// What is wrong with it.
        message: String,
    },
    /// There is no such key.
    #[error("there is no key `{key}`")]
    UnknownKey {
        /// The key.
        key: String,
        /// The nearest one, or the tables.
        hint: String,
    },
}

impl PolicyError {
    /// What to do about it, where that is not said of each finding.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Untrusted { hint, .. }
            | Self::UnknownProfile { hint, .. }
            | Self::UnknownKey { hint, .. } => Some(hint),
            Self::Widened { .. } => Some("a request may only tighten; widen the policy itself"),
            Self::Read { .. } | Self::Invalid { .. } | Self::Override { .. } => None,
        }
    }
}

fn joined(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The nearest of some names, where one is near; else a list of them.
pub(crate) fn suggest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known
        .iter()
        .map(|name| (strsim::osa_distance(given, name), name))
        .filter(|(distance, name)| *distance <= name.chars().count().max(3) / 3)
        .min();
    match nearest {
        Some((_, name)) => Some(format!("did you mean `{name}`?")),
        None if known.is_empty() => None,
        None => Some(format!("known here: {}", known.join(", "))),
    }
}

/// The text of a policy file, and which byte of it is in which line.
pub(crate) struct Source<'a> {
    file: Arc<Path>,
    text: &'a str,
    /// Where lines begin.
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    /// Longest piece of a file that is shown in a message, in characters.
    const MAX_SHOWN: usize = 60;

    pub(crate) fn new(file: &Path, text: &'a str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        Self { file: file.into(), text, lines: std::iter::once(0).chain(after_newlines).collect() }
    }

    pub(crate) fn place(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        Place { file: self.file.clone(), line, column: before.chars().count() + 1 }
    }

    /// What is written there, its first line, with an ellipsis where there is more.
    pub(crate) fn written(&self, span: std::ops::Range<usize>) -> String {
        let text = self.text.get(span).unwrap_or_default();
        let mut characters = text.chars();
        let shown: String = characters.by_ref().take_while(|c| *c != '\n').take(Self::MAX_SHOWN).collect();
        if shown.len() == text.len() { shown } else { format!("{shown}...") }
    }

    /// The directory that relative paths in the file begin at.
    pub(crate) fn directory(&self) -> &Path {
        self.file.parent().unwrap_or_else(|| Path::new(""))
    }
}
