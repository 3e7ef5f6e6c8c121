//! The calls to the daemon of one sandbox.

use std::time::Duration;

use bytes::Bytes;
use sandpiper_core::{Error, SandboxRef};

use super::NAME;
use super::control::Control;
use super::multipart;
use super::wire::{
    CommandState, CreateSession, Execute, Executed, Paths, SessionCommand, SessionInput, StartedCommand,
    State, SystemMetrics,
};
use crate::http::{Answer, Call, Client, Method, Part, StatusCode, WebSocket};

/// How long a program that helps with files may take.
const EXECUTE_SECONDS: u64 = 60;

/// Most bytes that such a program prints: the base64 of a list of [`super::script::MOST_FILES`] paths.
const EXECUTE_LIMIT: usize = 64 << 20;

/// How long a sandbox may take to come to a state, of which it is asked why its daemon does not answer.
const SETTLING: Duration = Duration::from_secs(10);

/// What a form with a file has beyond the file.
const FORM_BYTES: usize = 64 << 10;

/// The daemon of a sandbox.
#[derive(Clone, Debug)]
pub(super) struct Toolbox {
    pub(super) control: Control,
    pub(super) client: Client,
    pub(super) reference: SandboxRef,
}

/// A session, and the command in it.
#[derive(Clone, Debug)]
pub(super) struct SessionRef {
    pub(super) session: String,
    pub(super) command: String,
}

impl Toolbox {
    pub(super) async fn create_session(&self, session: &str) -> Result<(), Error> {
        let body = CreateSession { session_id: session.to_owned() };
        let call = self.client.call(Method::POST, &["process", "session"], "run a command").json(&body);
        self.ask(call).await.map(drop)
    }

    pub(super) async fn start(&self, session: &str, command: String) -> Result<SessionRef, Error> {
        let body = SessionCommand { command, run_async: true, suppress_input_echo: true };
        let segments = ["process", "session", session, "exec"];
        let call = self.client.call(Method::POST, &segments, "run a command").json(&body);
        let started: StartedCommand = self.ask(call).await?.json()?;
        Ok(SessionRef { session: session.to_owned(), command: started.cmd_id })
    }

    /// Follows the log of a command from its beginning.
    pub(super) async fn follow(&self, at: &SessionRef) -> Result<WebSocket, Error> {
        let segments = ["process", "session", &at.session, "command", &at.command, "logs"];
        let call = self.client.call(Method::GET, &segments, "follow a command").query("follow", "true");
        call.websocket().await
    }

    /// The status of a command that has ended, as its session knows it.
    pub(super) async fn status(&self, at: &SessionRef) -> Result<Option<i64>, Error> {
        let segments = ["process", "session", &at.session, "command", &at.command];
        let call = self.client.call(Method::GET, &segments, "follow a command");
        Ok(self.ask(call).await?.json::<CommandState>()?.exit_code)
    }

    /// Sends a line of input. That it is not answered does not mean that it has not arrived.
    pub(super) async fn input(&self, at: &SessionRef, data: String, most: Duration) -> Result<(), Error> {
        let segments = ["process", "session", &at.session, "command", &at.command, "input"];
        let call =
            self.client.call(Method::POST, &segments, "send input").json(&SessionInput { data }).once();
        // It is answered when the command has read as much.
        let times = crate::http::Times { first_byte: most, whole: most, ..self.client.times() };
        self.ask(call.times(times)).await.map(drop)
    }

    /// Ends a session with all that runs in it; one that is gone has ended.
    pub(super) async fn delete_session(&self, session: &str) -> Result<(), Error> {
        let answer = self
            .client
            .call(Method::DELETE, &["process", "session", session], "end a command")
            .send()
            .await?;
        if answer.status == StatusCode::NOT_FOUND { Ok(()) } else { answer.checked().map(drop) }
    }

