//! Committing what is in a worktree. The host does it, from the files; no hook is run.

use git2::{Oid, Signature};

use crate::error::Trying;
use crate::git::{Snapshot, What};
use crate::{Worktree, WorktreeError};

/// What a commit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Subject and body.
    pub message: String,
    /// `Name <address>`; who git's configuration names, if none.
    pub author: Option<String>,
    /// Lines `Key: value` below the message; the id of the run is always one.
    pub trailers: Vec<(String, String)>,
}

impl Commit {
    /// A commit by the user of git's configuration.
    pub fn new(message: &str) -> Self {
        Self { message: message.to_owned(), author: None, trailers: Vec::new() }
    }

    /// The message as it is stored, with its trailers.
    pub(crate) fn text(&self, run: &str) -> Result<String, WorktreeError> {
        let message = git2::message_prettify(self.message.as_str(), None).trying("read the message")?;
        if message.trim().is_empty() {
            return Err(WorktreeError::Unsupported {
                what: "an empty message".to_owned(),
                reason: "a commit says what it is for".to_owned(),
            });
        }
        let run = ("Sandpiper-Run".to_owned(), run.to_owned());
        let mut text = message.trim_end().to_owned();
        text.push_str("\n\n");
        for (key, value) in self.trailers.iter().chain([&run]) {
            let sound =
                !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !sound || value.contains('\n') {
                return Err(WorktreeError::Unsupported {
                    what: format!("the trailer {key:?}: {value:?}"),
                    reason: "expected a key of letters, digits and '-', and one line".to_owned(),
                });
            }
            text.push_str(key);
            text.push_str(": ");
            text.push_str(value);
            text.push('\n');
        }
        Ok(text)
    }
}

impl Worktree<'_> {
    /// Commits all changes, untracked files included, on the worktree's branch. Returns the commit's id.
    ///
    /// # Errors
    /// [`WorktreeError::NothingToCommit`], [`WorktreeError::NoAuthor`], and those of files and objects.
    pub fn commit(&self, commit: &Commit) -> Result<String, WorktreeError> {
        self.need_repository("committing")?;
        let text = commit.text(&self.record().id.to_string())?;
        let own = self.worktrees.signature();
        let (author, committer) = match &commit.author {
            Some(author) => {
                let author = parse_author(author)?;
                (author.clone(), own.unwrap_or(author))
            }
            None => own.map(|own| (own.clone(), own))?,
        };
        let repository = self.open()?;
        let scope = self.scope();
        let mut snapshot = Snapshot::take(&scope, What::Untracked)?;
        let tree = snapshot.tree()?;
        let tip = self.tip()?;
        let parent = tip.map(|oid| repository.find_commit(oid)).transpose().trying("read the branch")?;
        if self.tip_tree(&repository)? == tree {
            return Err(WorktreeError::NothingToCommit { id: self.record().id.clone() });
        }
        // Before the branch moves: whoever is interrupted between the two finds everything staged.
        snapshot.write_index()?;
        let tree = repository.find_tree(tree).trying("read a tree")?;
        let parents: Vec<_> = parent.iter().collect();
        let id: Oid =
            repository.commit(Some("HEAD"), &author, &committer, &text, &tree, &parents).trying("commit")?;
        Ok(id.to_string())
    }
}

fn parse_author(text: &str) -> Result<Signature<'static>, WorktreeError> {
    let unsound = || WorktreeError::Unsupported {
        what: format!("the author {text:?}"),
        reason: "expected 'Name <address>'".to_owned(),
    };
    let (name, rest) = text.split_once('<').ok_or_else(unsound)?;
    let address = rest.strip_suffix('>').ok_or_else(unsound)?;
    if name.trim().is_empty() || address.trim().is_empty() || text.contains('\n') {
        return Err(unsound());
    }
    Signature::now(name.trim(), address.trim()).map_err(|_| unsound())
}
