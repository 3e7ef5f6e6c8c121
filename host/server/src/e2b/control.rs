//! The control plane: sandboxes, and how long they live.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::e2b::access::Envd;
use crate::e2b::answer::{ControlError, EnvdError};
use crate::e2b::connect::parse;
use crate::e2b::words::{self, CreateRequest, NetworkRequest, TimeoutRequest};
use crate::failure::Failure;
use crate::guest_path::HOME;
use crate::held::Held;
use crate::registry::Lives;

/// Most sandboxes of a page, and those of one whose client does not say how many.
const PAGE: usize = 100;

type Answer = Result<Response, ControlError>;

/// `POST /v2/sandboxes` and `POST /sandboxes`.
pub(super) async fn create(State(app): State<App>, body: Bytes) -> Answer {
    let request: CreateRequest = parse(&body)?;
    let held = app.registry.create(request.parsed()?).await?;
    // Commands begin there, whatever the image has.
    let home = held.sandbox().files().make_directory(HOME).await;
    if let Err(err) = home {
        app.registry.close(&held.id).await?;
        return Err(err.into());
    }
    Ok((StatusCode::CREATED, Json(words::sandbox(&held))).into_response())
}

/// `POST /v2/sandboxes/{id}/connect` and `POST /sandboxes/{id}/connect`.
pub(super) async fn connect(State(app): State<App>, Path(id): Path<String>, body: Bytes) -> Answer {
    let request: TimeoutRequest = parse(&body)?;
    let (held, resumed) = app.registry.resume(&id, request.timeout.map(Duration::from_secs)).await?;
    let status = if resumed { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(words::sandbox(&held))).into_response())
}

/// `POST /sandboxes/{id}/resume`, as older SDKs go on with one that is paused.
pub(super) async fn resume(State(app): State<App>, Path(id): Path<String>, body: Bytes) -> Answer {
    let request: TimeoutRequest = parse(&body)?;
    let (held, _) = app.registry.resume(&id, request.timeout.map(Duration::from_secs)).await?;
    Ok((StatusCode::CREATED, Json(words::sandbox(&held))).into_response())
}

/// What a list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListQuery {
    metadata: Option<String>,
    state: Option<String>,
    limit: Option<usize>,
    next_token: Option<String>,
    order: Option<String>,
    started_after: Option<String>,
    template: Option<String>,
}

/// `GET /v2/sandboxes`: running and paused ones, in pages.
pub(super) async fn list(State(app): State<App>, Query(query): Query<ListQuery>) -> Answer {
    let metadata = query.metadata.as_deref().map(metadata_of).transpose()?.unwrap_or_default();
    let after = query.started_after.as_deref().map(time_of).transpose()?;
    let newest_first = match query.order.as_deref() {
        None | Some("desc") => true,
        Some("asc") => false,
        Some(other) => {
            return Err(Failure::Invalid(format!("`order` is {other:?}, expected asc or desc")).into());
        }
    };
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        return Err(Failure::Invalid(format!("`limit` is {limit}, expected 1 to {PAGE}")).into());
    }
    let states: Option<Vec<&str>> = query.state.as_deref().map(|states| states.split(',').collect());
    let mut found = app.registry.list(&metadata);
    found.retain(|held| {
        let state = words::state(held.life().phase);
        states.as_ref().is_none_or(|states| states.contains(&state))
            && query.template.as_ref().is_none_or(|template| *template == held.template)
            && after.is_none_or(|after| held.created >= after)
    });
    if newest_first {
        found.reverse();
    }
    let from = match query.next_token.as_deref() {
        None => 0,
        // The page begins behind the sandbox of the token, or where that would be if it is gone.
        Some(token) => found.partition_point(|held| {
            let (own, of_token) = (page_token(held), token);
            if newest_first { *own >= *of_token } else { *own <= *of_token }
        }),
    };
    let page: Vec<_> = found.iter().skip(from).take(limit).collect();
    let next = (from + page.len() < found.len()).then(|| page.last().map(|held| page_token(held))).flatten();
    let listed: Vec<Value> = page.iter().map(|held| words::listed(held)).collect();
    let mut response = Json(listed).into_response();
    if let Some(next) = next {
        let value = HeaderValue::from_str(&next).map_err(|err| Failure::Internal(err.to_string()))?;
        response.headers_mut().insert(HeaderName::from_static("x-next-token"), value);
    }
    Ok(response)
}

