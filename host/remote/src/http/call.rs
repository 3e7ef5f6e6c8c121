//! One call: what is asked, and asked again where that changes nothing.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Body, Method, Request, Url};
use sandpiper_core::{Error, SandboxRef};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answer::{Answer, Opened, Streaming};
use super::client::{Client, Times, on_the_line};
use super::fault::{Context, IsGone};
use super::retry::{self, Retries};
use super::secret::Secret;

/// Most bytes of an answer that is taken as a whole, unless the call says otherwise: lists of sandboxes are
/// the largest.
const USUAL_LIMIT: usize = 8 << 20;

/// A call that is being put together. What is wrong with it is told when it is sent.
pub struct Call {
    pub(super) http: reqwest::Client,
    parts: Result<Parts, String>,
    body: Option<Payload>,
    repeatable: bool,
    limit: usize,
    pub(super) times: Times,
    retries: Retries,
    pub(super) context: Context,
}

#[derive(Clone)]
struct Parts {
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
}

enum Payload {
    Whole(Bytes),
    Coming(Body),
}

/// How one try ended.
enum Tried {
    Done(Box<Opened>),
    /// It may be tried again, after what the server says.
    Again {
        why: Error,
        told: Option<Duration>,
    },
}

impl Call {
    pub(super) fn new(client: &Client, method: Method, segments: &[&str], action: &'static str) -> Self {
        let server = &client.server;
        let repeatable = matches!(method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE);
        let parts =
            path(&server.base, segments).map(|url| Parts { method, url, headers: server.headers.clone() });
        Self {
            http: client.http.clone(),
            parts,
            body: None,
            repeatable,
            limit: USUAL_LIMIT,
            times: server.times,
            retries: server.retries,
            context: Context {
                backend: server.backend,
                action,
                sandbox: None,
                secrets: server.secrets.clone(),
            },
        }
    }

