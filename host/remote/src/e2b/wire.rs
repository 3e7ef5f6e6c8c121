//! What E2B's control plane says, as far as it is read.

use std::collections::BTreeMap;

use sandpiper_core::{SandboxInfo, SandboxRef, SandboxState};
use serde::Deserialize;

use super::time::system_time;

/// Keys of metadata that are this adapter's own; nobody else sees them.
pub(super) const OWN_PREFIX: &str = "sandpiper-";
/// The key under which a sandbox has a value that no other creation has.
pub(super) const CREATION: &str = "sandpiper-creation";
/// The key of the wall-clock limit of commands, in milliseconds.
pub(super) const WALL_MS: &str = "sandpiper-wall-ms";
/// The key of the output limit of commands, in bytes.
pub(super) const OUTPUT_BYTES: &str = "sandpiper-output-bytes";

/// The key of the time that a sandbox was made to live, in seconds; without it, it lives as long as it is held.
pub(super) const LIFETIME_SECONDS: &str = "sandpiper-lifetime-s";

/// A sandbox that was made or connected to.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Made {
    #[serde(rename = "sandboxID")]
    pub sandbox_id: String,
    #[serde(default)]
    pub envd_version: String,
    pub envd_access_token: Option<String>,
    pub traffic_access_token: Option<String>,
    pub domain: Option<String>,
    /// A field of `sandpiper serve`, which E2B does not have: commands need no login shell around them, and
    /// `SendSignal` takes any signal, by its number, for the process that was asked for.
    #[serde(default)]
    pub direct_commands: bool,
}

/// A sandbox as it is listed or looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    #[serde(rename = "sandboxID")]
    pub sandbox_id: String,
    #[serde(rename = "templateID", default)]
    pub template_id: String,
    pub alias: Option<String>,
    #[serde(default)]
    pub started_at: String,
    #[serde(default)]
    pub end_at: String,
    #[serde(default)]
    pub state: String,
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, String>>,
}

impl Listed {
    pub fn into_info(self) -> SandboxInfo {
        let state = match self.state.as_str() {
            // What is listed at all was made; older servers name no state.
            "running" | "" => SandboxState::Running,
            "paused" => SandboxState::Paused,
            _ => SandboxState::Changing,
        };
        let metadata = self.metadata.unwrap_or_default();
        let mut reference = SandboxRef::new(super::NAME, self.sandbox_id);
        reference.metadata = metadata.into_iter().filter(|(key, _)| !key.starts_with(OWN_PREFIX)).collect();
        SandboxInfo {
            reference,
            state,
            image: self.alias.unwrap_or(self.template_id),
            created: system_time(&self.started_at),
            expires: system_time(&self.end_at),
        }
    }
}

/// What a sandbox used at one time.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Measured {
    #[serde(default)]
    pub timestamp_unix: i64,
    pub cpu_count: Option<f64>,
    pub cpu_used_pct: Option<f64>,
    pub mem_used: Option<u64>,
    pub mem_total: Option<u64>,
    pub disk_used: Option<u64>,
    pub disk_total: Option<u64>,
}

/// A snapshot that was made.
#[derive(Deserialize)]
pub(super) struct Snapshot {
    #[serde(rename = "snapshotID")]
    pub snapshot_id: String,
}

/// One of the sandboxes that a fork was to make.
#[derive(Deserialize)]
pub(super) struct Forked {
    pub sandbox: Option<Made>,
    pub error: Option<ForkError>,
}

/// Why a fork was not made.
#[derive(Deserialize)]
pub(super) struct ForkError {
    #[serde(default)]
    pub message: String,
}

/// A version of envd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Standard input can be closed since then.
    pub const CLOSES_STDIN: Self = Self(0, 5, 2);
    /// A file is uploaded as it is since then, not as a part of a form.
    pub const OCTET_STREAM: Self = Self(0, 5, 7);
    /// There is a default user since then.
    pub const DEFAULT_USER: Self = Self(0, 4, 0);
    /// The oldest that is spoken to, as with E2B's own clients.
    pub const OLDEST: Self = Self(0, 1, 0);

    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.trim_start_matches('v').split(['-', '+']).next()?;
        let mut parts = plain.split('.').map(|part| part.parse().ok());
        Some(Self(parts.next()??, parts.next()??, parts.next()??))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_three_numbers() {
        assert_eq!(Version::parse("0.5.11"), Some(Version(0, 5, 11)));
        assert_eq!(Version::parse("v0.6.0-rc.1+x"), Some(Version(0, 6, 0)));
        assert!(Version(0, 5, 11) > Version::CLOSES_STDIN);
        assert_eq!(Version::parse("0.5"), None);
        assert_eq!(Version::parse(""), None);
    }

    #[test]
    fn a_listed_sandbox_is_told_without_what_is_our_own() {
        let listed: Listed = serde_json::from_value(serde_json::json!({
            "sandboxID": "i1", "templateID": "t", "clientID": "c", "state": "paused",
            "startedAt": "2026-11-22T05:43:10Z", "endAt": "2026-11-22T05:48:10Z",
            "metadata": {"task": "7", CREATION: "x", WALL_MS: "1"},
        }))
        .unwrap();
        let info = listed.into_info();
        assert_eq!(info.reference.to_string(), "e2b:i1");
        assert_eq!(info.reference.metadata.into_iter().collect::<Vec<_>>(), [("task".into(), "7".into())]);
        assert_eq!((info.state, info.image.as_str()), (SandboxState::Paused, "t"));
        let lives = info.expires.unwrap().duration_since(info.created.unwrap()).unwrap();
        assert_eq!(lives.as_secs(), 300);
    }
}