/// `GET /sandboxes`, as older SDKs list what runs.
pub(super) async fn list_running(State(app): State<App>, Query(query): Query<ListQuery>) -> Answer {
    let query = ListQuery { state: Some("running".to_owned()), ..query };
    list(State(app), Query(query)).await
}

/// By what a page goes on: when the sandbox was made, so that texts are ordered as sandboxes are, and its id.
fn page_token(held: &Held) -> String {
    let since = held.created.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:024}-{}", since.as_nanos(), held.id)
}

/// The metadata that a list is asked for: SDKs encode names and values once by themselves, and once with the pairs.
fn metadata_of(text: &str) -> Result<BTreeMap<String, String>, Failure> {
    let wrong = |what: &str| Failure::Invalid(format!("`metadata` is {text:?}, which has {what}"));
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').ok_or_else(|| wrong("a part without `=`"))?;
        let decoded = |part: &str| {
            percent_decoded(&part.replace('+', " "))
                .and_then(|part| percent_decoded(&part))
                .ok_or_else(|| wrong("what is no percent-encoded UTF-8"))
        };
        Ok((decoded(name)?, decoded(value)?))
    });
    pairs.collect()
}

/// `None` for what is no percent-encoded UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high << 4 | low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn time_of(text: &str) -> Result<SystemTime, Failure> {
    let wrong = || {
        Failure::Invalid(format!("`startedAfter` is {text:?}, expected a time such as 2026-01-01T00:00:00Z"))
    };
    // SDKs say UTC as an offset.
    let utc =
        text.strip_suffix("+00:00").or_else(|| text.strip_suffix(" 00:00")).map(|time| format!("{time}Z"));
    humantime::parse_rfc3339(utc.as_deref().unwrap_or(text)).map_err(|_| wrong())
}

/// `GET /sandboxes/{id}`.
pub(super) async fn get(State(app): State<App>, Path(id): Path<String>) -> Answer {
    let held = app.registry.find(&id)?;
    Ok(Json(words::detail(&held)).into_response())
}

