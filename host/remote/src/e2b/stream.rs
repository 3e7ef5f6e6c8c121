//! What a command says, followed across connections that break.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sandpiper_core::{BoxFuture, Error, Exit, Stream};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::NAME;
use super::connect::{Failed, Message, Messages, Said, decoded};
use super::kill::Target;
use super::sandbox::Shared;

/// What was to be done, in errors.
pub(super) const ACTION: &str = "run a command";
const FOLLOW: &str = "follow a command";

/// How often in a row a connection may break without anything having come.
const MAX_BREAKS: u32 = 4;

/// What a command says.
#[derive(Debug)]
pub(super) enum Heard {
    /// It runs, and has a number.
    Started,
    /// Output.
    Output(Stream, Bytes),
    /// It ended.
    Ended(Exit),
    /// It is over since the connection broke; how it ended is told to nobody.
    Vanished(Error),
}

/// A command that is followed.
pub(super) struct Feed {
    shared: Arc<Shared>,
    tag: String,
    whole: Duration,
    state: State,
    pid: Option<u32>,
    breaks: u32,
    /// Why the last connection broke.
    broken: String,
    /// Whether a connection broke, so that output may be missing.
    pub broke: bool,
}

enum State {
    Opening(BoxFuture<'static, Result<Messages, Failed>>),
    Open(Box<Messages>),
    Over,
}

impl Feed {
    /// Starts a command once it is polled.
    pub fn start(shared: &Arc<Shared>, request: Value, tag: &str, whole: Duration) -> Self {
        let sandbox = Arc::clone(shared);
        let opening = Box::pin(async move {
            sandbox.envd.stream(["process.Process", "Start"], &request, whole, ACTION).await
        });
        Self {
            shared: Arc::clone(shared),
            tag: tag.to_owned(),
            whole,
            state: State::Opening(opening),
            pid: None,
            breaks: 0,
            broken: String::new(),
            broke: false,
        }
    }

    /// Whether the command is known to have been started.
    pub fn has_started(&self) -> bool {
        self.pid.is_some()
    }

    /// By what the command is sent signals.
    pub fn target(&self) -> Target {
        Target { selector: self.selector(), tag: self.tag.clone() }
    }

    /// By which the command is named to envd.
    fn selector(&self) -> Value {
        self.pid.map_or_else(|| json!({"tag": self.tag}), |pid| json!({"pid": pid}))
    }

    /// What comes next. The future can be dropped and the feed polled again.
    pub async fn next(&mut self) -> Result<Heard, Error> {
        loop {
            let messages = match &mut self.state {
                State::Opening(opening) => {
                    let opened = opening.as_mut().await;
                    self.state = State::Over;
                    match opened {
                        Ok(messages) => self.state = State::Open(Box::new(messages)),
                        Err(Failed::Said(said)) if self.broke && said.code == "not_found" => {
                            return Ok(Heard::Vanished(
                                self.unknown("it is over, and how it ended is not known"),
                            ));
                        }
                        Err(failed) => {
                            let err = failed.error(ACTION, &self.shared.envd);
                            if !self.broke || !is_passing(&err) {
                                return Err(err);
                            }
                            self.reconnect(&err)?;
                        }
                    }
                    continue;
                }
                State::Open(messages) => messages,
                State::Over => return Err(protocol("the command was over already")),
            };
            let broken = match messages.next().await? {
                Message::Some(value) => match self.understand(&value)? {
                    Some(said) => return Ok(said),
                    None => continue,
                },
                Message::End => return Err(protocol("the stream ended without the end of the command")),
                Message::Failed(said) if self.broke && said.code == "not_found" => {
                    self.state = State::Over;
                    return Ok(Heard::Vanished(self.unknown("it is over, and how it ended is not known")));
                }
                Message::Failed(said) => self.failed(said)?,
                Message::Broken(err) => err,
            };
            self.reconnect(&broken)?;
        }
    }

