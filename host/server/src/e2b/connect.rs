//! The Connect protocol over HTTP, as far as these services use it: JSON, no compression.
//! Source: the protocol's specification at connectrpc.com/docs/protocol.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::e2b::access::text;
use crate::failure::Failure;

/// Before each message: a byte of flags and the length.
const HEAD_BYTES: usize = 5;
/// The flags of a compressed message, and of the last one.
const COMPRESSED: u8 = 1;
const LAST: u8 = 2;

/// How often a stream says that it is alive, if the client does not say.
const KEEPALIVE: Duration = Duration::from_secs(90);

/// A message in its frame.
pub(super) fn frame(message: &Value) -> Bytes {
    framed(0, message)
}

/// The last frame, with an error or none.
pub(super) fn last_frame(error: Option<Value>) -> Bytes {
    framed(LAST, &error.map_or_else(|| json!({}), |error| json!({ "error": error })))
}

fn framed(flags: u8, message: &Value) -> Bytes {
    let message = message.to_string();
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[flags][..], &length.to_be_bytes(), message.as_bytes()].concat().into()
}

/// An answer that is a stream of frames.
pub(super) fn stream(frames: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(frames.map(Ok::<_, std::convert::Infallible>)));
    let kind = HeaderValue::from_static("application/connect+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A frame: a message, or the end.
struct Frame {
    is_last: bool,
    message: Bytes,
}

/// Frames of a request.
pub(super) struct Frames {
    body: BodyDataStream,
    waiting: BytesMut,
    limit: usize,
}

impl Frames {
    pub(super) fn new(body: Body, limit: usize) -> Self {
        Self { body: body.into_data_stream(), waiting: BytesMut::new(), limit }
    }

    /// The next message; `None` at the end.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Failure> {
        loop {
            if let Some(frame) = self.take()? {
                return if frame.is_last { Ok(None) } else { parse(&frame.message).map(Some) };
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.waiting.extend_from_slice(&bytes),
                Some(Err(err)) => {
                    return Err(Failure::Invalid(format!("the request broke off: {err}")));
                }
                None if self.waiting.is_empty() => return Ok(None),
                None => return Err(Failure::Invalid("the request ends within a message".to_owned())),
            }
        }
    }

    /// A frame that is there as a whole.
    fn take(&mut self) -> Result<Option<Frame>, Failure> {
        let Some((head, _)) = self.waiting.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let [flags, length @ ..] = *head;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > self.limit {
            let limit = self.limit;
            return Err(Failure::Invalid(format!("a message has {length} bytes, expected at most {limit}")));
        }
        if flags & COMPRESSED != 0 {
            return Err(Failure::Unsupported("compressed messages are not taken".to_owned()));
        }
        if self.waiting.len() < HEAD_BYTES + length {
            return Ok(None);
        }
        self.waiting.advance(HEAD_BYTES);
        let message = self.waiting.split_to(length).freeze();
        Ok(Some(Frame { is_last: flags & LAST != 0, message }))
    }

    /// The one message of a request whose answer is a stream.
    pub(super) async fn only<T: DeserializeOwned>(mut self) -> Result<T, Failure> {
        let none = || Failure::Invalid("the request has no message".to_owned());
        let message = self.next().await?.ok_or_else(none)?;
        // Read to its end: with a rest of the body, the connection would not be used again.
        match self.next::<serde::de::IgnoredAny>().await? {
            None => Ok(message),
            Some(_) => Err(Failure::Invalid("the request has more than one message".to_owned())),
        }
    }
}

/// The message of a unary request; an empty body is the empty message.
pub(super) fn parse<T: DeserializeOwned>(message: &[u8]) -> Result<T, Failure> {
    let message = if message.is_empty() { b"{}" } else { message };
    serde_json::from_slice(message)
        .map_err(|err| Failure::Invalid(format!("the message is not understood: {err}")))
}

/// What the client gives the call as its time.
pub(super) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Failure> {
    let Some(value) = text(headers, "connect-timeout-ms") else { return Ok(None) };
    let parsed = if value.len() <= 10 { value.parse().ok() } else { None };
    parsed.map(|ms| Some(Duration::from_millis(ms))).ok_or_else(|| {
        Failure::Invalid(format!("Connect-Timeout-Ms is {value:?}, expected at most ten digits"))
    })
}

/// How often the client wants to hear that a stream is alive.
pub(super) fn keepalive(headers: &HeaderMap) -> Duration {
    let asked = text(headers, "keepalive-ping-interval").and_then(|seconds| seconds.parse().ok());
    asked.filter(|seconds| *seconds > 0).map_or(KEEPALIVE, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(pieces: &[&[u8]]) -> Result<Vec<Value>, Failure> {
        let pieces: Vec<_> =
            pieces.iter().map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let mut frames = Frames::new(body, 20);
        let mut found = Vec::new();
        while let Some(message) = frames.next().await? {
            found.push(message);
        }
        Ok(found)
    }

    #[tokio::test]
    async fn frames_are_read_in_any_pieces() {
        let whole = [frame(&json!({ "a": 1 })), frame(&json!({ "b": 2 })), last_frame(None)].concat();
        for size in [1, 3, 100] {
            let pieces: Vec<&[u8]> = whole.chunks(size).collect();
            assert_eq!(read(&pieces).await.unwrap(), [json!({ "a": 1 }), json!({ "b": 2 })], "{size}");
        }
    }

    #[tokio::test]
    async fn frames_that_are_too_long_or_compressed_or_cut_are_refused() {
        let err = |text: &str| Err::<Vec<Value>, _>(text.to_owned());
        let told = |result: Result<_, Failure>| result.map_err(|err| err.to_string());
        assert_eq!(
            told(read(&[&[0, 0, 0, 0, 21]]).await),
            err("a message has 21 bytes, expected at most 20")
        );
        assert_eq!(told(read(&[&[1, 0, 0, 0, 1, 0]]).await), err("compressed messages are not taken"));
        assert_eq!(told(read(&[&[0, 0, 0, 0, 3, b'{']]).await), err("the request ends within a message"));
    }
}
