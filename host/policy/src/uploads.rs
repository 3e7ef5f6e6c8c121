//! Uploads: which files may leave the machine, and how many.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::json;

use crate::read::{Node, Reading};
use crate::usual_secrets::UsualSecrets;
use crate::value::{Bytes, Value, quoted};

/// A pattern of paths below a mount, as in `.gitignore`: without a slash it is a name at any depth, with
/// one it begins at the mount; a directory stands for all in it; `*` stays within a name, `**` does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    /// What it is as globs: of the thing itself, and of what is in it.
    globs: Vec<String>,
}

impl PathPattern {
    /// Far more than a path of the longest names; a pattern is compiled.
    const MAX_LENGTH: usize = 1000;

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Parses a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let directory_only = text.ends_with('/');
        let trimmed = text.trim_end_matches('/');
        let path = trimmed.strip_prefix('/').unwrap_or(trimmed);
        if path.is_empty() || text.len() > Self::MAX_LENGTH {
            return Err("is empty or too long, expected a pattern such as \"src/**\"");
        }
        if text.starts_with('!') {
            return Err("begins with `!`; what is not to leave belongs into `uploads.deny`");
        }
        if path.contains('\\') {
            return Err("has a backslash; directories end with `/` on all systems");
        }
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err("has an empty name, `.` or `..` in it; it begins at the mount");
        }
        let anchored = trimmed.contains('/');
        let from = if anchored { path.to_owned() } else { format!("**/{path}") };
        let mut globs = vec![format!("{from}/**")];
        if !directory_only {
            globs.push(from);
        }
        if globs.iter().any(|glob| compile(glob, Case::Exact).is_err()) {
            return Err("is not a pattern, expected one as in .gitignore, such as \"src/**\"");
        }
        Ok(Self { text: text.to_owned(), globs })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Exact,
    Any,
}

pub(crate) fn compile(glob: &str, case: Case) -> Result<Glob, globset::Error> {
    GlobBuilder::new(glob).literal_separator(true).case_insensitive(case == Case::Any).build()
}

/// Patterns, compiled together.
#[derive(Clone, Debug)]
struct Patterns {
    list: Vec<PathPattern>,
    set: GlobSet,
    /// The pattern of each glob of the set.
    owners: Vec<usize>,
}

impl Patterns {
    fn new(patterns: Vec<PathPattern>, case: Case) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        let mut owners = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            for glob in &pattern.globs {
                set.add(compile(glob, case)?);
                owners.push(index);
            }
        }
        Ok(Self { list: patterns, set: set.build()?, owners })
    }

    /// The first pattern that names a path.
    fn first(&self, path: &str) -> Option<&PathPattern> {
        let globs = self.set.matches(path);
        let owner = globs.iter().filter_map(|glob| self.owners.get(*glob)).min()?;
        self.list.get(*owner)
    }
}

impl Value for PathPattern {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let text = reading.text(node, "a pattern in quotes, such as \"src/**\"")?;
        match Self::parse(text) {
            Ok(pattern) => Some(pattern),
            Err(wrong) => {
                let message = format!("`{}` {wrong}", node.key);
                reading.find(node.value.span().start, message, None);
                None
            }
        }
    }

    fn write(&self) -> Option<String> {
        Some(quoted(&self.text))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^[^!\\\\][^\\\\]*$", "minLength": 1, "maxLength": Self::MAX_LENGTH })
    }
}

/// What may leave the machine. Nothing, when no pattern allows it, and never what looks like a secret by its name.
#[derive(Clone, Debug)]
pub struct Uploads {
    secrets: UsualSecrets,
    allow: Patterns,
    deny: Patterns,
    max_bytes: u64,
    max_files: u64,
}

