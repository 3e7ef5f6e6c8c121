//! An E2B of a few lines, whose programs are scripts and whose faults are told beforehand.

mod program;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandpiper_remote::http::{Retries, Times};
use sandpiper_remote::{E2b, E2bConfig, Secret};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::server::{Reply, Request, Server};

pub const KEY: &str = "e2b_0123456789abcdef";
pub const TOKEN: &str = "envd-token-of-the-fake";

/// What goes wrong with one request.
#[derive(Clone)]
pub enum Fault {
    /// The connection is reset before anything is done.
    Reset,
    /// It is done, and the connection is reset instead of an answer.
    LoseAnswer,
    /// This is said instead of an answer.
    Say(u16, Value),
    /// It is too often, with these headers.
    TooOften(&'static [(&'static str, &'static str)]),
    /// It is done after sandboxes were listed so often, and never answered.
    Late(usize),
    /// It is well, and the body ends before its length is reached.
    Cut(&'static str),
    /// It is well, and the body comes in pieces of so many bytes, 20 ms after one another.
    Drip(Vec<u8>, usize),
}

/// What a program does.
#[derive(Clone)]
pub enum Step {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    /// On stdout, in a frame that comes byte by byte, 20 ms after one another.
    Drip(&'static str),
    /// So many bytes on stdout.
    Flood(usize),
    /// Until it gets a signal that ends it.
    Sleep,
    /// All of its standard input, on stdout.
    Cat,
    Exit(u8),
    Signal(&'static str),
    /// The connection is reset, and what was on its way is lost with it.
    Reset,
    /// The connection breaks; the program goes on with the next step for who connects to it.
    Break,
    /// The connection breaks, and the program ends before anybody connects again.
    Vanish,
    /// The body ends as a body does, but the stream has no end.
    EndOfBody,
    /// A frame is cut in the middle of the body, which is shorter than it was to be.
    Truncate,
    /// These bytes instead of a frame.
    Raw(&'static [u8]),
    /// The stream ends by an error.
    Fail(&'static str),
    /// The stream ends by an error of these words.
    FailWith(String),
    /// Somebody closes the sandbox; the connection breaks.
    Killed,
    /// Somebody pauses the sandbox; the connection breaks.
    Paused,
}

#[derive(Default)]
struct State {
    sandboxes: BTreeMap<String, Sandbox>,
    made: usize,
    /// How often sandboxes were listed.
    looks: usize,
    faults: Vec<(&'static str, Fault)>,
    scripts: VecDeque<Vec<Step>>,
    processes: BTreeMap<u64, Process>,
    /// Signals by the number of their process.
    signals: Vec<(u64, Value)>,
    /// Commands need no shell.
    is_direct: bool,
    /// The version of envd; empty is a usual one.
    version: &'static str,
    /// How many sandboxes a fork makes beyond the one.
    forks_too_many: usize,
    end: Option<SystemTime>,
    /// How many seconds its clock is ahead; it tells the time only where that was said.
    ahead_seconds: Option<i64>,
    /// The lines of all programs.
    programs: Vec<Value>,
    started: u64,
    look: &'static str,
    files: BTreeMap<String, (Vec<u8>, u32)>,
}

#[derive(Clone)]
struct Sandbox {
    metadata: Value,
    state: &'static str,
    timeouts: Vec<u64>,
    body: Value,
}

struct Process {
    tag: String,
    script: VecDeque<Step>,
    ended: watch::Sender<Option<&'static str>>,
    input: watch::Sender<(Vec<u8>, bool)>,
}

pub struct Fake {
    pub server: Server,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request, reply| answer(Arc::clone(&shared), request, reply)).await;
        Self { server, state }
    }

    pub fn config(&self) -> E2bConfig {
        let mut config = E2bConfig::new(Secret::new(KEY));
        config.api_url = Some(self.server.url.clone());
        config.sandbox_url = Some(self.server.url.clone());
        config.ping = Duration::from_secs(1);
        config.retries =
            Retries { most: 2, base: Duration::from_millis(2), longest: Duration::from_millis(10) };
        config.times = Times { first_byte: Duration::from_millis(500), ..config.times };
        config
    }

    pub fn backend(&self) -> E2b {
        E2b::new(self.config()).unwrap()
    }

    /// The next request of a path that begins so fails.
    pub fn fail(&self, path: &'static str, fault: Fault) {
        self.state.lock().unwrap().faults.push((path, fault));
    }

    /// The next program does this.
    pub fn script(&self, steps: impl Into<Vec<Step>>) {
        self.state.lock().unwrap().scripts.push_back(steps.into());
    }

    /// The sandboxes that there are.
    pub fn sandboxes(&self) -> Vec<String> {
        self.state.lock().unwrap().sandboxes.keys().cloned().collect()
    }

    /// What a sandbox was asked to be.
    pub fn body(&self, id: &str) -> Value {
        self.state.lock().unwrap().sandboxes[id].body.clone()
    }

    /// Tells the time, by a clock that is so much ahead, and gives back what time that is.
    pub fn set_clock(&self, ahead_seconds: i64) -> SystemTime {
        self.state.lock().unwrap().ahead_seconds = Some(ahead_seconds);
        clock(ahead_seconds)
    }

    /// When a sandbox is said to end.
    pub fn set_end(&self, end: SystemTime) {
        self.state.lock().unwrap().end = Some(end);
    }

    pub fn timeouts(&self, id: &str) -> Vec<u64> {
        self.state.lock().unwrap().sandboxes[id].timeouts.clone()
    }

    /// Is a `sandpiper serve`, as far as the adapter is told.
    pub fn take_commands_directly(&self) {
        self.state.lock().unwrap().is_direct = true;
    }

    /// From now on sandboxes have an envd of this version.
    pub fn set_version(&self, version: &'static str) {
        self.state.lock().unwrap().version = version;
    }

    /// Each fork makes so many sandboxes beyond the one.
    pub fn fork_too_many(&self, count: usize) {
        self.state.lock().unwrap().forks_too_many = count;
    }

    pub fn signals(&self) -> Vec<(u64, Value)> {
        self.state.lock().unwrap().signals.clone()
    }

    /// The requests by which programs were started.
    pub fn programs(&self) -> Vec<Value> {
        self.state.lock().unwrap().programs.clone()
    }

    pub fn put(&self, path: &str, content: &[u8], mode: u32) {
        self.state.lock().unwrap().files.insert(path.to_owned(), (content.to_vec(), mode));
    }

    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.state.lock().unwrap().files.get(path).map(|(content, _)| content.clone())
    }

    pub fn paths(&self) -> Vec<String> {
        self.state.lock().unwrap().files.keys().cloned().collect()
    }

    /// What is said when a command is looked for.
    pub fn look(&self, said: &'static str) {
        self.state.lock().unwrap().look = said;
    }

    /// Waits until this is so.
    pub async fn until(&self, what: impl Fn(&Self) -> bool) {
        for _ in 0..6000 {
            if what(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it did not come to be within a minute");
    }
}

type Answered = io::Result<Option<Reply>>;

async fn answer(state: Arc<Mutex<State>>, request: Request, mut reply: Reply) -> Answered {
    let fault = {
        let mut state = state.lock().unwrap();
        let at = state.faults.iter().position(|(path, _)| request.line().starts_with(path));
        at.map(|at| state.faults.remove(at).1)
    };
    match fault {
        Some(Fault::Reset) => {
            reply.reset();
            return Ok(None);
        }
        Some(Fault::Say(status, body)) => {
            reply.json(status, body).await?;
            return Ok(Some(reply));
        }
        Some(Fault::TooOften(headers)) => {
            reply.send(429, headers, br#"{"code":429,"message":"too often"}"#).await?;
            return Ok(Some(reply));
        }
        Some(Fault::Late(looks)) => {
            while state.lock().unwrap().looks < looks {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let _ = control(&state, &request);
            reply.client_gone().await;
            return Ok(None);
        }
        Some(Fault::Cut(body)) => {
            reply.raw(format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{body}")).await?;
            return Ok(None);
        }
        Some(Fault::Drip(body, piece)) => {
            reply.begin_chunks("application/octet-stream").await?;
            for piece in body.chunks(piece) {
                reply.chunk(piece).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            reply.end_chunks().await?;
            return Ok(None);
        }
        Some(Fault::LoseAnswer) => {
            let _ = control(&state, &request);
            reply.reset();
            return Ok(None);
        }
        None => {}
    }
    if let Some((status, body)) = refusal(&state, &request) {
        reply.json(status, body).await?;
        return Ok(Some(reply));
    }
    match request.path.as_str() {
        "/process.Process/Start" | "/process.Process/Connect" => {
            return program::stream(&state, &request, reply).await;
        }
        "/files" if request.method == "GET" => {
            let path = parameter(&request.query, "path");
            let file = state.lock().unwrap().files.get(&path).cloned();
            match file {
                Some((content, _)) => reply.send(200, &[], &content).await?,
                None => reply.json(404, json!({"code": 404, "message": "file not found"})).await?,
            }
        }
        "/files" => {
            let path = parameter(&request.query, "path");
            state.lock().unwrap().files.insert(path.clone(), (request.body, 0o644));
            reply.json(200, json!([{"path": path, "name": "x", "type": "file"}])).await?;
        }
        path if path.starts_with("/process.Process/") || path.starts_with("/filesystem.Filesystem/") => {
            let (status, body) = unary(&state, &request);
            reply.json(status, body).await?;
        }
        _ => {
            let (status, body) = control(&state, &request);
            let body = if status == 204 { String::new() } else { body.to_string() };
            let ahead_seconds = state.lock().unwrap().ahead_seconds;
            let date = ahead_seconds.map(|seconds| httpdate::fmt_http_date(clock(seconds)));
            let date: Vec<_> = date.iter().map(|date| ("date", date.as_str())).collect();
            reply.send(status, &date, body.as_bytes()).await?;
        }
    }
    Ok(Some(reply))
}

fn clock(ahead_seconds: i64) -> SystemTime {
    let off = Duration::from_secs(ahead_seconds.unsigned_abs());
    if ahead_seconds < 0 { SystemTime::now() - off } else { SystemTime::now() + off }
}

/// Wrong keys, and sandboxes that the proxy does not find.
fn refusal(state: &Mutex<State>, request: &Request) -> Option<(u16, Value)> {
    let is_envd = request.path.contains('.') || request.path == "/files";
    if !is_envd {
        let wrong = request.header("x-api-key") != KEY;
        return wrong.then(|| (401, json!({"code": 401, "message": "Invalid API key"})));
    }
    let id = request.header("e2b-sandbox-id");
    if state.lock().unwrap().sandboxes.get(id).is_none_or(|sandbox| sandbox.state != "running") {
        let body = json!({"sandboxId": id, "message": "The sandbox was not found", "code": 502});
        return Some((502, body));
    }
    let wrong = request.header("x-access-token") != TOKEN || request.header("e2b-sandbox-port") != "49983";
    wrong.then(|| (401, json!({"code": "unauthenticated", "message": "invalid access token"})))
}

fn control(state: &Mutex<State>, request: &Request) -> (u16, Value) {
    let mut state = state.lock().unwrap();
    let missing = || (404, json!({"code": 404, "message": "sandbox not found"}));
    let path: Vec<_> = request.path.trim_start_matches('/').split('/').collect();
    let is_direct = state.is_direct;
    let version = if state.version.is_empty() { "0.5.11" } else { state.version };
    let made = |id: &str| {
        json!({"directCommands": is_direct, "sandboxID": id, "templateID": "base", "clientID": "c", "envdVersion": version,
            "envdAccessToken": TOKEN, "trafficAccessToken": "traffic-token", "domain": "fake.test"})
    };
    match (request.method.as_str(), path.as_slice()) {
        ("POST", ["v2", "sandboxes"]) => {
            let body = request.json();
            if body["templateID"] == "missing" {
                return (404, json!({"code": 404, "message": "template 'missing' not found"}));
            }
            state.made += 1;
            let id = format!("i{}", state.made);
            let timeouts = vec![body["timeout"].as_u64().unwrap()];
            let sandbox = Sandbox { metadata: body["metadata"].clone(), state: "running", timeouts, body };
            state.sandboxes.insert(id.clone(), sandbox);
            (201, made(&id))
        }
        ("GET", ["v2", "sandboxes"]) => {
            state.looks += 1;
            let filter = parameter(&request.query, "metadata");
            let wanted: Vec<_> = filter.split('&').filter_map(|pair| pair.split_once('=')).collect();
            let listed = state.sandboxes.iter().filter(|(_, sandbox)| {
                wanted.iter().all(|(key, value)| sandbox.metadata[unescaped(key)] == unescaped(value))
            });
            (200, listed.map(|(id, sandbox)| detail(&state, id, sandbox)).collect())
        }
        ("GET", ["sandboxes", id]) => match state.sandboxes.get(*id) {
            Some(sandbox) => (200, detail(&state, id, sandbox)),
            None => missing(),
        },
        ("DELETE", ["sandboxes", id]) => match state.sandboxes.remove(*id) {
            Some(_) => (204, Value::Null),
            None => missing(),
        },
        ("POST", ["v2", "sandboxes", id, "connect"] | ["sandboxes", id, "timeout" | "pause"]) => {
            let Some(sandbox) = state.sandboxes.get_mut(*id) else { return missing() };
            match path.last() {
                Some(&"timeout") => {
                    sandbox.timeouts.push(request.json()["timeout"].as_u64().unwrap());
                    (204, Value::Null)
                }
                Some(&"pause") if sandbox.state == "paused" => (409, json!({"message": "already paused"})),
                Some(&"pause") => {
                    sandbox.state = "paused";
                    (204, Value::Null)
                }
                _ => {
                    sandbox.timeouts.push(request.json()["timeout"].as_u64().unwrap());
                    sandbox.state = "running";
                    (200, made(id))
                }
            }
        }
        ("POST", ["sandboxes", id, "snapshots"]) => {
            (201, json!({"snapshotID": format!("{id}:tag"), "names": []}))
        }
        ("POST", ["sandboxes", id, "fork"]) => {
            let Some(mut sandbox) = state.sandboxes.get(*id).cloned() else { return missing() };
            sandbox.timeouts = vec![request.json()["timeout"].as_u64().unwrap()];
            let count = 1 + state.forks_too_many;
            let ids: Vec<_> = (1..=count).map(|more| format!("i{}", state.made + more)).collect();
            state.made += count;
            state.sandboxes.extend(ids.iter().map(|id| (id.clone(), sandbox.clone())));
            (201, ids.iter().map(|id| json!({"sandbox": made(id)})).collect())
        }
        ("GET", ["sandboxes", _, "metrics"]) => (
            200,
            json!([{"timestampUnix": 2, "cpuCount": 2, "cpuUsedPct": 50.0, "memUsed": 10, "memTotal": 20,
                "diskUsed": 30, "diskTotal": 40}, {"timestampUnix": 1, "cpuCount": 1}]),
        ),
        _ => (404, json!({"code": 404, "message": format!("no {}", request.line())})),
    }
}

fn detail(state: &State, id: &str, sandbox: &Sandbox) -> Value {
    let end = humantime::format_rfc3339(state.end.unwrap_or(SystemTime::UNIX_EPOCH)).to_string();
    json!({"sandboxID": id, "templateID": "t", "alias": "base", "clientID": "c", "state": sandbox.state,
        "startedAt": "2026-11-22T05:43:10Z", "endAt": end, "metadata": sandbox.metadata,
        "envdVersion": "0.5.11", "cpuCount": 2, "memoryMB": 512})
}

fn unary(state: &Mutex<State>, request: &Request) -> (u16, Value) {
    let mut state = state.lock().unwrap();
    let body = request.json();
    let not_found = || (404, json!({"code": "not_found", "message": "no such file or directory"}));
    let path = body["path"].as_str().unwrap_or_default().to_owned();
    match request.path.rsplit('/').next().unwrap() {
        "SendSignal" => {
            let Some(pid) = process_of(&state, &body["process"]) else { return not_found() };
            state.signals.push((pid, body["signal"].clone()));
            let ended = match body["signal"].as_str() {
                Some("SIGNAL_SIGKILL") => Some("signal: killed"),
                Some("SIGNAL_SIGTERM") => Some("signal: terminated"),
                _ => None,
            };
            if ended.is_some() {
                state.processes[&pid].ended.send_replace(ended);
            }
            (200, json!({}))
        }
        "SendInput" => {
            let Some(pid) = process_of(&state, &body["process"]) else { return not_found() };
            let input = &body["input"];
            let text = input["stdin"].as_str().or(input["pty"].as_str()).unwrap();
            let bytes = STANDARD.decode(text).unwrap();
            state.processes[&pid].input.send_modify(|(all, _)| all.extend_from_slice(&bytes));
            (200, json!({}))
        }
        "CloseStdin" => {
            let Some(pid) = process_of(&state, &body["process"]) else { return not_found() };
            state.processes[&pid].input.send_modify(|(_, closed)| *closed = true);
            (200, json!({}))
        }
        "Stat" => match entry(&state, &path) {
            Some(entry) => (200, json!({"entry": entry})),
            None => not_found(),
        },
        "ListDir" => {
            match entry(&state, &path) {
                None => return not_found(),
                Some(entry) if entry["type"] != "FILE_TYPE_DIRECTORY" => {
                    return (
                        400,
                        json!({"code": "invalid_argument", "message": format!("path is not a directory: {path}")}),
                    );
                }
                Some(_) => {}
            }
            let prefix = format!("{}/", path.trim_end_matches('/'));
            let mut names: Vec<_> = state
                .files
                .keys()
                .filter_map(|file| file.strip_prefix(&prefix)?.split('/').next().map(str::to_owned))
                .collect();
            names.dedup();
            names.reverse();
            let entries: Vec<_> =
                names.iter().filter_map(|name| entry(&state, &format!("{prefix}{name}"))).collect();
            (200, json!({"entries": entries}))
        }
        "Move" => {
            let (from, to) = (body["source"].as_str().unwrap(), body["destination"].as_str().unwrap());
            let Some(file) = state.files.remove(from) else { return not_found() };
            state.files.insert(to.to_owned(), file);
            (200, json!({}))
        }
        "Remove" => {
            state.files.retain(|file, _| *file != path && !file.starts_with(&format!("{path}/")));
            (200, json!({}))
        }
        other => (501, json!({"code": "unimplemented", "message": other})),
    }
}

fn entry(state: &State, path: &str) -> Option<Value> {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if let Some((content, mode)) = state.files.get(path) {
        return Some(
            json!({"name": name, "type": "FILE_TYPE_FILE", "path": path, "size": content.len().to_string(),
            "mode": mode, "modifiedTime": "2026-11-22T05:43:10Z"}),
        );
    }
    let prefix = format!("{}/", path.trim_end_matches('/'));
    let is_directory = state.files.keys().any(|file| file.starts_with(&prefix));
    is_directory.then(|| json!({"name": name, "type": "FILE_TYPE_DIRECTORY", "path": path, "mode": 0o755}))
}

fn process_of(state: &State, selector: &Value) -> Option<u64> {
    match selector["pid"].as_u64() {
        Some(pid) => state.processes.contains_key(&pid).then_some(pid),
        None => {
            state.processes.iter().find(|(_, process)| selector["tag"] == process.tag).map(|(pid, _)| *pid)
        }
    }
}

fn parameter(query: &str, name: &str) -> String {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| unescaped(value)).next().unwrap_or_default()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}
