//! Bringing a worktree's commits into a branch.
//!
//! The merge is made of objects, in memory; only when it is whole, files of a checkout are touched
//! and the branch moves, from the commit that was merged with and from no other.

use git2::{Commit, ErrorCode, MergeOptions, Oid, Repository, Tree};
use serde::Serialize;

use crate::error::Trying;
use crate::{Worktree, WorktreeError, conflicts, update};

/// How commits get into a branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeKind {
    /// By moving the branch where that is enough, else by a merge commit.
    #[default]
    Usual,
    /// By moving the branch; an error where it has other commits.
    FastForward,
    /// By a merge commit, always.
    ThreeWay,
    /// By one commit of all changes.
    Squash,
}

/// A merge to be made.
#[derive(Clone, Debug, Default)]
pub struct Merge {
    /// The branch that gets the commits; the one of the user's checkout, if none.
    pub into: Option<String>,
    /// How.
    pub kind: MergeKind,
    /// The message of the new commit, if there is one.
    pub message: Option<String>,
}

/// A merge that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// The branch that moved.
    pub branch: String,
    /// Where it was; none if it had no commit.
    pub before: Option<String>,
    /// Where it is.
    pub after: String,
    /// How it was done; never [`MergeKind::Usual`].
    pub kind: MergeKind,
}

