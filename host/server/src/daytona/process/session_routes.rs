//! Sessions, as clients make, use and end them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::session::{self, Command, End, Refused, Session};
use crate::daytona::extract::Given;
use crate::daytona::fault::{Code, Fault};
use crate::daytona::toolbox::Toolbox;
use crate::process::Command as Started;
use crate::random;

/// The session that Daytona starts a sandbox's entry point in; there is none here.
const ENTRYPOINT: &str = "entrypoint";

/// Names in the path of a request.
pub(super) type Names = Path<HashMap<String, String>>;

/// A command of a session.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommandView {
    id: String,
    command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
}

impl CommandView {
    fn of(command: &Command) -> Self {
        Self { id: command.id.clone(), command: command.text.clone(), exit_code: command.exit_code() }
    }
}

/// A session with its commands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionView {
    session_id: String,
    commands: Vec<CommandView>,
}

impl SessionView {
    fn of(session: &Session) -> Self {
        let commands = session.commands();
        let commands = commands.iter().map(|command| CommandView::of(command)).collect();
        Self { session_id: session.id.clone(), commands }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    session_id: String,
}

pub(super) async fn create(toolbox: Toolbox, Given(given): Given<Create>) -> Result<StatusCode, Fault> {
    let id = given.session_id;
    if id.trim().is_empty() || id == ENTRYPOINT || id.contains('/') {
        return Err(Fault::bad_request(format!("`{id}` cannot be the name of a session")));
    }
    toolbox.desk.check_session(&id)?;
    let command = Started { stdin: true, ..toolbox.command(session::shell(), None, None)? };
    let tag = Some(format!("daytona-session-{id}"));
    let (shell, output) = toolbox.held.processes.start(&toolbox.sandbox, command, tag).await?;
    toolbox.desk.add_session(Session::new(id, random::token()?, shell, output))?;
    Ok(StatusCode::CREATED)
}

pub(super) async fn list(toolbox: Toolbox) -> Json<Vec<SessionView>> {
    Json(toolbox.desk.sessions().iter().map(|session| SessionView::of(session)).collect())
}

pub(super) async fn get(toolbox: Toolbox, names: Names) -> Result<Json<SessionView>, Fault> {
    let session = session_of(&toolbox, &names)?;
    Ok(Json(SessionView::of(&session)))
}

pub(super) async fn delete(toolbox: Toolbox, names: Names) -> Result<StatusCode, Fault> {
    let session = session_of(&toolbox, &names)?;
    toolbox.desk.remove_session(&session.id);
    session.end();
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Execute {
    command: String,
    run_async: Option<bool>,
    /// The older name of `runAsync`.
    r#async: Option<bool>,
    suppress_input_echo: Option<bool>,
}

/// A command that has ended, or was only begun.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Executed {
    cmd_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(flatten)]
    texts: Option<Texts>,
}

/// The output of a command.
#[derive(Debug, Serialize)]
pub(super) struct Texts {
    output: String,
    stdout: String,
    stderr: String,
}

impl Texts {
    pub(super) fn of(command: &Command) -> Self {
        let session::Texts { output, stdout, stderr } = command.texts();
        Self { output, stdout, stderr }
    }
}

pub(super) async fn execute(
    toolbox: Toolbox,
    names: Names,
    Given(given): Given<Execute>,
) -> Result<Response, Fault> {
    if given.command.trim().is_empty() {
        return Err(Fault::bad_request("the command is empty"));
    }
    if given.command.contains('\0') {
        return Err(Fault::bad_request("the command contains NUL"));
    }
    let session = session_of(&toolbox, &names)?;
    let echo = given.suppress_input_echo != Some(true);
    let command = Command::new(random::name(20)?, given.command, echo);
    let command = session.give(command).map_err(|refused| refuse(refused, &session.id))?;
    let is_async = given.run_async.or(given.r#async) == Some(true);
    if is_async {
        let begun = Executed { cmd_id: command.id.clone(), exit_code: None, texts: None };
        return Ok((StatusCode::ACCEPTED, Json(begun)).into_response());
    }
    match command.ended().await {
        End::Exited(exit_code) => {
            let texts = Some(Texts::of(&command));
            Ok(Json(Executed { cmd_id: command.id.clone(), exit_code: Some(exit_code), texts })
                .into_response())
        }
        End::NeverRan => Err(refuse(Refused::SessionOver, &session.id)),
    }
}

pub(super) async fn command(toolbox: Toolbox, names: Names) -> Result<Json<CommandView>, Fault> {
    Ok(Json(CommandView::of(&command_of(&toolbox, &names)?.1)))
}

#[derive(Debug, Deserialize)]
pub(super) struct Input {
    data: String,
}

pub(super) async fn input(
    toolbox: Toolbox,
    names: Names,
    Given(given): Given<Input>,
) -> Result<StatusCode, Fault> {
    let (session, command) = command_of(&toolbox, &names)?;
    let mut data = given.data;
    // As in Daytona, for who reads lines.
    if !data.ends_with('\n') {
        data.push('\n');
    }
    session.input(&command, data.into()).await.map_err(|refused| refuse(refused, &session.id))?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn entrypoint(_toolbox: Toolbox) -> Json<SessionView> {
    Json(SessionView { session_id: ENTRYPOINT.to_owned(), commands: Vec::new() })
}

pub(super) async fn entrypoint_logs(_toolbox: Toolbox) -> Fault {
    Fault::not_found("a sandbox here has no entry point, so there is no output of one")
}

fn session_of(toolbox: &Toolbox, Path(names): &Names) -> Result<Arc<Session>, Fault> {
    let id = names.get("session").map(String::as_str).unwrap_or_default();
    toolbox.desk.session(id).ok_or_else(|| Fault::not_found(format!("there is no session `{id}`")))
}

pub(super) fn command_of(toolbox: &Toolbox, names: &Names) -> Result<(Arc<Session>, Arc<Command>), Fault> {
    let session = session_of(toolbox, names)?;
    let id = names.get("command").map(String::as_str).unwrap_or_default();
    let command = session.command(id).ok_or_else(|| {
        let message = format!("there is no command `{id}` in the session `{}`", session.id);
        Fault::new(StatusCode::NOT_FOUND, Code::ProcessNotFound, message)
    })?;
    Ok((session, command))
}

fn refuse(refused: Refused, session: &str) -> Fault {
    match refused {
        Refused::SessionOver => Fault::new(
            StatusCode::GONE,
            Code::SessionEnded,
            format!("the shell of the session `{session}` has ended; delete the session and make another"),
        ),
        Refused::CommandOver => {
            Fault::new(StatusCode::GONE, Code::CommandAlreadyCompleted, "the command has ended already")
        }
        Refused::InputFull => Fault::conflict("too much input waits for the command, which does not read it"),
        Refused::TooManyCommands => Fault::conflict(format!(
            "the session `{session}` has had as many commands as it remembers; make another"
        )),
    }
}
