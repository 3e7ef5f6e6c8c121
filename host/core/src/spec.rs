//! What a sandbox is made of: image, mounts, limits, clock and randomness.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Limits, Network};

/// A sandbox's description. The empty one grants nothing: no directory, no variable.
///
/// # Examples
/// ```
/// use sandpiper_core::{Access, Mount, Spec};
/// let mut spec = Spec::default();
/// spec.mounts.push(Mount::new("/srv/project", "/workspace", Access::ReadWrite).unwrap());
/// assert!(spec.check().is_ok());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The image.
    pub image: Image,
    /// The host directories that the guest sees.
    pub mounts: Vec<Mount>,
    /// The limits.
    pub limits: Limits,
    /// The clock that the guest reads.
    pub clock: Clock,
    /// Seed of the guest's randomness; `None` takes the host's entropy.
    pub seed: Option<u64>,
    /// Environment variables of each command, under the command's own.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// What its commands may connect to.
    #[serde(default)]
    pub network: Network,
    /// How long the sandbox lives, if nobody sets that anew; `None` is as long as it is held, or what the
    /// backend has for that.
    #[serde(default)]
    pub lifetime: Option<Duration>,
    /// What is noted about it, by which it is found again.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl Spec {
    /// Checks what needs no look at the machine: limits, and guest paths taken once each.
    ///
    /// # Errors
    /// [`SpecError`] names the field and the value.
    pub fn check(&self) -> Result<(), SpecError> {
        self.limits.check()?;
        if self.lifetime.is_some_and(|lifetime| lifetime.is_zero() || lifetime > Limits::MAX_WALL) {
            return Err(SpecError::Limits(crate::LimitsError {
                limit: "lifetime",
                value: format!("{:?}", self.lifetime.unwrap_or_default()),
                expected: "more than 0 and at most 365 days",
            }));
        }
        let wrong = self.env.iter().find_map(|(name, value)| crate::admit::wrong_variable(name, value));
        if let Some(what) = wrong {
            return Err(SpecError::Variable { what });
        }
        for (index, mount) in self.mounts.iter().enumerate() {
            if self.mounts.iter().take(index).any(|other| other.guest == mount.guest) {
                return Err(SpecError::GuestPathTwice { path: mount.guest.clone() });
            }
        }
        Ok(())
    }
}

/// A spec that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A limit that cannot be enforced.
    #[error(transparent)]
    Limits(#[from] crate::LimitsError),
    /// An environment variable that is none.
    #[error("{what}")]
    Variable {
        /// What is wrong with it.
        what: String,
    },
    /// Two mounts at one guest path.
    #[error("the guest path {path} is mounted twice")]
    GuestPathTwice {
        /// The path.
        path: GuestPath,
    },
}

/// Which image a sandbox runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Image {
    /// An image of the store, by name.
    Named(String),
    /// A WebAssembly file of the host: a module that is a WASI preview 1 command, or a component that is a
    /// WASI 0.2 command.
    File(PathBuf),
}

impl Default for Image {
    fn default() -> Self {
        Self::Named("base".to_owned())
    }
}

/// A host directory in the guest's file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The directory on the host.
    pub host: PathBuf,
    /// Where the guest sees it.
    pub guest: GuestPath,
    /// What the guest may do in it.
    pub access: Access,
    /// Whether the guest sees git's own directory in it.
    #[serde(default)]
    pub git: GitDirectory,
}

impl Mount {
    /// A mount of `host` at `guest`.
    ///
    /// # Errors
    /// [`GuestPathError`] when `guest` is not a plain absolute path.
    pub fn new(host: impl Into<PathBuf>, guest: &str, access: Access) -> Result<Self, GuestPathError> {
        Ok(Self { host: host.into(), guest: guest.parse()?, access, git: GitDirectory::Shown })
    }

    /// The same mount without git's own directory, for a working tree whose repository the guest is not
    /// to reach: what `.git` holds, the host's git may later obey.
    #[must_use]
    pub fn hiding_git(self) -> Self {
        Self { git: GitDirectory::Hidden, ..self }
    }

