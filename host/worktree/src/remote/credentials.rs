//! Names and passwords from the user's credential helpers: gitcredentials(7), git-credential(1).

use std::path::{Path, PathBuf};

use super::address::{HttpAddress, Secret};
use super::program::{Invocation, ask};
use super::settings::{Owner, Settings, is_true};
use super::{Access, RemoteError, text};

/// What a server is told.
#[derive(Clone, Debug)]
pub(super) struct Login {
    user: Secret,
    password: Secret,
    /// Those of an address are no matter of the helpers.
    is_of_helper: bool,
}

impl Login {
    pub(super) fn of_address(user: Secret, password: Secret) -> Self {
        Self { user, password, is_of_helper: false }
    }

    /// As HTTP's Basic has it.
    pub(super) fn pair(&self) -> Secret {
        Secret(format!("{}:{}", self.user.0, self.password.0))
    }
}

/// The helpers for a server, in the order in which they are asked.
pub(super) struct Helpers<'a> {
    /// As `credential.helper` has them.
    lines: Vec<String>,
    /// How many are set where no commands are taken from.
    ignored: usize,
    /// What is asked for, without a secret.
    question: String,
    user: Option<Secret>,
    access: &'a Access,
    directory: PathBuf,
}

impl<'a> Helpers<'a> {
    /// Those of the user's own configuration.
    ///
    /// # Errors
    /// [`RemoteError::Refused`] for what cannot be asked for.
    pub(super) fn of(
        settings: &Settings,
        address: &HttpAddress,
        access: &'a Access,
        directory: &Path,
    ) -> Result<Self, RemoteError> {
        let of_user = |key: &'static str| {
            let all = settings.all_for("credential", key, address).into_iter().rev();
            all.filter(|(_, owner)| *owner == Owner::User).map(|(value, _)| value).next()
        };
        let mut helpers = Vec::new();
        let mut ignored = 0;
        for (helper, owner) in settings.all_for("credential", "helper", address) {
            match (owner, helper) {
                (Owner::Repository, _) => ignored += 1,
                // An empty one forgets those before it.
                (Owner::User, "") => helpers.clear(),
                (Owner::User, helper) => helpers.push(helper.to_owned()),
            }
        }
        let user = match &address.user {
            Some(user) => Some(user.clone()),
            None => of_user("username").map(|user| Secret(user.to_owned())),
        };
        let mut question = format!("protocol={}\nhost={}\n", address.scheme(), address.host_and_port());
        if of_user("usehttppath").is_some_and(is_true) {
            question = format!("{question}path={}\n", address.path.trim_start_matches('/'));
        }
        if user.as_ref().is_some_and(|user| user.0.chars().any(char::is_control)) {
            return Err(RemoteError::refused("credential.username", "a name has no control characters"));
        }
        Ok(Self { lines: helpers, ignored, question, user, access, directory: directory.to_owned() })
    }

    /// Asks one helper after the other, until there are a name and a password.
    ///
    /// # Errors
    /// Why there are none, in words; or an error where it is to stop.
    pub(super) fn fill(&self) -> Result<Login, Result<String, RemoteError>> {
        let mut user = self.user.clone();
        let mut password = None;
        let mut failures = Vec::new();
        for helper in &self.lines {
            let mut question = self.question.clone();
            if let Some(user) = &user {
                question = format!("{question}username={}\n", user.0);
            }
            let answer = match self.ask(helper, "get", &question) {
                Ok(answer) => answer,
                Err(RemoteError::Cancelled) => return Err(Err(RemoteError::Cancelled)),
                Err(err) => {
                    failures.push(err.to_string());
                    continue;
                }
            };
            for line in answer.lines() {
                match line.split_once('=') {
                    Some(("username", value)) => user = Some(Secret(value.to_owned())),
                    Some(("password", value)) => password = Some(Secret(value.to_owned())),
                    Some(("quit", value)) if is_true(value) => {
                        return Err(Ok(format!("the helper {} says to give up", name(helper))));
                    }
                    _ => {}
                }
            }
            if let (Some(user), Some(password)) = (&user, &password) {
                return Ok(Login { user: user.clone(), password: password.clone(), is_of_helper: true });
            }
        }
        Err(Ok(self.nothing(&failures)))
    }

    /// Tells the helpers that it was right.
    pub(super) fn approve(&self, login: &Login) -> Result<(), RemoteError> {
        self.tell("store", login)
    }

    /// Tells the helpers that it was wrong.
    pub(super) fn reject(&self, login: &Login) -> Result<(), RemoteError> {
        self.tell("erase", login)
    }

    fn tell(&self, action: &str, login: &Login) -> Result<(), RemoteError> {
        if !login.is_of_helper {
            return Ok(());
        }
        let said = format!("{}username={}\npassword={}\n", self.question, login.user.0, login.password.0);
        for helper in &self.lines {
            // Whether it takes note does not matter to what was asked for; as git has it.
            if let Err(RemoteError::Cancelled) = self.ask(helper, action, &said) {
                return Err(RemoteError::Cancelled);
            }
        }
        Ok(())
    }

    fn ask(&self, helper: &str, action: &str, question: &str) -> Result<String, RemoteError> {
        const NOT_FOUND: i32 = 127;

        let invocation = invocation(helper, action);
        let failed = |reason: String| RemoteError::Program { program: invocation.name.clone(), reason };
        let answer = ask(&invocation, &self.directory, format!("{question}\n").as_bytes(), self.access)?;
        match answer.status {
            Some(status) if status.success() => {}
            Some(status) if status.code() == Some(NOT_FOUND) => {
                let what = if helper.starts_with(['!', '/']) { "it" } else { "git, or this helper of it," };
                return Err(failed(format!(
                    "{what} is not there; install it, or set another credential.helper"
                )));
            }
            _ => {
                // Its messages may repeat what it was told.
                let mut said = text::one_line(&answer.messages);
                for line in question.lines().filter_map(|line| line.strip_prefix("password=")) {
                    said = said.replace(line, "***");
                }
                return Err(failed(format!("it failed: {said}")));
            }
        }
        String::from_utf8(answer.output).map_err(|_| failed("its answer is no text".to_owned()))
    }

    fn nothing(&self, failures: &[String]) -> String {
        let mut reason = match self.lines.as_slice() {
            [] => "no credential.helper is set in the user's configuration".to_owned(),
            helpers => {
                let names: Vec<&str> = helpers.iter().map(|helper| name(helper)).collect();
                format!("the helper {} knows none", names.join(", "))
            }
        };
        if !failures.is_empty() {
            reason = failures.join("; ");
        }
        if self.ignored > 0 {
            reason.push_str("; those of the repository's own configuration are not run");
        }
        reason.push_str("; give them to one with `git credential approve`, or use ssh://");
        reason
    }
}

/// A helper is a line of shell after `!`, a path, or what comes after `git credential-`.
fn invocation(helper: &str, action: &str) -> Invocation {
    let line = match helper.strip_prefix('!') {
        Some(line) => line.to_owned(),
        None if Path::new(helper).is_absolute() => helper.to_owned(),
        None => format!("git credential-{helper}"),
    };
    Invocation::of_shell(name(helper), &line, &[action])
}

/// What messages call it: a line of shell may hold a secret.
fn name(helper: &str) -> &str {
    match helper.split_whitespace().next() {
        _ if helper.starts_with('!') => "credential.helper",
        Some(first) => first,
        None => "credential.helper",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_are_lines_of_shell() {
        for (helper, line, called) in [
            ("store --file=x", "git credential-store --file=x \"$@\"", "store"),
            ("/a/b c", "/a/b c \"$@\"", "/a/b"),
            (
                "!f() { echo password=s3cret; }; f",
                "f() { echo password=s3cret; }; f \"$@\"",
                "credential.helper",
            ),
        ] {
            let invocation = invocation(helper, "get");
            assert_eq!(invocation.name, called);
            assert_eq!(invocation.arguments[1], line);
            assert_eq!(invocation.arguments[3], "get");
        }
    }
}