    fn understand(&mut self, value: &Value) -> Result<Option<Heard>, Error> {
        let event = value.get("event").ok_or_else(|| protocol("a message has no event"))?;
        if let Some(start) = event.get("start") {
            let pid = start.get("pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
            let pid = pid.ok_or_else(|| protocol("a command started without a number"))?;
            let again = self.pid.replace(pid).is_some();
            return Ok((!again).then_some(Heard::Started));
        }
        self.breaks = 0;
        if let Some(data) = event.get("data") {
            for (key, stream) in
                [("stdout", Stream::Stdout), ("stderr", Stream::Stderr), ("pty", Stream::Stdout)]
            {
                if let Some(text) = data.get(key).and_then(Value::as_str) {
                    return Ok(Some(Heard::Output(stream, decoded(text).map_err(|what| protocol(&what))?)));
                }
            }
            return Ok(None);
        }
        if let Some(end) = event.get("end") {
            self.state = State::Over;
            let exit = exit(end).map_err(|what| protocol(&self.shared.envd.repeated(&what)))?;
            return Ok(Some(Heard::Ended(exit)));
        }
        // A sign of life, or what a newer envd says.
        Ok(None)
    }

    /// An end by an error: one that only says that the connection is over, or the error itself.
    fn failed(&self, said: Said) -> Result<Error, Error> {
        let is_broken = matches!(said.code.as_str(), "unavailable" | "canceled" | "aborted" | "unknown");
        let err = said.error(ACTION, &self.shared.envd);
        if is_broken { Ok(err) } else { Err(err) }
    }

    /// Goes on with another connection, unless that was tried too often.
    fn reconnect(&mut self, err: &Error) -> Result<(), Error> {
        self.broke = true;
        self.breaks += 1;
        self.broken = describe(err);
        if self.breaks > MAX_BREAKS {
            return Err(self.unknown("it may still run in the sandbox, or have ended"));
        }
        let shared = Arc::clone(&self.shared);
        let (selector, whole, tries) = (self.selector(), self.whole, self.breaks);
        self.state = State::Opening(Box::pin(async move {
            sleep(Duration::from_millis(100) * 2_u32.pow(tries)).await;
            // The control plane knows best whether the sandbox is gone, or only slow.
            let listed = shared.api.look(&shared.reference, FOLLOW).await.map_err(Failed::Broken)?;
            if listed.state == "paused" {
                return Err(Failed::Broken(Error::Backend {
                    backend: NAME.to_owned(),
                    action: FOLLOW,
                    message: "the sandbox is paused; the command goes on when it is connected to".to_owned(),
                }));
            }
            let request = json!({"process": selector});
            shared.envd.stream(["process.Process", "Connect"], &request, whole, FOLLOW).await
        }));
        Ok(())
    }

    fn unknown(&self, what: &str) -> Error {
        let command = match self.pid {
            Some(pid) => format!("as for the command, process {pid}, {what}"),
            None => "whether the command was started is not known".to_owned(),
        };
        Error::Unreachable {
            backend: NAME.to_owned(),
            action: FOLLOW,
            source: format!("the connection broke off ({}); {command}", self.broken).into(),
        }
    }
}

fn is_passing(err: &Error) -> bool {
    matches!(err, Error::Unreachable { .. } | Error::Slow { .. } | Error::RateLimited { .. })
}

/// An error with its causes, in one line.
fn describe(err: &Error) -> String {
    std::error::Error::source(err).map_or_else(|| err.to_string(), |source| format!("{err}: {source}"))
}

fn protocol(what: &str) -> Error {
    Error::Protocol { backend: NAME.to_owned(), action: ACTION, what: what.to_owned() }
}

/// How a command ended: `exit status N`, or `signal: NAME` as Go names signals.
fn exit(end: &Value) -> Result<Exit, String> {
    let status = end.get("status").and_then(Value::as_str).unwrap_or_default();
    let code = end.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
    if let Some(name) = status.strip_prefix("signal: ") {
        let name = name.strip_suffix(" (core dumped)").unwrap_or(name);
        let signal = signal(name).ok_or_else(|| format!("a command ended by the unknown signal `{name}`"))?;
        return Ok(Exit::Signal { signal });
    }
    let exited = end.get("exited").and_then(Value::as_bool).unwrap_or_default();
    if !exited && !status.starts_with("exit status") {
        return Err(format!("a command ended in the unknown way `{status}`"));
    }
    let code = u8::try_from(code).map_err(|_| format!("a command ended with the status {code}"))?;
    Ok(Exit::Code { code })
}

/// The number that Linux has for a signal of Go's `syscall` on Linux.
fn signal(name: &str) -> Option<u8> {
    const NAMES: [(&str, u8); 21] = [
        ("hangup", 1),
        ("interrupt", 2),
        ("quit", 3),
        ("illegal instruction", 4),
        ("trace/breakpoint trap", 5),
        ("aborted", 6),
        ("bus error", 7),
        ("floating point exception", 8),
        ("killed", 9),
        ("user defined signal 1", 10),
        ("segmentation fault", 11),
        ("user defined signal 2", 12),
        ("broken pipe", 13),
        ("alarm clock", 14),
        ("terminated", 15),
        ("stack fault", 16),
        ("CPU time limit exceeded", 24),
        ("file size limit exceeded", 25),
        ("virtual timer expired", 26),
        ("profiling timer expired", 27),
        ("bad system call", 31),
    ];
    let named = NAMES.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, signal)| *signal);
    named.or_else(|| name.strip_prefix("signal ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_code_or_a_signal() {
        for (end, expected) in [
            (json!({"exited": true, "status": "exit status 0"}), Exit::Code { code: 0 }),
            (json!({"exited": true, "status": "exit status 3", "exitCode": 3}), Exit::Code { code: 3 }),
            (json!({"exitCode": -1, "status": "signal: killed"}), Exit::Signal { signal: 9 }),
            (
                json!({"exitCode": -1, "status": "signal: segmentation fault (core dumped)"}),
                Exit::Signal { signal: 11 },
            ),
            (json!({"exitCode": -1, "status": "signal: signal 34"}), Exit::Signal { signal: 34 }),
        ] {
            assert_eq!(exit(&end), Ok(expected), "{end}");
        }
        let refusal = |end: Value| exit(&end).unwrap_err();
        assert_eq!(refusal(json!({})), "a command ended in the unknown way ``");
        assert_eq!(refusal(json!({"status": "signal: odd"})), "a command ended by the unknown signal `odd`");
        assert_eq!(refusal(json!({"exited": true, "exitCode": 256})), "a command ended with the status 256");
    }
}
