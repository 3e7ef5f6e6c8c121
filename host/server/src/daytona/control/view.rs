//! A sandbox as Daytona's API tells it.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::HeaderMap;
use axum::http::header;
use sandpiper_core::Network;
use serde::{Serialize, Serializer};

use super::Named;
use crate::daytona::desk::{Desk, Halt};
use crate::daytona::fault::Fault;
use crate::daytona::files::OWNER;
use crate::daytona::wire::Timestamp;
use crate::held::{Held, Phase};

/// The one region that there is.
pub(super) const TARGET: &str = "local";

/// The one organization that there is.
pub(super) const ORGANIZATION: &str = "local";

const GIB: u64 = 1 << 30;

/// What a sandbox does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SandboxState {
    Started,
    Stopped,
    Paused,
    Archived,
    /// On its way from one of the others to another.
    Stopping,
    Destroyed,
}

impl SandboxState {
    /// As it is written.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
            Self::Archived => "archived",
            Self::Stopping => "stopping",
            Self::Destroyed => "destroyed",
        }
    }
}

impl Serialize for SandboxState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// A sandbox.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "as the API has them")]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    pub(super) id: String,
    organization_id: &'static str,
    pub(super) name: String,
    pub(super) snapshot: String,
    user: &'static str,
    env: BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, String>,
    public: bool,
    network_block_all: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_allow_list: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain_allow_list: Option<String>,
    kvm: bool,
    target: &'static str,
    pub(super) cpu: u64,
    gpu: u64,
    pub(super) memory: u64,
    pub(super) disk: u64,
    pub(super) state: SandboxState,
    desired_state: SandboxState,
    recoverable: bool,
    auto_stop_interval: u32,
    auto_pause_interval: u32,
    auto_archive_interval: u32,
    auto_delete_interval: i64,
    auto_destroy_at: Timestamp,
    pub(super) created_at: Timestamp,
    updated_at: Timestamp,
    pub(super) last_activity_at: Timestamp,
    daemon_version: &'static str,
    toolbox_proxy_url: String,
}

impl View {
    pub(super) fn of(held: &Held, host: &Host) -> Result<Self, Fault> {
        let desk = Desk::of(held)?;
        let changing = desk.changing();
        let settings = changing.settings.clone();
        let life = held.life();
        let now = match (life.phase, changing.halt) {
            (Phase::Running, _) => SandboxState::Started,
            (Phase::Paused, Some((Halt::Stopped, _))) => SandboxState::Stopped,
            (Phase::Paused, Some((Halt::Archived, _))) => SandboxState::Archived,
            (Phase::Paused, None) => SandboxState::Paused,
            (Phase::Changing, _) => SandboxState::Stopping,
        };
        Ok(Self {
            id: held.id.clone(),
            organization_id: ORGANIZATION,
            name: settings.name.unwrap_or_else(|| held.id.clone()),
            snapshot: held.template.clone(),
            user: OWNER,
            env: held.env.clone(),
            labels: held.metadata(),
            public: false,
            network_block_all: held.network == Network::Nothing,
            network_allow_list: settings.network_allow_list,
            domain_allow_list: settings.domain_allow_list,
            kvm: false,
            target: TARGET,
            cpu: 1,
            gpu: 0,
            memory: held.made_of.limits.memory_bytes.div_ceil(GIB),
            disk: held.made_of.limits.disk_bytes.div_ceil(GIB),
            state: now,
            desired_state: now,
            recoverable: false,
            auto_stop_interval: settings.auto_stop,
            auto_pause_interval: 0,
            auto_archive_interval: settings.auto_archive,
            auto_delete_interval: settings.auto_delete.map_or(-1, i64::from),
            auto_destroy_at: Timestamp(life.ends),
            created_at: Timestamp(held.created),
            updated_at: Timestamp(changing.updated),
            last_activity_at: Timestamp(changing.used()),
            daemon_version: crate::daytona::system::VERSION,
            toolbox_proxy_url: host.toolbox(),
        })
    }

    /// The same of a sandbox that is no more.
    pub(super) fn destroyed(self) -> Self {
        Self { state: SandboxState::Destroyed, desired_state: SandboxState::Destroyed, ..self }
    }
}

/// How the client reaches this server.
#[derive(Clone, Debug)]
pub(super) struct Host(String);

impl Host {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
        let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
        let host = text("x-forwarded-host").or_else(|| text("host")).unwrap_or("localhost");
        Self(format!("{scheme}://{host}"))
    }

    pub(super) fn toolbox(&self) -> String {
        format!("{}/toolbox", self.0)
    }
}

pub(super) async fn get(named: Named, headers: HeaderMap) -> Result<Json<View>, Fault> {
    View::of(&named.held, &Host::of(&headers)).map(Json)
}

#[derive(Debug, Serialize)]
pub(super) struct ProxyUrl {
    url: String,
}

pub(super) async fn toolbox_proxy_url(_named: Named, headers: HeaderMap) -> Json<ProxyUrl> {
    Json(ProxyUrl { url: Host::of(&headers).toolbox() })
}

/// Answers with a sandbox as it is now.
pub(super) fn answer(named: &Named, headers: &HeaderMap) -> Result<Json<View>, Fault> {
    View::of(&named.held, &Host::of(headers)).map(Json)
}
