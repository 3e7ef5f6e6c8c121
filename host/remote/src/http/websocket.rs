//! A WebSocket (RFC 6455), over a connection of the one client.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use sandpiper_core::Error;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};

use super::call::Call;
use super::fault::Context;

/// Most bytes of a message: a thousand times what a piece of a log has.
const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// What the key of a handshake is answered with.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// A WebSocket that is read. Dropping it ends the connection.
pub struct WebSocket {
    stream: WebSocketStream<Box<dyn Connection>>,
    context: Context,
    /// How long nothing may come before the server is asked whether it is there, and then for its answer.
    quiet: Duration,
    /// When something came, or was asked.
    last: Instant,
    asked: bool,
}

impl Call {
    /// Sends the call, once, and takes over its connection as a WebSocket, where silence of
    /// [`Times::between_bytes`](super::Times::between_bytes) is asked about.
    ///
    /// # Errors
    /// As [`Call::upgrade`].
    pub async fn websocket(self) -> Result<WebSocket, Error> {
        let mut nonce = [0_u8; 16];
        getrandom::fill(&mut nonce).map_err(|err| Error::Host {
            context: "cannot get random bytes".to_owned(),
            source: err.to_string().into(),
        })?;
        let key = STANDARD.encode(nonce);
        let (context, quiet) = (self.context.clone(), self.times.between_bytes);
        let call = self.header("sec-websocket-version", "13").header("sec-websocket-key", &key);
        let upgraded = call.upgrade("websocket").await?;
        let accept = STANDARD.encode(Sha1::digest(format!("{key}{GUID}")));
        if upgraded
            .headers
            .get("sec-websocket-accept")
            .is_none_or(|value| value.as_bytes() != accept.as_bytes())
        {
            return Err(context.protocol("the WebSocket's handshake is answered for another key"));
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let connection: Box<dyn Connection> = Box::new(upgraded.into_stream());
        let stream = WebSocketStream::from_raw_socket(connection, Role::Client, Some(config)).await;
        Ok(WebSocket { stream, context, quiet, last: Instant::now(), asked: false })
    }
}

impl WebSocket {
    /// The next message; `None` when the server has closed the WebSocket as one does at the end.
    ///
    /// # Errors
    /// [`Error::Slow`] when the server does not answer when it is asked whether it is there,
    /// [`Error::Unreachable`] when the connection breaks off or is closed for another reason,
    /// [`Error::Protocol`]. It can be polled again when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let Ok(message) = timeout_at(self.last + self.quiet, self.stream.next()).await else {
                if self.asked {
                    return Err(self.context.slow(self.quiet));
                }
                (self.asked, self.last) = (true, Instant::now());
                let sent = timeout(self.quiet, self.stream.send(Message::Ping(Bytes::new()))).await;
                sent.map_err(|_| self.context.slow(self.quiet))?.map_err(|err| self.error(&err))?;
                continue;
            };
            (self.asked, self.last) = (false, Instant::now());
            match message {
                None => return Err(self.broken("the connection ended")),
                Some(Err(err)) => return Err(self.error(&err)),
                Some(Ok(Message::Binary(bytes))) => return Ok(Some(bytes)),
                Some(Ok(Message::Text(text))) => return Ok(Some(text.into())),
                Some(Ok(Message::Close(frame))) => return self.closed(frame.as_ref()),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            }
        }
    }

    fn closed(&self, frame: Option<&CloseFrame>) -> Result<Option<Bytes>, Error> {
        match frame.map(|frame| (u16::from(frame.code), frame.reason.as_str())) {
            None | Some((1000 | 1005, _)) => Ok(None),
            Some((code, reason)) => {
                Err(self.broken(&format!("the WebSocket was closed with {code} {reason}")))
            }
        }
    }

    fn error(&self, err: &tungstenite::Error) -> Error {
        match err {
            tungstenite::Error::Capacity(_)
            | tungstenite::Error::Protocol(_)
            | tungstenite::Error::Utf8(_)
                if !is_end(err) =>
            {
                self.context.protocol(err.to_string())
            }
            _ => self.broken(&err.to_string()),
        }
    }

    fn broken(&self, what: &str) -> Error {
        Error::Unreachable {
            backend: self.context.backend.to_owned(),
            action: self.context.action,
            source: what.trim_end().to_owned().into(),
        }
    }
}

/// Whether a connection was cut where the protocol has more to say.
fn is_end(err: &tungstenite::Error) -> bool {
    use tungstenite::error::ProtocolError;
    matches!(err, tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))
}

impl std::fmt::Debug for WebSocket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WebSocket").finish_non_exhaustive()
    }
}
