//! A Daytona of this machine: its API over sandboxes that are nothing but a state, and a daemon that really runs what
//! it is told, as Daytona's does: commands in a shell, whose output is read as lines and kept in a log.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::server::{Reply, Request, Server};
use crate::websocket::{BINARY, accepted, close, frame};

/// A sandbox.
#[derive(Clone, Debug)]
pub struct Made {
    pub request: Value,
    pub labels: Value,
    pub state: String,
    pub ttl_minutes: Option<u64>,
}

#[derive(Default)]
pub struct Daemon {
    pub url: Mutex<String>,
    pub sandboxes: Mutex<BTreeMap<String, Made>>,
    sessions: Mutex<BTreeMap<String, Session>>,
    made: AtomicUsize,
    /// The state in which sandboxes are made, and how often they are looked at before they are started.
    pub looks_until_started: AtomicUsize,
    /// Where programs are looked for, if not where this process does.
    pub path: Mutex<Option<String>>,
}

#[derive(Default)]
struct Session {
    command: Option<Arc<Running>>,
}

struct Running {
    log: Arc<Log>,
    input: Mutex<ChildStdin>,
    child: Mutex<Child>,
    group: u32,
}

#[derive(Default)]
struct Log {
    bytes: Mutex<Vec<u8>>,
    open: AtomicUsize,
    changed: Notify,
}

impl Daemon {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Serves, as `before` lets it: that gives the reply back for what it does not answer.
    pub async fn serve<H, F>(self: &Arc<Self>, before: H) -> Server
    where
        H: Fn(Request, Reply) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<Result<Option<Reply>, Reply>>> + Send + 'static,
    {
        let (daemon, before) = (Arc::clone(self), Arc::new(before));
        let server = Server::start(move |request, reply| {
            let (daemon, before) = (Arc::clone(&daemon), Arc::clone(&before));
            async move {
                match before(request.clone(), reply).await? {
                    Ok(done) => Ok(done),
                    Err(reply) => daemon.answer(request, reply).await,
                }
            }
        })
        .await;
        self.url.lock().unwrap().clone_from(&server.url);
        server
    }

    /// Serves everything.
    pub async fn start(self: &Arc<Self>) -> Server {
        self.serve(|_, reply| async { Ok(Err(reply)) }).await
    }

    /// The ids of the sandboxes that there are.
    pub fn ids(&self) -> Vec<String> {
        self.sandboxes.lock().unwrap().keys().cloned().collect()
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.lock().unwrap().len()
    }

    pub fn make(&self, request: Value) -> Value {
        let id = format!("box-{}", self.made.fetch_add(1, Ordering::SeqCst));
        let started = self.looks_until_started.load(Ordering::SeqCst) == 0;
        let made = Made {
            labels: request.get("labels").cloned().unwrap_or_default(),
            ttl_minutes: request.get("ttlMinutes").and_then(Value::as_u64),
            request,
            state: if started { "started" } else { "pulling_snapshot" }.to_owned(),
        };
        let shown = self.shown(&id, &made);
        self.sandboxes.lock().unwrap().insert(id, made);
        shown
    }

    fn shown(&self, id: &str, made: &Made) -> Value {
        let of = |key: &str| made.request.get(key).cloned().unwrap_or_default();
        json!({
            "id": id, "name": id, "organizationId": "o", "user": "daytona", "env": of("env"), "labels": made.labels,
            "public": false, "target": "here", "cpu": 1, "gpu": 0, "memory": 1, "disk": 3, "state": made.state,
            "snapshot": of("snapshot"), "networkBlockAll": of("networkBlockAll") == true,
            "networkAllowList": of("networkAllowList"), "domainAllowList": of("domainAllowList"),
            "createdAt": "2026-01-01T00:00:00.000Z",
            "autoDestroyAt": made.ttl_minutes.map(|_| "2026-01-01T01:00:00.000Z"),
            "toolboxProxyUrl": format!("{}/toolbox", self.url.lock().unwrap()),
        })
    }

    /// Does what a sandbox is asked for, whose answer is lost.
    pub fn does(&self, request: &Request) {
        let parts: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
        let ["toolbox", _, rest @ ..] = parts.as_slice() else { panic!("{}", request.line()) };
        self.toolbox(request, rest);
    }

    pub async fn answer(&self, request: Request, mut reply: Reply) -> io::Result<Option<Reply>> {
        let path = request.path.clone();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let found = match parts.as_slice() {
            ["api", "sandbox", rest @ ..] => self.control(&request, rest),
            ["api", "snapshots", "there"] => (200, json!({"name": "there"})),
            ["toolbox", id, rest @ ..] => {
                let state = self.sandboxes.lock().unwrap().get(*id).map(|made| made.state.clone());
                if state.as_deref() != Some("started") {
                    (502, json!({"message": "the sandbox is not there"}))
                } else if let ["process", "session", session, "command", _, "logs"] = rest {
                    return self.follow(&request, reply, session).await;
                } else if rest == ["files", "bulk-download"] {
                    let (kind, body) = download(&request);
                    reply.send(200, &[("content-type", &kind)], &body).await?;
                    return Ok(Some(reply));
                } else {
                    self.toolbox(&request, rest)
                }
            }
            _ => (404, json!({"message": "no such path"})),
        };
        reply.json(found.0, found.1).await?;
        Ok(Some(reply))
    }

