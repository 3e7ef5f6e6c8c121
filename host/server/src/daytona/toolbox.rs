//! A sandbox that a request of the toolbox is about.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{FromRequestParts, Path, Query, Request, State as Extracted};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sandpiper_core::{Exit, Files, Sandbox, Stream};
use serde::Deserialize;

use super::State;
use super::desk::{Desk, InUse};
use super::fault::{Code, Fault};
use super::signature::Signed;
use crate::failure::Failure;
use crate::guest_path::{self, HOME};
use crate::held::Held;
use crate::output::{Ended, Piece, Subscription};
use crate::process::Command;
use crate::processes::Listed;

/// Where a granted directory is, as commands have it.
const WORKSPACE: &str = "/workspace";

/// A running sandbox, in use until this is dropped.
pub(crate) struct Toolbox {
    pub(crate) held: Arc<Held>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) sandbox: Arc<dyn Sandbox>,
    work_directory: &'static str,
    path_bytes: usize,
    _in_use: InUse,
}

impl FromRequestParts<State> for Toolbox {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Fault> {
        let id = sandbox_of(parts, state).await?;
        let held = state.app.registry.find(&id)?;
        let desk = Desk::of(&held)?;
        let in_use = desk.use_it();
        let sandbox = held.running()?;
        let is_mounted = held.made_of.mounts.iter().any(|mount| mount.guest.as_str() == WORKSPACE);
        let work_directory = if is_mounted { WORKSPACE } else { HOME };
        let path_bytes = state.app.registry.limits.path_bytes;
        Ok(Self { held, desk, sandbox, work_directory, path_bytes, _in_use: in_use })
    }
}

async fn sandbox_of(parts: &mut Parts, state: &State) -> Result<String, Fault> {
    let Path(mut names) = Path::<HashMap<String, String>>::from_request_parts(parts, state)
        .await
        .map_err(|err| Fault::bad_request(format!("the path is not valid: {}", err.body_text())))?;
    names.remove("sandbox").ok_or_else(|| Fault::bad_request("the path names no sandbox"))
}

impl Toolbox {
    pub(crate) fn files(&self) -> Arc<dyn Files> {
        self.sandbox.files()
    }

    /// An absolute path.
    pub(crate) fn path(&self, path: &str) -> Result<String, Fault> {
        Ok(guest_path::absolute(path, self.work_directory, self.path_bytes)?)
    }

    /// The directory that relative paths begin in.
    pub(crate) fn work_directory(&self) -> &'static str {
        self.work_directory
    }

    /// A command with the sandbox's directory and variables under its own.
    pub(crate) fn command(
        &self,
        argv: Vec<String>,
        cwd: Option<&str>,
        env: Option<BTreeMap<String, String>>,
    ) -> Result<Command, Fault> {
        let mut variables = self.desk.changing().env.clone();
        variables.extend(env.unwrap_or_default());
        let cwd = Some(self.path(cwd.unwrap_or_default())?);
        Ok(Command { argv, env: variables.into_iter().collect(), cwd, ..Command::default() })
    }
}

/// How a command ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) exit: Exit,
    /// Both streams, in the order in which they were written.
    pub(crate) both: Vec<u8>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Toolbox {
    /// Runs a command to its end; who drops this future ends the command.
    ///
    /// # Errors
    /// A timeout, after which the command is ended; and what the server or its backend fail at.
    pub(crate) async fn run(
        &self,
        command: Command,
        stdin: Option<Bytes>,
        timeout: Option<Duration>,
    ) -> Result<Output, Fault> {
        let command = Command { stdin: stdin.is_some(), timeout, ..command };
        let (listed, output) = self.held.processes.start(&self.sandbox, command, None).await?;
        let once = Once { held: &self.held, listed };
        let process = &once.listed.process;
        let feed = async {
            if let Some(bytes) = stdin {
                // A program may end before it has read everything.
                let _ = process.write(bytes).await;
                let _ = process.close_stdin().await;
            }
        };
        tokio::join!(collect(output), feed).0
    }
}

/// A process of one request: it ends with it.
struct Once<'a> {
    held: &'a Held,
    listed: Arc<Listed>,
}

impl Drop for Once<'_> {
    fn drop(&mut self) {
        self.listed.process.kill();
        drop(self.held.processes.remove(self.listed.pid));
    }
}

async fn collect(mut output: Subscription) -> Result<Output, Fault> {
    let (mut both, mut stdout, mut stderr) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(piece) = output.next().await {
        match piece {
            Piece::Output(stream, bytes) => {
                both.extend_from_slice(&bytes);
                match stream {
                    Stream::Stdout => stdout.extend_from_slice(&bytes),
                    Stream::Stderr => stderr.extend_from_slice(&bytes),
                }
            }
            Piece::Ended(Ended::Exit(exit)) => return Ok(Output { exit, both, stdout, stderr }),
            Piece::Ended(Ended::TimedOut(after)) => {
                let message = format!("the command did not end within {} seconds", after.as_secs());
                return Err(Fault::timeout(message));
            }
            Piece::Ended(Ended::Failed(reason)) => return Err(Failure::Internal(reason).into()),
        }
    }
    Err(Failure::Internal("the output of the command broke off".to_owned()).into())
}

#[derive(Debug, Deserialize)]
#[expect(clippy::struct_field_names, reason = "as the API names them")]
struct Signature {
    path: String,
    expires: u64,
    signature: String,
}

/// Lets in who has a key, or an address that the sandbox's signing key signs.
pub(super) async fn admit_signed(
    Extracted(state): Extracted<State>,
    request: Request,
    next: Next,
) -> Response {
    let signed = request.uri().query().is_some_and(|query| query.contains("signature="));
    if !signed {
        return match state.check_key(&request) {
            Ok(()) => next.run(request).await,
            Err(fault) => fault.into_response(),
        };
    }
    let (mut parts, body) = request.into_parts();
    match check_signature(&mut parts, &state).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(fault) => fault.into_response(),
    }
}

async fn check_signature(parts: &mut Parts, state: &State) -> Result<(), Fault> {
    let refuse = || {
        // Not which of them is wrong: that would tell which sandboxes there are.
        let message = "the signature of this address is not valid, or it has ended";
        Fault::new(axum::http::StatusCode::UNAUTHORIZED, Code::Unauthorized, message)
    };
    let Query(given) = Query::<Signature>::try_from_uri(&parts.uri)
        .map_err(|err| Fault::bad_request(format!("the query is not valid: {}", err.body_text())))?;
    let id = sandbox_of(parts, state).await?;
    let held = state.app.registry.find(&id).map_err(|_| refuse())?;
    let key = Desk::of(&held)?.signing_key();
    let signed = Signed { method: parts.method.as_str(), path: &given.path, expires: given.expires };
    if signed.lets_in(&key, &given.signature, SystemTime::now()) { Ok(()) } else { Err(refuse()) }
}
