//! From what goes wrong with a call to the error that says so.

use std::error::Error as _;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use sandpiper_core::{Error, SandboxRef};
use serde_json::Value;

use super::{Secret, retry};

/// Whether an answer that is no success means that the sandbox of the call is gone.
pub type IsGone = fn(StatusCode, &[u8]) -> bool;

/// Most characters of a server's message that an error repeats.
const MAX_MESSAGE: usize = 500;

/// The cause of [`Error::Unreachable`] where no connection was made, so that nothing was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoConnection(String);

/// What a call is about, for its errors.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub backend: &'static str,
    pub action: &'static str,
    pub sandbox: Option<(SandboxRef, IsGone)>,
    pub secrets: Vec<Secret>,
}

impl Context {
    pub fn is_gone(&self, status: StatusCode, body: &[u8]) -> bool {
        self.sandbox.as_ref().is_some_and(|(_, is_gone)| is_gone(status, body))
    }

    /// The error of an answer that is no success.
    pub fn of_answer(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        if let Some((reference, is_gone)) = &self.sandbox
            && is_gone(status, body)
        {
            return Error::Gone { reference: reference.clone() };
        }
        let (backend, action) = (self.backend.to_owned(), self.action);
        let message = self.message(status, body);
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Unauthorized { backend, message },
            StatusCode::TOO_MANY_REQUESTS => {
                Error::RateLimited { backend, action, retry_after: retry::retry_after(headers), message }
            }
            // Said by what is before the backend, or by a backend that is not up.
            _ if retry::is_passing(status) => Error::Unreachable { backend, action, source: message.into() },
            _ => Error::Backend { backend, action, message },
        }
    }

    pub fn unreachable(&self, err: reqwest::Error) -> Error {
        let err = err.without_url();
        let phrase = self.phrase(&err);
        Error::Unreachable {
            backend: self.backend.to_owned(),
            action: self.action,
            source: if err.is_connect() { NoConnection(phrase).into() } else { phrase.into() },
        }
    }

    pub fn slow(&self, after: Duration) -> Error {
        Error::Slow { backend: self.backend.to_owned(), action: self.action, after }
    }

    pub fn protocol(&self, what: impl Into<String>) -> Error {
        Error::Protocol {
            backend: self.backend.to_owned(),
            action: self.action,
            what: self.redacted(&what.into()),
        }
    }

    /// What a server says, in one line: the message of its JSON, or its text.
    fn message(&self, status: StatusCode, body: &[u8]) -> String {
        let said = words(body);
        if said.is_empty() {
            format!("HTTP {status}")
        } else {
            self.redacted(&format!("{said} (HTTP {status})"))
        }
    }

    fn redacted(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| secret.redact(&text))
    }

    /// The innermost causes say the most, as in "connection refused".
    fn phrase(&self, err: &reqwest::Error) -> String {
        let mut text = err.to_string();
        let mut cause = err.source();
        while let Some(err) = cause {
            text = format!("{text}: {err}");
            cause = err.source();
        }
        self.redacted(&text)
    }
}

fn words(body: &[u8]) -> String {
    let named = serde_json::from_slice::<Value>(body).ok().and_then(|json| {
        let error = json.get("error");
        [json.get("message"), error.and_then(|error| error.get("message")), error]
            .into_iter()
            .flatten()
            .find_map(|value| value.as_str().map(str::to_owned))
    });
    let text = named.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        let gone: IsGone = |status, _| status == StatusCode::NOT_FOUND;
        Context {
            backend: "test",
            action: "make a sandbox",
            sandbox: Some((SandboxRef::new("test", "1"), gone)),
            secrets: vec![Secret::new("swordfish")],
        }
    }

    fn error(status: u16, body: &str) -> Error {
        context().of_answer(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn a_status_is_its_kind_of_error() {
        assert!(matches!(error(401, ""), Error::Unauthorized { .. }));
        assert!(matches!(error(403, ""), Error::Unauthorized { .. }));
        assert!(matches!(error(404, ""), Error::Gone { reference } if reference.id == "1"));
        assert!(matches!(error(429, ""), Error::RateLimited { retry_after: None, .. }));
        assert!(matches!(error(503, ""), Error::Unreachable { .. }));
        assert!(matches!(error(409, ""), Error::Backend { .. }));
        assert!(matches!(error(500, ""), Error::Backend { .. }));
    }

    #[test]
    fn a_servers_words_are_repeated_in_one_line_without_secrets() {
        let of = |body: &str| error(400, body).to_string();
        let expected = "the backend test cannot make a sandbox: no more (HTTP 400 Bad Request)";
        assert_eq!(of(r#"{"code":400,"message":"no  more"}"#), expected);
        assert_eq!(of(r#"{"error":"no\nmore"}"#), expected);
        assert_eq!(of(r#"{"error":{"message":"no more"}}"#), expected);
        assert_eq!(of("no more\x07"), expected);
        assert_eq!(of(""), "the backend test cannot make a sandbox: HTTP 400 Bad Request");
        assert_eq!(
            of("the key swordfish is wrong"),
            "the backend test cannot make a sandbox: the key [redacted] is wrong (HTTP 400 Bad Request)"
        );
        assert!(of(&"x".repeat(100_000)).len() < 700);
    }
}
