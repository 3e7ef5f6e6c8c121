//! Interpreters, which keep their variables between programs.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use sandpiper_core::{FileType, Stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::daytona::extract::Given;
use crate::daytona::fault::{Code, Fault};
use crate::daytona::files::follow;
use crate::daytona::toolbox::Toolbox;
use crate::daytona::wire::Timestamp;
use crate::interpreter::{Interpreter, InterpreterEvent};

/// The context of programs that name none; it is in no list, and is not deleted.
const DEFAULT: &str = "default";

/// How long a program may take that does not say it, as in Daytona.
const USUAL_TIME: Duration = Duration::from_mins(10);

/// How an interpreter calls the end of a program that took too long.
const TOOK_TOO_LONG: &str = "TimeoutError";

/// Codes that close a connection (RFC 6455), and Daytona's own for what took too long.
const NORMAL: u16 = 1000;
const PROTOCOL: u16 = 1002;
const POLICY: u16 = 1008;
const TIMEOUT: u16 = 4008;

/// Bytes of the reason of a close frame (RFC 6455).
const REASON_BYTES: usize = 123;

/// A context.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Context {
    id: String,
    language: &'static str,
    cwd: String,
    created_at: Timestamp,
    active: bool,
}

impl Context {
    fn of(toolbox: &Toolbox, interpreter: &Interpreter) -> Self {
        let created = toolbox.desk.changing().contexts.get(&interpreter.id).copied();
        Self {
            id: interpreter.id.clone(),
            language: "python",
            cwd: interpreter.cwd.clone(),
            // Another face's contexts are told as old as their sandbox.
            created_at: created.unwrap_or(Timestamp(toolbox.held.created)),
            active: true,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Contexts {
    contexts: Vec<Context>,
}

pub(super) async fn list(toolbox: Toolbox) -> Json<Contexts> {
    let mut contexts: Vec<_> = toolbox
        .held
        .interpreters
        .list()
        .iter()
        .filter(|interpreter| interpreter.id != DEFAULT)
        .map(|interpreter| Context::of(&toolbox, interpreter))
        .collect();
    contexts.sort_by_key(|context| context.created_at);
    Json(Contexts { contexts })
}

#[derive(Debug, Deserialize)]
pub(super) struct Create {
    cwd: Option<String>,
    language: Option<String>,
}

pub(super) async fn create(toolbox: Toolbox, Given(given): Given<Create>) -> Result<Json<Context>, Fault> {
    if let Some(language) = given.language.as_deref().filter(|language| *language != "python") {
        return Err(Fault::bad_request(format!(
            "the language `{language}` has no interpreter, expected python"
        )));
    }
    let cwd = toolbox.path(given.cwd.as_deref().unwrap_or_default())?;
    if follow(&*toolbox.files(), &cwd).await?.kind != FileType::Directory {
        return Err(Fault::new(
            StatusCode::BAD_REQUEST,
            Code::InvalidFilePath,
            format!("{cwd} is no directory"),
        ));
    }
    let interpreter = toolbox.held.interpreters.create(None, &cwd)?;
    toolbox.desk.changing().contexts.insert(interpreter.id.clone(), Timestamp::now());
    Ok(Json(Context::of(&toolbox, &interpreter)))
}

pub(super) async fn delete(
    toolbox: Toolbox,
    Path(names): Path<HashMap<String, String>>,
) -> Result<Json<HashMap<&'static str, String>>, Fault> {
    let id = names.get("context").map(String::as_str).unwrap_or_default();
    if id == DEFAULT {
        return Err(Fault::bad_request("the default context stays; run the program in another"));
    }
    if toolbox.held.interpreters.remove(id).is_none() {
        let message = format!("there is no context `{id}`");
        return Err(Fault::new(StatusCode::NOT_FOUND, Code::ProcessNotFound, message));
    }
    toolbox.desk.changing().contexts.remove(id);
    Ok(Json([("message", format!("the context {id} was deleted"))].into()))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Execute {
    code: String,
    context_id: Option<String>,
    envs: Option<BTreeMap<String, String>>,
    /// Seconds; 0 leaves it to the sandbox's own limit.
    timeout: Option<i64>,
}

pub(super) async fn execute(toolbox: Toolbox, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| async move {
        let mut socket = socket;
        let close = run(&toolbox, &mut socket).await;
        let _ = socket.send(Message::Close(Some(close))).await;
        // The close has to reach the client before the connection ends.
        while let Some(Ok(_)) = socket.recv().await {}
    })
}

/// Takes a program, runs it, and sends what it prints; then the close that ends it all.
async fn run(toolbox: &Toolbox, socket: &mut WebSocket) -> CloseFrame {
    let request = match socket.recv().await {
        Some(Ok(Message::Text(text))) => serde_json::from_str::<Execute>(&text),
        Some(Ok(Message::Binary(bytes))) => serde_json::from_slice(&bytes),
        _ => return close(PROTOCOL, "expected a program as the first message"),
    };
    let request = match request {
        Ok(request) => request,
        Err(err) => return close(PROTOCOL, &format!("the program is not as expected: {err}")),
    };
    if request.code.is_empty() {
        return close(POLICY, "the code is empty");
    }
    let timeout = match request.timeout.map(u64::try_from) {
        None => Some(USUAL_TIME),
        Some(Ok(0)) => None,
        Some(Ok(seconds)) => Some(Duration::from_secs(seconds)),
        Some(Err(_)) => return close(POLICY, "the timeout is negative"),
    };
    let interpreters = &toolbox.held.interpreters;
    let interpreter = match request.context_id.as_deref() {
        Some(id) if id != DEFAULT => match interpreters.find(id) {
            Some(interpreter) => interpreter,
            None => return close(POLICY, &format!("there is no context `{id}`")),
        },
        _ => match interpreters.create(Some(DEFAULT), toolbox.work_directory()) {
            Ok(interpreter) => interpreter,
            Err(err) => return close(POLICY, &err.to_string()),
        },
    };
    let mut env = toolbox.desk.changing().env.clone();
    env.extend(request.envs.unwrap_or_default());
    let mut events = match interpreter.execute(&toolbox.held, &request.code, &env, timeout) {
        Ok(events) => events,
        Err(err) => return close(POLICY, &err.to_string()),
    };
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            message = socket.recv() => match message {
                // Without anybody who takes the events, the program is interrupted.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return close(NORMAL, ""),
                Some(Ok(_)) => continue,
            },
        };
        match event {
            None => return close(NORMAL, ""),
            Some(InterpreterEvent::Error { name, value, .. })
                if name == TOOK_TOO_LONG && timeout.is_some() =>
            {
                return close(TIMEOUT, &value);
            }
            Some(event) => {
                let Some(message) = told(event) else { continue };
                if socket.send(Message::text(message.to_string())).await.is_err() {
                    return close(NORMAL, "");
                }
            }
        }
    }
}

fn told(event: InterpreterEvent) -> Option<Value> {
    match event {
        InterpreterEvent::Output(Stream::Stdout, text) => Some(json!({ "type": "stdout", "text": text })),
        InterpreterEvent::Output(Stream::Stderr, text) => Some(json!({ "type": "stderr", "text": text })),
        InterpreterEvent::Error { name, value, traceback } => {
            Some(json!({ "type": "error", "name": name, "value": value, "traceback": traceback }))
        }
        // Daytona's interpreter shows what is printed, and no values.
        InterpreterEvent::Count(_) | InterpreterEvent::Result(_) => None,
    }
}

fn close(code: u16, reason: &str) -> CloseFrame {
    let end = reason.floor_char_boundary(REASON_BYTES);
    CloseFrame { code, reason: reason.get(..end).unwrap_or_default().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_no_longer_than_a_close_frame_takes() {
        let frame = close(POLICY, &"é".repeat(100));
        assert_eq!((frame.code, frame.reason.len()), (POLICY, 122));
    }
}
