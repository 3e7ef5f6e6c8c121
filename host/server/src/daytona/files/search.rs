//! Searches files by name and by content, and replaces text in them.

use axum::Json;
use sandpiper_core::{Edit, FileErrorKind, FindQuery, SearchQuery};
use serde::{Deserialize, Serialize};

use crate::daytona::extract::{Asked, Given};
use crate::daytona::fault::Fault;
use crate::daytona::toolbox::Toolbox;

/// Most results of a search. The API has no way to say that there are more, so more is an error.
const RESULTS: usize = 10_000;

#[derive(Debug, Deserialize)]
pub(super) struct Pattern {
    path: String,
    pattern: String,
}

impl Pattern {
    fn check(&self) -> Result<(), Fault> {
        if self.pattern.is_empty() {
            return Err(Fault::bad_request("the pattern is empty"));
        }
        Ok(())
    }

    fn too_many(&self) -> Fault {
        let Self { path, pattern } = self;
        Fault::bad_request(format!(
            "`{pattern}` is found more than {RESULTS} times in {path}; narrow it down"
        ))
    }
}

/// A line that was found.
#[derive(Debug, Serialize)]
pub(super) struct Match {
    file: String,
    line: u64,
    content: String,
}

pub(super) async fn find(toolbox: Toolbox, Asked(asked): Asked<Pattern>) -> Result<Json<Vec<Match>>, Fault> {
    asked.check()?;
    let query = SearchQuery {
        directory: toolbox.path(&asked.path)?,
        pattern: asked.pattern.clone(),
        literal: true,
        ignore_case: false,
        files: None,
        hidden: true,
        limit: RESULTS + 1,
    };
    let found = toolbox.files().search(query).await?.found;
    if found.len() > RESULTS {
        return Err(asked.too_many());
    }
    let lines =
        found.into_iter().map(|found| Match { file: found.path, line: found.line, content: found.text });
    Ok(Json(lines.collect()))
}

/// The paths that were found.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    files: Vec<String>,
}

pub(super) async fn search(toolbox: Toolbox, Asked(asked): Asked<Pattern>) -> Result<Json<Found>, Fault> {
    asked.check()?;
    let query = FindQuery {
        directory: toolbox.path(&asked.path)?,
        pattern: asked.pattern.clone(),
        hidden: true,
        limit: RESULTS + 1,
    };
    let found = toolbox.files().find(query).await?.found;
    if found.len() > RESULTS {
        return Err(asked.too_many());
    }
    Ok(Json(Found { files: found.into_iter().map(|found| found.path).collect() }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Replace {
    files: Vec<String>,
    pattern: String,
    new_value: String,
}

/// How it went with one file.
#[derive(Debug, Serialize)]
pub(super) struct Replaced {
    file: String,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) async fn replace(
    toolbox: Toolbox,
    Given(given): Given<Replace>,
) -> Result<Json<Vec<Replaced>>, Fault> {
    if given.pattern.is_empty() {
        return Err(Fault::bad_request("the pattern is empty"));
    }
    let files = toolbox.files();
    let mut replaced = Vec::with_capacity(given.files.len());
    for file in given.files {
        let edit = Edit { old: given.pattern.clone(), new: given.new_value.clone(), all: true };
        let path = toolbox.path(&file)?;
        let error = match files.edit(&path, vec![edit]).await {
            Ok(_) => None,
            // Nothing to replace is no failure in Daytona.
            Err(err) if matches!(err.kind, FileErrorKind::NoMatch(_)) => None,
            Err(err) => Some(err.to_string()),
        };
        replaced.push(Replaced { file, success: error.is_none(), error });
    }
    Ok(Json(replaced))
}
