//! The names of worktrees.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::WorktreeError;

const MAX_NAME_BYTES: usize = 64;

/// Which run of which task a worktree is for; written `task/run`.
///
/// Both names are 1 to 64 ASCII letters, digits, `_` or `-`, so that they are file names and parts of
/// a branch's name everywhere.
///
/// ```
/// let id: sandpiper_worktree::Id = "fix-login/1".parse()?;
/// assert_eq!(id.branch(), "sandpiper/fix-login/1");
/// # Ok::<(), sandpiper_worktree::WorktreeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id {
    task: String,
    run: String,
}

impl Id {
    /// The run of the task.
    ///
    /// # Errors
    /// [`WorktreeError::Name`].
    pub fn new(task: &str, run: &str) -> Result<Self, WorktreeError> {
        Ok(Self { task: name("task", task)?, run: name("run", run)? })
    }

    /// The task's name.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// The run's name.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The branch of the worktree, without `refs/heads/`.
    pub fn branch(&self) -> String {
        format!("sandpiper/{}/{}", self.task, self.run)
    }

    pub(crate) fn branch_ref(&self) -> String {
        format!("refs/heads/{}", self.branch())
    }

    /// The commit that holds the user's uncommitted changes that the worktree began with.
    pub(crate) fn start_ref(&self) -> String {
        format!("refs/sandpiper/start/{}/{}", self.task, self.run)
    }

    /// What the guest's `git stash` put away in this worktree: a reference for each entry.
    pub(crate) fn stash_refs(&self) -> String {
        format!("refs/sandpiper/stash/{}/{}/*", self.task, self.run)
    }

    /// One file name for the two; no name has a period.
    pub(crate) fn file_name(&self) -> String {
        format!("{}.{}", self.task, self.run)
    }

    /// The worktree's name for git, in `.git/worktrees`.
    pub(crate) fn administrative_name(&self) -> String {
        format!("sandpiper.{}.{}", self.task, self.run)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.task, self.run)
    }
}

impl FromStr for Id {
    type Err = WorktreeError;

    /// Takes an id, or its branch's name.
    fn from_str(text: &str) -> Result<Self, WorktreeError> {
        let short = text.strip_prefix("refs/heads/").unwrap_or(text);
        let id = short.strip_prefix("sandpiper/").filter(|rest| rest.contains('/')).unwrap_or(short);
        let Some((task, run)) = id.split_once('/') else {
            return Err(WorktreeError::Unknown { name: text.to_owned() });
        };
        Self::new(task, run)
    }
}

impl TryFrom<String> for Id {
    type Error = WorktreeError;

    fn try_from(text: String) -> Result<Self, WorktreeError> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.to_string()
    }
}

fn name(what: &'static str, name: &str) -> Result<String, WorktreeError> {
    let sound = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !sound || is_reserved(name) {
        return Err(WorktreeError::Name { what, name: name.to_owned() });
    }
    Ok(name.to_owned())
}

/// Names that are devices on Windows.
fn is_reserved(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    matches!(upper.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || ["COM", "LPT"]
            .iter()
            .any(|port| upper.strip_prefix(port).is_some_and(|number| number.len() == 1 && number != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_and_its_branch_mean_the_same() {
        let id = Id::new("t", "r-1").unwrap();
        for text in ["t/r-1", "sandpiper/t/r-1", "refs/heads/sandpiper/t/r-1"] {
            assert_eq!(text.parse::<Id>().unwrap(), id, "{text}");
        }
        assert_eq!("sandpiper/7".parse::<Id>().unwrap(), Id::new("sandpiper", "7").unwrap());
    }

    #[test]
    fn names_that_are_no_file_names_everywhere_are_refused() {
        let long = "x".repeat(65);
        for name in ["", "-x", "a b", "a.b", "..", "a/b", "ä", "nul", "COM1", "a\n", "a:b", &long] {
            let err = Id::new("t", name).unwrap_err();
            assert!(matches!(&err, WorktreeError::Name { what: "run", .. }), "{name:?}: {err}");
        }
        assert!(Id::new("t", &"x".repeat(64)).is_ok());
        assert!(Id::new("COM0", "console").is_ok());
    }
}