    /// Adds a parameter to the address.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if let Ok(parts) = &mut self.parts {
            parts.url.query_pairs_mut().append_pair(name, value);
        }
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.put_header(name, value, false);
        self
    }

    /// Adds a header whose value is shown to nobody else.
    #[must_use]
    pub fn secret_header(mut self, name: &str, value: &Secret) -> Self {
        self.put_header(name, value.expose(), true);
        self.context.secrets.push(value.clone());
        self
    }

    fn put_header(&mut self, name: &str, value: &str, sensitive: bool) {
        let Ok(parts) = &mut self.parts else { return };
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            (Ok(header), Ok(mut value)) => {
                value.set_sensitive(sensitive);
                parts.headers.retain(|(other, _)| *other != header);
                parts.headers.push((header, value));
            }
            _ => self.parts = Err(format!("the header {name} cannot have this value")),
        }
    }

    /// Sends JSON.
    #[must_use]
    pub fn json(self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.body("application/json", bytes),
            Err(err) => Self { parts: Err(format!("the request is no JSON: {err}")), ..self },
        }
    }

    /// Sends these bytes.
    #[must_use]
    pub fn body(self, content_type: &str, bytes: impl Into<Bytes>) -> Self {
        let mut call = self.header(CONTENT_TYPE.as_str(), content_type);
        call.body = Some(Payload::Whole(bytes.into()));
        call
    }

    /// Sends what comes; it cannot be sent twice, so the call is tried once. The server has to begin its
    /// answer in [`Times::first_byte`] all the same.
    #[must_use]
    pub fn body_stream<S>(self, content_type: &str, stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
    {
        let mut call = self.header(CONTENT_TYPE.as_str(), content_type);
        call.body = Some(Payload::Coming(Body::wrap_stream(stream)));
        call
    }

    /// Says that the call twice is the call once, so that it is tried again when it is not known whether it
    /// arrived. `GET`, `HEAD`, `PUT` and `DELETE` are, by HTTP.
    #[must_use]
    pub fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }

    /// The call is tried once.
    #[must_use]
    pub fn once(self) -> Self {
        Self { retries: Retries { most: 0, ..self.retries }, ..self }
    }

    /// Gives the call a key by which the server knows it when it comes again, and makes it
    /// [`Call::repeatable`].
    #[must_use]
    pub fn idempotency_key(self, key: &str) -> Self {
        self.header("idempotency-key", key).repeatable()
    }

    /// Says which sandbox the call is about, and which answers mean that it is gone: [`Error::Gone`].
    #[must_use]
    pub fn of(mut self, reference: &SandboxRef, is_gone: IsGone) -> Self {
        self.context.sandbox = Some((reference.clone(), is_gone));
        self
    }

    /// Sets the most bytes of the answer's body.
    #[must_use]
    pub fn limit(self, bytes: usize) -> Self {
        Self { limit: bytes, ..self }
    }

    /// Sets how long is waited; the time for a connection stays the client's.
    #[must_use]
    pub fn times(self, times: Times) -> Self {
        Self { times, ..self }
    }

    /// Sends the call and takes its answer, whatever its status.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Slow`] or [`Error::Protocol`]; and [`Error::RateLimited`] when the
    /// server names a time that is too far away.
    pub async fn send(mut self) -> Result<Answer, Error> {
        let mut deadline = self.deadline();
        let mut tried = 0;
        loop {
            let again = match self.open_by(deadline, &mut tried).await? {
                Opened::Refused(answer) => return Ok(Answer { tries: tried, ..answer }),
                Opened::Stream(streaming) => match streaming.collect_by(self.limit, &mut deadline).await {
                    Ok(answer) => return Ok(Answer { tries: tried, ..answer }),
                    // The answer has broken off: that it was done, is known only for what can be repeated.
                    Err(err @ Error::Unreachable { .. }) if self.may_repeat() => err,
                    Err(err) => return Err(err),
                },
            };
            self.pause(again, None, tried, deadline).await?;
        }
    }

    /// Sends the call and takes the beginning of its answer; of a body that is no success, all.
    ///
    /// # Errors
    /// As [`Call::send`].
    pub async fn open(mut self) -> Result<Opened, Error> {
        let deadline = self.deadline();
        self.open_by(deadline, &mut 0).await
    }

    async fn open_by(&mut self, deadline: Instant, tried: &mut u32) -> Result<Opened, Error> {
        loop {
            *tried += 1;
            match self.attempt(deadline).await? {
                Tried::Done(opened) => return Ok(*opened),
                Tried::Again { why, told } => self.pause(why, told, *tried, deadline).await?,
            }
        }
    }

    /// Waits for the next try, if there is one.
    async fn pause(
        &self,
        why: Error,
        told: Option<Duration>,
        tried: u32,
        deadline: Instant,
    ) -> Result<(), Error> {
        let wait = told.map_or_else(|| self.retries.wait(tried), |told| self.retries.wait_as_told(told));
        let too_late = Instant::now().checked_add(wait).is_none_or(|until| until >= deadline);
        if tried > self.retries.most || too_late {
            return Err(why);
        }
        sleep(wait).await;
        Ok(())
    }

    async fn attempt(&mut self, deadline: Instant) -> Result<Tried, Error> {
        let request = self.request()?;
        // Taken before sending, because a body that came is no longer there.
        let may_repeat = self.may_repeat();
        let can_resend = !matches!(self.body, Some(Payload::Coming(_)));
        let first_byte = self.times.first_byte + self.sending();
        let sent = timeout(first_byte, self.http.execute(request));
        let response = match timeout_at(deadline, sent).await {
            Err(_) => return Err(self.context.slow(self.times.whole)),
            Ok(Err(_)) => return Err(self.context.slow(first_byte)),
            Ok(Ok(Err(err))) => {
                // Without a connection nothing was asked.
                let again = can_resend && (err.is_connect() || may_repeat);
                let why = self.context.unreachable(err);
                return if again { Ok(Tried::Again { why, told: None }) } else { Err(why) };
            }
            Ok(Ok(Ok(response))) => response,
        };
        let streaming = Streaming::new(response, self.times.between_bytes, self.context.clone());
        if streaming.status.is_success() {
            return Ok(Tried::Done(Box::new(Opened::Stream(streaming))));
        }
        let answer = streaming.refused(deadline).await;
        if may_repeat && self.is_passing(&answer) {
            let told = retry::retry_after(&answer.headers);
            return Ok(Tried::Again { why: answer.error(), told });
        }
        Ok(Tried::Done(Box::new(Opened::Refused(answer))))
    }

    fn is_passing(&self, answer: &Answer) -> bool {
        retry::is_passing(answer.status) && !self.context.is_gone(answer.status, &answer.body)
    }

    fn may_repeat(&self) -> bool {
        self.repeatable && !matches!(self.body, Some(Payload::Coming(_)))
    }

    pub(super) fn request(&mut self) -> Result<Request, Error> {
        let parts = self.parts.clone().map_err(|what| Error::Host {
            context: format!("cannot ask the backend {} to {}", self.context.backend, self.context.action),
            source: what.into(),
        })?;
        let mut request = Request::new(parts.method, parts.url);
        request.headers_mut().extend(parts.headers);
        *request.body_mut() = match self.body.take() {
            None => None,
            Some(Payload::Whole(bytes)) => {
                self.body = Some(Payload::Whole(bytes.clone()));
                Some(bytes.into())
            }
            Some(Payload::Coming(body)) => {
                self.body = Some(Payload::Coming(Body::default()));
                Some(body)
            }
        };
        Ok(request)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.times.whole + self.sending()
    }

    /// The time that what is sent has by its size.
    fn sending(&self) -> Duration {
        match &self.body {
            Some(Payload::Whole(bytes)) => on_the_line(bytes.len()),
            _ => Duration::ZERO,
        }
    }
}

