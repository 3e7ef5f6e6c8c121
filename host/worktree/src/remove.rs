//! Removing worktrees, so that whatever was in them can be had back.
//!
//! What is nowhere else becomes a commit below `refs/sandpiper/trash` before anything is removed, also
//! when it was told to be discarded: all files, ignored ones too, what was staged, and commits that only
//! the worktree's logs knew.

use std::collections::BTreeSet;

use git2::{Commit, ErrorCode, Index, Oid, Repository};
use serde::Serialize;

use crate::create::remove_directory;
use crate::error::Trying;
use crate::record::{Held, now_seconds};
use crate::{Id, State, Worktree, WorktreeError, Worktrees, administration};

pub(crate) const TRASH: &str = "refs/sandpiper/trash/";

/// How a worktree is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remove {
    /// Whether it is removed even if it holds work that is nowhere else. That work can still be had back.
    pub discard: bool,
}

/// A worktree that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Which one it was.
    pub id: Id,
    /// The reference to what it held and nothing else does, if anything.
    pub trash: Option<String>,
}

impl Worktree<'_> {
    /// Removes the worktree and its branch.
    ///
    /// # Errors
    /// [`WorktreeError::HoldsWork`] for changes that are not committed and commits that are in no other
    /// branch, unless they are to be discarded. Nothing is removed then.
    pub fn remove(mut self, remove: Remove) -> Result<Removed, WorktreeError> {
        let work = self.work()?;
        if !remove.discard && !work.held.is_empty() {
            return Err(WorktreeError::HoldsWork { id: self.record().id.clone(), held: work.held });
        }
        let trash = self.save(&work)?;
        let id = self.record().id.clone();
        self.held.record.state = State::Removing;
        self.held.save()?;
        self.worktrees.finish_removal(self.held)?;
        Ok(Removed { id, trash })
    }

    /// What a person would miss, in a few words each; empty if nothing.
    ///
    /// # Errors
    /// When the worktree cannot be read.
    pub fn held_work(&self) -> Result<Vec<String>, WorktreeError> {
        Ok(self.work()?.held)
    }

    fn work(&self) -> Result<Work, WorktreeError> {
        let repository = &self.worktrees.repository;
        let mut work = Work { tip: self.tip()?, ..Work::default() };
        if let Some(tip) = work.tip {
            let alone = self.commits_of_its_own(tip)?;
            if alone > 0 {
                work.held.push(match alone {
                    1 => "1 commit that is in no other branch".to_owned(),
                    alone => format!("{alone} commits that are in no other branch"),
                });
                work.is_apart = true;
            }
        }
        if self.git_directory().is_dir() && self.path().is_dir() {
            let tip = self.tip_tree(repository)?;
            let (untracked, everything) = self.snapshot_with_ignored()?;
            let start = self.start_tree()?;
            if untracked != tip && (untracked != start || work.is_apart) {
                work.held.push("changes that are not committed".to_owned());
            }
            work.files = (everything != tip).then_some(everything);
        }
        if self.git_directory().is_dir() {
            work.staged = self.staged()?.filter(|staged| Some(*staged) != work.files);
        }
        work.logged = self.logged(work.tip);
        Ok(work)
    }

    /// What is staged, if it is something else than the last commit.
    fn staged(&self) -> Result<Option<Oid>, WorktreeError> {
        let repository = &self.worktrees.repository;
        let mut index = Index::open(&self.git_directory().join("index")).trying("read the index")?;
        let tip = self.tip_tree(repository)?;
        // With conflicts in it, it is no tree; guests have no command that would leave them.
        Ok(index.write_tree_to(repository).ok().filter(|staged| *staged != tip && !index.is_empty()))
    }

    /// Commits of the branch that no other branch, tag or remote has.
    fn commits_of_its_own(&self, tip: Oid) -> Result<usize, WorktreeError> {
        let repository = &self.worktrees.repository;
        let failed =
            |source| WorktreeError::Git { action: "look for the branch's commits elsewhere", source };
        let mut walk = repository.revwalk().map_err(failed)?;
        walk.push(tip).map_err(failed)?;
        if self.record().plain.is_some()
            && let Some(base) = self.record().base()?
        {
            // What it began with is the user's.
            walk.hide(base).map_err(failed)?;
        }
        let own = self.record().id.branch_ref();
        for reference in repository.references().map_err(failed)? {
            let reference = reference.map_err(failed)?;
            let name = reference.name_bytes();
            if name == own.as_bytes() || name.starts_with(b"refs/sandpiper/") {
                continue;
            }
            if let Ok(commit) = reference.peel_to_commit() {
                walk.hide(commit.id()).map_err(failed)?;
            }
        }
        if let Ok(head) = repository.head().and_then(|head| head.peel_to_commit()) {
            walk.hide(head.id()).map_err(failed)?;
        }
        Ok(walk.count())
    }

    /// Commits that the branch was at and has no longer, and those that are stashed.
    fn logged(&self, tip: Option<Oid>) -> Vec<Oid> {
        let repository = &self.worktrees.repository;
        let mut seen = BTreeSet::new();
        let opened = Repository::open(self.git_directory()).ok();
        let logs = [
            repository.reflog(&self.record().id.branch_ref()).ok(),
            opened.as_ref().and_then(|worktree| worktree.reflog("HEAD").ok()),
        ];
        for log in logs.iter().flatten() {
            seen.extend(log.iter().map(|entry| entry.id_new()));
        }
        let stashed = self.worktrees.references(&self.record().id.stash_refs()).unwrap_or_default();
        seen.extend(stashed.iter().filter_map(|name| repository.refname_to_id(name).ok()));
        let mut kept = Vec::new();
        for oid in seen {
            let within = tip
                .is_some_and(|tip| tip == oid || repository.graph_descendant_of(tip, oid).unwrap_or(false));
            if !within && repository.find_commit(oid).is_ok() {
                kept.push(oid);
            }
        }
        kept
    }

    /// Makes a reference to what is nowhere else.
    fn save(&self, work: &Work) -> Result<Option<String>, WorktreeError> {
        if !work.is_apart && work.files.is_none() && work.staged.is_none() && work.logged.is_empty() {
            return Ok(None);
        }
        let repository = &self.worktrees.repository;
        let tree = match work.files {
            Some(tree) => tree,
            None => self.tip_tree(repository)?,
        };
        let mut parents: Vec<Oid> = work.tip.into_iter().collect();
        let id = &self.record().id;
        if let Some(staged) = work.staged {
            let message = format!("What was staged in the worktree {id}\n");
            parents.push(self.commit_trash(None, &message, staged, &parents)?);
        }
        parents.extend(&work.logged);
        let mut seconds = now_seconds();
        let name = loop {
            let name = format!("{TRASH}{}/{}/{seconds}", id.task(), id.run());
            let is_locked = repository.commondir().join(format!("{name}.lock")).exists();
            if !is_locked && !has_reference(repository, &name) {
                break name;
            }
            seconds += 1;
        };
        let message = format!("What was in the worktree {id} when it was removed\n");
        self.commit_trash(Some(&name), &message, tree, &parents)?;
        Ok(Some(name))
    }

    fn commit_trash(
        &self,
        reference: Option<&str>,
        message: &str,
        tree: Oid,
        parents: &[Oid],
    ) -> Result<Oid, WorktreeError> {
        let repository = &self.worktrees.repository;
        let who = self.worktrees.own_signature()?;
        let tree = repository.find_tree(tree).trying("read a tree")?;
        let parents: Vec<Commit<'_>> = parents
            .iter()
            .map(|oid| repository.find_commit(*oid))
            .collect::<Result<_, _>>()
            .trying("read a commit")?;
        let commit = repository
            .commit(None, &who, &who, message, &tree, &parents.iter().collect::<Vec<_>>())
            .trying("save what the worktree holds")?;
        if let Some(name) = reference {
            repository.reference(name, commit, false, "removed").trying("save what the worktree holds")?;
        }
        Ok(commit)
    }
}

