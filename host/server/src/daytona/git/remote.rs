//! What works with another repository.

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::local::refuse_option;
use super::run::{Git, makes_none};
use super::status::OnePath;
use crate::daytona::extract::{Asked, Given};
use crate::daytona::fault::Fault;
use crate::daytona::toolbox::Toolbox;

#[derive(Debug, Deserialize)]
pub(super) struct Clone {
    url: String,
    path: String,
    branch: Option<String>,
    commit_id: Option<String>,
    username: Option<String>,
    password: Option<String>,
    insecure_skip_tls: Option<bool>,
    depth: Option<u32>,
}

pub(super) async fn clone(toolbox: Toolbox, Given(given): Given<Clone>) -> Result<StatusCode, Fault> {
    if given.insecure_skip_tls == Some(true) {
        return Err(Fault::not_offered("a server's certificate is always checked here"));
    }
    let path = toolbox.path(&given.path)?;
    let branch = given.branch.filter(|branch| !branch.is_empty()).map(|branch| format!("--branch={branch}"));
    let depth = given.depth.filter(|depth| *depth > 0).map(|depth| format!("--depth={depth}"));
    Git::new(&toolbox, "")?
        .credentials(given.username.as_deref(), given.password.as_deref())
        .arguments(["clone", "--quiet"])
        .arguments(branch)
        .arguments(depth)
        .arguments(["--", &given.url, &path])
        .run()
        .await
        .map_err(makes_none)?;
    if let Some(commit) = given.commit_id.filter(|commit| !commit.is_empty()) {
        refuse_option("commit", &commit)?;
        Git::new(&toolbox, &path)?.arguments(["checkout", "--quiet", "--detach", &commit]).run().await?;
    }
    Ok(StatusCode::OK)
}

#[derive(Debug, Deserialize)]
pub(super) struct Exchange {
    path: String,
    username: Option<String>,
    password: Option<String>,
    branch: Option<String>,
    remote: Option<String>,
    set_upstream: Option<bool>,
}

impl Exchange {
    /// `git` with what lets in, and with remote and branch at the end of its arguments.
    fn git<'a>(&self, toolbox: &'a Toolbox, arguments: &[&str]) -> Result<Git<'a>, Fault> {
        let (remote, branch) = (given(self.remote.as_deref()), given(self.branch.as_deref()));
        // A branch needs a remote before it.
        let remote = remote.or(branch.and(Some("origin")));
        for (what, value) in [("remote", remote), ("branch", branch)] {
            value.map_or(Ok(()), |value| refuse_option(what, value))?;
        }
        Ok(Git::new(toolbox, &self.path)?
            .credentials(self.username.as_deref(), self.password.as_deref())
            .arguments(arguments)
            .arguments(remote)
            .arguments(branch))
    }
}

fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

pub(super) async fn push(toolbox: Toolbox, Given(given): Given<Exchange>) -> Result<StatusCode, Fault> {
    let upstream = given.set_upstream == Some(true);
    let arguments: &[&str] = if upstream { &["push", "--set-upstream"] } else { &["push"] };
    given.git(&toolbox, arguments)?.run().await?;
    Ok(StatusCode::OK)
}

pub(super) async fn pull(toolbox: Toolbox, Given(given): Given<Exchange>) -> Result<StatusCode, Fault> {
    given.git(&toolbox, &["pull", "--quiet"])?.run().await?;
    Ok(StatusCode::OK)
}

/// A remote, as it is configured.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Remote {
    name: String,
    url: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Remotes {
    remotes: Vec<Remote>,
}

pub(super) async fn list(toolbox: Toolbox, Asked(asked): Asked<OnePath>) -> Result<Json<Remotes>, Fault> {
    let text = Git::new(&toolbox, &asked.path)?.arguments(["remote", "-v"]).run().await?;
    Ok(Json(Remotes { remotes: parse(&text) }))
}

/// The lines of `git remote -v`, of which those for fetching count.
fn parse(text: &str) -> Vec<Remote> {
    let lines = text.lines().filter_map(|line| line.strip_suffix(" (fetch)")?.split_once('\t'));
    lines.map(|(name, url)| Remote { name: name.to_owned(), url: url.to_owned() }).collect()
}

#[derive(Debug, Deserialize)]
pub(super) struct Add {
    path: String,
    name: String,
    url: String,
    fetch: Option<bool>,
    overwrite: Option<bool>,
}

pub(super) async fn add(toolbox: Toolbox, Given(given): Given<Add>) -> Result<StatusCode, Fault> {
    let git = || Git::new(&toolbox, &given.path);
    let is_there = parse(&git()?.arguments(["remote", "-v"]).run().await?)
        .iter()
        .any(|remote| remote.name == given.name);
    if is_there && given.overwrite == Some(true) {
        git()?.arguments(["remote", "set-url", "--", &given.name, &given.url]).run().await?;
    } else if is_there {
        return Err(Fault::conflict(format!("there is a remote `{}` already; set `overwrite`", given.name)));
    } else {
        git()?.arguments(["remote", "add", "--", &given.name, &given.url]).run().await?;
    }
    if given.fetch == Some(true) {
        git()?.arguments(["fetch", "--quiet", "--", &given.name]).run().await?;
    }
    Ok(StatusCode::CREATED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_remote_is_told_once() {
        let remotes =
            parse("origin\thttps://a/b (fetch)\norigin\thttps://a/b (push)\nx\t/y (fetch)\nx\t/y (push)\n");
        let remote = |name: &str, url: &str| Remote { name: name.to_owned(), url: url.to_owned() };
        assert_eq!(remotes, [remote("origin", "https://a/b"), remote("x", "/y")]);
    }
}
