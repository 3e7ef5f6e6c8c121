//! The service `filesystem.Filesystem` of envd.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::stream;
use sandpiper_core::{FileError, FileErrorKind, FileType};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::e2b::access::Envd;
use crate::e2b::answer::EnvdError;
use crate::e2b::connect::{self, Frames, parse};
use crate::e2b::entries;
use crate::failure::Failure;
use crate::guest_path::{HOME, absolute, parent};
use crate::watchers::Placed;

type Answer = Result<Json<Value>, EnvdError>;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PathRequest {
    path: String,
    /// Of a listing; 0 is 1.
    depth: u32,
    /// Of a watch.
    recursive: bool,
    include_entry: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MoveRequest {
    source: String,
    destination: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WatcherRequest {
    watcher_id: String,
}

impl PathRequest {
    fn absolute(&self, app: &App) -> Result<String, Failure> {
        absolute(&self.path, HOME, app.registry.limits.path_bytes)
    }
}

/// `Stat`: what a path is; a symlink is itself.
pub(super) async fn stat(envd: Envd, State(app): State<App>, body: Bytes) -> Answer {
    let path = parse::<PathRequest>(&body)?.absolute(&app)?;
    Ok(Json(json!({ "entry": entries::entry(&*envd.sandbox.files(), &path).await? })))
}

/// `MakeDir`: with those that lead to it; one that is there is an error.
pub(super) async fn make_directory(envd: Envd, State(app): State<App>, body: Bytes) -> Answer {
    let path = parse::<PathRequest>(&body)?.absolute(&app)?;
    let files = envd.sandbox.files();
    match files.stat(&path).await {
        Ok(stat) if stat.kind == FileType::Directory => {
            let kind = FileErrorKind::AlreadyExists;
            return Err(FileError { operation: "make a directory of", path, kind }.into());
        }
        Ok(_) => {
            let kind = FileErrorKind::NotADirectory;
            return Err(FileError { operation: "make a directory of", path, kind }.into());
        }
        Err(FileError { kind: FileErrorKind::NotFound, .. }) => {}
        Err(err) => return Err(err.into()),
    }
    files.make_directory(&path).await?;
    Ok(Json(json!({ "entry": entries::entry(&*files, &path).await? })))
}

/// `Move`: the directory that it comes into is made.
pub(super) async fn rename(envd: Envd, State(app): State<App>, body: Bytes) -> Answer {
    let request: MoveRequest = parse(&body)?;
    let limit = app.registry.limits.path_bytes;
    let from = absolute(&request.source, HOME, limit)?;
    let to = absolute(&request.destination, HOME, limit)?;
    let files = envd.sandbox.files();
    // What is not there leaves no directory behind.
    files.stat(&from).await?;
    files.make_directory(parent(&to)).await?;
    files.rename(&from, &to).await?;
    Ok(Json(json!({ "entry": entries::entry(&*files, &to).await? })))
}

/// `ListDir`.
pub(super) async fn list(envd: Envd, State(app): State<App>, body: Bytes) -> Answer {
    let request: PathRequest = parse(&body)?;
    let path = request.absolute(&app)?;
    let found = entries::listing(&*envd.sandbox.files(), &path, request.depth.max(1)).await?;
    Ok(Json(json!({ "entries": found })))
}

/// `Remove`: with all that is in it; what is not there is no error, as Go's `os.RemoveAll` has it.
pub(super) async fn remove(envd: Envd, State(app): State<App>, body: Bytes) -> Answer {
    let path = parse::<PathRequest>(&body)?.absolute(&app)?;
    match envd.sandbox.files().remove(&path, true).await {
        Ok(()) | Err(FileError { kind: FileErrorKind::NotFound, .. }) => Ok(Json(json!({}))),
        Err(err) => Err(err.into()),
    }
}

async fn begin(envd: &Envd, app: &App, request: &PathRequest) -> Result<(Placed, String), Failure> {
    if request.include_entry {
        return Err(Failure::Unsupported("entries in the events of a watch are not offered".to_owned()));
    }
    let path = request.absolute(app)?;
    let files = envd.sandbox.files();
    // The watch of what is no directory is refused in envd's words.
    let stat = files.stat(&path).await?;
    if !matches!(stat.kind, FileType::Directory | FileType::Symlink) {
        return Err(Failure::Invalid(format!("path {path} is not a directory")));
    }
    let placed = envd.held.watchers.begin(files, &path, request.recursive).await?;
    Ok((placed, path))
}

/// `CreateWatcher`: a watch that is asked for its events.
pub(super) async fn create_watcher(envd: Envd, State(app): State<App>, body: Bytes) -> Answer {
    let request: PathRequest = parse(&body)?;
    let (placed, _) = begin(&envd, &app, &request).await?;
    let id = envd.held.watchers.keep(placed)?;
    Ok(Json(json!({ "watcherId": id })))
}

/// `GetWatcherEvents`: what has happened since it was asked last.
pub(super) async fn watcher_events(envd: Envd, body: Bytes) -> Answer {
    let request: WatcherRequest = parse(&body)?;
    let (directory, events) = envd.held.watchers.take(&request.watcher_id).await?;
    let events: Vec<Value> = events.iter().map(|event| entries::change(&directory, event)).collect();
    Ok(Json(json!({ "events": events })))
}

/// `RemoveWatcher`.
pub(super) async fn remove_watcher(envd: Envd, body: Bytes) -> Answer {
    let request: WatcherRequest = parse(&body)?;
    envd.held.watchers.remove(&request.watcher_id)?;
    Ok(Json(json!({})))
}

/// `WatchDir`: a stream of what happens.
pub(super) async fn watch(envd: Envd, State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let begun = async {
        let timeout = connect::timeout(&headers)?;
        let request: PathRequest = Frames::new(body, app.registry.limits.body_bytes).only().await?;
        let (placed, directory) = begin(&envd, &app, &request).await?;
        Ok::<_, Failure>(Changes {
            envd,
            placed,
            directory,
            begun: false,
            deadline: timeout.map(|timeout| Instant::now() + timeout),
            keepalive: connect::keepalive(&headers),
            over: false,
        })
    };
    match begun.await {
        Ok(changes) => connect::stream(stream::unfold(changes, |mut changes| async move {
            let frame = changes.next().await?;
            Some((frame, changes))
        })),
        Err(err) => {
            let frame = connect::last_frame(Some(EnvdError::from(err).in_stream()));
            connect::stream(stream::iter([frame]))
        }
    }
}

/// The frames of a watch.
struct Changes {
    envd: Envd,
    placed: Placed,
    directory: String,
    begun: bool,
    deadline: Option<Instant>,
    keepalive: Duration,
    over: bool,
}

impl Changes {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if !self.begun {
            self.begun = true;
            return Some(connect::frame(&json!({ "start": {} })));
        }
        let deadline = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let error = tokio::select! {
            event = self.placed.watch.next() => match event {
                // A sandbox that was closed meanwhile has no changes, but errors.
                Ok(event) => {
                    return Some(connect::frame(&json!({ "filesystem": entries::change(&self.directory, &event) })));
                }
                Err(_) if self.envd.held.running().is_err() => {
                    json!({ "code": "unavailable", "message": "The sandbox was not found" })
                }
                Err(err) => EnvdError::from(err).in_stream(),
            },
            () = deadline => json!({ "code": "deadline_exceeded", "message": "the time of the watch is over" }),
            () = tokio::time::sleep(self.keepalive) => {
                return Some(connect::frame(&json!({ "keepalive": {} })));
            }
        };
        self.over = true;
        Some(connect::last_frame(Some(error)))
    }
}
