//! Stops, starts, copies and ends sandboxes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Extracted;
use axum::http::HeaderMap;
use sandpiper_core::Error;
use serde::Deserialize;

use super::Named;
use super::create::Reserved;
use super::view::{Host, View, answer};
use crate::daytona::State;
use crate::daytona::desk::{AfterHalt, Desk};
use crate::daytona::extract::Given;
use crate::daytona::fault::Fault;
use crate::failure::Failure;
use crate::held::{Held, Phase};
use crate::registry::Registry;

/// Ends what runs in a sandbox; its files stay.
pub(crate) async fn stop_sandbox(registry: &Arc<Registry>, held: &Arc<Held>) -> Result<(), Failure> {
    let desk = Desk::of(held)?;
    let ending = Arc::clone(&desk);
    let end = move |held: &Held| {
        ending.end_sessions();
        held.end_all("the sandbox was stopped");
    };
    registry.pause_after(&held.id, end).await?;
    if desk.halted() == AfterHalt::Delete {
        registry.close(&held.id).await?;
    }
    Ok(())
}

pub(super) async fn delete(
    Extracted(state): Extracted<State>,
    named: Named,
    headers: HeaderMap,
) -> Result<Json<View>, Fault> {
    let Json(view) = answer(&named, &headers)?;
    state.app.registry.close(&named.held.id).await?;
    // Who follows a command, and sees its end, is to find that the sandbox is gone.
    named.desk.end_sessions();
    Ok(Json(view.destroyed()))
}

pub(super) async fn stop(
    Extracted(state): Extracted<State>,
    named: Named,
    headers: HeaderMap,
) -> Result<Json<View>, Fault> {
    if named.held.life().phase == Phase::Paused {
        return answer(&named, &headers);
    }
    stop_sandbox(&state.app.registry, &named.held).await?;
    match state.app.registry.find(&named.held.id) {
        Ok(_) => answer(&named, &headers),
        Err(_) => answer(&named, &headers).map(|Json(view)| Json(view.destroyed())),
    }
}

pub(super) async fn start(
    Extracted(state): Extracted<State>,
    named: Named,
    headers: HeaderMap,
) -> Result<Json<View>, Fault> {
    // It is the intervals that end it, as when it was made.
    let lifetime = state.app.registry.limits.max_lifetime;
    state.app.registry.resume(&named.held.id, Some(lifetime)).await?;
    named.desk.runs_or_waits();
    drop(named.desk.use_it());
    answer(&named, &headers)
}

pub(super) async fn pause(
    Extracted(state): Extracted<State>,
    named: Named,
    headers: HeaderMap,
) -> Result<Json<View>, Fault> {
    state.app.registry.pause(&named.held.id).await?;
    named.desk.runs_or_waits();
    answer(&named, &headers)
}

pub(super) async fn archive(named: Named, headers: HeaderMap) -> Result<Json<View>, Fault> {
    let is_stopped = named.held.life().phase == Phase::Paused && named.desk.changing().halt.is_some();
    if !is_stopped {
        return Err(Fault::conflict(format!(
            "the sandbox {} runs; stop it before it is archived",
            named.held.id
        )));
    }
    named.desk.archive();
    answer(&named, &headers)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fork {
    name: Option<String>,
}

pub(super) async fn fork(
    Extracted(state): Extracted<State>,
    named: Named,
    headers: HeaderMap,
    Given(given): Given<Fork>,
) -> Result<Json<View>, Fault> {
    offered(&named.held, named.held.capabilities.fork, "fork")?;
    let reserved = given.name.as_deref().map(|name| Reserved::take(&state, name)).transpose()?;
    let lifetime = state.app.registry.limits.max_lifetime;
    let forked = state.app.registry.fork(&named.held.id, Some(lifetime)).await?;
    let mut settings = named.desk.changing().settings.clone();
    settings.name.clone_from(&given.name);
    Desk::of(&forked)?.set(|own| *own = settings);
    drop(reserved);
    View::of(&forked, &Host::of(&headers)).map(Json)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Snapshot {
    name: String,
    include_memory: Option<bool>,
}

pub(super) async fn snapshot(
    Extracted(state): Extracted<State>,
    named: Named,
    headers: HeaderMap,
    Given(given): Given<Snapshot>,
) -> Result<Json<View>, Fault> {
    if given.include_memory == Some(true) {
        return Err(Fault::not_offered("a snapshot here has the files of a sandbox, not its memory"));
    }
    if given.name.is_empty() {
        return Err(Fault::bad_request("the name of the snapshot is empty"));
    }
    offered(&named.held, named.held.capabilities.snapshot, "snapshot")?;
    state.app.registry.snapshot(&named.held.id, &given.name).await?;
    answer(&named, &headers)
}

/// Whether the backend has said that it can.
fn offered(held: &Held, is_offered: bool, operation: &'static str) -> Result<(), Fault> {
    if is_offered {
        return Ok(());
    }
    Err(Error::Unsupported { backend: held.sandbox().reference().backend, operation }.into())
}
