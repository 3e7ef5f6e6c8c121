//! A backend in memory, which understands a handful of commands by itself: nothing is executed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sandpiper_core::{
    Admitted, Backend, BoxFuture, Capabilities, Captured, Control, Error, Event, Exec, Exit, Files, Health,
    Image, Metrics, Outcome, Running, Sandbox, SandboxRef, Signalled, Spec, Stdin, Stream, Usage,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::mpsc;

use crate::memory::MemoryFiles;

/// What it offers.
pub const CAPABILITIES: Capabilities = Capabilities {
    network_nothing: true,
    network_everything: true,
    signals: true,
    metadata: true,
    lifetime: true,
    lifetime_in_seconds: true,
    ..LITTLE
};

const LITTLE: Capabilities = Capabilities {
    mounts: false,
    nested_mounts: false,
    hidden_git: false,
    disk_bytes: false,
    files: false,
    fuel: false,
    deadline_metering: false,
    virtual_clock: false,
    seed: false,
    module_files: false,
    memory: false,
    table_elements: false,
    tmp_bytes: false,
    descriptors: false,
    processes: false,
    network_nothing: true,
    network_rules: false,
    network_everything: false,
    lifetime: false,
    lifetime_in_seconds: false,
    metadata: false,
    host_git: false,
    tells_changes: false,
    signals: false,
    connect: false,
    pause: false,
    pause_keeps_processes: false,
    snapshot: false,
    fork: false,
    ports: false,
    metrics: false,
    denials: false,
};

/// All of that, and what the server passes on to a backend.
pub const MORE: Capabilities =
    Capabilities { snapshot: true, fork: true, metrics: true, pause: true, connect: true, ..CAPABILITIES };

#[derive(Clone)]
pub struct Double {
    pub capabilities: Capabilities,
    pub seen: Arc<Seen>,
}

/// What happened to its sandboxes.
#[derive(Default)]
pub struct Seen {
    pub specs: Mutex<Vec<Spec>>,
    pub closed: AtomicUsize,
    pub calls: Mutex<Vec<String>>,
    /// Sandboxes that are paused, by id.
    paused: Mutex<BTreeMap<String, DoubleSandbox>>,
    made: AtomicUsize,
}

impl Seen {
    fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }
}

impl Double {
    pub fn new(capabilities: Capabilities) -> Self {
        Self { capabilities, seen: Arc::default() }
    }

    fn offered(&self, is_offered: bool, operation: &'static str) -> Result<(), Error> {
        let err = || Error::Unsupported { backend: self.name().to_owned(), operation };
        is_offered.then_some(()).ok_or_else(err)
    }

    fn sandbox(&self, env: Vec<(String, String)>) -> DoubleSandbox {
        let id = self.seen.made.fetch_add(1, Ordering::Relaxed).to_string();
        DoubleSandbox { id, env, files: MemoryFiles::default(), backend: self.clone() }
    }
}

impl Backend for Double {
    fn name(&self) -> &'static str {
        "double"
    }

    fn capabilities(&self, _image: &Image) -> Capabilities {
        self.capabilities
    }

    fn create(&self, spec: Admitted) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        let spec = spec.into_spec();
        let sandbox = self.sandbox(spec.env.clone());
        self.seen.specs.lock().unwrap().push(spec);
        Box::pin(async move { Ok(Box::new(sandbox) as Box<dyn Sandbox>) })
    }

    fn connect<'a>(&'a self, reference: &'a SandboxRef) -> BoxFuture<'a, Result<Box<dyn Sandbox>, Error>> {
        self.seen.note(format!("connect {}", reference.id));
        let paused = self.seen.paused.lock().unwrap().remove(&reference.id);
        Box::pin(async move {
            let sandbox = paused.ok_or_else(|| Error::Gone { reference: reference.clone() })?;
            Ok(Box::new(sandbox) as Box<dyn Sandbox>)
        })
    }

    fn remove_snapshot<'a>(&'a self, image: &'a Image) -> BoxFuture<'a, Result<(), Error>> {
        if let Image::Named(name) = image {
            self.seen.note(format!("remove {name}"));
        }
        Box::pin(async { Ok(()) })
    }

    fn health(&self) -> BoxFuture<'_, Result<Health, Error>> {
        Box::pin(async { Ok(Health { latency: Duration::ZERO, version: None }) })
    }
}

