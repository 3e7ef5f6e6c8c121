//! What comes back: an answer in memory, or a body that is still coming.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use sandpiper_core::Error;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};

use super::client::on_the_line;
use super::fault::Context;

/// Most bytes of an answer that is no success.
const REFUSAL_LIMIT: usize = 64 << 10;

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How often the call was sent for it. After more than once, a server that does not know idempotency keys
    /// may have done it more than once.
    pub tries: u32,
    pub(super) context: Context,
}

impl Answer {
    /// The answer, if its status is a success.
    ///
    /// # Errors
    /// What the status means.
    pub fn checked(self) -> Result<Self, Error> {
        if self.status.is_success() { Ok(self) } else { Err(self.error()) }
    }

    /// What the body is in JSON, if the status is a success.
    ///
    /// # Errors
    /// What the status means; [`Error::Protocol`] for a body that is not what is expected.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let answer = self.checked()?;
        serde_json::from_slice(&answer.body)
            .map_err(|err| answer.protocol(format!("the body is not the JSON that is expected: {err}")))
    }

    /// When it was given, by the server's clock and in whole seconds, if the server tells.
    pub fn date(&self) -> Option<SystemTime> {
        httpdate::parse_http_date(self.headers.get("date")?.to_str().ok()?).ok()
    }

    /// The error that the status means.
    pub fn error(&self) -> Error {
        self.context.of_answer(self.status, &self.headers, &self.body)
    }

    /// [`Error::Protocol`] about this answer.
    pub fn protocol(&self, what: impl Into<String>) -> Error {
        self.context.protocol(what)
    }
}

/// An answer that has begun.
#[derive(Debug)]
pub enum Opened {
    /// A success, whose body comes.
    Stream(Streaming),
    /// Any other status.
    Refused(Answer),
}

impl Opened {
    /// The body of a success.
    ///
    /// # Errors
    /// What any other status means.
    pub fn stream(self) -> Result<Streaming, Error> {
        match self {
            Self::Stream(streaming) => Ok(streaming),
            Self::Refused(answer) => Err(answer.error()),
        }
    }
}

/// A body that comes in pieces. Dropping it ends the connection.
#[derive(Debug)]
pub struct Streaming {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    pub(super) response: reqwest::Response,
    pub(super) between_bytes: Duration,
    pub(super) context: Context,
}

impl Streaming {
    pub(super) fn new(response: reqwest::Response, between_bytes: Duration, context: Context) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, response, between_bytes, context }
    }

    /// The next piece; `None` at the end of the body.
    ///
    /// # Errors
    /// [`Error::Slow`] when none comes in time, [`Error::Unreachable`] when the connection breaks off or the
    /// body is shorter than it was to be. It can be polled again when the future is dropped.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        match timeout(self.between_bytes, self.response.chunk()).await {
            Err(_) => Err(self.context.slow(self.between_bytes)),
            Ok(Err(err)) => Err(self.context.unreachable(err)),
            Ok(Ok(chunk)) => Ok(chunk),
        }
    }

    /// All of the body.
    ///
    /// # Errors
    /// As [`Streaming::chunk`]; [`Error::Protocol`] when it has more than `limit` bytes, [`Error::Slow`] when
    /// it is not there by `deadline`, which moves on by what comes, at 128 KiB a second.
    pub async fn collect(self, limit: usize, mut deadline: Instant) -> Result<Answer, Error> {
        self.collect_by(limit, &mut deadline).await
    }

    /// The answer, where it is no success. Without a body that can be taken, the status alone tells what it is about.
    pub(super) async fn refused(self, deadline: Instant) -> Answer {
        let (status, headers, context) = (self.status, self.headers.clone(), self.context.clone());
        let bare = Answer { status, headers, body: Bytes::new(), tries: 0, context };
        self.collect(REFUSAL_LIMIT, deadline).await.unwrap_or(bare)
    }

    /// [`Streaming::collect`], which leaves the deadline where it has moved to.
    pub(super) async fn collect_by(mut self, limit: usize, deadline: &mut Instant) -> Result<Answer, Error> {
        let begun = Instant::now();
        let too_large = |context: &Context| context.protocol(format!("the body has more than {limit} bytes"));
        if self.response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large(&self.context));
        }
        let mut body = BytesMut::new();
        loop {
            let Ok(chunk) = timeout_at(*deadline, self.chunk()).await else {
                return Err(self.context.slow(begun.elapsed()));
            };
            let Some(chunk) = chunk? else { break };
            if chunk.len() > limit.saturating_sub(body.len()) {
                return Err(too_large(&self.context));
            }
            *deadline += on_the_line(chunk.len());
            body.extend_from_slice(&chunk);
        }
        let body = body.freeze();
        Ok(Answer { status: self.status, headers: self.headers, body, tries: 0, context: self.context })
    }

    /// [`Error::Protocol`] about this answer.
    pub fn protocol(&self, what: impl Into<String>) -> Error {
        self.context.protocol(what)
    }
}
