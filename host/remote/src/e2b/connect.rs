//! The Connect protocol (version 1) in JSON, as envd, the agent in an E2B sandbox, speaks it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes, BytesMut};
use sandpiper_core::{Error, SandboxRef};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::{Answer, Call, Client, Method, Opened, Secret, StatusCode, Streaming, Times};

/// The port on which envd is reached.
pub(super) const ENVD_PORT: u16 = 49983;

/// Largest message of a stream; envd sends output in pieces of 32 KiB.
const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// Most characters of what is said that an error repeats.
const MAX_REPEATED: usize = 500;

/// envd of one sandbox.
#[derive(Clone, Debug)]
pub(super) struct Envd {
    pub client: Client,
    pub reference: SandboxRef,
    /// `Authorization` of the user that commands and files are of.
    pub user: Option<String>,
    /// How often a stream says that it lives.
    pub ping: Duration,
    /// What nobody else is shown, though it be said.
    pub secrets: Vec<Secret>,
}

/// Why envd did not do something.
#[derive(Debug)]
pub(super) enum Failed {
    /// It said so.
    Said(Said),
    /// It was not reached, or not understood.
    Broken(Error),
}

/// An error of the Connect protocol.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Said {
    pub code: String,
    #[serde(default)]
    pub message: String,
}

impl Said {
    /// The error of a caller that knows no better.
    pub fn error(self, action: &'static str, envd: &Envd) -> Error {
        let backend = super::NAME.to_owned();
        let message = format!("{} ({})", envd.repeated(&self.message), envd.repeated(&self.code));
        match self.code.as_str() {
            "unauthenticated" | "permission_denied" => Error::Unauthorized { backend, message },
            "resource_exhausted" => Error::RateLimited { backend, action, retry_after: None, message },
            "unavailable" if is_gone_message(&self.message) => {
                Error::Gone { reference: envd.reference.clone() }
            }
            "unavailable" | "canceled" | "aborted" => {
                Error::Unreachable { backend, action, source: message.into() }
            }
            "unimplemented" => Error::Unsupported { backend, operation: action },
            _ => Error::Backend { backend, action, message },
        }
    }
}

impl Failed {
    pub fn error(self, action: &'static str, envd: &Envd) -> Error {
        match self {
            Self::Said(said) => said.error(action, envd),
            Self::Broken(err) => err,
        }
    }
}

/// Whether an answer of E2B's proxy means that there is no such sandbox: 502, told apart from a port that is
/// closed by its words alone.
pub(super) fn is_gone(status: StatusCode, body: &[u8]) -> bool {
    status == StatusCode::BAD_GATEWAY && is_gone_message(&String::from_utf8_lossy(body))
}

fn is_gone_message(text: &str) -> bool {
    text.contains("was not found")
}

/// What a server says, as an error repeats it: without secrets, in one line, and cut.
pub(super) fn repeated(said: &str, secrets: &[Secret]) -> String {
    // Before it is cut, for what is left of a secret would no longer be known as one.
    let text = secrets.iter().fold(said.to_owned(), |text, secret| secret.redact(&text));
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(MAX_REPEATED).collect()
}

impl Envd {
    /// What is said in the sandbox, as an error repeats it.
    pub fn repeated(&self, said: &str) -> String {
        repeated(said, &self.secrets)
    }

    /// A call of a path that is no procedure.
    pub fn call(&self, method: Method, segments: &[&str], action: &'static str) -> Call {
        let call = self.client.call(method, segments, action).of(&self.reference, is_gone);
        // By these one address serves all sandboxes.
        let call = call.header("e2b-sandbox-id", &self.reference.id);
        let call = call.header("e2b-sandbox-port", &ENVD_PORT.to_string());
        match &self.user {
            Some(user) => call.header("authorization", user),
            None => call,
        }
    }

    /// A procedure with one answer. It is put together here, so that callers can say whether it is repeatable.
    pub fn procedure(&self, path: [&str; 2], request: &Value, action: &'static str) -> Call {
        self.call(Method::POST, &path, action).header("connect-protocol-version", "1").json(request)
    }

    /// A procedure whose answer is a stream, which is bounded by `whole`.
    pub async fn stream(
        &self,
        path: [&str; 2],
        request: &Value,
        whole: Duration,
        action: &'static str,
    ) -> Result<Messages, Failed> {
        // Four missed signs of life are a connection that is dead.
        let times = Times { between_bytes: self.ping.saturating_mul(4), ..self.client.times() };
        let opened = self
            .call(Method::POST, &path, action)
            .header("connect-protocol-version", "1")
            .header("connect-timeout-ms", &whole.as_millis().to_string())
            .header("keepalive-ping-interval", &self.ping.as_secs().max(1).to_string())
            .body("application/connect+json", enveloped(request))
            .times(times)
            .open()
            .await
            .map_err(Failed::Broken)?;
        match opened {
            Opened::Stream(body) => Ok(Messages { body, decoder: Decoder::default() }),
            Opened::Refused(answer) => Err(refused(&answer)),
        }
    }
}

/// Sends a procedure and reads its answer.
pub(super) async fn ask<T: DeserializeOwned>(call: Call) -> Result<T, Failed> {
    let answer = call.send().await.map_err(Failed::Broken)?;
    if !answer.status.is_success() {
        return Err(refused(&answer));
    }
    answer.json().map_err(Failed::Broken)
}