#[derive(Clone)]
struct DoubleSandbox {
    id: String,
    env: Vec<(String, String)>,
    files: MemoryFiles,
    backend: Double,
}

impl Sandbox for DoubleSandbox {
    fn reference(&self) -> SandboxRef {
        SandboxRef::new("double", &self.id)
    }

    fn spawn(&self, exec: Exec) -> BoxFuture<'_, Result<Running, Error>> {
        Box::pin(async move {
            exec.check()?;
            let (events, received) = mpsc::channel(4);
            let control = Control::default();
            let env = self.env.iter().cloned().chain(exec.env).collect();
            let play = Play { events, env, cwd: exec.cwd.unwrap_or_default(), files: self.files.clone() };
            let played = control.clone();
            let done = Box::pin(async move {
                let signals = signal(&played);
                let exit = tokio::select! {
                    exit = play.play(exec.argv, exec.stdin) => exit,
                    () = played.cancelled() => Exit::Cancelled,
                    exit = signals => exit,
                };
                let (usage, processes, denials) = (Usage::default(), Vec::new(), Vec::new());
                let (stdout, stderr) = (Captured::default(), Captured::default());
                Ok(Outcome { exit, usage, processes, denials, stdout, stderr })
            });
            Ok(Running::new(received, done, control))
        })
    }

    fn files(&self) -> Arc<dyn Files> {
        Arc::new(self.files.clone())
    }

    fn set_lifetime(&self, lifetime: Duration) -> BoxFuture<'_, Result<(), Error>> {
        self.backend.seen.note(format!("lifetime {}", lifetime.as_secs()));
        Box::pin(async { Ok(()) })
    }

    fn pause(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.backend.seen.note(format!("pause {}", self.id));
        self.backend.seen.paused.lock().unwrap().insert(self.id.clone(), self.clone());
        Box::pin(async { Ok(()) })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Image, Error>> {
        let image = Image::Named(format!("snapshot-of-{}", self.id));
        let offered = self.backend.offered(self.backend.capabilities.snapshot, "snapshot");
        Box::pin(async move { offered.map(|()| image) })
    }

    fn fork(&self) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        let fork = self.backend.sandbox(self.env.clone());
        Box::pin(async move { Ok(Box::new(fork) as Box<dyn Sandbox>) })
    }

    fn metrics(&self) -> BoxFuture<'_, Result<Metrics, Error>> {
        let metrics = Metrics { cpus: Some(1.5), memory_bytes: Some(7), ..Metrics::default() };
        let offered = self.backend.offered(self.backend.capabilities.metrics, "metrics");
        Box::pin(async move { offered.map(|()| metrics) })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.backend.seen.closed.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(()) })
    }
}

async fn signal(control: &Control) -> Exit {
    let (tx, mut rx) = mpsc::unbounded_channel();
    let signals = control.signalled(|signalled| {
        tx.send(match signalled {
            Signalled::Signal(signal) => signal,
            Signalled::Interrupt => 2,
        })
        .unwrap();
    });
    tokio::select! {
        () = signals => unreachable!(),
        signal = rx.recv() => Exit::Signal { signal: signal.unwrap() },
    }
}

/// A command that runs.
pub struct Play {
    events: mpsc::Sender<Event>,
    env: BTreeMap<String, String>,
    cwd: String,
    files: MemoryFiles,
}

