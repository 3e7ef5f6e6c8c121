//! A WebSocket over the client, against a server that writes its frames byte by byte.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandpiper_core::Error;
use sandpiper_remote::http::{Client, ClientConfig, Method, Times, WebSocket};
use sha1::{Digest as _, Sha1};

use crate::server::{Reply, Request, Server};

/// The end of a handshake.
pub fn accepted(request: &Request) -> String {
    let key = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", request.header("sec-websocket-key"));
    let accept = STANDARD.encode(Sha1::digest(key));
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    )
}

/// A frame of a server: its kind, with the flag of the last one, and what is in it.
pub fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | kind];
    match u16::try_from(content.len()) {
        Ok(length) if length < 126 => frame.push(u8::try_from(length).unwrap()),
        Ok(length) => {
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            frame.push(127);
            frame.extend_from_slice(&(content.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(content);
    frame
}

pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;

/// A frame that closes, as the number says.
pub fn close(code: u16) -> Vec<u8> {
    frame(CLOSE, &code.to_be_bytes())
}

fn client(server: &Server) -> Client {
    let times = Times { between_bytes: Duration::from_millis(100), ..Times::default() };
    Client::new(ClientConfig { times, ..ClientConfig::new("test", &server.url) }).unwrap()
}

async fn connect(server: &Server) -> Result<WebSocket, Error> {
    client(server).call(Method::GET, &["log"], "follow").websocket().await
}

/// A server whose WebSocket is these bytes, after which it waits.
async fn frames(bytes: Vec<u8>, then_reset: bool) -> Server {
    Server::start(move |request: Request, mut reply: Reply| {
        let bytes = bytes.clone();
        async move {
            reply.raw(accepted(&request)).await?;
            reply.raw(bytes).await?;
            if then_reset {
                reply.reset();
            } else {
                reply.client_gone().await;
            }
            Ok(None)
        }
    })
    .await
}

#[tokio::test]
async fn messages_come_until_the_server_closes() {
    let large = vec![7; 70_000];
    let bytes = [frame(1, b"text"), frame(9, b"are you there"), frame(BINARY, &large), close(1000)].concat();
    let server = frames(bytes, false).await;
    let mut socket = connect(&server).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), b"text"[..]);
    assert_eq!(socket.next().await.unwrap().unwrap(), large);
    assert_eq!(socket.next().await.unwrap(), None);
    let request = &server.requests()[0];
    assert_eq!((request.header("upgrade"), request.header("sec-websocket-version")), ("websocket", "13"));
}

#[tokio::test]
async fn another_close_is_a_fault() {
    let server = frames(close(1011), false).await;
    match connect(&server).await.unwrap().next().await {
        Err(Error::Unreachable { action: "follow", source, .. }) => {
            assert_eq!(source.to_string(), "the WebSocket was closed with 1011");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_no_end() {
    let server = frames(frame(BINARY, b"a"), true).await;
    let mut socket = connect(&server).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), b"a"[..]);
    assert!(matches!(socket.next().await, Err(Error::Unreachable { .. })));
}

#[tokio::test]
async fn a_frame_that_is_none_breaks_the_protocol() {
    let server = frames(vec![0xff; 20], false).await;
    assert!(matches!(connect(&server).await.unwrap().next().await, Err(Error::Protocol { .. })));
    let too_large = [&[0x82, 127][..], &(1_u64 << 40).to_be_bytes()].concat();
    let server = frames(too_large, false).await;
    assert!(matches!(connect(&server).await.unwrap().next().await, Err(Error::Protocol { .. })));
}

#[tokio::test]
async fn a_server_that_is_silent_is_asked_and_then_left() {
    let server = frames(Vec::new(), false).await;
    let err = connect(&server).await.unwrap().next().await.unwrap_err();
    assert_eq!(err.to_string(), "the backend test did not answer within 100ms when it was to follow");
}

#[tokio::test]
async fn what_is_no_handshake_is_an_error() {
    let server = Server::start(|_, mut reply: Reply| async move {
        reply
            .raw("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            .await?;
        reply.client_gone().await;
        Ok(None)
    })
    .await;
    let expected = "the backend test answers what is not understood when it is to follow: \
                    the WebSocket's handshake is answered for another key";
    assert_eq!(connect(&server).await.unwrap_err().to_string(), expected);

    let server = Server::start(|_, mut reply: Reply| async move {
        reply.json(200, serde_json::json!({})).await?;
        Ok(Some(reply))
    })
    .await;
    let expected = "the backend test answers what is not understood when it is to follow: \
                    the connection does not become websocket";
    assert_eq!(connect(&server).await.unwrap_err().to_string(), expected);

    let server = Server::start(|_, mut reply: Reply| async move {
        reply.json(404, serde_json::json!({"message": "no such log"})).await?;
        Ok(Some(reply))
    })
    .await;
    let expected = "the backend test cannot follow: no such log (HTTP 404 Not Found)";
    assert_eq!(connect(&server).await.unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn a_refusal_without_an_end_is_its_status() {
    let server = Server::start(|_, mut reply: Reply| async move {
        reply
            .raw("HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n")
            .await?;
        while reply.chunk(&[b'x'; 10_000]).await.is_ok() {}
        Ok(None)
    })
    .await;
    let err = tokio::time::timeout(Duration::from_secs(10), connect(&server)).await.unwrap().unwrap_err();
    assert_eq!(err.to_string(), "the backend test cannot follow: HTTP 404 Not Found");
}
