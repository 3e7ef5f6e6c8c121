//! What changes a repository without another one.

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::run::{Git, makes_none};
use super::status::OnePath;
use crate::daytona::extract::{Asked, Given};
use crate::daytona::fault::Fault;
use crate::daytona::toolbox::Toolbox;

#[derive(Debug, Deserialize)]
pub(super) struct Init {
    path: String,
    bare: Option<bool>,
    initial_branch: Option<String>,
}

pub(super) async fn init(toolbox: Toolbox, Given(given): Given<Init>) -> Result<StatusCode, Fault> {
    let directory = toolbox.path(&given.path)?;
    toolbox.files().make_directory(&directory).await?;
    let branch = given.initial_branch.filter(|branch| !branch.is_empty());
    let branch = branch.map(|branch| format!("--initial-branch={branch}"));
    let git = Git::new(&toolbox, &directory)?.arguments(["init", "--quiet"]);
    git.argument_if(given.bare == Some(true), "--bare").arguments(branch).run().await.map_err(makes_none)?;
    Ok(StatusCode::CREATED)
}

#[derive(Debug, Deserialize)]
pub(super) struct Add {
    path: String,
    files: Vec<String>,
}

pub(super) async fn add(toolbox: Toolbox, Given(given): Given<Add>) -> Result<StatusCode, Fault> {
    Git::new(&toolbox, &given.path)?.arguments(["add", "--"]).arguments(given.files).run().await?;
    Ok(StatusCode::OK)
}

#[derive(Debug, Deserialize)]
pub(super) struct Commit {
    path: String,
    message: String,
    author: String,
    email: String,
    allow_empty: Option<bool>,
}

#[derive(Debug, Serialize)]
pub(super) struct Committed {
    hash: String,
}

pub(super) async fn commit(toolbox: Toolbox, Given(given): Given<Commit>) -> Result<Json<Committed>, Fault> {
    let identity = [
        "-c".to_owned(),
        format!("user.name={}", given.author),
        "-c".to_owned(),
        format!("user.email={}", given.email),
    ];
    Git::new(&toolbox, &given.path)?
        .arguments(identity)
        .arguments(["commit", "--quiet", "-m", &given.message])
        .argument_if(given.allow_empty == Some(true), "--allow-empty")
        .run()
        .await?;
    let hash = Git::new(&toolbox, &given.path)?.arguments(["rev-parse", "HEAD"]).run().await?;
    Ok(Json(Committed { hash: hash.trim().to_owned() }))
}

#[derive(Debug, Serialize)]
pub(super) struct Branches {
    branches: Vec<String>,
    current: String,
}

pub(super) async fn branches(
    toolbox: Toolbox,
    Asked(asked): Asked<OnePath>,
) -> Result<Json<Branches>, Fault> {
    let text = Git::new(&toolbox, &asked.path)?.arguments(["branch", "--list"]).run().await?;
    Ok(Json(parse(&text)))
}

/// The lines of `git branch`: a star is before the current one.
fn parse(text: &str) -> Branches {
    let mut found = Branches { branches: Vec::new(), current: String::new() };
    for line in text.lines() {
        let is_current = line.starts_with('*');
        let name = line.trim_start_matches(['*', '+', ' ']);
        // `(HEAD detached at 1234567)` is none.
        if name.is_empty() || name.starts_with('(') {
            continue;
        }
        if is_current {
            name.clone_into(&mut found.current);
        }
        found.branches.push(name.to_owned());
    }
    found
}

#[derive(Debug, Deserialize)]
pub(super) struct Branch {
    path: String,
    name: String,
}

pub(super) async fn make_branch(toolbox: Toolbox, Given(given): Given<Branch>) -> Result<StatusCode, Fault> {
    Git::new(&toolbox, &given.path)?.arguments(["branch", "--", &given.name]).run().await?;
    Ok(StatusCode::CREATED)
}

pub(super) async fn delete_branch(
    toolbox: Toolbox,
    Given(given): Given<Branch>,
) -> Result<StatusCode, Fault> {
    Git::new(&toolbox, &given.path)?.arguments(["branch", "-D", "--", &given.name]).run().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
pub(super) struct Checkout {
    path: String,
    branch: String,
}

pub(super) async fn checkout(toolbox: Toolbox, Given(given): Given<Checkout>) -> Result<StatusCode, Fault> {
    refuse_option("branch", &given.branch)?;
    Git::new(&toolbox, &given.path)?.arguments(["checkout", "--quiet", &given.branch]).run().await?;
    Ok(StatusCode::OK)
}

#[derive(Debug, Deserialize)]
pub(super) struct Reset {
    path: String,
    mode: Option<String>,
    target: Option<String>,
    files: Option<Vec<String>>,
}

pub(super) async fn reset(toolbox: Toolbox, Given(given): Given<Reset>) -> Result<StatusCode, Fault> {
    let mode = given.mode.as_deref().unwrap_or("mixed");
    if !["soft", "mixed", "hard", "merge", "keep"].contains(&mode) {
        let message = format!("`{mode}` is no mode, expected soft, mixed, hard, merge or keep");
        return Err(Fault::bad_request(message));
    }
    let target = given.target.as_deref().unwrap_or("HEAD");
    refuse_option("target", target)?;
    let files = given.files.unwrap_or_default();
    let git = Git::new(&toolbox, &given.path)?.arguments(["reset", "--quiet"]);
    let git = if files.is_empty() {
        git.arguments([&format!("--{mode}"), target, "--"])
    } else {
        git.arguments([target, "--"]).arguments(files)
    };
    git.run().await?;
    Ok(StatusCode::OK)
}

#[derive(Debug, Deserialize)]
pub(super) struct Restore {
    path: String,
    files: Vec<String>,
    staged: Option<bool>,
    worktree: Option<bool>,
    source: Option<String>,
}

pub(super) async fn restore(toolbox: Toolbox, Given(given): Given<Restore>) -> Result<StatusCode, Fault> {
    let source = given.source.map(|source| format!("--source={source}"));
    Git::new(&toolbox, &given.path)?
        .arguments(["restore"])
        .argument_if(given.staged == Some(true), "--staged")
        .argument_if(given.worktree == Some(true), "--worktree")
        .arguments(source)
        .arguments(["--"])
        .arguments(given.files)
        .run()
        .await?;
    Ok(StatusCode::OK)
}

/// Refuses what git would take for an option where no `--` can stand before it.
pub(super) fn refuse_option(what: &str, value: &str) -> Result<(), Fault> {
    if value.is_empty() || value.starts_with('-') {
        return Err(Fault::bad_request(format!("the {what} cannot be `{value}`")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_listed_with_the_current_one() {
        let found = parse("  a\n* main\n+ b/c\n");
        assert_eq!(
            (found.branches, found.current.as_str()),
            (vec!["a".into(), "main".into(), "b/c".into()], "main")
        );
        let detached = parse("* (HEAD detached at 1234567)\n  main\n");
        assert_eq!((detached.branches, detached.current.as_str()), (vec!["main".into()], ""));
    }
}
