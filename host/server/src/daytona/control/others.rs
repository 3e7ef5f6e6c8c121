//! What else the API has: the templates as snapshots, the configuration, and what is refused.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State as Extracted};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::Named;
use super::view::{Host, ORGANIZATION};
use crate::config::Template;
use crate::daytona::State;
use crate::daytona::extract::Asked;
use crate::daytona::fault::Fault;
use crate::daytona::system::VERSION;
use crate::daytona::wire::Timestamp;

const GIB: u64 = 1 << 30;

/// A template, as Daytona calls what sandboxes are made of.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot {
    id: String,
    organization_id: &'static str,
    general: bool,
    name: String,
    image_name: String,
    state: &'static str,
    size: Option<u64>,
    entrypoint: Option<Vec<String>>,
    cpu: u64,
    gpu: u64,
    mem: u64,
    disk: u64,
    error_reason: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    last_used_at: Option<Timestamp>,
    source_sandbox_id: Option<String>,
}

impl Snapshot {
    fn of(state: &State, name: String, template: &Template, of: Option<String>) -> Self {
        let spec = &template.spec;
        let image = match &spec.image {
            sandpiper_core::Image::Named(name) => name.clone(),
            // Where it is on the host is nobody's business.
            sandpiper_core::Image::File(_) => "file".to_owned(),
        };
        Self {
            id: name.clone(),
            organization_id: ORGANIZATION,
            general: of.is_none(),
            name,
            image_name: image,
            state: "active",
            size: None,
            entrypoint: None,
            cpu: 1,
            gpu: 0,
            mem: spec.limits.memory_bytes.div_ceil(GIB),
            disk: spec.limits.disk_bytes.div_ceil(GIB),
            error_reason: None,
            created_at: state.began,
            updated_at: state.began,
            last_used_at: None,
            source_sandbox_id: of,
        }
    }
}

/// A page of snapshots.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "as the API names them")]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    items: Vec<Snapshot>,
    total: usize,
    page: usize,
    total_pages: usize,
}

#[derive(Debug, Deserialize)]
pub(super) struct Paging {
    page: Option<usize>,
    limit: Option<usize>,
    name: Option<String>,
}

/// Snapshots of a page where nobody says how many.
const PAGE: usize = 100;

pub(super) async fn snapshots(
    Extracted(state): Extracted<State>,
    Asked(asked): Asked<Paging>,
) -> Result<Json<Page>, Fault> {
    let (page, limit) = (asked.page.unwrap_or(1), asked.limit.unwrap_or(PAGE));
    if page == 0 || limit == 0 {
        return Err(Fault::bad_request("`page` and `limit` count from 1"));
    }
    let wanted = asked.name.as_deref().unwrap_or_default();
    let mut known = state.app.registry.templates();
    known.retain(|(name, ..)| name.contains(wanted));
    let total = known.len();
    let from = (page - 1).saturating_mul(limit);
    let items = known.into_iter().skip(from).take(limit);
    let items = items.map(|(name, template, of)| Snapshot::of(&state, name, &template, of)).collect();
    Ok(Json(Page { items, total, page, total_pages: total.div_ceil(limit) }))
}

pub(super) async fn get_snapshot(
    Extracted(state): Extracted<State>,
    Path(name): Path<String>,
) -> Result<Json<Snapshot>, Fault> {
    let known = state.app.registry.templates();
    let found = known.into_iter().find(|(known, ..)| *known == name);
    let (name, template, of) =
        found.ok_or_else(|| Fault::not_found(format!("there is no snapshot `{name}`")))?;
    Ok(Json(Snapshot::of(&state, name, &template, of)))
}

pub(super) async fn make_snapshot() -> Fault {
    Fault::not_offered("no images are built here; the templates of the server are its snapshots")
}

/// Removes a snapshot; the templates of the operator stay.
pub(super) async fn delete_snapshot(
    Extracted(state): Extracted<State>,
    Path(name): Path<String>,
) -> Result<StatusCode, Fault> {
    state.app.registry.forget_snapshot(&name).await?;
    Ok(StatusCode::OK)
}

/// There are none.
pub(super) async fn volumes() -> Json<[(); 0]> {
    Json([])
}

pub(super) async fn volume(Path(name): Path<String>) -> Fault {
    Fault::not_found(format!("there is no volume `{name}`: a sandbox here has no volumes"))
}

pub(super) async fn make_volume() -> Fault {
    Fault::not_offered("a sandbox here has no volumes")
}

pub(super) async fn preview(named: Named, Path(names): Path<BTreeMap<String, String>>) -> Fault {
    let port = names.get("port").map(String::as_str).unwrap_or_default();
    Fault::not_offered(format!(
        "port {port} of the sandbox {} is not reached from outside: its programs open no ports; \
         talk to them by their standard input and output, or by files",
        named.held.id
    ))
}

pub(super) async fn ssh(_named: Named) -> Fault {
    Fault::not_offered("there is no SSH into a sandbox here; use the toolbox")
}

pub(super) async fn secrets(_named: Named) -> Fault {
    Fault::not_offered("there is no store of secrets here; give variables as `env`")
}

pub(super) async fn recover(named: Named) -> Fault {
    Fault::conflict(format!("the sandbox {} has not failed, so there is nothing to recover", named.held.id))
}

pub(super) async fn resize(_named: Named) -> Fault {
    Fault::not_offered("what a sandbox may use is set in the template of the server")
}

pub(super) async fn backup(_named: Named) -> Fault {
    Fault::not_offered("there are no backups here; take the files out, or make a snapshot")
}

/// What the API tells of itself, as far as there is something to tell.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    version: &'static str,
    oidc: Oidc,
    linked_accounts_enabled: bool,
    announcements: BTreeMap<String, String>,
    proxy_template_url: String,
    proxy_toolbox_url: String,
    default_snapshot: String,
    dashboard_url: String,
    max_auto_archive_interval: u32,
    maintanance_mode: bool,
    environment: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Oidc {
    issuer: &'static str,
    client_id: &'static str,
    audience: &'static str,
}

pub(super) async fn config(Extracted(state): Extracted<State>, headers: HeaderMap) -> Json<Config> {
    Json(Config {
        version: VERSION,
        oidc: Oidc { issuer: "", client_id: "", audience: "" },
        linked_accounts_enabled: false,
        announcements: BTreeMap::new(),
        proxy_template_url: String::new(),
        proxy_toolbox_url: Host::of(&headers).toolbox(),
        default_snapshot: state.app.registry.default_template().to_owned(),
        dashboard_url: String::new(),
        max_auto_archive_interval: u32::MAX,
        maintanance_mode: false,
        environment: "local",
    })
}
