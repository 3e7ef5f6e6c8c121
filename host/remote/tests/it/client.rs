//! What the shared client makes of servers that fail.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sandpiper_core::Error;
use sandpiper_remote::Secret;
use sandpiper_remote::http::{Client, ClientConfig, Method, Retries, Times};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::server::{Reply, Request, Server};

const KEY: &str = "e2b_0123456789abcdef";

fn client(url: &str) -> Client {
    let mut config = ClientConfig::new("test", url);
    config.headers.push(("x-api-key", Secret::new(KEY)));
    config.retries = Retries { most: 2, base: Duration::from_millis(2), longest: Duration::from_millis(10) };
    config.times = Times {
        connect: Duration::from_secs(5),
        first_byte: Duration::from_millis(300),
        between_bytes: Duration::from_millis(300),
        whole: Duration::from_secs(5),
    };
    Client::new(config).unwrap()
}

/// A server that answers the first `bad` requests by `answer`, and the others with `{}`.
async fn fails_first<F>(bad: usize, answer: fn(Request, Reply) -> F) -> Server
where
    F: Future<Output = io::Result<Option<Reply>>> + Send + 'static,
{
    let count = Arc::new(AtomicUsize::new(0));
    Server::start(move |request, mut reply| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        async move {
            if number < bad {
                return answer(request, reply).await;
            }
            reply.json(200, serde_json::json!({})).await?;
            Ok(Some(reply))
        }
    })
    .await
}

