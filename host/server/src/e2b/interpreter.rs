//! The code interpreter of E2B: contexts, and code that runs in them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use sandpiper_core::{FileError, FileErrorKind, FileType, Stream};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::e2b::access::Envd;
use crate::e2b::answer::{self, Refused};
use crate::e2b::connect::parse;
use crate::failure::Failure;
use crate::guest_path::{HOME, absolute};
use crate::interpreter::{Interpreter, InterpreterEvent};

/// The context of code that names none.
const DEFAULT: &str = "default";

/// How often a stream says that it is alive.
const KEEPALIVE: std::time::Duration = std::time::Duration::from_secs(10);

#[derive(Debug, Deserialize)]
struct ExecuteRequest {
    code: String,
    context_id: Option<String>,
    language: Option<String>,
    env_vars: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
struct ContextRequest {
    language: Option<String>,
    cwd: Option<String>,
}

fn failed(err: &Failure) -> Response {
    Refused::of_client(answer::status(err), err.to_string()).into_response()
}

fn check_language(language: Option<&str>) -> Result<(), Failure> {
    match language {
        None | Some("python" | "python3") => Ok(()),
        Some(other) => {
            Err(Failure::Invalid(format!("the language is {other:?}, and this server runs python alone")))
        }
    }
}

fn no_context(id: &str) -> Response {
    (StatusCode::NOT_FOUND, format!("Context {id} not found")).into_response()
}

/// `POST /execute`: runs code, and tells line by line what it does.
pub(super) async fn execute(envd: Envd, body: Bytes) -> Response {
    let request: ExecuteRequest = match parse(&body) {
        Ok(request) => request,
        Err(err) => return failed(&err),
    };
    if let Err(err) = check_language(request.language.as_deref()) {
        return failed(&err);
    }
    let interpreters = &envd.held.interpreters;
    let interpreter = match request.context_id.as_deref() {
        Some(id) => match interpreters.find(id) {
            Some(interpreter) => interpreter,
            None => return no_context(id),
        },
        None => match interpreters.create(Some(DEFAULT), HOME) {
            Ok(interpreter) => interpreter,
            Err(err) => return failed(&err),
        },
    };
    let env = request.env_vars.unwrap_or_default();
    let events = match interpreter.execute(&envd.held, &request.code, &env, None) {
        Ok(events) => events,
        Err(err) => return failed(&err),
    };
    let lines = stream::unfold(Some(events), |events| async move {
        let mut events = events?;
        let next = tokio::time::timeout(KEEPALIVE, events.next()).await;
        let (message, events) = match next {
            Ok(Some(event)) => (told(event), Some(events)),
            Ok(None) => (json!({ "type": "end_of_execution" }), None),
            Err(_) => (json!({ "type": "keepalive" }), Some(events)),
        };
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(format!("{message}\n"))), events))
    });
    Response::new(Body::from_stream(lines))
}

fn told(event: InterpreterEvent) -> Value {
    match event {
        InterpreterEvent::Count(count) => json!({ "type": "number_of_executions", "execution_count": count }),
        InterpreterEvent::Output(stream, text) => {
            let kind = match stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
            };
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
            json!({ "type": kind, "text": text, "timestamp": now })
        }
        InterpreterEvent::Result(mut fields) => {
            fields.insert("type".to_owned(), json!("result"));
            Value::Object(fields)
        }
        InterpreterEvent::Error { name, value, traceback } => {
            json!({ "type": "error", "name": name, "value": value, "traceback": traceback })
        }
    }
}

fn context(interpreter: &Interpreter) -> Value {
    json!({ "id": interpreter.id, "language": "python", "cwd": interpreter.cwd })
}

/// `POST /contexts`.
pub(super) async fn create(envd: Envd, State(app): State<App>, body: Bytes) -> Response {
    let made = async {
        let request: ContextRequest = parse(&body)?;
        check_language(request.language.as_deref())?;
        let cwd = absolute(request.cwd.as_deref().unwrap_or(HOME), HOME, app.registry.limits.path_bytes)?;
        let stat = envd.sandbox.files().stat(&cwd).await?;
        if !matches!(stat.kind, FileType::Directory | FileType::Symlink) {
            let kind = FileErrorKind::NotADirectory;
            return Err(FileError { operation: "begin a context in", path: cwd, kind }.into());
        }
        envd.held.interpreters.create(None, &cwd)
    };
    match made.await {
        Ok(interpreter) => Json(context(&interpreter)).into_response(),
        Err(err) => failed(&err),
    }
}

/// `GET /contexts`.
pub(super) async fn list(envd: Envd) -> Json<Value> {
    let interpreters = envd.held.interpreters.list();
    Json(interpreters.iter().map(|interpreter| context(interpreter)).collect())
}

/// `DELETE /contexts/{id}`.
pub(super) async fn remove(envd: Envd, Path(id): Path<String>) -> Response {
    match envd.held.interpreters.remove(&id) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => no_context(&id),
    }
}

/// `POST /contexts/{id}/restart`: its names are gone.
pub(super) async fn restart(envd: Envd, Path(id): Path<String>) -> Response {
    match envd.held.interpreters.find(&id) {
        Some(interpreter) => {
            interpreter.end("the context was restarted");
            StatusCode::NO_CONTENT.into_response()
        }
        None => no_context(&id),
    }
}
