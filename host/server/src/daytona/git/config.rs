//! The settings of git.

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::run::Git;
use crate::daytona::extract::{Asked, Given};
use crate::daytona::fault::Fault;
use crate::daytona::toolbox::Toolbox;

/// Where a setting is: `local` is the repository's, `global` the user's.
fn scope(scope: Option<&str>) -> Result<String, Fault> {
    match scope.unwrap_or("global") {
        scope @ ("global" | "local" | "system") => Ok(format!("--{scope}")),
        scope => Err(Fault::bad_request(format!("`{scope}` is no scope, expected global, local or system"))),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Get {
    key: String,
    path: Option<String>,
    scope: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Value {
    value: Option<String>,
}

pub(super) async fn get(toolbox: Toolbox, Asked(asked): Asked<Get>) -> Result<Json<Value>, Fault> {
    let scope = scope(asked.scope.as_deref())?;
    let git = Git::new(&toolbox, asked.path.as_deref().unwrap_or_default())?;
    let value = git.arguments(["config", &scope, "--get", &asked.key]).ask().await?;
    let value = value.map(|text| text.trim_end_matches('\n').to_owned());
    Ok(Json(Value { value }))
}

#[derive(Debug, Deserialize)]
pub(super) struct Set {
    key: String,
    value: String,
    path: Option<String>,
    scope: Option<String>,
}

pub(super) async fn set(toolbox: Toolbox, Given(given): Given<Set>) -> Result<StatusCode, Fault> {
    let path = given.path.as_deref().unwrap_or_default();
    write(&toolbox, path, given.scope.as_deref(), &given.key, &given.value).await?;
    Ok(StatusCode::OK)
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    name: String,
    email: String,
    path: Option<String>,
    scope: Option<String>,
}

pub(super) async fn set_user(toolbox: Toolbox, Given(given): Given<User>) -> Result<StatusCode, Fault> {
    let path = given.path.as_deref().unwrap_or_default();
    for (key, value) in [("user.name", &given.name), ("user.email", &given.email)] {
        write(&toolbox, path, given.scope.as_deref(), key, value).await?;
    }
    Ok(StatusCode::OK)
}

async fn write(toolbox: &Toolbox, path: &str, of: Option<&str>, key: &str, value: &str) -> Result<(), Fault> {
    let scope = scope(of)?;
    Git::new(toolbox, path)?.arguments(["config", &scope, "--replace-all", key, value]).run().await?;
    Ok(())
}

pub(super) async fn refuse_credentials() -> Fault {
    Fault::not_offered("no credentials are kept in a sandbox here; give them with each clone, push and pull")
}
