//! The service `process.Process` of envd.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use sandpiper_core::{Exit, Stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::e2b::access::Envd;
use crate::e2b::answer::EnvdError;
use crate::e2b::connect::{self, Frames, parse};
use crate::failure::Failure;
use crate::guest_path::{HOME, absolute};
use crate::output::{Ended, Piece, Since, Subscription};
use crate::process::Command;
use crate::processes::Listed;

/// The shell that SDKs run all commands with. It is looked for by its name, as images have it in different places.
const SHELL: &str = "/bin/bash";

/// Who a command runs as, unless it is told otherwise.
const IDENTITY: [(&str, &str); 3] = [("HOME", HOME), ("USER", "user"), ("LOGNAME", "user")];

/// The last of the signals of Linux.
const LAST_SIGNAL: u8 = 64;

type Answer = Result<Json<Value>, EnvdError>;

#[derive(Debug, Deserialize)]
struct StartRequest {
    process: ProcessConfig,
    pty: Option<Value>,
    tag: Option<String>,
    /// Without it, standard input is there, as with older SDKs.
    stdin: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct ProcessConfig {
    #[serde(default)]
    cmd: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    envs: BTreeMap<String, String>,
    cwd: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Selector {
    pid: Option<u32>,
    tag: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Selecting {
    process: Selector,
    input: Option<Input>,
    signal: Option<Signal>,
}

#[derive(Debug, Deserialize)]
struct Input {
    stdin: Option<String>,
    pty: Option<String>,
}

/// A signal, by its name or, as proto3's JSON allows, by its number.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Signal {
    Name(String),
    Number(u8),
}

/// A message of `StreamInput`: one of its fields is there.
#[derive(Debug, Deserialize)]
struct StreamInput {
    start: Option<Selecting>,
    data: Option<Data>,
}

#[derive(Debug, Deserialize)]
struct Data {
    input: Input,
}

/// `List`: what runs.
pub(super) async fn list(envd: Envd) -> Json<Value> {
    let told = envd.held.processes.running();
    let told: Vec<Value> = told
        .iter()
        .map(|listed| {
            let (cmd, args) = listed.command.argv.split_first().unzip();
            let cmd = cmd.map(|cmd| if cmd == "bash" { SHELL } else { cmd.as_str() });
            let envs: BTreeMap<_, _> = listed.command.env.iter().cloned().collect();
            let mut process = json!({
                "config": { "cmd": cmd, "args": args, "envs": envs, "cwd": listed.command.cwd },
                "pid": listed.pid,
            });
            if let (Some(tag), Some(fields)) = (&listed.tag, process.as_object_mut()) {
                fields.insert("tag".to_owned(), json!(tag));
            }
            process
        })
        .collect();
    Json(json!({ "processes": told }))
}

/// `Start`: starts a command, and streams what it does. The command goes on when the stream does not.
pub(super) async fn start(envd: Envd, State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let limit = app.registry.limits.body_bytes;
    let started = async {
        let timeout = connect::timeout(&headers)?;
        let request: StartRequest = Frames::new(body, limit).only().await?;
        if request.pty.is_some() {
            return Err(Failure::Unsupported(
                "a terminal is not offered by this server: run commands, whose input and output are pipes"
                    .to_owned(),
            ));
        }
        let command = command(&envd, &app, request.process, request.stdin.unwrap_or(true), timeout)?;
        envd.held.processes.start(&envd.sandbox, command, request.tag).await
    };
    match started.await {
        // The end of its time is told by the process.
        Ok((listed, output)) => events(listed, output, None, connect::keepalive(&headers)),
        Err(err) => failed(err),
    }
}

fn command(
    envd: &Envd,
    app: &App,
    process: ProcessConfig,
    stdin: bool,
    timeout: Option<Duration>,
) -> Result<Command, Failure> {
    let cmd = if process.cmd == SHELL { "bash".to_owned() } else { process.cmd };
    let cwd = absolute(process.cwd.as_deref().unwrap_or(HOME), HOME, app.registry.limits.path_bytes)?;
    let mut env: Vec<(String, String)> = Vec::new();
    for (name, value) in IDENTITY {
        if !envd.held.env.contains_key(name) && !process.envs.contains_key(name) {
            env.push((name.to_owned(), value.to_owned()));
        }
    }
    env.extend(process.envs);
    let argv = std::iter::once(cmd).chain(process.args).collect();
    Ok(Command { argv, env, cwd: Some(cwd), stdin, timeout })
}

/// `Connect`: streams what a running command does from now on.
pub(super) async fn connect(envd: Envd, State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let limit = app.registry.limits.body_bytes;
    let found = async {
        let timeout = connect::timeout(&headers)?;
        let request: Selecting = Frames::new(body, limit).only().await?;
        Ok((running(&envd, &request.process)?, timeout))
    };
    match found.await {
        Ok((listed, timeout)) => {
            let output = listed.process.subscribe(Since::Now);
            events(listed, output, timeout, connect::keepalive(&headers))
        }
        Err(err) => failed(err),
    }
}

fn running(envd: &Envd, selector: &Selector) -> Result<Arc<Listed>, Failure> {
    let (found, what) = match selector {
        Selector { pid: Some(pid), .. } => (envd.held.processes.find(*pid), format!("pid {pid}")),
        Selector { tag: Some(tag), .. } => (envd.held.processes.tagged(tag), format!("tag {tag:?}")),
        Selector { .. } => return Err(Failure::Invalid("a process is selected by pid or tag".to_owned())),
    };
    let found = found.filter(|listed| listed.process.ended().is_none());
    found.ok_or_else(|| Failure::NotFound(format!("process with {what} not found")))
}

/// A stream that is over before it has begun.
fn failed(err: Failure) -> Response {
    let frame = connect::last_frame(Some(EnvdError::from(err).in_stream()));
    connect::stream(stream::iter([frame]))
}

/// The frames of what a process does.
struct Events {
    listed: Arc<Listed>,
    output: Subscription,
    begun: bool,
    deadline: Option<(Instant, Duration)>,
    keepalive: Duration,
    /// The frame that comes after what was just sent, as the last.
    last: Option<Bytes>,
    over: bool,
}

fn events(
    listed: Arc<Listed>,
    output: Subscription,
    timeout: Option<Duration>,
    keepalive: Duration,
) -> Response {
    let deadline = timeout.map(|timeout| (Instant::now() + timeout, timeout));
    let events = Events { listed, output, begun: false, deadline, keepalive, last: None, over: false };
    connect::stream(stream::unfold(events, |mut events| async move {
        let frame = events.next().await?;
        Some((frame, events))
    }))
}

impl Events {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if let Some(last) = self.last.take() {
            self.over = true;
            return Some(last);
        }
        if !self.begun {
            self.begun = true;
            return Some(event(&json!({ "start": { "pid": self.listed.pid } })));
        }
        let deadline = async {
            match self.deadline {
                Some((at, timeout)) => {
                    sleep_until(at).await;
                    timeout
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            piece = self.output.next() => match piece {
                Some(Piece::Output(stream, bytes)) => {
                    let name = match stream {
                        Stream::Stdout => "stdout",
                        Stream::Stderr => "stderr",
                    };
                    Some(event(&json!({ "data": { name: STANDARD.encode(&bytes) } })))
                }
                Some(Piece::Ended(ended)) => Some(self.end(&ended)),
                None => None,
            },
            timeout = deadline => Some(self.end(&Ended::TimedOut(timeout))),
            () = tokio::time::sleep(self.keepalive) => Some(event(&json!({ "keepalive": {} }))),
        }
    }

    fn end(&mut self, ended: &Ended) -> Bytes {
        let error = |code: &str, message: String| json!({ "code": code, "message": message });
        match ended {
            Ended::Exit(exit) => {
                self.last = Some(connect::last_frame(None));
                event(&json!({ "end": end_of(exit) }))
            }
            Ended::TimedOut(after) => {
                self.over = true;
                connect::last_frame(Some(error(
                    "deadline_exceeded",
                    format!("the time of {after:?} is over"),
                )))
            }
            Ended::Failed(why) => {
                self.over = true;
                connect::last_frame(Some(error("unavailable", format!("the process is lost: {why}"))))
            }
        }
    }
}

fn event(event: &Value) -> Bytes {
    connect::frame(&json!({ "event": event }))
}

/// How a command ended, in envd's words.
fn end_of(exit: &Exit) -> Value {
    let signal = match exit {
        Exit::Signal { signal } => Some(*signal),
        Exit::Cancelled => Some(9),
        _ => None,
    };
    if let Some(signal) = signal {
        let status = format!("signal: {}", signal_name(signal));
        return json!({ "exitCode": -1, "status": status, "error": status });
    }
    let code = exit.code();
    let status = format!("exit status {code}");
    match exit {
        Exit::Code { code: 0 } => json!({ "exited": true, "status": status }),
        Exit::Code { .. } => json!({ "exitCode": code, "exited": true, "status": status, "error": status }),
        _ => {
            let why = ended_by_sandbox(exit);
            json!({ "exitCode": code, "exited": true, "status": status, "error": format!("{status}: {why}") })
        }
    }
}

/// Why the sandbox ended a command, or did not run it.
fn ended_by_sandbox(exit: &Exit) -> String {
    match exit {
        Exit::Timeout => "the sandbox's limit on time was reached".to_owned(),
        Exit::Fuel => "the sandbox's limit on fuel was reached".to_owned(),
        Exit::Memory => "the sandbox's limit on memory was reached".to_owned(),
        Exit::Quota { quota } => {
            format!("the sandbox's limit on {} was reached", format!("{quota:?}").to_lowercase())
        }
        Exit::Trap { trap } => format!("the program crashed: {trap:?}"),
        Exit::Unsupported { operation, subject } => format!("{operation} is not offered: {subject}"),
        Exit::NotRunnable { command, reason } => format!("{command}: {reason}"),
        Exit::NotFound { command } => format!("{command}: command not found"),
        other => format!("{other:?}"),
    }
}

/// A signal as Go's `syscall` names it.
fn signal_name(signal: u8) -> String {
    let known = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        6 => "aborted",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    known.to_owned()
}

/// `Update`: of terminals alone.
pub(super) async fn update(_envd: Envd) -> Answer {
    Err(Failure::Unsupported("a terminal is not offered by this server, so none is resized".to_owned())
        .into())
}

/// `SendInput`.
pub(super) async fn send_input(envd: Envd, body: Bytes) -> Answer {
    let request: Selecting = parse(&body)?;
    let listed = running(&envd, &request.process)?;
    let input = request.input.ok_or_else(|| Failure::Invalid("`input` is missing".to_owned()))?;
    listed.process.write(bytes_of(&input)?).await?;
    Ok(Json(json!({})))
}

fn bytes_of(input: &Input) -> Result<Bytes, Failure> {
    match (&input.stdin, &input.pty) {
        (Some(stdin), _) => {
            let bytes = STANDARD.decode(stdin);
            bytes.map(Bytes::from).map_err(|err| Failure::Invalid(format!("`stdin` is no base64: {err}")))
        }
        (None, Some(_)) => Err(Failure::Unsupported("a terminal is not offered by this server".to_owned())),
        (None, None) => Ok(Bytes::new()),
    }
}

/// `StreamInput`: the first message names the process, the others are its input.
pub(super) async fn stream_input(envd: Envd, State(app): State<App>, body: Body) -> Response {
    let mut frames = Frames::new(body, app.registry.limits.body_bytes);
    let written = async {
        let mut listed: Option<Arc<Listed>> = None;
        while let Some(message) = frames.next::<StreamInput>().await? {
            if let Some(start) = message.start {
                listed = Some(running(&envd, &start.process)?);
            }
            if let Some(data) = message.data {
                let listed = listed
                    .as_ref()
                    .ok_or_else(|| Failure::Invalid("input came before the process was named".to_owned()))?;
                listed.process.write(bytes_of(&data.input)?).await?;
            }
        }
        Ok::<_, Failure>(())
    };
    match written.await {
        Ok(()) => connect::stream(stream::iter([connect::frame(&json!({})), connect::last_frame(None)])),
        Err(err) => failed(err),
    }
}

/// `SendSignal`. Envd knows two; the numbers of others are taken here because no command of a sandbox could send them
/// to another.
pub(super) async fn send_signal(envd: Envd, body: Bytes) -> Answer {
    let request: Selecting = parse(&body)?;
    let listed = running(&envd, &request.process)?;
    let signal = match request.signal {
        Some(Signal::Name(name)) if name == "SIGNAL_SIGKILL" => 9,
        Some(Signal::Name(name)) if name == "SIGNAL_SIGTERM" => 15,
        Some(Signal::Number(number @ 1..=LAST_SIGNAL)) => number,
        other => {
            let what = "expected SIGNAL_SIGTERM, SIGNAL_SIGKILL or the number of a signal";
            return Err(Failure::Invalid(format!("`signal` is {other:?}, {what}")).into());
        }
    };
    listed.process.signal(signal)?;
    if signal == 9 {
        // Who asks for it counts on its being gone from the list.
        let _ = tokio::time::timeout(Duration::from_secs(2), listed.process.wait()).await;
    }
    Ok(Json(json!({})))
}

/// `CloseStdin`.
pub(super) async fn close_stdin(envd: Envd, body: Bytes) -> Answer {
    let request: Selecting = parse(&body)?;
    running(&envd, &request.process)?.process.close_stdin().await?;
    Ok(Json(json!({})))
}

#[cfg(test)]
mod tests {
    use sandpiper_core::Quota;

    use super::*;

    #[test]
    fn ends_are_told_as_envd_tells_them() {
        for (exit, expected) in [
            (Exit::Code { code: 0 }, json!({ "exited": true, "status": "exit status 0" })),
            (
                Exit::Code { code: 3 },
                json!({ "exitCode": 3, "exited": true, "status": "exit status 3", "error": "exit status 3" }),
            ),
            (
                Exit::Cancelled,
                json!({ "exitCode": -1, "status": "signal: killed", "error": "signal: killed" }),
            ),
            (
                Exit::Signal { signal: 15 },
                json!({ "exitCode": -1, "status": "signal: terminated", "error": "signal: terminated" }),
            ),
            (
                Exit::Quota { quota: Quota::Output },
                json!({
                    "exitCode": 153, "exited": true, "status": "exit status 153",
                    "error": "exit status 153: the sandbox's limit on output was reached"
                }),
            ),
            (
                Exit::NotFound { command: "x".to_owned() },
                json!({
                    "exitCode": 127, "exited": true, "status": "exit status 127",
                    "error": "exit status 127: x: command not found"
                }),
            ),
        ] {
            assert_eq!(end_of(&exit), expected);
        }
    }
}