impl Play {
    async fn play(&self, argv: Vec<String>, stdin: Stdin) -> Exit {
        let mut stdin: Box<dyn AsyncRead + Send + Unpin> = match stdin {
            Stdin::Stream(stream) => stream,
            _ => Box::new(tokio::io::empty()),
        };
        match argv.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["bash", "-l", "-c", script] | ["bash", "-c", script] => self.script(script, &mut stdin).await,
            ["python3", "-c", _] => self.interpret(stdin).await,
            ["bash", "-s"] => crate::daytona::shell::run(self, stdin).await,
            ["python3", "-u", "-", ref arguments @ ..] => {
                let mut program = String::new();
                stdin.read_to_string(&mut program).await.unwrap();
                self.say(Stream::Stdout, &format!("{program}|{}\n", arguments.join("|"))).await;
                Exit::Code { code: 0 }
            }
            [command, ..] => Exit::NotFound { command: command.to_owned() },
            [] => unreachable!("`Exec::check` has seen to that"),
        }
    }

    async fn script(&self, script: &str, stdin: &mut (dyn AsyncRead + Send + Unpin)) -> Exit {
        for command in script.split("; ") {
            if let Some(exit) = self.command(command, stdin).await {
                return exit;
            }
        }
        Exit::Code { code: 0 }
    }

    pub async fn say(&self, stream: Stream, text: &str) {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let _ = self.events.send(Event::Output { stream, bytes }).await;
    }

    pub async fn command(&self, command: &str, stdin: &mut (dyn AsyncRead + Send + Unpin)) -> Option<Exit> {
        let words: Vec<&str> = command.split(' ').collect();
        match words[..] {
            ["echo", ref words @ .., ">&2"] => {
                self.say(Stream::Stderr, &format!("{}\n", words.join(" "))).await;
            }
            ["echo", ref words @ ..] => self.say(Stream::Stdout, &format!("{}\n", words.join(" "))).await,
            ["flood", count] => {
                for _ in 0..count.parse().unwrap() {
                    self.say(Stream::Stdout, &"x".repeat(1000)).await;
                }
            }
            ["printenv", name] => {
                let value = self.env.get(name).cloned().unwrap_or_default();
                self.say(Stream::Stdout, &format!("{value}\n")).await;
            }
            ["pwd"] => self.say(Stream::Stdout, &format!("{}\n", self.cwd)).await,
            ["symlink", path, target] => self.files.symlink(path, target),
            ["cat"] => {
                let mut buffer = vec![0; 1000];
                while let Ok(size @ 1..) = stdin.read(&mut buffer).await {
                    self.say(Stream::Stdout, std::str::from_utf8(&buffer[..size]).unwrap()).await;
                }
            }
            ["wait"] => std::future::pending().await,
            ["exit", code] => return Some(Exit::Code { code: code.parse().unwrap() }),
            ["crash"] => return Some(Exit::Fuel),
            _ => return Some(Exit::Code { code: 127 }),
        }
        None
    }

    /// An interpreter whose code is one word and an argument.
    async fn interpret(&self, stdin: Box<dyn AsyncRead + Send + Unpin>) -> Exit {
        let mut lines = BufReader::new(stdin).lines();
        let mut next = async || {
            let line = lines.next_line().await.ok()??;
            serde_json::from_str::<Value>(&line).ok()
        };
        let first = next().await.unwrap();
        let token = first["token"].as_str().unwrap();
        let tell = async |message: Value| self.say(Stream::Stdout, &format!("\x1e{token}{message}\n")).await;
        let (mut count, mut kept) = (0, String::new());
        while let Some(request) = next().await {
            count += 1;
            tell(json!({ "kind": "count", "count": count })).await;
            let code = request["code"].as_str().unwrap();
            let (word, rest) = code.split_once(' ').unwrap_or((code, ""));
            let shown =
                |text: &str| json!({ "kind": "result", "fields": { "text": text, "is_main_result": true } });
            match word {
                "keep" => rest.clone_into(&mut kept),
                "kept" => tell(shown(&kept)).await,
                "env" => tell(shown(request["env"][rest].as_str().unwrap_or("none"))).await,
                "print" => tell(json!({ "kind": "stdout", "bytes": STANDARD.encode(rest) })).await,
                "child" => {
                    self.say(Stream::Stdout, rest).await;
                    self.say(Stream::Stderr, "from a child").await;
                }
                "raise" => {
                    let message = json!({ "kind": "error", "name": rest, "value": "v", "traceback": "t" });
                    tell(message).await;
                }
                "say-and-hang" => {
                    tell(json!({ "kind": "stdout", "bytes": STANDARD.encode("hi") })).await;
                    std::future::pending::<()>().await;
                }
                "hang" => std::future::pending().await,
                "die" => return Exit::Memory,
                "lie" => tell(json!({ "kind": "lie" })).await,
                _ => unreachable!("{code}"),
            }
            tell(json!({ "kind": "done" })).await;
        }
        Exit::Code { code: 0 }
    }
}