    /// The mount that a guest path is in, the deepest of those that it is in, and the path below it, without a
    /// slash at its beginning.
    pub fn find<'m, 'p>(mounts: &'m [Self], path: &'p str) -> Option<(&'m Self, &'p str)> {
        let below = |mount: &'m Self| {
            let rest = path.strip_prefix(mount.guest.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| (mount, rest.trim_start_matches('/')))
        };
        mounts.iter().filter_map(below).max_by_key(|(mount, _)| mount.guest.as_str().len())
    }
}

/// What a guest may do in a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read only: nothing in it is ever changed, times included.
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

/// Whether a guest sees git's own directory, or the file in its place, in a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GitDirectory {
    /// As any other name.
    #[default]
    Shown,
    /// No name that means `.git` on any file system ([`crate::is_git_directory_name`]) is listed, opened,
    /// made, renamed or removed, at any depth: the calls fail with `PERM`.
    Hidden,
}

/// An absolute guest path without `.`, `..`, empty components or NUL, not `/` itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GuestPath(String);

impl GuestPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the path leads to somewhere inside of the directory `other`.
    pub fn is_below(&self, other: &Self) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The components, from the root down.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }
}

impl std::fmt::Display for GuestPath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::str::FromStr for GuestPath {
    type Err = GuestPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |expected| GuestPathError { path: text.to_owned(), expected };
        let Some(rest) = text.strip_prefix('/') else {
            return Err(error("an absolute path such as /workspace"));
        };
        let rest = rest.trim_end_matches('/');
        if rest.is_empty() {
            return Err(error("a directory below /, such as /workspace"));
        }
        if rest.contains('\0') {
            return Err(error("a path without NUL"));
        }
        if rest.split('/').any(|component| matches!(component, "" | "." | "..")) {
            return Err(error("a path without `.`, `..` and empty components"));
        }
        Ok(Self(format!("/{rest}")))
    }
}

impl TryFrom<String> for GuestPath {
    type Error = GuestPathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<GuestPath> for String {
    fn from(path: GuestPath) -> Self {
        path.0
    }
}

/// A text that is no guest path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not a guest path, expected {expected}")]
pub struct GuestPathError {
    path: String,
    expected: &'static str,
}

/// The clock that a guest reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The host's real-time and monotonic clocks.
    #[default]
    Host,
    /// A virtual clock, the same in every run: starts at this many nanoseconds after the Unix epoch,
    /// moves by 1 microsecond with each reading, and jumps over sleeps without waiting.
    Virtual {
        /// Nanoseconds after 1970-01-01T00:00:00Z at the start.
        start_ns: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_path_is_normal() {
        assert_eq!("/a/b/".parse::<GuestPath>().map(String::from), Ok("/a/b".to_owned()));
        for text in ["", "a", "/", "//", "/a//b", "/./a", "/a/..", "/a\0"] {
            assert!(text.parse::<GuestPath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_path_is_in_the_deepest_mount_above_it() {
        let mounts =
            ["/a/b", "/a", "/a/b/c/d"].map(|guest| Mount::new("/h", guest, Access::ReadOnly).unwrap());
        let found = |path| Mount::find(&mounts, path).map(|(mount, rest)| (mount.guest.as_str(), rest));
        assert_eq!(found("/a/b/c/e"), Some(("/a/b", "c/e")));
        assert_eq!(found("/a/b"), Some(("/a/b", "")));
        assert_eq!(found("/a/bc"), Some(("/a", "bc")));
        assert_eq!(found("/ab"), None);
    }

    #[test]
    fn one_guest_path_is_mounted_once() {
        let mount = |guest| Mount::new("/h", guest, Access::ReadOnly).unwrap();
        let mut spec = Spec { mounts: vec![mount("/a"), mount("/b")], ..Spec::default() };
        assert_eq!(spec.check(), Ok(()));
        spec.mounts.push(mount("/a/"));
        assert!(matches!(spec.check(), Err(SpecError::GuestPathTwice { .. })));
    }
}