    fn control(&self, request: &Request, rest: &[&str]) -> (u16, Value) {
        if request.header("authorization") != "Bearer swordfish-key" {
            return (401, json!({"statusCode": 401, "message": "Invalid credentials"}));
        }
        let none = || (404, json!({"statusCode": 404, "message": "Sandbox not found"}));
        match (request.method.as_str(), rest) {
            ("POST", []) => return (200, self.make(request.json())),
            ("GET", []) => return (200, self.page(&request.query)),
            _ => {}
        }
        let [id, rest @ ..] = rest else { return none() };
        let Some(mut made) = self.sandboxes.lock().unwrap().get(*id).cloned() else { return none() };
        let keep = |made: &Made| {
            self.sandboxes.lock().unwrap().insert((*id).to_owned(), made.clone());
            (200, self.shown(id, made))
        };
        match (request.method.as_str(), rest) {
            ("GET", []) => {
                if made.state == "pulling_snapshot"
                    && self.looks_until_started.fetch_sub(1, Ordering::SeqCst) == 1
                {
                    "started".clone_into(&mut made.state);
                }
                keep(&made)
            }
            ("DELETE", []) => {
                self.sandboxes.lock().unwrap().remove(*id);
                (200, json!({}))
            }
            ("POST", ["start"]) => {
                "started".clone_into(&mut made.state);
                keep(&made)
            }
            ("POST", ["stop"]) => {
                "stopped".clone_into(&mut made.state);
                self.end_all();
                keep(&made)
            }
            ("POST", ["autostop", _] | ["snapshot"]) => keep(&made),
            ("POST", ["ttl", minutes]) => {
                made.ttl_minutes = minutes.parse().ok();
                keep(&made)
            }
            ("PUT", ["labels"]) => {
                made.labels = request.json()["labels"].clone();
                keep(&made)
            }
            ("POST", ["fork"]) => (200, self.make(json!({"labels": {}}))),
            ("GET", ["ports", port, "preview-url"]) => (
                200,
                json!({"sandboxId": id, "url": format!("http://{port}-{id}.local"), "token": "t0ken-of-port"}),
            ),
            _ => none(),
        }
    }

