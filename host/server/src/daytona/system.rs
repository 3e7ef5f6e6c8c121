//! What the toolbox tells of the sandbox itself: directories, ports, use, version.

use std::collections::{BTreeMap, HashMap};
use std::time::UNIX_EPOCH;

use axum::extract::{Path, State as Extracted};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::State;
use super::extract::Given;
use super::fault::Fault;
use super::toolbox::Toolbox;
use super::wire::Timestamp;
use crate::guest_path::HOME;

/// This server's version, which SDKs do not compare.
pub(crate) const VERSION: &str = concat!("sandpiper-", env!("CARGO_PKG_VERSION"));

/// The routes.
pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/user-home-dir", get(home))
        .route("/work-dir", get(work_directory))
        .route("/version", get(version))
        .route("/env", post(update_env))
        .route("/init", post(initialize))
        .route("/port", get(ports))
        .route("/port/{port}/in-use", get(port_in_use))
        .route("/system/metrics", get(metrics))
        .route("/lsp/{*rest}", any(no_language_server))
        .route("/computeruse/{*rest}", any(no_desktop))
}

#[derive(Debug, Serialize)]
struct Directory {
    dir: String,
}

async fn home(_toolbox: Toolbox) -> Json<Directory> {
    Json(Directory { dir: HOME.to_owned() })
}

async fn work_directory(toolbox: Toolbox) -> Json<Directory> {
    Json(Directory { dir: toolbox.work_directory().to_owned() })
}

async fn version(_toolbox: Toolbox) -> Json<HashMap<&'static str, &'static str>> {
    Json([("version", VERSION)].into())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpdateEnv {
    set: Option<BTreeMap<String, String>>,
    unset: Option<Vec<String>>,
    unset_value_prefix: Option<String>,
}

/// Variables of commands to come. Those that the sandbox was made with can be changed, not taken away.
async fn update_env(
    Extracted(state): Extracted<State>,
    toolbox: Toolbox,
    Given(given): Given<UpdateEnv>,
) -> Result<Json<HashMap<String, String>>, Fault> {
    if given.unset_value_prefix.is_some_and(|prefix| !prefix.is_empty()) {
        return Err(Fault::not_offered(
            "variables are unset by name here, not by what their values begin with",
        ));
    }
    let unset = given.unset.unwrap_or_default();
    if let Some(name) = unset.iter().find(|name| toolbox.held.env.contains_key(*name)) {
        return Err(Fault::not_offered(format!(
            "the variable {name} belongs to the sandbox; it can be set to another value, or `unset` in a command"
        )));
    }
    let mut changing = toolbox.desk.changing();
    let mut env = changing.env.clone();
    env.retain(|name, _| !unset.contains(name));
    env.extend(given.set.unwrap_or_default());
    state.app.registry.check_env(&env)?;
    changing.env = env;
    Ok(Json(HashMap::new()))
}

async fn initialize(_toolbox: Toolbox) -> Fault {
    Fault::not_offered("a toolbox here needs no token beside the API key")
}

#[derive(Debug, Serialize)]
struct Ports {
    ports: [u16; 0],
}

/// Programs open none.
async fn ports(_toolbox: Toolbox) -> Json<Ports> {
    Json(Ports { ports: [] })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InUse {
    is_in_use: bool,
}

async fn port_in_use(
    toolbox: Toolbox,
    Path(names): Path<HashMap<String, String>>,
) -> Result<Json<InUse>, Fault> {
    let text = names.get("port").map(String::as_str).unwrap_or_default();
    let port: u16 =
        text.parse().map_err(|_| Fault::bad_request(format!("`{text}` is no port, expected 1 to 65535")))?;
    // A backend with ports tells an address for each, used or not.
    if toolbox.held.capabilities.ports {
        return Err(Fault::not_offered(format!("whether port {port} is in use is not known here")));
    }
    Ok(Json(InUse { is_in_use: false }))
}

/// What a sandbox uses; what the backend does not tell is left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    timestamp: Timestamp,
    timestamp_unix: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// Whole ones, as the SDKs expect.
    cpu_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_used_pct: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mem_used: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mem_total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_used: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_total: Option<u64>,
}

async fn metrics(toolbox: Toolbox) -> Result<Json<Metrics>, Fault> {
    let metrics = toolbox.sandbox.metrics().await?;
    let now = Timestamp::now();
    Ok(Json(Metrics {
        timestamp: now,
        timestamp_unix: now.0.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        cpu_count: metrics.cpus.and_then(whole),
        cpu_used_pct: metrics.cpu_percent,
        mem_used: metrics.memory_bytes,
        mem_total: metrics.memory_limit_bytes,
        disk_used: metrics.disk_bytes,
        disk_total: metrics.disk_limit_bytes,
    }))
}

/// Processors, a part of one being one.
fn whole(cpus: f64) -> Option<u32> {
    (1..=1024).find(|count| f64::from(*count) >= cpus)
}

async fn no_language_server() -> Fault {
    Fault::not_offered("a sandbox here has no language servers")
}

async fn no_desktop() -> Fault {
    Fault::not_offered("a sandbox here has no screen")
}
