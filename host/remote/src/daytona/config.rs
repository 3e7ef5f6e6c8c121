//! What is set for the backend.

use std::time::Duration;

use sandpiper_core::Lack;

use crate::Secret;
use crate::http::{Retries, Times};

/// What [`Daytona::new`](super::Daytona::new) takes.
#[derive(Clone, Debug)]
pub struct DaytonaConfig {
    /// The address of the API, such as `https://app.daytona.io/api`.
    pub api_url: String,
    /// The key.
    pub api_key: Secret,
    /// The organization, where the key is of several.
    pub organization: Option<String>,
    /// The region; `None` is the organization's own.
    pub target: Option<String>,
    /// What a sandbox of the image `base` is made of; another image's name is a snapshot's.
    pub base: Base,
    /// What a sandbox has of the machine, where it is made of [`Base::Image`].
    pub resources: Resources,
    /// What the service that is reached does not offer, though Daytona does.
    pub lacks: Vec<Lack>,
    /// How long is waited until a sandbox has started or stopped.
    pub start_within: Duration,
    /// How long is waited for what.
    pub times: Times,
    /// How often is tried.
    pub retries: Retries,
    /// The address of an HTTP proxy that all goes through.
    pub proxy: Option<String>,
}

impl DaytonaConfig {
    /// The usual settings, with a key.
    pub fn new(api_url: impl Into<String>, api_key: Secret) -> Self {
        Self {
            api_url: api_url.into(),
            api_key,
            organization: None,
            target: None,
            base: Base::Usual,
            resources: Resources::default(),
            lacks: Vec::new(),
            start_within: Duration::from_mins(2),
            times: Times::default(),
            retries: Retries::default(),
            proxy: None,
        }
    }
}

/// What a sandbox is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Base {
    /// The snapshot that the API takes by itself.
    #[default]
    Usual,
    /// A snapshot, by its name.
    Snapshot(String),
    /// An image of a registry, by its name.
    Image(String),
}

/// What a sandbox has of a machine; what is `None` is as the API has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Processors.
    pub cpus: Option<u32>,
    /// Memory, in GiB.
    pub memory_gib: Option<u32>,
    /// Disk, in GiB.
    pub disk_gib: Option<u32>,
}
