//! How sandboxes are named and told of outside of the process that holds them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// A small serialisable name of a sandbox, by which any process finds it again. Its text is `backend:id`.
///
/// # Examples
/// ```
/// use sandpiper_core::SandboxRef;
/// let reference: SandboxRef = "e2b:i8x2k".parse()?;
/// assert_eq!((reference.backend.as_str(), reference.id.as_str()), ("e2b", "i8x2k"));
/// assert_eq!(reference.to_string(), "e2b:i8x2k");
/// # Ok::<(), sandpiper_core::SandboxRefError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SandboxRef {
    /// The backend's name.
    pub backend: String,
    /// The backend's own id.
    pub id: String,
    /// What its maker noted about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl SandboxRef {
    /// A reference without metadata.
    pub fn new(backend: impl Into<String>, id: impl Into<String>) -> Self {
        Self { backend: backend.into(), id: id.into(), metadata: BTreeMap::new() }
    }
}

impl fmt::Display for SandboxRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.backend, self.id)
    }
}

impl FromStr for SandboxRef {
    type Err = SandboxRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || SandboxRefError { text: text.to_owned() };
        let (backend, id) = text.split_once(':').ok_or_else(error)?;
        let is_plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        // An id becomes a part of addresses and of paths.
        if is_plain(backend) && is_plain(id) && !id.starts_with('.') {
            Ok(Self::new(backend, id))
        } else {
            Err(error())
        }
    }
}

/// A text that is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a sandbox, expected BACKEND:ID, such as e2b:i8x2k")]
pub struct SandboxRefError {
    text: String,
}

/// A sandbox as a list tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxInfo {
    /// By which it is found.
    pub reference: SandboxRef,
    /// Whether it runs.
    pub state: SandboxState,
    /// The image, as the backend names it.
    pub image: String,
    /// When it was made; `None` where the backend does not tell.
    pub created: Option<SystemTime>,
    /// When it ends; `None` where the backend does not tell, or where nothing ends it.
    pub expires: Option<SystemTime>,
}

/// Whether a sandbox runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SandboxState {
    /// Commands can be run in it.
    Running,
    /// It is set aside until it is connected to.
    Paused,
    /// It is on its way from one state to another.
    Changing,
    /// It failed, and can only be closed.
    Failed,
}

/// A backend that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// How long the answer took.
    pub latency: Duration,
    /// The backend's version, where it tells.
    pub version: Option<String>,
}

/// What a sandbox uses. Each figure is `None` where the backend does not tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Processors.
    pub cpus: Option<f64>,
    /// How much of them is used, in percent of one.
    pub cpu_percent: Option<f64>,
    /// Memory in use, in bytes.
    pub memory_bytes: Option<u64>,
    /// Memory that there is, in bytes.
    pub memory_limit_bytes: Option<u64>,
    /// Bytes of files.
    pub disk_bytes: Option<u64>,
    /// Bytes that there is room for.
    pub disk_limit_bytes: Option<u64>,
}

/// Where a port of a sandbox is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct PortAddress {
    /// The address, with its scheme.
    pub url: String,
    /// A header that lets in, by name and value, where one is needed.
    pub header: Option<(String, String)>,
}

impl fmt::Debug for PortAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.header.as_ref().map(|(name, _)| name);
        formatter.debug_struct("PortAddress").field("url", &self.url).field("header", &header).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_backend_and_an_id() {
        for text in ["local:1", "e2b:i8-x_2", "docker:0a.b"] {
            assert_eq!(
                text.parse::<SandboxRef>().map(|reference| reference.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in ["", "local", ":1", "local:", "local:../x", "local:.", "a b:1", "e2b:a/b", "e2b:a?b"] {
            assert!(text.parse::<SandboxRef>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_lets_in_is_not_printed() {
        let address = PortAddress {
            url: "https://example.org".to_owned(),
            header: Some(("x-token".to_owned(), "swordfish".to_owned())),
        };
        assert!(!format!("{address:?}").contains("swordfish"));
    }
}
