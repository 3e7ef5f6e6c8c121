//! A server on loopback, and requests as bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use sandpiper_core::{Network, Spec};
use sandpiper_server::{ApiKeys, Server, ServerConfig, ServerLimits, Stopped, Template};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::double::{CAPABILITIES, Double};

pub const KEY: &str = "swordfish";

/// A server that runs.
pub struct Served {
    pub address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Stopped>,
    pub double: Double,
}

pub async fn serve() -> Served {
    serve_with(Double::new(CAPABILITIES), ServerLimits::default()).await
}

pub fn config(double: &Double, limits: ServerLimits) -> ServerConfig {
    let spec = |network| Spec { network, ..Spec::default() };
    ServerConfig {
        backend: Arc::new(double.clone()),
        keys: ApiKeys::new([KEY]),
        templates: BTreeMap::from([
            ("base".to_owned(), Template { spec: spec(Network::Nothing) }),
            ("open".to_owned(), Template { spec: spec(Network::Everything) }),
        ]),
        default_template: "base".to_owned(),
        limits,
    }
}

pub async fn serve_with(double: Double, limits: ServerLimits) -> Served {
    let server = Server::new(config(&double, limits)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(server.serve(listener, async {
        let _ = stopped.await;
    }));
    Served { address, stop, running, double }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The frames of a stream: flags and message.
    pub fn frames(&self) -> Vec<(u8, Value)> {
        let (mut frames, mut rest) = (Vec::new(), &self.body[..]);
        while let Some((frame, after)) = take_frame(rest) {
            frames.push(frame);
            rest = after;
        }
        assert!(rest.is_empty(), "{rest:?}");
        frames
    }
}

pub fn take_frame(bytes: &[u8]) -> Option<((u8, Value), &[u8])> {
    let (head, rest) = bytes.split_at_checked(5)?;
    let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
    let (message, rest) = rest.split_at_checked(length)?;
    Some(((head[0], serde_json::from_slice(message).unwrap()), rest))
}

pub fn frame(message: &Value) -> Vec<u8> {
    let message = message.to_string();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message.as_bytes()].concat()
}

impl Served {
    pub async fn stop(self) -> Stopped {
        self.stop.send(()).unwrap();
        self.running.await.unwrap()
    }

    /// A connection on which a request was sent.
    pub async fn send(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Connection {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut head = format!("{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in headers {
            head.extend([*name, ": ", *value, "\r\n"]);
        }
        let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server that refuses early does not read it.
        let _ = stream.write_all(body).await;
        Connection { stream, read: Vec::new() }
    }

    pub async fn request(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send(line, headers, body).await.answer().await
    }

    /// A request of the control plane.
    pub async fn api(&self, line: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.request(line, &[("X-API-Key", KEY), ("Content-Type", "application/json")], body.as_bytes()).await
    }

    /// A new sandbox.
    pub async fn create(&self, body: Value) -> Place<'_> {
        let answer = self.api("POST /v2/sandboxes", &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let made = answer.json();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Place { served: self, id: text("sandboxID"), token: text("envdAccessToken") }
    }

    pub async fn base(&self) -> Place<'_> {
        self.create(json!({ "templateID": "base" })).await
    }
}

/// A sandbox of a server.
pub struct Place<'a> {
    pub served: &'a Served,
    pub id: String,
    pub token: String,
}

impl Place<'_> {
    pub async fn send(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Connection {
        let own = [("E2b-Sandbox-Id", &*self.id), ("X-Access-Token", &*self.token)];
        self.served.send(line, &[&own, headers].concat(), body).await
    }

    pub async fn request(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send(line, headers, body).await.answer().await
    }

    /// A unary call of a service.
    pub async fn call(&self, method: &str, body: Value) -> Answer {
        let headers = [("Content-Type", "application/json"), ("Connect-Protocol-Version", "1")];
        self.request(&format!("POST /{method}"), &headers, body.to_string().as_bytes()).await
    }

    /// A call whose answer is a stream.
    pub async fn stream(&self, method: &str, headers: &[(&str, &str)], body: &Value) -> Connection {
        let own = [("Content-Type", "application/connect+json"), ("Connect-Protocol-Version", "1")];
        self.send(&format!("POST /{method}"), &[&own, headers].concat(), &frame(body)).await
    }

    /// A command as SDKs start it.
    pub async fn start(&self, script: &str, headers: &[(&str, &str)]) -> Connection {
        self.stream("process.Process/Start", headers, &shell(script)).await
    }
}

pub fn shell(script: &str) -> Value {
    json!({ "process": { "cmd": "/bin/bash", "args": ["-l", "-c", script] }, "stdin": true })
}

/// A connection whose answer is still to be read.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    async fn read_more(&mut self) -> bool {
        let mut buffer = vec![0; 65536];
        let size = self.stream.read(&mut buffer).await.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..size]);
        size > 0
    }

    pub async fn answer(mut self) -> Answer {
        while self.read_more().await {}
        let end = self.read.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let raw = &self.read[end..];
        let is_chunked = headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked");
        let body = if is_chunked { unchunked(raw).0 } else { raw.to_vec() };
        Answer { status, headers, body }
    }

    /// Reads until these words are there.
    pub async fn until(&mut self, words: &str) {
        while !self.read.windows(words.len()).any(|window| window == words.as_bytes()) {
            assert!(self.read_more().await, "the answer ends: {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    /// The next frame of a stream.
    pub async fn frame(&mut self) -> (u8, Value) {
        loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                let (body, _) = unchunked(&self.read[end + 4..]);
                if let Some((frame, rest)) = take_frame(&body) {
                    let head = self.read[..end + 4].to_vec();
                    let rest = rest.to_vec();
                    // What is left is one chunk from now on, with what is still to come.
                    let (_, raw) = unchunked(&self.read[end + 4..]);
                    let raw = raw.to_vec();
                    self.read = head;
                    if !rest.is_empty() {
                        self.read.extend_from_slice(format!("{:x}\r\n", rest.len()).as_bytes());
                        self.read.extend_from_slice(&rest);
                        self.read.extend_from_slice(b"\r\n");
                    }
                    self.read.extend_from_slice(&raw);
                    return frame;
                }
            }
            assert!(self.read_more().await, "the stream ends: {:?}", String::from_utf8_lossy(&self.read));
        }
    }
}

/// The bytes of whole chunks, and what is behind them.
fn unchunked(mut raw: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut body = Vec::new();
    while let Some(end) = raw.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&raw[..end]).unwrap(), 16).unwrap();
        let Some(chunk) = raw.get(end + 2..end + 2 + size) else { break };
        if raw.len() < end + 4 + size {
            break;
        }
        body.extend_from_slice(chunk);
        raw = &raw[end + 4 + size..];
    }
    (body, raw)
}