    /// Pages of two.
    fn page(&self, query: &str) -> Value {
        let query: BTreeMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), decoded(value)))
            .collect();
        let wanted: BTreeMap<String, Value> =
            query.get("labels").map(|labels| serde_json::from_str(labels).unwrap()).unwrap_or_default();
        let from: usize = query.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
        let sandboxes = self.sandboxes.lock().unwrap();
        let found: Vec<Value> = sandboxes
            .iter()
            .filter(|(_, made)| wanted.iter().all(|(name, value)| made.labels.get(name) == Some(value)))
            .map(|(id, made)| self.shown(id, made))
            .collect();
        let items: Vec<Value> = found.iter().skip(from).take(2).cloned().collect();
        let next = (from + 2 < found.len()).then(|| (from + 2).to_string());
        json!({"items": items, "nextCursor": next})
    }

    fn toolbox(&self, request: &Request, rest: &[&str]) -> (u16, Value) {
        let none = || (404, json!({"message": "not found"}));
        match (request.method.as_str(), rest) {
            ("POST", ["process", "execute"]) => {
                let (code, result) = self.execute(request.json()["command"].as_str().unwrap());
                (200, json!({"exitCode": code, "result": result}))
            }
            ("POST", ["process", "session"]) => {
                let id = request.json()["sessionId"].as_str().unwrap().to_owned();
                self.sessions.lock().unwrap().insert(id, Session::default());
                (201, json!({}))
            }
            ("POST", ["process", "session", id, "exec"]) => {
                let body = request.json();
                assert_eq!((&body["runAsync"], &body["suppressInputEcho"]), (&json!(true), &json!(true)));
                let running =
                    Running::start(self.program("bash").arg("-c").arg(body["command"].as_str().unwrap()));
                let mut sessions = self.sessions.lock().unwrap();
                let Some(session) = sessions.get_mut(*id) else { return none() };
                session.command = Some(Arc::new(running));
                (202, json!({"cmdId": "c"}))
            }
            ("POST", ["process", "session", id, "command", "c", "input"]) => {
                let Some(running) = self.running(id) else { return none() };
                let data = request.json()["data"].as_str().unwrap().to_owned();
                assert!(data.ends_with('\n') && data.starts_with("i:"), "{data}");
                match running.input.lock().unwrap().write_all(data.as_bytes()) {
                    Ok(()) => (200, json!({})),
                    Err(_) => (410, json!({"message": "session process has exited"})),
                }
            }
            ("GET", ["process", "session", id, "command", "c"]) => {
                let Some(running) = self.running(id) else { return none() };
                let status = running.child.lock().unwrap().try_wait().unwrap();
                let code = status.map(|status| status.code().unwrap_or(137));
                (200, json!({"id": "c", "command": "", "exitCode": code}))
            }
            ("DELETE", ["process", "session", id]) => match self.sessions.lock().unwrap().remove(*id) {
                Some(session) => {
                    session.end();
                    (204, Value::Null)
                }
                None => none(),
            },
            ("POST", ["files", "bulk-upload"]) => {
                upload(request);
                (200, json!({"files": []}))
            }
            ("GET", ["system", "metrics"]) => (
                200,
                json!({"cpuCount": 2, "cpuUsedPct": 12.5, "memUsed": 10, "memTotal": 20, "diskUsed": 30, "diskTotal": 40}),
            ),
            _ => none(),
        }
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(format!("/bin/{name}"));
        if let Some(path) = &*self.path.lock().unwrap() {
            command.env("PATH", path);
        }
        command
    }

    /// Executes a command as the daemon does, which gives it to a shell on its standard input.
    fn execute(&self, command: &str) -> (i32, String) {
        let mut child = self
            .program("sh")
            .arg("-c")
            .arg("exec 2>&1; exec /bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(command.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn running(&self, session: &str) -> Option<Arc<Running>> {
        self.sessions.lock().unwrap().get(session)?.command.clone()
    }

    pub fn end_all(&self) {
        for session in std::mem::take(&mut *self.sessions.lock().unwrap()).into_values() {
            session.end();
        }
    }

    async fn follow(&self, request: &Request, mut reply: Reply, session: &str) -> io::Result<Option<Reply>> {
        assert_eq!(
            (request.query.as_str(), request.header("x-daytona-split-output")),
            ("follow=true", "true")
        );
        let Some(running) = self.running(session) else {
            reply.json(404, json!({"message": "session not found"})).await?;
            return Ok(Some(reply));
        };
        reply.raw(accepted(request)).await?;
        let mut sent = 0;
        loop {
            let changed = running.log.changed.notified();
            let open = running.log.open.load(Ordering::SeqCst);
            let piece: Vec<u8> =
                running.log.bytes.lock().unwrap().iter().skip(sent).take(32 << 10).copied().collect();
            if piece.is_empty() {
                if open == 0 {
                    reply.raw(close(1000)).await?;
                    return Ok(None);
                }
                changed.await;
            } else {
                sent += piece.len();
                reply.raw(frame(BINARY, &piece)).await?;
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end_all();
    }
}

impl Session {
    fn end(self) {
        if let Some(running) = self.command {
            // A shell's own `kill`: the program of that name takes the first digit of a group for all of it, and -1 is
            // everybody (procps 4.0.2).
            let kill = format!("kill -s KILL -- -{}", running.group);
            let _ = Command::new("sh").arg("-c").arg(kill).stderr(Stdio::null()).status();
            let _ = running.child.lock().unwrap().wait();
        }
    }
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let log = Arc::<Log>::default();
        log.open.store(2, Ordering::SeqCst);
        keep_lines(child.stdout.take().unwrap(), *b"\x01\x01\x01", Arc::clone(&log));
        keep_lines(child.stderr.take().unwrap(), *b"\x02\x02\x02", Arc::clone(&log));
        let group = child.id();
        Self { log, input: Mutex::new(child.stdin.take().unwrap()), child: Mutex::new(child), group }
    }
}

/// Keeps output as a shell does that reads lines: without what is no text, and with an end to the last line.
fn keep_lines(output: impl Read + Send + 'static, prefix: [u8; 3], log: Arc<Log>) {
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            line.retain(|byte| *byte != 0 && *byte != b'\n');
            let kept = [&prefix[..], &line, b"\n"].concat();
            log.bytes.lock().unwrap().extend_from_slice(&kept);
            log.changed.notify_waiters();
            line.clear();
        }
        log.open.fetch_sub(1, Ordering::SeqCst);
        log.changed.notify_waiters();
    });
}

fn upload(request: &Request) {
    let kind = request.header("content-type");
    let boundary = kind.split_once("boundary=").unwrap().1;
    let between = format!("\r\n--{boundary}");
    let body = [b"\r\n", &request.body[..]].concat();
    let mut contents = Vec::new();
    let mut rest = &body[..];
    while let Some(at) = find(rest, between.as_bytes()) {
        if let Some(start) = find(&rest[..at], b"\r\n\r\n") {
            contents.push(rest[start + 4..at].to_vec());
        }
        rest = &rest[at + between.len()..];
    }
    let [path, content] = contents.try_into().unwrap();
    std::fs::write(String::from_utf8(path).unwrap(), content).unwrap();
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

fn download(request: &Request) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for path in request.json()["paths"].as_array().unwrap() {
        let path = path.as_str().unwrap();
        let (name, content) = match std::fs::read(path) {
            Ok(content) => ("file", content),
            Err(err) => ("error", err.to_string().into_bytes()),
        };
        let head = format!(
            "--DAYTONA-FILE-BOUNDARY\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{path}\"\r\n\
             Content-Length: {}\r\n\r\n",
            content.len()
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--DAYTONA-FILE-BOUNDARY--\r\n");
    ("multipart/form-data; boundary=DAYTONA-FILE-BOUNDARY".to_owned(), body)
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}
