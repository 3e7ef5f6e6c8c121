//! What a server is made of.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sandpiper_core::{Backend, Spec};

use crate::ApiKeys;

/// What a server is made of.
pub struct ServerConfig {
    /// Where the sandboxes are made.
    pub backend: Arc<dyn Backend>,
    /// Who is let in.
    pub keys: ApiKeys,
    /// What sandboxes are made of, by the names that clients use.
    pub templates: BTreeMap<String, Template>,
    /// The template of a client that names none.
    pub default_template: String,
    /// What clients may use.
    pub limits: ServerLimits,
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerConfig")
            .field("backend", &self.backend.name())
            .field("keys", &self.keys)
            .field("templates", &self.templates)
            .field("default_template", &self.default_template)
            .field("limits", &self.limits)
            .finish()
    }
}

/// What sandboxes of one name are made of.
#[derive(Clone, Debug)]
pub struct Template {
    /// The spec of each of its sandboxes: clients add variables and metadata, and may take network away,
    /// never add some. Instead of its wall limit, each command has the longest life of a sandbox, and what its
    /// client gives it.
    pub spec: Spec,
}

/// What the clients of a server may use together, or each of them. All are finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Bytes of a request's body; what is uploaded is held in memory.
    pub body_bytes: usize,
    /// Connections at one time; for more, those give way that do nothing.
    pub connections: usize,
    /// Sandboxes at one time, those that are set aside included.
    pub sandboxes: usize,
    /// How long a sandbox lives of which its maker does not say it.
    pub default_lifetime: Duration,
    /// The longest life of a sandbox, counted from when it is set.
    pub max_lifetime: Duration,
    /// Processes of a sandbox that are held at one time, ended ones that were not removed included.
    pub processes: usize,
    /// Bytes of a process's output that are held for its readers.
    pub output_bytes: usize,
    /// Directories of a sandbox that are watched at one time.
    pub watchers: usize,
    /// Interpreters of a sandbox at one time.
    pub interpreters: usize,
    /// Bytes of a path.
    pub path_bytes: usize,
    /// Bytes of all names and values of a sandbox's metadata, and of its variables.
    pub metadata_bytes: usize,
    /// Snapshots that the server knows at one time.
    pub snapshots: usize,
    /// How long connections may take to end when the server stops.
    pub grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            // As much as a sandbox's private files may hold, by default.
            body_bytes: 64 << 20,
            connections: 512,
            sandboxes: 64,
            // As E2B has it.
            default_lifetime: Duration::from_mins(5),
            max_lifetime: Duration::from_hours(24),
            processes: 128,
            output_bytes: 1 << 20,
            watchers: 32,
            interpreters: 8,
            // Linux's PATH_MAX.
            path_bytes: 4096,
            metadata_bytes: 64 << 10,
            snapshots: 64,
            grace: Duration::from_secs(5),
        }
    }
}

impl ServerConfig {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.keys.is_empty() {
            return Err(ConfigError::NoKey);
        }
        if !self.templates.contains_key(&self.default_template) {
            return Err(ConfigError::DefaultTemplate {
                name: self.default_template.clone(),
                known: self.templates.keys().cloned().collect::<Vec<_>>().join(", "),
            });
        }
        let limits = &self.limits;
        for (limit, value) in [
            ("body_bytes", limits.body_bytes),
            ("connections", limits.connections),
            ("sandboxes", limits.sandboxes),
            ("processes", limits.processes),
            ("output_bytes", limits.output_bytes),
            ("path_bytes", limits.path_bytes),
        ] {
            if value == 0 || value > MAX_LIMIT {
                return Err(ConfigError::Limit { limit, value });
            }
        }
        if limits.default_lifetime.is_zero() || limits.default_lifetime > limits.max_lifetime {
            return Err(ConfigError::Lifetime { default: limits.default_lifetime, max: limits.max_lifetime });
        }
        Ok(())
    }
}

/// Above this, sums and tables of permits could overflow where `usize` has 32 bits.
const MAX_LIMIT: usize = 1 << 28;

/// A configuration that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Without a key nobody would be let in.
    #[error("no API key is given, expected at least one")]
    NoKey,
    /// The default template is none of the templates.
    #[error("the default template `{name}` is not among the templates: {known}")]
    DefaultTemplate {
        /// Its name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A limit with which the server cannot work.
    #[error("the limit {limit} is {value}, expected 1 to 268435456")]
    Limit {
        /// The limit.
        limit: &'static str,
        /// Its value.
        value: usize,
    },
    /// The default lifetime is none, or longer than the longest.
    #[error("the default lifetime is {default:?}, expected more than 0 and at most {max:?}")]
    Lifetime {
        /// The default.
        default: Duration,
        /// The longest.
        max: Duration,
    },
}
