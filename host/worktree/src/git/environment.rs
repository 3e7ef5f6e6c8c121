//! What a guest says to git by environment variables (git(1), "Environment Variables").

use super::dates::exact;
use super::failure::{Failure, Result};
use super::{Invocation, Moment, Person};
use sandpiper_core::GitCommand;

/// Variables that lead git to another repository, index or configuration than the worktree's.
const ELSEWHERE: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_SYSTEM",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_WORK_TREE",
];

/// Reads a guest's command line with its variables.
pub(super) fn invocation(command: &GitCommand) -> Result<Invocation> {
    let value = |wanted: &str| {
        let found = command.environment.iter().find(|(name, _)| name == wanted.as_bytes());
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).filter(|value| !value.is_empty())
    };
    if let Some(name) = ELSEWHERE.iter().find(|name| value(name).is_some()) {
        return Err(Failure::fatal(format!("the variable {name} has no use here"))
            .hint("git works on this run's worktree only; unset it"));
    }
    let seconds = i64::try_from(command.now_ns / 1_000_000_000).unwrap_or(i64::MAX);
    let now = Moment { seconds, offset_minutes: 0 };
    let person = |name: &str, email: &str, date: &str| -> Result<Person> {
        let time = match value(date) {
            Some(text) => {
                exact(&text, now).ok_or_else(|| Failure::fatal(format!("invalid date format: {text}")))?
            }
            None => now,
        };
        Ok(Person { name: value(name), email: value(email), time })
    };
    Ok(Invocation {
        arguments: command.arguments.clone(),
        directory: command.directory.clone().into_bytes(),
        stdin: command.stdin.clone(),
        author: person("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE")?,
        committer: person("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_COMMITTER_DATE")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<Invocation> {
        let environment = vec![(name.as_bytes().to_vec(), value.as_bytes().to_vec())];
        invocation(&GitCommand { environment, now_ns: 5_000_000_000, ..GitCommand::default() })
    }

    #[test]
    fn persons_and_dates_are_taken() {
        let author = with("GIT_AUTHOR_NAME", "A U Thor").unwrap().author;
        assert_eq!((author.name.as_deref(), author.time.seconds), (Some("A U Thor"), 5));
        let committer = with("GIT_COMMITTER_DATE", "7 +0100").unwrap().committer;
        assert_eq!(committer.time, Moment { seconds: 7, offset_minutes: 60 });
        assert_eq!(with("GIT_PAGER", "less").unwrap().author.name, None);
    }

    #[test]
    fn what_leads_elsewhere_and_dates_that_are_none_are_refused() {
        let message = |name, value| String::from_utf8(with(name, value).unwrap_err().message).unwrap();
        assert!(message("GIT_DIR", "/tmp/x").starts_with("fatal: the variable GIT_DIR has no use here\n"));
        assert_eq!(message("GIT_AUTHOR_DATE", "tea time"), "fatal: invalid date format: tea time\n");
        assert!(with("GIT_DIR", "").is_ok());
    }
}
