//! The same looks at a worktree for the host's own commands, as data and as text.

use super::Scope;
use super::changes::{Change, Delta, Side, between_trees};
use super::failure::Failure;
use super::hunks::Whitespace;
use super::patch::PatchOptions;
use super::pathspec::Pathspec;
use super::renames::detect;
use super::session::{Caller, Session};
use super::stat::{Amount, FileStat, amount, graph, stats, summary};
use super::status::{StatusEntry, StatusOptions, Untracked};
use super::status_text::{Form, porcelain_v2};
use git2::Oid;

/// The least similarity of a rename, in percent.
const RENAME_PERCENT: u32 = 50;

/// A worktree that cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookError {
    /// A file or an object is missing, unreadable or of a kind that is not supported.
    #[error("{message}")]
    Failed {
        /// What, and why.
        message: String,
    },
    /// There is a repository within the worktree, of which git would keep a commit and no file.
    #[error("the repository {path} within the worktree would not be saved")]
    InnerRepository {
        /// Its git directory, relative to the worktree.
        path: String,
    },
}

impl From<Failure> for LookError {
    /// Without the words for a screen that git puts before.
    fn from(failure: Failure) -> Self {
        let text = String::from_utf8_lossy(&failure.message);
        let line = |line: &str| {
            let without = ["fatal: ", "error: ", "hint: "].iter().find_map(|word| line.strip_prefix(word));
            without.unwrap_or(line).to_owned()
        };
        Self::Failed { message: text.lines().map(line).collect::<Vec<_>>().join("; ") }
    }
}

/// The state of every path of a worktree that is not as HEAD has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Tracked files, then others, each by path.
    pub entries: Vec<StatusEntry>,
    /// The same as `git status --porcelain=v2` prints it.
    pub porcelain: Vec<u8>,
}

/// Tells the state of every path of a worktree that is not as HEAD has it.
///
/// # Errors
///
/// [`LookError`] if the repository or the working tree cannot be read.
pub fn status(scope: &Scope, untracked: Untracked) -> Result<Status, LookError> {
    let session = Session::open_for(scope, Caller::Host)?;
    let staging = session.staging()?;
    let options = StatusOptions { untracked, ignored: false, renames: true };
    let entries = super::status::status(&session, &staging, &Pathspec::default(), &options)?;
    let form = Form { zero: false, prefix: Vec::new() };
    let porcelain = porcelain_v2(&session, &entries, None, &form);
    Ok(Status { entries, porcelain })
}

/// What differs between two trees, with renames.
pub(crate) struct Difference<'a> {
    session: Session<'a>,
    deltas: Vec<Delta>,
}

/// A file that differs, by what it holds; nothing where it is not there, or too large.
pub(crate) struct FileContents<'a> {
    pub(crate) change: Change,
    pub(crate) path: &'a [u8],
    pub(crate) path_before: Option<&'a [u8]>,
    pub(crate) before: Option<Vec<u8>>,
    pub(crate) after: Option<Vec<u8>>,
}

impl<'a> Difference<'a> {
    /// Compares the trees. The attributes of the working tree say which files are binary.
    pub(crate) fn between(scope: &'a Scope, before: Oid, after: Oid) -> Result<Self, LookError> {
        let session = Session::open_for(scope, Caller::Host)?;
        let deltas = {
            let tree = |id| session.repository.find_tree(id).map_err(Failure::from);
            let (before, after) = (tree(before)?, tree(after)?);
            let all = Pathspec::default();
            detect(&session, between_trees(&session, Some(&before), Some(&after), &all)?, RENAME_PERCENT)?
        };
        Ok(Self { session, deltas })
    }

    /// How many files differ.
    pub(crate) fn count(&self) -> usize {
        self.deltas.len()
    }

    /// Each file with how it changed, by path.
    pub(crate) fn files(&self) -> Result<Vec<(Change, FileStat)>, LookError> {
        let file = |delta: &Delta| {
            let amount = amount(&self.session, delta, Whitespace::Counts)?;
            let path_before = delta.path_before().map(<[u8]>::to_vec);
            Ok((delta.change, FileStat { path: delta.path().to_vec(), path_before, amount }))
        };
        self.deltas.iter().map(file).collect()
    }

    /// Each file with what it holds, by path.
    pub(crate) fn contents(&self) -> impl Iterator<Item = FileContents<'_>> {
        let content = |side: &Option<Side>| side.as_ref().and_then(|side| side.content(&self.session).ok());
        self.deltas.iter().map(move |delta| FileContents {
            change: delta.change,
            path: delta.path(),
            path_before: delta.path_before(),
            before: content(&delta.old),
            after: content(&delta.new),
        })
    }

    /// The patch, as `git diff --binary -M` prints it.
    pub(crate) fn patch(&self) -> Result<Vec<u8>, LookError> {
        let options = PatchOptions { binary: true, ..PatchOptions::default() };
        let mut out = Vec::new();
        for delta in &self.deltas {
            out.extend_from_slice(&super::patch::patch(&self.session, delta, options)?);
        }
        Ok(out)
    }

    /// The counts, as `git diff -M --stat --summary` prints them.
    pub(crate) fn stat(&self) -> Result<Vec<u8>, LookError> {
        let unusual = self.session.unusual;
        let mut out = graph(&stats(&self.session, &self.deltas, Whitespace::Counts)?, unusual);
        out.extend_from_slice(&summary(&self.deltas, unusual));
        Ok(out)
    }
}

impl FileStat {
    /// Lines that came and that went; nothing of a file that is not text.
    #[must_use]
    pub fn lines(&self) -> Option<(usize, usize)> {
        match self.amount {
            Amount::Lines { added, deleted } => Some((added, deleted)),
            Amount::Binary { .. } | Amount::Unmerged => None,
        }
    }
}
