//! Runs `git` in a sandbox, and tells by its words what kind of failure it had.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandpiper_core::Exit;

use crate::daytona::ending;
use crate::daytona::fault::{Code, Fault};
use crate::daytona::toolbox::{Output, Toolbox};

/// Bytes of git's words that an error repeats.
const WORDS: usize = 2_000;

/// `git` with its arguments, in a directory.
pub(super) struct Git<'a> {
    toolbox: &'a Toolbox,
    arguments: Vec<String>,
    directory: String,
    credentials: Option<String>,
}

impl<'a> Git<'a> {
    /// In the directory of a repository, as a client gives it.
    pub(super) fn new(toolbox: &'a Toolbox, path: &str) -> Result<Self, Fault> {
        Ok(Self { toolbox, arguments: Vec::new(), directory: toolbox.path(path)?, credentials: None })
    }

    pub(super) fn arguments<A: AsRef<str>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub(super) fn argument_if(self, when: bool, argument: &str) -> Self {
        if when { self.arguments([argument]) } else { self }
    }

    /// Lets in at a server. They go by a variable: arguments are shown to whoever lists processes.
    pub(super) fn credentials(mut self, username: Option<&str>, password: Option<&str>) -> Self {
        if username.is_some() || password.is_some() {
            let pair = format!("{}:{}", username.unwrap_or_default(), password.unwrap_or_default());
            self.credentials = Some(format!("Authorization: Basic {}", STANDARD.encode(pair)));
        }
        self
    }

    /// Runs it, and gives what it printed on standard output.
    pub(super) async fn run(self) -> Result<String, Fault> {
        let output = self.output().await?;
        match &output.exit {
            Exit::Code { code: 0 } => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            Exit::NotFound { .. } => Err(Fault::not_offered("there is no git in the image of this sandbox")),
            Exit::Code { .. } => Err(fault(&output.words())),
            exit => Err(Fault::bad_request(ending::words(exit).unwrap_or_default())),
        }
    }

    /// The same of a question that git answers with code 1 and no word when there is nothing to tell.
    pub(super) async fn ask(self) -> Result<Option<String>, Fault> {
        let output = self.output().await?;
        match &output.exit {
            Exit::Code { code: 0 } => Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned())),
            Exit::Code { code: 1 } if output.words().is_empty() => Ok(None),
            Exit::Code { .. } => Err(fault(&output.words())),
            Exit::NotFound { .. } => Err(Fault::not_offered("there is no git in the image of this sandbox")),
            exit => Err(Fault::bad_request(ending::words(exit).unwrap_or_default())),
        }
    }

    async fn output(self) -> Result<Output, Fault> {
        let argv = ["git".to_owned()].into_iter().chain(self.arguments).collect();
        let mut env = BTreeMap::from(
            [("LC_ALL", "C"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_EDITOR", "true"), ("GIT_PAGER", "cat")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        if let Some(header) = self.credentials {
            for (name, value) in [("COUNT", "1"), ("KEY_0", "http.extraHeader"), ("VALUE_0", &header)] {
                env.insert(format!("GIT_CONFIG_{name}"), value.to_owned());
            }
        }
        let command = self.toolbox.command(argv, Some(&self.directory), Some(env))?;
        self.toolbox.run(command, None, None).await
    }
}

/// The same of a failure to make a repository: where `git` looks for one then, it is a `git` that makes none.
pub(super) fn makes_none(fault: Fault) -> Fault {
    if !fault.message.contains("not a git repository (or any of the parent directories)") {
        return fault;
    }
    Fault::not_offered(
        "the git of this sandbox makes no repositories: clone on your machine, and upload the files, or have the \
         server grant the directory (sandpiper serve --dir)",
    )
}

impl Output {
    /// What git says of a failure.
    fn words(&self) -> String {
        let words = String::from_utf8_lossy(&self.stderr);
        let words = if words.trim().is_empty() { String::from_utf8_lossy(&self.stdout) } else { words };
        words.trim().to_owned()
    }
}

/// The fault that git's words tell of. It says no more than words; what is not known here is a bad request.
fn fault(words: &str) -> Fault {
    use Code as Is;

    let kinds: [(&[&str], StatusCode, Code); 9] = [
        (
            &["not a git repository", "there is no repository", "does not appear to be a git repository"],
            StatusCode::NOT_FOUND,
            Is::GitRepoNotFound,
        ),
        (
            &["Authentication failed", "could not read Username", "could not read Password"],
            StatusCode::UNAUTHORIZED,
            Is::GitAuthFailed,
        ),
        (&["repository", "not found"], StatusCode::NOT_FOUND, Is::GitRepoNotFound),
        (
            &["Could not resolve host", "unable to access", "Connection refused", "timed out"],
            StatusCode::BAD_GATEWAY,
            Is::GitTransportFailed,
        ),
        (&["[rejected]", "[remote rejected]"], StatusCode::CONFLICT, Is::GitPushRejected),
        (&["would be overwritten", "local changes"], StatusCode::CONFLICT, Is::GitDirtyWorktree),
        (&["CONFLICT", "unmerged files"], StatusCode::CONFLICT, Is::GitMergeConflict),
        (&["a branch named"], StatusCode::CONFLICT, Is::GitBranchExists),
        (
            &[
                "did not match any file(s) known to git",
                "unknown revision",
                "Remote branch",
                "invalid reference",
            ],
            StatusCode::NOT_FOUND,
            Is::GitBranchNotFound,
        ),
    ];
    let is = |needles: &[&str]| {
        // The one kind that two words together tell.
        if needles == ["repository", "not found"] {
            needles.iter().all(|needle| words.contains(needle))
        } else {
            needles.iter().any(|needle| words.contains(needle))
        }
    };
    let (status, code) = kinds
        .into_iter()
        .find(|(needles, ..)| is(needles))
        .map_or((StatusCode::BAD_REQUEST, Code::BadRequest), |(_, status, code)| (status, code));
    let mut message: String = words.trim().chars().take(WORDS).collect();
    if message.is_empty() {
        "git failed, and says nothing".clone_into(&mut message);
    }
    Fault::new(status, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_failure_is_told_by_gits_words() {
        for (words, status, code) in [
            (
                "fatal: not a git repository (or any of the parent directories): .git",
                StatusCode::NOT_FOUND,
                Code::GitRepoNotFound,
            ),
            (
                "remote: Repository not found.\nfatal: repository 'x' not found",
                StatusCode::NOT_FOUND,
                Code::GitRepoNotFound,
            ),
            ("fatal: Authentication failed for 'x'", StatusCode::UNAUTHORIZED, Code::GitAuthFailed),
            ("fatal: a branch named 'a' already exists", StatusCode::CONFLICT, Code::GitBranchExists),
            (
                "error: pathspec 'a' did not match any file(s) known to git",
                StatusCode::NOT_FOUND,
                Code::GitBranchNotFound,
            ),
            (" ! [rejected]        main -> main (fetch first)", StatusCode::CONFLICT, Code::GitPushRejected),
            ("fatal: something else", StatusCode::BAD_REQUEST, Code::BadRequest),
        ] {
            assert_eq!(fault(words), Fault::new(status, code, words.trim()), "{words}");
        }
    }
    #[test]
    fn a_git_that_looks_for_a_repository_when_it_is_to_make_one_makes_none() {
        let looks = fault("fatal: not a git repository (or any of the parent directories): .git\nhint: h");
        assert_eq!(makes_none(looks).status, StatusCode::NOT_IMPLEMENTED);
        let other = fault("fatal: repository 'x' not found");
        assert_eq!(makes_none(other.clone()), other);
    }
}