/// What a worktree holds.
#[derive(Debug, Default)]
struct Work {
    /// For people.
    held: Vec<String>,
    /// Whether its branch has commits of its own.
    is_apart: bool,
    tip: Option<Oid>,
    /// All its files, if they are not those of its last commit.
    files: Option<Oid>,
    staged: Option<Oid>,
    /// Commits that the branch does not lead to.
    logged: Vec<Oid>,
}

impl Worktrees {
    /// Removes what is left of a worktree that is being removed: everything is saved.
    pub(crate) fn finish_removal(&self, held: Held) -> Result<(), WorktreeError> {
        let record = &held.record;
        remove_directory(&record.path)?;
        // The directory of the task goes with its last run.
        let _ = record.path.parent().map(std::fs::remove_dir);
        administration::remove(
            &administration::directory(self.repository.commondir(), &record.id),
            held.directory(),
        )?;
        let stashed = self.references(&record.id.stash_refs())?;
        for name in stashed.into_iter().chain([record.id.branch_ref(), record.id.start_ref()]) {
            self.delete_reference(&name)?;
        }
        held.forget()
    }

    /// What was removed and can be had back: references, the newest last.
    ///
    /// # Errors
    /// When references cannot be read.
    pub fn trash(&self) -> Result<Vec<String>, WorktreeError> {
        let mut names = self.references(&format!("{TRASH}*"))?;
        names.sort_by_key(|name| removed_seconds(name));
        Ok(names)
    }

    /// The names of references that match.
    pub(crate) fn references(&self, glob: &str) -> Result<Vec<String>, WorktreeError> {
        let references = self.repository.references_glob(glob).trying("read references")?;
        let names = references.filter_map(Result::ok);
        Ok(names.filter_map(|reference| reference.name().ok().map(str::to_owned)).collect())
    }

    /// Forgets what was removed longer ago than `keep_seconds`. Returns the references.
    pub(crate) fn expire_trash(&self, keep_seconds: u64) -> Result<Vec<String>, WorktreeError> {
        let now = now_seconds();
        let mut expired = Vec::new();
        for name in self.trash()? {
            if removed_seconds(&name).is_some_and(|seconds| now.saturating_sub(seconds) > keep_seconds) {
                self.delete_reference(&name)?;
                expired.push(name);
            }
        }
        Ok(expired)
    }
}

fn removed_seconds(name: &str) -> Option<u64> {
    name.rsplit('/').next()?.parse().ok()
}

/// Whether a repository has the reference; what cannot be read is taken for there.
pub(crate) fn has_reference(repository: &Repository, name: &str) -> bool {
    !matches!(repository.find_reference(name), Err(err) if err.code() == ErrorCode::NotFound)
}
