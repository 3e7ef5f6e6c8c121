//! Makes sandboxes.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State as Extracted;
use axum::http::HeaderMap;
use sandpiper_core::Network;
use serde::Deserialize;
use serde_json::Value;

use super::settings::{auto_delete, minutes};
use super::view::{Host, TARGET, View};
use crate::daytona::State;
use crate::daytona::desk::{Desk, NOTES, Settings};
use crate::daytona::extract::Given;
use crate::daytona::fault::Fault;
use crate::daytona::files::OWNER;
use crate::failure::Failure;
use crate::held::OnExpiry;
use crate::registry::NewSandbox;

/// Minutes without use until a sandbox is stopped, and stopped until it is archived, as in Daytona.
const AUTO_STOP: u32 = 15;
const AUTO_ARCHIVE: u32 = 7 * 24 * 60;

/// Most characters of a name.
const NAME: usize = 128;

/// What a client asks for. Fields that are not known are refused: they may ask for anything.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Create {
    name: Option<String>,
    snapshot: Option<String>,
    user: Option<String>,
    env: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
    public: Option<bool>,
    network_block_all: Option<bool>,
    network_allow_list: Option<String>,
    domain_allow_list: Option<String>,
    target: Option<String>,
    auto_stop_interval: Option<i64>,
    auto_pause_interval: Option<i64>,
    auto_archive_interval: Option<i64>,
    auto_delete_interval: Option<i64>,
    ttl_minutes: Option<i64>,
    /// How long to wait for a place; here nobody waits for one.
    #[serde(rename = "queueTimeout")]
    _queue_timeout: Option<i64>,
    // What is not offered; see `refuse`.
    kvm: Option<bool>,
    spot: Option<bool>,
    outbound_proxy_url: Option<Value>,
    otel_endpoint_override: Option<Value>,
    cpu: Option<Value>,
    gpu: Option<Value>,
    gpu_type: Option<Value>,
    memory: Option<Value>,
    disk: Option<Value>,
    volumes: Option<Vec<Value>>,
    secrets: Option<Vec<Value>>,
    build_info: Option<Value>,
    linked_sandbox: Option<Value>,
}

impl Create {
    /// Refuses what would have to be ignored.
    fn refuse(&self) -> Result<(), Fault> {
        const FIXED: &str = "what a sandbox may use is set in the template of the server";
        let refused = [
            ("public", self.public == Some(true), "no port of a sandbox is reached from outside"),
            ("kvm", self.kvm == Some(true), "there is no virtual machine"),
            ("spot", self.spot == Some(true), "there are no spot machines"),
            ("outboundProxyUrl", self.outbound_proxy_url.is_some(), "sandboxes have no proxy"),
            ("otelEndpointOverride", self.otel_endpoint_override.is_some(), "no telemetry is sent"),
            ("cpu", self.cpu.is_some(), FIXED),
            ("gpu", self.gpu.is_some(), FIXED),
            ("gpuType", self.gpu_type.is_some(), FIXED),
            ("memory", self.memory.is_some(), FIXED),
            ("disk", self.disk.is_some(), FIXED),
            ("volumes", has_entries(self.volumes.as_ref()), "there are no volumes"),
            ("secrets", has_entries(self.secrets.as_ref()), "there is no store of secrets; use `env`"),
            (
                "buildInfo",
                self.build_info.is_some(),
                "no images are built; name a template of the server as `snapshot`",
            ),
            ("linkedSandbox", self.linked_sandbox.is_some(), "sandboxes are not linked"),
        ];
        if let Some((field, _, reason)) = refused.into_iter().find(|(_, asked, _)| *asked) {
            return Err(Fault::bad_request(format!("`{field}` is not offered here: {reason}")));
        }
        if let Some(user) = self.user.as_deref().filter(|user| *user != OWNER) {
            let message = format!("the user `{user}` is not in a sandbox; the only one is `{OWNER}`");
            return Err(Fault::bad_request(message));
        }
        if let Some(target) = self.target.as_deref().filter(|target| *target != TARGET) {
            let message = format!("the target `{target}` is not here; the only one is `{TARGET}`, or none");
            return Err(Fault::bad_request(message));
        }
        Ok(())
    }

    fn settings(&self) -> Result<Settings, Fault> {
        if self.auto_pause_interval.is_some_and(|interval| interval != 0) {
            let message = "`autoPauseInterval` is not offered here; use `autoStopInterval`";
            return Err(Fault::bad_request(message));
        }
        let interval = |asked: Option<i64>, usual| asked.map_or(Ok(usual), minutes);
        Ok(Settings {
            name: self.name.clone(),
            auto_stop: interval(self.auto_stop_interval, AUTO_STOP)?,
            auto_archive: interval(self.auto_archive_interval, AUTO_ARCHIVE)?,
            auto_delete: self.auto_delete_interval.map_or(Ok(None), auto_delete)?,
            network_block_all: self.network_block_all == Some(true),
            network_allow_list: self.network_allow_list.clone().filter(|list| !list.is_empty()),
            domain_allow_list: self.domain_allow_list.clone().filter(|list| !list.is_empty()),
        })
    }
}

fn has_entries(list: Option<&Vec<Value>>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}