/// The patterns are too many or too intricate to be compiled together.
#[derive(Debug, thiserror::Error)]
#[error("the patterns of `uploads` cannot be compiled together")]
pub struct UploadsError(#[from] globset::Error);

/// Whether a file may leave the machine, and by which pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upload<'a> {
    /// It may.
    Allowed(&'a PathPattern),
    /// It looks like a secret, by this name, and never may.
    Secret(&'static str),
    /// It may not, by a pattern of `uploads.deny`.
    Denied(&'a PathPattern),
    /// No pattern of `uploads.allow` names it.
    NotAllowed,
}

impl Uploads {
    pub(crate) fn new(
        allow: Vec<PathPattern>,
        deny: Vec<PathPattern>,
        max_bytes: u64,
        max_files: u64,
    ) -> Result<Self, UploadsError> {
        let (allow, deny) = (Patterns::new(allow, Case::Exact)?, Patterns::new(deny, Case::Any)?);
        Ok(Self { secrets: UsualSecrets::new()?, allow, deny, max_bytes, max_files })
    }

    /// Whether the file at a path below a mount may leave; `path` has `/` between names.
    ///
    /// A symlink is asked for by its own path, and is never followed out of the mount.
    pub fn decide(&self, path: &str) -> Upload<'_> {
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Upload::NotAllowed;
        }
        if let Some(name) = self.secrets.name_of(path) {
            return Upload::Secret(name);
        }
        match (self.deny.first(path), self.allow.first(path)) {
            (Some(denied), _) => Upload::Denied(denied),
            (None, Some(allowed)) => Upload::Allowed(allowed),
            (None, None) => Upload::NotAllowed,
        }
    }

    /// Counts the uploads of one run.
    pub fn budget(&self) -> UploadBudget {
        UploadBudget { max_bytes: self.max_bytes, max_files: self.max_files, bytes: 0, files: 0 }
    }
}

/// What a run has uploaded so far.
#[derive(Clone, Debug)]
pub struct UploadBudget {
    max_bytes: u64,
    max_files: u64,
    bytes: u64,
    files: u64,
}

/// One file more would be too much.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadLimit {
    /// By bytes.
    #[error("the run would upload more than {}, which `uploads.max_bytes` allows", Bytes(*.0))]
    Bytes(u64),
    /// By files.
    #[error("the run would upload more than {0} files, which `uploads.max_files` allows")]
    Files(u64),
}

impl UploadBudget {
    /// Takes one file of this many bytes out of the budget, before it leaves.
    ///
    /// # Errors
    /// [`UploadLimit`], and nothing is counted.
    pub fn take(&mut self, bytes: u64) -> Result<(), UploadLimit> {
        if self.files >= self.max_files {
            return Err(UploadLimit::Files(self.max_files));
        }
        let total = self.bytes.checked_add(bytes).filter(|total| *total <= self.max_bytes);
        self.bytes = total.ok_or(UploadLimit::Bytes(self.max_bytes))?;
        self.files += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<PathPattern> {
        texts.iter().map(|text| PathPattern::parse(text).unwrap()).collect()
    }

    fn uploads(allow: &[&str], deny: &[&str]) -> Uploads {
        Uploads::new(patterns(allow), patterns(deny), 100, 2).unwrap()
    }

    #[test]
    fn a_pattern_means_what_it_means_in_gitignore() {
        for (pattern, yes, no) in [
            ("src/**", "src/a/b.rs", "lib/src/a.rs"),
            ("src", "lib/src/a.rs", "srcs"),
            ("/src", "src/a.rs", "lib/src"),
            ("*.rs", "a/b/c.rs", "a.rs.txt"),
            ("src/*.rs", "src/a.rs", "src/b/a.rs"),
            ("target/", "a/target/x", "a/target"),
            ("a/**/b", "a/b", "a/bc"),
        ] {
            let uploads = uploads(&[pattern], &[]);
            assert!(matches!(uploads.decide(yes), Upload::Allowed(_)), "{pattern} {yes}");
            assert_eq!(uploads.decide(no), Upload::NotAllowed, "{pattern} {no}");
        }
    }

    #[test]
    fn deny_wins_in_any_case_and_nothing_leaves_by_default() {
        let some = uploads(&["**"], &["internal/"]);
        assert!(matches!(some.decide("a/b"), Upload::Allowed(_)));
        let denied = some.decide("a/Internal/b");
        assert!(matches!(denied, Upload::Denied(pattern) if pattern.as_str() == "internal/"));
        assert_eq!(uploads(&[], &[]).decide("a"), Upload::NotAllowed);
        for outside in ["../a", "/a", "a/../b", "", "a//b", "./a"] {
            assert_eq!(some.decide(outside), Upload::NotAllowed, "{outside}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_stays_whatever_is_allowed_or_denied() {
        for deny in [&[][..], &["internal/"]] {
            let uploads = uploads(&["**", ".env", "*.pem"], deny);
            assert_eq!(uploads.decide("a/.env"), Upload::Secret(".env"));
            assert_eq!(uploads.decide("server.pem"), Upload::Secret("*.pem"));
            assert!(matches!(uploads.decide(".env.example"), Upload::Allowed(_)));
        }
    }

    #[test]
    fn a_budget_counts_bytes_and_files() {
        let mut budget = uploads(&["**"], &[]).budget();
        assert_eq!(budget.take(101), Err(UploadLimit::Bytes(100)));
        assert_eq!(budget.take(100), Ok(()));
        assert_eq!(budget.take(1), Err(UploadLimit::Bytes(100)));
        assert_eq!(budget.take(0), Ok(()));
        assert_eq!(budget.take(0), Err(UploadLimit::Files(2)));
    }
}