fn refused(answer: &Answer) -> Failed {
    let err = answer.error();
    match (&err, serde_json::from_slice::<Said>(&answer.body)) {
        (Error::Backend { .. } | Error::Unreachable { .. }, Ok(said)) => Failed::Said(said),
        _ => Failed::Broken(err),
    }
}

/// A stream of messages.
#[derive(Debug)]
pub(super) struct Messages {
    body: Streaming,
    decoder: Decoder,
}

/// What comes on a stream.
#[derive(Debug)]
pub(super) enum Message {
    /// A message.
    Some(Value),
    /// The end, as the server has it.
    End,
    /// The end, by an error.
    Failed(Said),
    /// The connection is over without an end of the stream.
    Broken(Error),
}

impl Messages {
    /// The next message. The future can be dropped and the stream polled again.
    ///
    /// # Errors
    /// [`Error::Protocol`] for what is no message.
    pub async fn next(&mut self) -> Result<Message, Error> {
        loop {
            match self.decoder.take() {
                Ok(Some((false, bytes))) => {
                    return match serde_json::from_slice(&bytes) {
                        Ok(value) => Ok(Message::Some(value)),
                        Err(err) => Err(self.body.protocol(format!("a message is no JSON: {err}"))),
                    };
                }
                Ok(Some((true, bytes))) => {
                    return match serde_json::from_slice::<End>(&bytes) {
                        Ok(End { error: Some(said) }) => Ok(Message::Failed(said)),
                        Ok(End { error: None }) => Ok(Message::End),
                        Err(err) => {
                            Err(self.body.protocol(format!("the end of the stream is no JSON: {err}")))
                        }
                    };
                }
                Ok(None) => {}
                Err(what) => return Err(self.body.protocol(what)),
            }
            match self.body.chunk().await {
                Ok(Some(chunk)) => self.decoder.buffer.extend_from_slice(&chunk),
                Ok(None) => {
                    let left = self.decoder.buffer.len();
                    let what = format!("the stream broke off, {left} bytes into a message");
                    return Ok(Message::Broken(Error::Unreachable {
                        backend: super::NAME.to_owned(),
                        action: "follow a command",
                        source: what.into(),
                    }));
                }
                Err(err) => return Ok(Message::Broken(err)),
            }
        }
    }
}

#[derive(Deserialize)]
struct End {
    error: Option<Said>,
}

/// Takes messages out of bytes: a byte of flags, four of length, and the message.
#[derive(Debug, Default)]
struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    const COMPRESSED: u8 = 1;
    const END: u8 = 2;
    const HEAD: usize = 5;

    /// The next message, and whether it is the end of the stream; `None` when it is not here as a whole.
    fn take(&mut self) -> Result<Option<(bool, Bytes)>, String> {
        let Some((flags, length)) = self.buffer.split_first_chunk::<{ Self::HEAD }>().map(|(head, _)| {
            let [flags, length @ ..] = *head;
            (flags, u32::from_be_bytes(length))
        }) else {
            return Ok(None);
        };
        if flags & Self::COMPRESSED != 0 {
            return Err("a message is compressed, which was not agreed".to_owned());
        }
        if flags & !Self::END != 0 {
            return Err(format!("a message has the flags {flags:#04x}, which are none"));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_MESSAGE_BYTES {
            return Err(format!("a message of {length} bytes is longer than {MAX_MESSAGE_BYTES}"));
        }
        if self.buffer.len() < Self::HEAD + length {
            return Ok(None);
        }
        self.buffer.advance(Self::HEAD);
        Ok(Some((flags & Self::END != 0, self.buffer.split_to(length).freeze())))
    }
}

fn enveloped(request: &Value) -> Bytes {
    let json = request.to_string();
    let mut bytes = BytesMut::with_capacity(json.len() + Decoder::HEAD);
    bytes.extend_from_slice(&[0]);
    // Arguments and variables of a command are bounded far below 4 GiB.
    bytes.extend_from_slice(&u32::try_from(json.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(json.as_bytes());
    bytes.freeze()
}

/// Bytes as JSON has them.
pub(super) fn encoded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes that JSON has.
pub(super) fn decoded(text: &str) -> Result<Bytes, String> {
    STANDARD.decode(text).map(Bytes::from).map_err(|err| format!("output is no base64: {err}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_out_of_bytes_wherever_they_are_cut() {
        let mut bytes = enveloped(&serde_json::json!({"a": 1})).to_vec();
        bytes.extend_from_slice(b"\x02\0\0\0\x02{}");
        for cut in 0..bytes.len() {
            let mut decoder = Decoder::default();
            let mut taken = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                decoder.buffer.extend_from_slice(part);
                while let Some(message) = decoder.take().unwrap() {
                    taken.push(message);
                }
            }
            assert_eq!(taken, [(false, Bytes::from(r#"{"a":1}"#)), (true, Bytes::from("{}"))], "{cut}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused_before_it_is_waited_for() {
        let refusal = |bytes: &[u8]| Decoder { buffer: bytes.into() }.take().unwrap_err();
        assert_eq!(refusal(b"\x01\0\0\0\x01"), "a message is compressed, which was not agreed");
        assert_eq!(refusal(b"HTTP/"), "a message has the flags 0x48, which are none");
        assert_eq!(refusal(b"\0\xff\xff\xff\xff"), "a message of 4294967295 bytes is longer than 4194304");
    }
}