// What a call sends may be secret: bodies have environments in them.
impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Call").field("action", &self.context.action).finish_non_exhaustive()
    }
}

/// The address of a path, each of whose segments stays one.
fn path(base: &Url, segments: &[&str]) -> Result<Url, String> {
    let mut url = base.clone();
    if let Some(wrong) = segments.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
        return Err(format!("`{wrong}` is not a part of an address"));
    }
    match url.path_segments_mut() {
        Ok(mut path) => path.pop_if_empty().extend(segments),
        Err(()) => return Err("the address has no path".to_owned()),
    };
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stays_one() {
        let base: Url = "http://127.0.0.1:1/api/".parse().unwrap();
        let of = |segments: &[&str]| path(&base, segments).map(String::from);
        assert_eq!(
            of(&["sandboxes", "a/b?c#d e%"]).as_deref(),
            Ok("http://127.0.0.1:1/api/sandboxes/a%2Fb%3Fc%23d%20e%25")
        );
        assert_eq!(of(&["sandboxes", ".."]), Err("`..` is not a part of an address".to_owned()));
        assert_eq!(of(&["", "x"]), Err("`` is not a part of an address".to_owned()));
    }

    #[test]
    fn what_may_be_repeated_is_what_http_says() {
        let client = Client::new(super::super::ClientConfig::new("test", "http://127.0.0.1:1")).unwrap();
        let call = |method| client.call(method, &["x"], "try");
        assert!(call(Method::GET).may_repeat() && call(Method::DELETE).may_repeat());
        assert!(!call(Method::POST).may_repeat());
        assert!(call(Method::POST).idempotency_key("k").may_repeat());
        let coming = futures_util::stream::empty::<Result<Bytes, std::io::Error>>();
        assert!(!call(Method::PUT).body_stream("text/plain", coming).may_repeat());
    }

    #[test]
    fn a_secret_of_a_call_is_not_printed() {
        let client = Client::new(super::super::ClientConfig::new("test", "http://127.0.0.1:1")).unwrap();
        let call =
            client.call(Method::GET, &["x"], "try").secret_header("x-token", &Secret::new("swordfish"));
        assert!(!format!("{call:?}{client:?}").contains("swordfish"));
    }
}