impl Worktree<'_> {
    /// Merges the worktree's branch.
    ///
    /// # Errors
    /// [`WorktreeError::HoldsWork`] while the worktree has changes that are not committed;
    /// [`WorktreeError::Conflicts`] and [`WorktreeError::Dirty`], with nothing changed;
    /// [`WorktreeError::Unsupported`] for a branch that is checked out elsewhere.
    pub fn merge(&self, merge: &Merge) -> Result<Merged, WorktreeError> {
        /// A branch that moves more often while it is merged with is somebody's loop.
        const ATTEMPTS: u32 = 10;

        self.need_repository("merging")?;
        self.check_committed()?;
        for _ in 1..ATTEMPTS {
            match self.try_merge(merge) {
                Err(WorktreeError::Moved { .. }) => {}
                done => return done,
            }
        }
        self.try_merge(merge)
    }

    fn try_merge(&self, merge: &Merge) -> Result<Merged, WorktreeError> {
        let repository = &self.worktrees.repository;
        let reference = self.target(merge)?;
        let branch = reference.trim_start_matches("refs/heads/").to_owned();
        let theirs =
            self.tip()?.ok_or_else(|| WorktreeError::NothingToCommit { id: self.record().id.clone() })?;
        let theirs = repository.find_commit(theirs).trying("read the worktree's branch")?;
        let ours = match repository.refname_to_id(&reference) {
            Ok(oid) => Some(repository.find_commit(oid).trying("read the branch")?),
            Err(err) if err.code() == ErrorCode::NotFound => None,
            Err(source) => return Err(WorktreeError::Git { action: "read the branch", source }),
        };
        let (kind, after) = self.merged(merge, &branch, ours.as_ref(), &theirs)?;
        let before = ours.as_ref().map(Commit::id);
        if before != Some(after) {
            let message = format!("merge {}: {}", self.record().id.branch(), log_words(kind));
            let moved = update::Move { reference: &reference, before, after, message: &message };
            update::move_branch(repository, moved, self.held.directory())?;
        }
        Ok(Merged { branch, before: before.map(|oid| oid.to_string()), after: after.to_string(), kind })
    }

    fn target(&self, merge: &Merge) -> Result<String, WorktreeError> {
        let repository = &self.worktrees.repository;
        if let Some(branch) = &merge.into {
            let reference = format!("refs/heads/{}", branch.trim_start_matches("refs/heads/"));
            repository
                .find_reference(&reference)
                .map_err(|_| WorktreeError::NoCommit { name: branch.clone() })?;
            return Ok(reference);
        }
        let head = repository.find_reference("HEAD").trying("read HEAD")?;
        match head.symbolic_target().trying("read HEAD")? {
            Some(target) => Ok(target.to_owned()),
            None => Err(WorktreeError::Unsupported {
                what: "merging into a detached HEAD".to_owned(),
                reason: "name the branch with --into".to_owned(),
            }),
        }
    }

    /// The commit that the branch is to be at. Writes objects only.
    fn merged(
        &self,
        merge: &Merge,
        branch: &str,
        ours: Option<&Commit<'_>>,
        theirs: &Commit<'_>,
    ) -> Result<(MergeKind, Oid), WorktreeError> {
        let repository = &self.worktrees.repository;
        let Some(ours) = ours else { return Ok((MergeKind::FastForward, theirs.id())) };
        let is_within = |one: Oid, other: Oid| -> Result<bool, WorktreeError> {
            Ok(one == other || repository.graph_descendant_of(other, one).trying("compare the branches")?)
        };
        if is_within(theirs.id(), ours.id())? {
            return Ok((MergeKind::FastForward, ours.id()));
        }
        let can_move = is_within(ours.id(), theirs.id())?;
        let kind = match merge.kind {
            MergeKind::Usual | MergeKind::FastForward if can_move => {
                return Ok((MergeKind::FastForward, theirs.id()));
            }
            MergeKind::FastForward => {
                return Err(WorktreeError::Unsupported {
                    what: format!("moving {branch} forward"),
                    reason: format!(
                        "it has commits that {} has not; merge without --ff-only",
                        self.record().id.branch()
                    ),
                });
            }
            MergeKind::Usual => MergeKind::ThreeWay,
            kind => kind,
        };
        let mut index = repository
            .merge_commits(ours, theirs, Some(MergeOptions::new().find_renames(true)))
            .trying("merge")?;
        let conflicts = conflicts::of(repository, &index)?;
        if !conflicts.is_empty() {
            return Err(WorktreeError::Conflicts { conflicts });
        }
        let tree = index.write_tree_to(repository).trying("write the merged tree")?;
        let tree = repository.find_tree(tree).trying("read a tree")?;
        let after = self.commit_merged(merge, branch, kind, &tree, [ours, theirs])?;
        Ok((kind, after))
    }

    fn commit_merged(
        &self,
        merge: &Merge,
        branch: &str,
        kind: MergeKind,
        tree: &Tree<'_>,
        [ours, theirs]: [&Commit<'_>; 2],
    ) -> Result<Oid, WorktreeError> {
        let id = &self.record().id;
        let message = merge.message.clone().unwrap_or_else(|| match kind {
            MergeKind::Squash => {
                let subject = theirs.summary().ok().flatten().unwrap_or_default().to_owned();
                if subject.is_empty() { format!("Squash {}", id.branch()) } else { subject }
            }
            _ => format!("Merge branch '{}' into {branch}", id.branch()),
        });
        let text = crate::Commit::new(&message).text(&id.to_string())?;
        let who = self.worktrees.signature()?;
        let parents: &[&Commit<'_>] = if kind == MergeKind::Squash { &[ours] } else { &[ours, theirs] };
        self.worktrees.repository.commit(None, &who, &who, &text, tree, parents).trying("commit the merge")
    }

    /// Only commits are merged.
    fn check_committed(&self) -> Result<(), WorktreeError> {
        if self.tip_tree(&self.worktrees.repository)? == self.snapshot()? {
            return Ok(());
        }
        Err(WorktreeError::HoldsWork {
            id: self.record().id.clone(),
            held: vec!["changes that are not committed".to_owned()],
        })
    }

    /// The tree of the branch's last commit; the empty one before the first.
    pub(crate) fn tip_tree(&self, repository: &Repository) -> Result<Oid, WorktreeError> {
        match self.tip()? {
            Some(oid) => Ok(repository.find_commit(oid).trying("read the worktree's branch")?.tree_id()),
            None => crate::checkout::empty_tree(repository),
        }
    }
}

fn log_words(kind: MergeKind) -> &'static str {
    match kind {
        MergeKind::FastForward => "Fast-forward",
        MergeKind::Squash => "Squash",
        MergeKind::Usual | MergeKind::ThreeWay => "Merge",
    }
}