async fn says(reply: Reply, status: u16, headers: &[(&str, &str)]) -> io::Result<Option<Reply>> {
    let mut reply = reply;
    reply.send(status, headers, br#"{"message":"not now"}"#).await?;
    Ok(Some(reply))
}

async fn get(server: &Server) -> Result<(), Error> {
    client(&server.url).call(Method::GET, &["thing"], "look").send().await?.checked().map(drop)
}

async fn post(server: &Server) -> Result<(), Error> {
    client(&server.url).call(Method::POST, &["thing"], "make").send().await?.checked().map(drop)
}

/// Everything that an error says, its causes included, which never has the key.
fn told(err: &Error) -> String {
    let mut text = format!("{err} {err:?}");
    let mut source = std::error::Error::source(err);
    while let Some(cause) = source {
        text = format!("{text} {cause}");
        source = cause.source();
    }
    assert!(!text.contains(KEY), "{text}");
    text
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let err = client(&url).call(Method::POST, &["thing"], "make").send().await.unwrap_err();
    assert!(told(&err).to_lowercase().contains("refused"), "{err:?}");
    assert!(matches!(err, Error::Unreachable { backend, action: "make", .. } if backend == "test"));
}

#[tokio::test]
async fn a_passing_failure_is_tried_again() {
    for status in [429, 502, 503, 504] {
        let server = match status {
            429 => fails_first(2, |_, reply| says(reply, 429, &[])).await,
            502 => fails_first(2, |_, reply| says(reply, 502, &[])).await,
            503 => fails_first(2, |_, reply| says(reply, 503, &[])).await,
            _ => fails_first(2, |_, reply| says(reply, 504, &[])).await,
        };
        get(&server).await.unwrap();
        assert_eq!(server.requests().len(), 3, "{status}");
    }
}

#[tokio::test]
async fn tries_are_bounded_and_the_last_answer_is_the_error() {
    let server = fails_first(9, |_, reply| says(reply, 429, &[])).await;
    let err = get(&server).await.unwrap_err();
    assert_eq!(
        err.to_string(),
        "the backend test is asked too often to look: not now (HTTP 429 Too Many Requests)"
    );
    assert!(matches!(err, Error::RateLimited { retry_after: None, .. }));
    assert_eq!(server.requests().len(), 3);
    let server = fails_first(9, |_, reply| says(reply, 502, &[])).await;
    let err = get(&server).await.unwrap_err();
    assert!(matches!(&err, Error::Unreachable { action: "look", .. }), "{err:?}");
    assert!(told(&err).contains("not now (HTTP 502 Bad Gateway)"), "{err:?}");
}

#[tokio::test]
async fn what_may_have_been_done_is_not_asked_twice() {
    let server = fails_first(1, |_, reply| says(reply, 503, &[])).await;
    assert!(matches!(post(&server).await, Err(Error::Unreachable { .. })));
    assert_eq!(server.requests().len(), 1);
    let server = fails_first(1, |_, reply| async {
        reply.reset();
        Ok(None)
    })
    .await;
    assert!(matches!(post(&server).await, Err(Error::Unreachable { .. })));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn with_a_key_it_is_asked_again() {
    let server = fails_first(2, |_, reply| async {
        reply.reset();
        Ok(None)
    })
    .await;
    let call = client(&server.url).call(Method::POST, &["thing"], "make").idempotency_key("abc");
    call.json(&serde_json::json!({"a": 1})).send().await.unwrap().checked().unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!((request.header("idempotency-key"), request.body.as_slice()), ("abc", &br#"{"a":1}"#[..]));
    }
}

#[tokio::test]
async fn a_time_that_the_server_names_is_waited_for() {
    let server = fails_first(1, |_, reply| says(reply, 429, &[("retry-after", "1")])).await;
    let begun = Instant::now();
    get(&server).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_servers_clock_that_is_off_does_not_matter() {
    // Ten minutes before and after now: both mean one second.
    for offset_seconds in [-600_i64, 600] {
        let count = Arc::new(AtomicUsize::new(0));
        let server = Server::start(move |_, mut reply| {
            let number = count.fetch_add(1, Ordering::SeqCst);
            async move {
                let date = httpdate_at(offset_seconds);
                let until = httpdate_at(offset_seconds + 1);
                let headers = [("date", date.as_str()), ("retry-after", until.as_str())];
                let status = if number == 0 { 503 } else { 200 };
                reply.send(status, &headers, b"{}").await?;
                Ok(Some(reply))
            }
        })
        .await;
        let begun = Instant::now();
        get(&server).await.unwrap();
        let waited = begun.elapsed();
        assert!((1..3).contains(&waited.as_secs()), "{offset_seconds}: {waited:?}");
    }
}

fn httpdate_at(offset_seconds: i64) -> String {
    let now = std::time::SystemTime::now();
    let offset = Duration::from_secs(offset_seconds.unsigned_abs());
    httpdate::fmt_http_date(if offset_seconds < 0 { now - offset } else { now + offset })
}

#[tokio::test]
async fn a_time_beyond_the_calls_own_is_told_at_once() {
    let server = fails_first(1, |_, reply| says(reply, 429, &[("retry-after", "3600")])).await;
    let begun = Instant::now();
    let err = get(&server).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(1));
    let hour = Duration::from_hours(1);
    assert!(matches!(err, Error::RateLimited { retry_after: Some(after), .. } if after == hour), "{err:?}");
}

#[tokio::test]
async fn a_key_that_is_refused_is_told_without_it() {
    let server = Server::start(|request, mut reply| async move {
        let echo =
            serde_json::json!({"code": 401, "message": format!("bad key {}", request.header("x-api-key"))});
        reply.json(401, echo).await?;
        Ok(Some(reply))
    })
    .await;
    let err = get(&server).await.unwrap_err();
    told(&err);
    assert_eq!(
        err.to_string(),
        "the backend test refuses the credentials: bad key [redacted] (HTTP 401 Unauthorized)"
    );
    assert_eq!(server.requests()[0].header("x-api-key"), KEY);
}

#[tokio::test]
async fn a_server_that_does_not_begin_is_slow() {
    let server = Server::start(|_, mut reply| async move {
        reply.client_gone().await;
        Ok(None)
    })
    .await;
    let err = get(&server).await.unwrap_err();
    assert!(
        matches!(err, Error::Slow { action: "look", after, .. } if after == Duration::from_millis(300)),
        "{err:?}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_body_that_stops_is_slow_and_one_that_drips_has_an_end() {
    let server = Server::start(|request, mut reply| async move {
        reply.raw("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await?;
        if request.path == "/stops" {
            reply.client_gone().await;
        }
        loop {
            reply.raw("x").await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let client = client(&server.url);
    let stops = client.call(Method::POST, &["stops"], "look").send().await.unwrap_err();
    let between = Duration::from_millis(300);
    assert!(matches!(stops, Error::Slow { after, .. } if after == between), "{stops:?}");
    let times = Times { whole: Duration::from_secs(1), ..client.times() };
    let begun = Instant::now();
    let drips = client.call(Method::POST, &["drips"], "look").times(times).send().await.unwrap_err();
    assert!(matches!(drips, Error::Slow { .. }), "{drips:?}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_large_body_has_time_by_its_size() {
    let server = Server::start(|_, mut reply| async move {
        reply.begin_chunks("text/plain").await?;
        for _ in 0..8 {
            reply.chunk(&vec![b'x'; 64 << 10]).await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        reply.end_chunks().await?;
        Ok(None)
    })
    .await;
    let client = client(&server.url);
    let times = Times { whole: Duration::from_millis(300), ..client.times() };
    let begun = Instant::now();
    let answer = client.call(Method::POST, &["large"], "look").times(times).send().await.unwrap();
    assert_eq!(answer.body.len(), 512 << 10);
    assert!(begun.elapsed() > times.whole);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_whole() {
    let cut = |_, mut reply: Reply| async move {
        reply.raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}").await?;
        Ok(None)
    };
    let server = fails_first(1, cut).await;
    get(&server).await.unwrap();
    assert_eq!(server.requests().len(), 2);
    let server = fails_first(1, cut).await;
    assert!(matches!(post(&server).await, Err(Error::Unreachable { .. })));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_has_a_bound_that_is_told_or_met() {
    let server = Server::start(|request, mut reply| async move {
        if request.path == "/told" {
            reply.raw("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await?;
        } else {
            reply.begin_chunks("text/plain").await?;
        }
        while reply.chunk(&[b'x'; 10_000]).await.is_ok() {}
        Ok(None)
    })
    .await;
    for path in ["told", "met"] {
        let err =
            client(&server.url).call(Method::GET, &[path], "look").limit(1000).send().await.unwrap_err();
        assert_eq!(
            err.to_string(),
            "the backend test answers what is not understood when it is to look: the body has more than 1000 bytes"
        );
    }
}

#[tokio::test]
async fn what_is_no_json_is_the_protocols_fault() {
    let server = Server::start(|_, mut reply| async move {
        reply.send(200, &[], b"<html>").await?;
        Ok(Some(reply))
    })
    .await;
    let answer = client(&server.url).call(Method::GET, &["thing"], "look").send().await.unwrap();
    let err = answer.json::<serde_json::Value>().unwrap_err();
    assert!(matches!(err, Error::Protocol { action: "look", .. }), "{err:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = fails_first(1, |_, reply| says(reply, 307, &[("location", "/elsewhere")])).await;
    let err = get(&server).await.unwrap_err();
    assert!(matches!(err, Error::Backend { .. }), "{err:?}");
    assert_eq!(server.lines(), ["GET /thing"]);
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let server = Server::start(|request, mut reply| async move {
        reply.begin_chunks("text/plain").await?;
        for part in request.body.chunks(3) {
            reply.chunk(part).await?;
        }
        reply.end_chunks().await?;
        Ok(None)
    })
    .await;
    let pieces = ["hello ", "world"].map(|piece| Ok(Bytes::from(piece)));
    let call = client(&server.url).call(Method::POST, &["echo"], "echo");
    let call = call.body_stream("text/plain", futures_util::stream::iter(pieces));
    let mut streaming = call.open().await.unwrap().stream().unwrap();
    let mut got = Vec::new();
    while let Some(chunk) = streaming.chunk().await.unwrap() {
        got.extend_from_slice(&chunk);
    }
    assert_eq!(got, b"hello world");
    assert_eq!(server.requests()[0].header("transfer-encoding"), "chunked");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_after_what_came() {
    let server = Server::start(|_, mut reply| async move {
        reply.begin_chunks("text/plain").await?;
        reply.chunk(b"some").await?;
        Ok(None)
    })
    .await;
    let call = client(&server.url).call(Method::GET, &["stream"], "look");
    let mut streaming = call.open().await.unwrap().stream().unwrap();
    assert_eq!(streaming.chunk().await.unwrap().as_deref(), Some(&b"some"[..]));
    assert!(matches!(streaming.chunk().await, Err(Error::Unreachable { .. })));
}
