//! An HTTP/1.1 server whose every byte a test decides.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// The path, without the query.
    pub path: String,
    pub query: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// `POST /path`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A connection on which a request is to be answered.
pub struct Reply {
    stream: BufReader<TcpStream>,
    keep: bool,
}

impl Reply {
    pub async fn raw(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    pub async fn send(&mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
        let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let headers = headers.concat();
        let length =
            if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let mut bytes = format!("HTTP/1.1 {status} Said\r\n{headers}{length}\r\n").into_bytes();
        bytes.extend_from_slice(body);
        self.keep = true;
        self.raw(bytes).await
    }

    pub async fn json(&mut self, status: u16, value: serde_json::Value) -> io::Result<()> {
        self.send(status, &[("content-type", "application/json")], value.to_string().as_bytes()).await
    }

    pub async fn begin_chunks(&mut self, content_type: &str) -> io::Result<()> {
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n");
        self.raw(head).await
    }

    pub async fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
        framed.extend_from_slice(bytes);
        framed.extend_from_slice(b"\r\n");
        self.raw(framed).await
    }

    pub async fn end_chunks(&mut self) -> io::Result<()> {
        self.raw("0\r\n\r\n").await
    }

    /// Breaks the connection off, so that the client sees a reset.
    pub fn reset(self) {
        let stream = self.stream.into_inner();
        stream.set_zero_linger().unwrap();
    }

    /// Waits until the client has gone.
    pub async fn client_gone(&mut self) {
        let mut byte = [0];
        while matches!(self.stream.read(&mut byte).await, Ok(1..)) {}
    }
}

/// Listens on loopback until it is dropped.
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Answers each request by `handler`, which gives the reply back when the connection is to be kept.
    pub async fn start<H, F>(handler: H) -> Self
    where
        H: Fn(Request, Reply) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<Option<Reply>>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, handler) = (Arc::clone(&requests), Arc::new(handler));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (seen, handler) = (Arc::clone(&seen), Arc::clone(&handler));
                connections.spawn(async move {
                    let mut reply = Reply { stream: BufReader::new(stream), keep: false };
                    while let Ok(Some(request)) = read_request(&mut reply.stream).await {
                        seen.lock().unwrap().push(request.clone());
                        reply.keep = false;
                        match handler(request, reply).await {
                            Ok(Some(kept)) if kept.keep => reply = kept,
                            _ => return,
                        }
                    }
                });
            }
        });
        Self { url, requests, task }
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Their first lines.
    pub fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Request::line).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return Ok(None),
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = Vec::new();
    if let Some(length) = headers.get("content-length") {
        body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await?;
    } else if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(stream.read_u8().await?);
            }
            let length = String::from_utf8_lossy(&line).trim().to_owned();
            let length = usize::from_str_radix(&length, 16).unwrap();
            let mut chunk = vec![0; length + 2];
            stream.read_exact(&mut chunk).await?;
            if length == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }
    let (path, query) = (path.to_owned(), query.to_owned());
    Ok(Some(Request { method, path, query, headers, body }))
}
