//! The output of a session's command: at once, or as it comes.

use axum::Json;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sandpiper_core::Stream;
use serde::Deserialize;
use std::sync::Arc;

use super::session::Command;
use super::session_routes::{Names, Texts, command_of};
use crate::daytona::extract::Asked;
use crate::daytona::fault::Fault;
use crate::daytona::toolbox::Toolbox;

/// What is before each piece of a stream.
const STDOUT: [u8; 3] = [1, 1, 1];
const STDERR: [u8; 3] = [2, 2, 2];

/// The close code of an ordinary end (RFC 6455).
const NORMAL: u16 = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct Logs {
    #[serde(default)]
    follow: bool,
}

pub(super) async fn logs(
    toolbox: Toolbox,
    names: Names,
    Asked(asked): Asked<Logs>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Fault> {
    let (_, command) = command_of(&toolbox, &names)?;
    match upgrade {
        Ok(upgrade) => Ok(upgrade.on_upgrade(move |socket| follow(toolbox, command, socket))),
        Err(_) if asked.follow => {
            Err(Fault::bad_request("output is followed by a WebSocket; the request asks for none"))
        }
        Err(_) => Ok(Json(Texts::of(&command)).into_response()),
    }
}

/// Sends output as it comes, until the command has ended. The toolbox is in use all the while.
async fn follow(_toolbox: Toolbox, command: Arc<Command>, mut socket: WebSocket) {
    let mut seen = 0;
    loop {
        let new = tokio::select! {
            new = command.output_after(seen) => new,
            // Nothing is expected from the client but its end.
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let Some(new) = new else { break };
        seen += new.len();
        for (stream, bytes) in new {
            if socket.send(Message::Binary(framed(stream, &bytes))).await.is_err() {
                return;
            }
        }
    }
    let close = CloseFrame { code: NORMAL, reason: "".into() };
    let _ = socket.send(Message::Close(Some(close))).await;
}

fn framed(stream: Stream, bytes: &[u8]) -> Bytes {
    let prefix = match stream {
        Stream::Stdout => STDOUT,
        Stream::Stderr => STDERR,
    };
    [&prefix, bytes].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_says_of_which_stream_it_is() {
        assert_eq!(framed(Stream::Stdout, b"a").as_ref(), b"\x01\x01\x01a");
        assert_eq!(framed(Stream::Stderr, b"b").as_ref(), b"\x02\x02\x02b");
    }
}