pub(super) async fn create(
    Extracted(state): Extracted<State>,
    headers: HeaderMap,
    Given(create): Given<Create>,
) -> Result<Json<View>, Fault> {
    create.refuse()?;
    let settings = create.settings()?;
    let (lifetime, on_expiry) = match create.ttl_minutes.map_or(Ok(0), minutes)? {
        // Without a time to live it is the intervals that end it.
        0 => (state.app.registry.limits.max_lifetime, OnExpiry::Close),
        ttl => (Duration::from_mins(ttl.into()), OnExpiry::Destroy),
    };
    let reserved = settings.name.as_deref().map(|name| Reserved::take(&state, name)).transpose()?;
    let notes = serde_json::to_value(&settings)
        .map_err(|err| Failure::Internal(format!("the settings cannot be noted: {err}")))?;
    let network = network(&settings);
    let template = create.snapshot.filter(|snapshot| !snapshot.is_empty());
    if let Some(name) = &template {
        // As in Daytona, where it is the request that is wrong.
        state.app.registry.template(name).map_err(|failure| Fault::bad_request(failure.to_string()))?;
    }
    let new = NewSandbox {
        template,
        metadata: create.labels.unwrap_or_default(),
        env: create.env.unwrap_or_default(),
        lifetime: Some(lifetime),
        on_expiry,
        network,
        notes: [(NOTES.to_owned(), notes)].into_iter().collect(),
    };
    let held = state.app.registry.create(new).await?;
    drop(reserved);
    Desk::of(&held)?;
    View::of(&held, &Host::of(&headers)).map(Json)
}

/// What commands may reach, where less than the template grants is asked for.
fn network(settings: &Settings) -> Option<Network> {
    if settings.network_block_all {
        return Some(Network::Nothing);
    }
    let lists = [&settings.network_allow_list, &settings.domain_allow_list];
    let allow: Vec<String> = lists
        .into_iter()
        .flatten()
        .flat_map(|list| list.split(','))
        .map(|rule| rule.trim().to_owned())
        .filter(|rule| !rule.is_empty())
        .collect();
    (!allow.is_empty()).then_some(Network::Rules { allow, deny: Vec::new() })
}

/// A name that is taken while its sandbox is made.
pub(super) struct Reserved<'a> {
    state: &'a State,
    name: String,
}

impl<'a> Reserved<'a> {
    pub(super) fn take(state: &'a State, name: &str) -> Result<Self, Fault> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > NAME || !name.bytes().all(is_plain) {
            return Err(Fault::bad_request(format!(
                "`{name}` is no name, expected 1 to {NAME} letters, digits, `-`, `_` and `.`"
            )));
        }
        let conflict = || Fault::conflict(format!("there is a sandbox `{name}` already"));
        let mut reserved = state.reserved();
        if state.find(name).is_ok() || !reserved.insert(name.to_owned()) {
            return Err(conflict());
        }
        drop(reserved);
        Ok(Self { state, name: name.to_owned() })
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.state.reserved().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Create {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_not_offered_is_refused_by_name() {
        for (text, expected) in [
            (r#"{"kvm":true}"#, "`kvm` is not offered here: there is no virtual machine"),
            (r#"{"volumes":[{}]}"#, "`volumes` is not offered here: there are no volumes"),
            (
                r#"{"cpu":4}"#,
                "`cpu` is not offered here: what a sandbox may use is set in the template of the server",
            ),
            (r#"{"user":"root"}"#, "the user `root` is not in a sandbox; the only one is `user`"),
            (r#"{"target":"us"}"#, "the target `us` is not here; the only one is `local`, or none"),
        ] {
            assert_eq!(parsed(text).refuse(), Err(Fault::bad_request(expected)), "{text}");
        }
        let usual =
            r#"{"env":{},"labels":{"a":"b"},"volumes":[],"public":false,"target":"local","user":"user"}"#;
        assert_eq!(parsed(usual).refuse(), Ok(()));
        assert!(serde_json::from_str::<Create>(r#"{"surprise":1}"#).is_err());
    }

    #[test]
    fn intervals_are_daytonas_unless_they_are_given() {
        let usual = parsed("{}").settings().unwrap();
        assert_eq!((usual.auto_stop, usual.auto_archive, usual.auto_delete), (15, 10_080, None));
        let given = parsed(r#"{"autoStopInterval":0,"autoArchiveInterval":5,"autoDeleteInterval":0}"#);
        let given = given.settings().unwrap();
        assert_eq!((given.auto_stop, given.auto_archive, given.auto_delete), (0, 5, Some(0)));
        assert!(parsed(r#"{"autoStopInterval":-1}"#).settings().is_err());
    }

    #[test]
    fn lists_of_what_may_be_reached_become_rules() {
        let of = |text| network(&parsed(text).settings().unwrap());
        assert_eq!(of("{}"), None);
        assert_eq!(of(r#"{"networkBlockAll":true,"networkAllowList":"1.1.1.1/32"}"#), Some(Network::Nothing));
        let allow = ["1.1.1.1/32", "*.a.org"].map(str::to_owned).into();
        assert_eq!(
            of(r#"{"networkAllowList":"1.1.1.1/32","domainAllowList":" *.a.org,"}"#),
            Some(Network::Rules { allow, deny: Vec::new() })
        );
    }
}