/// `DELETE /sandboxes/{id}`.
pub(super) async fn kill(State(app): State<App>, Path(id): Path<String>) -> Answer {
    app.registry.close(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /sandboxes/{id}/timeout`.
pub(super) async fn set_timeout(State(app): State<App>, Path(id): Path<String>, body: Bytes) -> Answer {
    let request: TimeoutRequest = parse(&body)?;
    let seconds =
        request.timeout.ok_or_else(|| Failure::Invalid("`timeout` is missing, in seconds".to_owned()))?;
    app.registry.set_lifetime(&id, Duration::from_secs(seconds), Lives::Until).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// How long a sandbox is to live on at least.
#[derive(Debug, Default, Deserialize)]
struct RefreshRequest {
    duration: Option<u64>,
}

/// `POST /sandboxes/{id}/refreshes`.
pub(super) async fn refresh(State(app): State<App>, Path(id): Path<String>, body: Bytes) -> Answer {
    let request: RefreshRequest = parse(&body)?;
    let lifetime = request.duration.map_or(app.registry.limits.default_lifetime, Duration::from_secs);
    app.registry.set_lifetime(&id, lifetime, Lives::AtLeast).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// How a sandbox is set aside.
#[derive(Debug, Default, Deserialize)]
struct PauseRequest {
    memory: Option<bool>,
}

/// `POST /sandboxes/{id}/pause`: what runs is kept, or, with `memory: false`, ended.
pub(super) async fn pause(State(app): State<App>, Path(id): Path<String>, body: Bytes) -> Answer {
    let request: PauseRequest = parse(&body)?;
    if request.memory == Some(false) {
        let held = app.registry.find(&id)?;
        held.running()?;
        held.end_all("the sandbox was paused");
    }
    app.registry.pause(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `PUT /sandboxes/{id}/network`: what it may reach is decided when it is made.
pub(super) async fn set_network(State(app): State<App>, Path(id): Path<String>, body: Bytes) -> Answer {
    let _: NetworkRequest = parse(&body)?;
    app.registry.find(&id)?;
    Err(Failure::Unsupported(
        "the network of a sandbox cannot be changed here; give it when the sandbox is created".to_owned(),
    )
    .into())
}

/// `GET /sandboxes/{id}/logs`: what the service itself notes; there is nothing of that here.
pub(super) async fn logs(State(app): State<App>, Path(id): Path<String>) -> Answer {
    app.registry.find(&id)?;
    Ok(Json(json!({ "logs": [], "logEntries": [] })).into_response())
}

/// `GET /sandboxes/{id}/metrics`: the present, as the one point there is.
pub(super) async fn metrics(State(app): State<App>, Path(id): Path<String>) -> Answer {
    let held = app.registry.find(&id)?;
    Ok(Json(json!([present(&held).await?])).into_response())
}

async fn present(held: &Held) -> Result<Value, Failure> {
    let metrics = held.running()?.metrics().await?;
    let now = SystemTime::now();
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(json!({
        "timestamp": words::time(now),
        "timestampUnix": seconds,
        "cpuCount": whole(metrics.cpus.unwrap_or(1.0)),
        "cpuUsedPct": metrics.cpu_percent.unwrap_or(0.0),
        "memUsed": metrics.memory_bytes.unwrap_or(0),
        "memTotal": metrics.memory_limit_bytes.unwrap_or(0),
        "memCache": 0,
        "diskUsed": metrics.disk_bytes.unwrap_or(0),
        "diskTotal": metrics.disk_limit_bytes.unwrap_or(0),
    }))
}

/// A number of processors, rounded up.
fn whole(cpus: f64) -> u32 {
    const MOST: u32 = 4096;
    (1..MOST).find(|count| f64::from(*count) >= cpus).unwrap_or(MOST)
}

/// `GET /metrics` of envd.
pub(super) async fn own_metrics(envd: Envd) -> Result<Json<Value>, EnvdError> {
    let metrics = present(&envd.held).await?;
    let of = |name: &str| metrics.get(name).cloned().unwrap_or_default();
    Ok(Json(json!({
        "ts": of("timestampUnix"),
        "cpu_count": of("cpuCount"),
        "cpu_used_pct": of("cpuUsedPct"),
        "mem_used": of("memUsed"),
        "mem_total": of("memTotal"),
        "mem_cache": of("memCache"),
        "disk_used": of("diskUsed"),
        "disk_total": of("diskTotal"),
    })))
}

/// `GET /envs` of envd: the variables of each command.
pub(super) async fn own_envs(envd: Envd) -> Json<Value> {
    Json(json!(envd.held.env))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_decoded_as_sdks_encode_it() {
        let expected = |pairs: &[(&str, &str)]| {
            Ok(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        let of = |text: &str| metadata_of(text).map_err(|err| err.to_string());
        assert_eq!(of("a=b&c=d"), expected(&[("a", "b"), ("c", "d")]));
        assert_eq!(of("a%2520b=%2526%253D"), expected(&[("a b", "&=")]));
        assert_eq!(of(""), expected(&[]));
        assert_eq!(of("a"), Err("`metadata` is \"a\", which has a part without `=`".to_owned()));
        assert!(of("a=%zz").is_err() && of("a=%2").is_err() && of("a=%25ff").is_err());
    }

    #[test]
    fn times_are_utc() {
        let seconds = |text: &str| {
            time_of(text)
                .ok()
                .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
                .map(|d| d.as_secs())
        };
        assert_eq!(seconds("1970-01-01T00:01:00Z"), Some(60));
        assert_eq!(seconds("1970-01-01T00:01:00.5+00:00"), Some(60));
        assert_eq!(seconds("yesterday"), None);
    }
}
