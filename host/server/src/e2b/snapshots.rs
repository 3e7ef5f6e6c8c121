//! Snapshots and forks, as far as the backend makes them.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::e2b::answer::{self, ControlError};
use crate::e2b::connect::parse;
use crate::e2b::words;
use crate::failure::Failure;
use crate::random;

/// Characters of a snapshot's name that nobody has chosen.
const NAME_LENGTH: usize = 20;

/// Most forks of one call, as with E2B.
const MAX_FORKS: u64 = 100;

type Answer = Result<Response, ControlError>;

#[derive(Debug, Default, Deserialize)]
struct SnapshotRequest {
    name: Option<String>,
}

/// `POST /sandboxes/{id}/snapshots`: the files; processes are in no snapshot.
pub(super) async fn create(State(app): State<App>, Path(id): Path<String>, body: Bytes) -> Answer {
    let request: SnapshotRequest = parse(&body)?;
    let base = request.name.map_or_else(|| random::name(NAME_LENGTH), Ok)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if base.is_empty() || base.len() > 128 || !base.bytes().all(is_plain) {
        let what = "expected 1 to 128 letters, digits and `-_.`";
        return Err(Failure::Invalid(format!("the name of a snapshot is {base:?}, {what}")).into());
    }
    let name = format!("{base}:default");
    app.registry.snapshot(&id, &name).await?;
    let snapshot = json!({ "snapshotID": name, "names": [name] });
    Ok((StatusCode::CREATED, Json(snapshot)).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct SnapshotQuery {
    #[serde(rename = "sandboxID")]
    sandbox: Option<String>,
    name: Option<String>,
}

/// `GET /snapshots`: all on one page, as the server holds few.
pub(super) async fn list(State(app): State<App>, Query(query): Query<SnapshotQuery>) -> Json<Value> {
    let mut snapshots = app.registry.snapshots();
    snapshots.retain(|snapshot| {
        query.sandbox.as_ref().is_none_or(|of| *of == snapshot.of)
            && query.name.as_ref().is_none_or(|name| {
                *name == snapshot.name || snapshot.name.strip_suffix(":default") == Some(name)
            })
    });
    let told = snapshots.iter();
    let told: Vec<Value> =
        told.map(|snapshot| json!({ "snapshotID": snapshot.name, "names": [snapshot.name] })).collect();
    Json(json!(told))
}

/// `DELETE /templates/{name}`: of snapshots only.
pub(super) async fn delete(State(app): State<App>, Path(name): Path<String>) -> Answer {
    app.registry.forget_snapshot(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Default, Deserialize)]
struct ForkRequest {
    timeout: Option<u64>,
    count: Option<u64>,
}

/// `POST /sandboxes/{id}/fork`: each of them, or why not.
pub(super) async fn fork(State(app): State<App>, Path(id): Path<String>, body: Bytes) -> Answer {
    let request: ForkRequest = parse(&body)?;
    let count = request.count.unwrap_or(1);
    if !(1..=MAX_FORKS).contains(&count) {
        return Err(Failure::Invalid(format!("`count` is {count}, expected 1 to {MAX_FORKS}")).into());
    }
    let held = app.registry.find(&id)?;
    if !held.capabilities.fork {
        let backend = held.sandbox().reference().backend;
        return Err(Failure::Unsupported(format!("the backend {backend} does not offer this: fork")).into());
    }
    let mut results = Vec::new();
    for _ in 0..count {
        let forked = app.registry.fork(&id, request.timeout.map(Duration::from_secs)).await;
        results.push(match forked {
            Ok(held) => json!({ "sandbox": words::sandbox(&held) }),
            Err(err) => {
                json!({ "error": { "code": answer::status(&err).as_u16(), "message": err.to_string() } })
            }
        });
    }
    Ok((StatusCode::CREATED, Json(json!(results))).into_response())
}
