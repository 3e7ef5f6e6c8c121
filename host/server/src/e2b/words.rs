//! The words of the control plane.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_millis;
use sandpiper_core::Network;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::e2b::ENVD_VERSION;
use crate::failure::Failure;
use crate::held::{Held, OnExpiry, Phase};
use crate::registry::NewSandbox;

/// All addresses, as clients say it.
const ALL: &str = "0.0.0.0/0";

/// What a client asks of a new sandbox, in both versions of the call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRequest {
    #[serde(rename = "templateID")]
    template: String,
    timeout: Option<u64>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    env_vars: BTreeMap<String, String>,
    #[serde(rename = "allow_internet_access")]
    allow_internet_access: Option<bool>,
    network: Option<NetworkRequest>,
    #[serde(default)]
    auto_pause: bool,
    auto_resume: Option<AutoResume>,
    /// What is refused when it is asked for.
    iam: Option<Value>,
    volume_mounts: Option<Vec<Value>>,
    mcp: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct AutoResume {
    #[serde(default)]
    enabled: bool,
}

/// What a sandbox may reach, as a client says it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NetworkRequest {
    allow_out: Vec<String>,
    deny_out: Vec<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl CreateRequest {
    pub(super) fn parsed(self) -> Result<NewSandbox, Failure> {
        for (field, asked) in [
            ("iam", self.iam.as_ref().is_some_and(|value| !value.is_null())),
            ("volumeMounts", self.volume_mounts.is_some_and(|mounts| !mounts.is_empty())),
            ("mcp", self.mcp.as_ref().is_some_and(|value| !value.is_null())),
            ("autoResume", self.auto_resume.is_some_and(|resume| resume.enabled)),
        ] {
            if asked {
                return Err(Failure::Invalid(format!(
                    "`{field}` is not offered by this server; leave it out"
                )));
            }
        }
        let network = match self.allow_internet_access {
            Some(false) => Some(Network::Nothing),
            _ => self.network.map(NetworkRequest::parsed).transpose()?.flatten(),
        };
        Ok(NewSandbox {
            template: Some(self.template),
            metadata: self.metadata,
            env: self.env_vars,
            lifetime: self.timeout.map(Duration::from_secs),
            on_expiry: if self.auto_pause { OnExpiry::Pause } else { OnExpiry::Close },
            network,
            notes: Map::new(),
        })
    }
}

impl NetworkRequest {
    /// The network that is asked for; `None` is the template's.
    fn parsed(self) -> Result<Option<Network>, Failure> {
        // Ports are not passed on to the public in any case.
        let harmless = |name: &str, value: &Value| value.is_null() || name == "allowPublicTraffic";
        if let Some((name, _)) = self.others.iter().find(|(name, value)| !harmless(name, value)) {
            return Err(Failure::Invalid(format!(
                "`network.{name}` is not offered by this server; leave it out"
            )));
        }
        if self.allow_out.is_empty() && self.deny_out.is_empty() {
            return Ok(None);
        }
        if self.allow_out.is_empty() && self.deny_out.iter().any(|denied| denied == ALL) {
            return Ok(Some(Network::Nothing));
        }
        // With E2B what is allowed is reached although it is denied, and all that is neither.
        if self.deny_out.iter().any(|denied| denied == ALL) {
            let deny = self.deny_out.into_iter().filter(|denied| denied != ALL).collect::<Vec<_>>();
            if deny.is_empty() {
                return Ok(Some(Network::Rules { allow: self.allow_out, deny }));
            }
        } else if self.allow_out.is_empty() {
            return Ok(Some(Network::Rules {
                allow: vec![ALL.to_owned(), "::/0".to_owned()],
                deny: self.deny_out,
            }));
        }
        Err(Failure::Invalid(
            "`network.allowOut` and `network.denyOut` together are offered only with denyOut of 0.0.0.0/0, which \
             leaves what allowOut has"
                .to_owned(),
        ))
    }
}

/// A lifetime.
#[derive(Debug, Default, Deserialize)]
pub(super) struct TimeoutRequest {
    pub(super) timeout: Option<u64>,
}

/// What a client needs of a sandbox that it has made or found.
pub(super) fn sandbox(held: &Held) -> Value {
    json!({
        "templateID": held.template,
        "sandboxID": held.id,
        "clientID": "local",
        "envdVersion": ENVD_VERSION,
        "envdAccessToken": held.token,
        "trafficAccessToken": held.token,
        "domain": null,
        // For our own adapter; E2B has no such field, and SDKs pass over it.
        "directCommands": true,
    })
}

/// What a list tells of a sandbox.
pub(super) fn listed(held: &Held) -> Value {
    let life = held.life();
    let limits = &held.made_of.limits;
    let mebibytes = |bytes: u64| bytes >> 20;
    json!({
        "templateID": held.template,
        "alias": held.template,
        "sandboxID": held.id,
        "clientID": "local",
        "startedAt": time(held.created),
        "endAt": time(life.ends),
        // A command of a sandbox runs on one processor.
        "cpuCount": 1,
        "memoryMB": mebibytes(limits.memory_bytes),
        "diskSizeMB": mebibytes(limits.tmp_bytes),
        "state": state(life.phase),
        "metadata": held.metadata(),
        "envdVersion": ENVD_VERSION,
    })
}

/// What is told of one sandbox.
pub(super) fn detail(held: &Held) -> Value {
    let mut detail = listed(held);
    let on_timeout = match held.life().on_expiry {
        OnExpiry::Close | OnExpiry::Destroy => "kill",
        OnExpiry::Pause => "pause",
    };
    if let Some(fields) = detail.as_object_mut() {
        fields.insert("envdAccessToken".to_owned(), json!(held.token));
        fields.insert("allowInternetAccess".to_owned(), json!(held.network != Network::Nothing));
        fields.insert("lifecycle".to_owned(), json!({ "autoResume": false, "onTimeout": on_timeout }));
    }
    detail
}

/// The word for a phase; one that changes counts as what it still is to clients.
pub(super) fn state(phase: Phase) -> &'static str {
    match phase {
        Phase::Running | Phase::Changing => "running",
        Phase::Paused => "paused",
    }
}

pub(super) fn time(time: SystemTime) -> String {
    format_rfc3339_millis(time).to_string()
}