    /// Executes a program that is over soon, and gives its status and what it has printed.
    pub(super) async fn execute(
        &self,
        command: String,
        action: &'static str,
        repeatable: bool,
    ) -> Result<(i64, String), Error> {
        let body = Execute { command, timeout: EXECUTE_SECONDS };
        let call =
            self.client.call(Method::POST, &["process", "execute"], action).json(&body).limit(EXECUTE_LIMIT);
        let answer = self.ask(if repeatable { call.repeatable() } else { call }).await?;
        let wrong = |what: String| answer.protocol(what);
        let executed: Executed = serde_json::from_slice(&answer.body)
            .map_err(|err| wrong(format!("the body is not the JSON that is expected: {err}")))?;
        let code = executed.code().ok_or_else(|| wrong("a program has no exit code".to_owned()))?;
        Ok((code, executed.result))
    }

    pub(super) async fn upload(&self, path: &str, content: &[u8]) -> Result<(), Error> {
        let (content_type, body) = crate::http::multipart(&[
            Part { name: "files[0].path", file: None, content: path.as_bytes() },
            Part { name: "files[0].file", file: Some("file"), content },
        ]);
        let call = self.client.call(Method::POST, &["files", "bulk-upload"], "write a file");
        self.ask(call.body(&content_type, body).repeatable()).await.map(drop)
    }

    /// What is in some files, in their order, as far as they can be read; `bytes` is what they have together.
    pub(super) async fn download(&self, paths: &[&str], bytes: u64) -> Result<Vec<Option<Bytes>>, Error> {
        let limit = usize::try_from(bytes)
            .unwrap_or(usize::MAX)
            .saturating_add(FORM_BYTES.saturating_mul(paths.len()));
        let call = self.client.call(Method::POST, &["files", "bulk-download"], "read a file");
        let answer = self.ask(call.json(&Paths { paths }).repeatable().limit(limit)).await?;
        let content_type =
            answer.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let boundary = multipart::boundary(content_type)
            .ok_or_else(|| answer.protocol(format!("the files come as `{}`", content_type.escape_debug())))?;
        let mut parts = multipart::parts(&answer.body, boundary)
            .map_err(|what| answer.protocol(format!("a form is broken: {what}")))?;
        if parts.len() == paths.len() + 1 && parts.last().is_some_and(|part| part.name == "error") {
            // Some daemons sum up what went wrong.
            parts.pop();
        }
        if parts.len() != paths.len() {
            return Err(answer.protocol(format!(
                "{} files come, and {} were asked for",
                parts.len(),
                paths.len()
            )));
        }
        Ok(parts.into_iter().map(|part| (part.name != "error").then_some(part.content)).collect())
    }

    pub(super) async fn metrics(&self) -> Result<SystemMetrics, Error> {
        let call = self.client.call(Method::GET, &["system", "metrics"], "tell what a sandbox uses");
        self.ask(call).await?.json()
    }

    /// Sends a call, and finds out what it means when it fails.
    async fn ask(&self, call: Call) -> Result<Answer, Error> {
        match call.send().await {
            Ok(answer) if answer.status.is_success() => Ok(answer),
            Ok(answer) => Err(self.explain(answer.error()).await),
            Err(err) => Err(self.explain(err).await),
        }
    }

    /// What an error of the daemon means: a daemon that is not there may be a sandbox that is gone.
    pub(super) async fn explain(&self, err: Error) -> Error {
        let action = match &err {
            Error::Unreachable { action, .. }
            | Error::Slow { action, .. }
            | Error::Backend { action, .. }
            | Error::Protocol { action, .. } => *action,
            _ => return err,
        };
        // What it does when it is on its way from one state to another, is what it comes to.
        let is_settled = |state| state != State::Changing;
        match self.control.wait(&self.reference, action, is_settled, SETTLING).await {
            Err(gone @ Error::Gone { .. }) => gone,
            Ok(sandbox) => match sandbox.state {
                State::Destroying => Error::Gone { reference: self.reference.clone() },
                State::Stopped | State::Archived | State::Paused => Error::Backend {
                    backend: NAME.to_owned(),
                    action,
                    message: "the sandbox is stopped; connect to it to go on".to_owned(),
                },
                State::Error | State::BuildFailed => Error::Backend {
                    backend: NAME.to_owned(),
                    action,
                    message: format!("the sandbox has failed: {}", sandbox.error_reason.unwrap_or_default()),
                },
                _ => err,
            },
            Err(_) => err,
        }
    }
}
