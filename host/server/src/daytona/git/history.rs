//! The commits of a repository.

use axum::Json;
use serde::Serialize;

use super::run::Git;
use super::status::OnePath;
use crate::daytona::extract::Asked;
use crate::daytona::fault::Fault;
use crate::daytona::toolbox::Toolbox;

/// Hash, name, address, time and message, between bytes that none of them has.
const FORMAT: &str = "--format=%H%x1f%an%x1f%ae%x1f%aI%x1f%B%x1e";

/// Most commits that are told.
const COMMITS: &str = "--max-count=1000";

/// A commit.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Commit {
    hash: String,
    author: String,
    email: String,
    timestamp: String,
    message: String,
}

pub(super) async fn history(
    toolbox: Toolbox,
    Asked(asked): Asked<OnePath>,
) -> Result<Json<Vec<Commit>>, Fault> {
    let text = Git::new(&toolbox, &asked.path)?.arguments(["log", COMMITS, FORMAT]).run().await?;
    parse(&text).map(Json)
}

fn parse(text: &str) -> Result<Vec<Commit>, Fault> {
    let commits = text.split('\u{1e}').map(str::trim_start).filter(|commit| !commit.is_empty());
    commits
        .map(|commit| {
            let fields: Vec<&str> = commit.split('\u{1f}').collect();
            let [hash, author, email, timestamp, message] = fields.as_slice() else {
                return Err(Fault::bad_request(format!("git log says what is not understood: {commit:?}")));
            };
            let own = |text: &str| text.to_owned();
            Ok(Commit {
                hash: own(hash),
                author: own(author),
                email: own(email),
                timestamp: own(timestamp),
                message: own(message.trim_end()),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_parsed_with_messages_of_several_lines() {
        let text = "a1\u{1f}Ann\u{1f}a@x\u{1f}2026-01-01T00:00:00Z\u{1f}One\n\nmore\n\u{1e}\n\
                    b2\u{1f}Bob\u{1f}b@x\u{1f}2025-01-01T00:00:00Z\u{1f}Two\n\u{1e}\n";
        let commits = parse(text).unwrap();
        assert_eq!(commits.len(), 2);
        assert_eq!((commits[0].hash.as_str(), commits[0].message.as_str()), ("a1", "One\n\nmore"));
        assert_eq!((commits[1].author.as_str(), commits[1].message.as_str()), ("Bob", "Two"));
        assert!(parse("x\u{1f}y\u{1e}").is_err());
    }
}
