//! Ending what was interrupted, and pruning what nobody needs. What holds work is kept.

use std::fs;

use serde::Serialize;

use crate::error::Trying;
use crate::remove::has_reference;
use crate::sparse::Cone;
use crate::{Id, Remove, State, Worktree, WorktreeError, Worktrees, administration, pending};

/// What is pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collect {
    /// Idle worktrees that hold no work are removed when they are this old.
    pub idle_seconds: u64,
    /// What was removed can be had back for so long.
    pub trash_seconds: u64,
}

impl Default for Collect {
    /// A week for idle worktrees, thirty days for the trash.
    fn default() -> Self {
        const DAY_SECONDS: u64 = 24 * 60 * 60;
        Self { idle_seconds: 7 * DAY_SECONDS, trash_seconds: 30 * DAY_SECONDS }
    }
}

/// Something that was done, or left alone for a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// The worktree's id, or a reference.
    pub name: String,
    /// In a few words.
    pub what: String,
    /// Whether it was kept.
    pub kept: bool,
}

impl Collected {
    fn done(name: &impl ToString, what: impl Into<String>) -> Self {
        Self { name: name.to_string(), what: what.into(), kept: false }
    }

    fn kept(name: &impl ToString, what: impl Into<String>) -> Self {
        Self { name: name.to_string(), what: what.into(), kept: true }
    }
}

impl Worktrees {
    /// Ends what was interrupted: the making and removing of worktrees whose process is gone.
    /// Says what it did.
    ///
    /// # Errors
    /// Those of files and objects.
    pub fn repair(&self) -> Result<Vec<Collected>, WorktreeError> {
        let mut done = Vec::new();
        for id in self.records.ids()? {
            if self.needs_repair(&id)?
                && self.records.user(&id).is_none()
                && let Some(worktree) = self.hold_free(&id)?
            {
                done.extend(self.repair_one(worktree)?.1);
            }
        }
        self.records.sweep()?;
        Ok(done)
    }

    /// Repairs, and removes what is old and holds no work.
    ///
    /// # Errors
    /// As [`Worktrees::repair`].
    pub fn collect(&self, collect: Collect) -> Result<Vec<Collected>, WorktreeError> {
        let mut done = Vec::new();
        for listed in self.list()? {
            let id = listed.record.id;
            let Some(worktree) = self.hold_free(&id)? else {
                done.push(Collected::kept(&id, "in use"));
                continue;
            };
            let (worktree, repaired) = self.repair_one(worktree)?;
            done.extend(repaired);
            let Some(worktree) = worktree else { continue };
            let held = worktree.held_work()?;
            if !held.is_empty() {
                done.push(Collected::kept(&id, format!("it holds work: {}", held.join(", "))));
            } else if !worktree.path().is_dir() {
                worktree.remove(Remove::default())?;
                done.push(Collected::done(&id, "removed: its directory was gone, and it held no work"));
            } else if listed.age_seconds >= collect.idle_seconds {
                worktree.remove(Remove::default())?;
                done.push(Collected::done(&id, "removed: it held no work"));
            }
        }
        for name in self.expire_trash(collect.trash_seconds)? {
            done.push(Collected::done(&name, "forgotten: it was removed long ago"));
        }
        done.extend(self.unrecorded()?);
        self.records.sweep()?;
        self.prune_plain()?;
        Ok(done)
    }

    /// Whether there are traces of something that was interrupted, or that goes on: told without taking the
    /// worktree from whoever wants it.
    fn needs_repair(&self, id: &Id) -> Result<bool, WorktreeError> {
        let Some(record) = self.records.read(id)? else { return Ok(false) };
        let common = self.repository.commondir();
        let administration = administration::directory(common, id);
        let left = [
            administration.join("index.lock"),
            administration.join("HEAD.lock"),
            common.join(format!("{}.lock", id.branch_ref())),
            pending::note_of(&self.records.directory(id)),
        ];
        Ok(record.state != State::Ready
            || administration::is_locked(&administration)
            || !administration.is_dir() && record.path.is_dir()
            || left.iter().any(|left| left.exists()))
    }

    fn hold_free(&self, id: &Id) -> Result<Option<Worktree<'_>>, WorktreeError> {
        match self.records.hold(id) {
            Ok(held) => Ok(Some(Worktree { worktrees: self, held })),
            Err(WorktreeError::InUse { .. } | WorktreeError::Unknown { .. }) => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// Returns the worktree, if there still is one.
    fn repair_one<'a>(
        &'a self,
        worktree: Worktree<'a>,
    ) -> Result<(Option<Worktree<'a>>, Vec<Collected>), WorktreeError> {
        let id = worktree.record().id.clone();
        match worktree.record().state {
            State::Creating => {
                self.undo_creation(worktree.held)?;
                Ok((None, vec![Collected::done(&id, "removed: its making was interrupted")]))
            }
            State::Removing => {
                self.finish_removal(worktree.held)?;
                Ok((None, vec![Collected::done(&id, "removed: its removal was interrupted")]))
            }
            State::Ready => {
                let done = worktree.restore_administration()?;
                Ok((Some(worktree), done))
            }
        }
    }

    /// Worktrees that git knows by our names and that have no record.
    fn unrecorded(&self) -> Result<Vec<Collected>, WorktreeError> {
        let mut done = Vec::new();
        for name in &self.repository.worktrees().trying("list git's worktrees")? {
            let Some(name) = name.trying("list git's worktrees")? else { continue };
            let Some((task, run)) = name.strip_prefix("sandpiper.").and_then(|rest| rest.split_once('.'))
            else {
                continue;
            };
            let Ok(id) = Id::new(task, run) else { continue };
            if self.records.read(&id)?.is_none() {
                done.push(Collected::kept(&name, "git knows this worktree, and there is no record of it"));
            }
        }
        Ok(done)
    }
}

impl Worktree<'_> {
    /// Undoes what `git worktree prune`, or the end of a process, has left.
    fn restore_administration(&self) -> Result<Vec<Collected>, WorktreeError> {
        let id = &self.record().id;
        let administration = self.git_directory();
        let mut done = Vec::new();
        if !administration.is_dir() && self.path().is_dir() {
            let common = self.worktrees.repository.commondir();
            administration::create(common, id, self.path(), self.held.directory())?;
            if let Some(tip) = self.tip()? {
                let worktree = self.open()?;
                let tree =
                    worktree.find_commit(tip).and_then(|commit| commit.tree()).trying("read the branch")?;
                let mut index = worktree.index().trying("read the index")?;
                index.read_tree(&tree).trying("write the index")?;
                if let Some(cone) = Cone::of(&self.record().sparse)? {
                    cone.write(&administration)?;
                    cone.mark(&mut index)?;
                }
                index.write().trying("write the index")?;
            }
            done.push(Collected::done(id, "git had forgotten it, and knows it again"));
        }
        if administration::is_locked(&administration) {
            administration::unlock(&administration)?;
            if done.is_empty() {
                done.push(Collected::done(id, "unlocked: the process that used it is gone"));
            }
        }
        let common = self.worktrees.repository.commondir();
        // The worktree is this process's, and so are its locks.
        let locks = ["index.lock", "HEAD.lock"].map(|name| administration.join(name));
        let branch_lock = common.join(format!("{}.lock", id.branch_ref()));
        for lock in locks.into_iter().chain([branch_lock]) {
            if lock.exists() && fs::remove_file(&lock).is_ok() {
                let name = lock.file_name().unwrap_or_default().to_string_lossy().into_owned();
                done.push(Collected::done(id, format!("removed {name}, which a process had left")));
            }
        }
        if let Some(what) = pending::recover(self.held.directory())? {
            done.push(Collected::done(id, what));
        }
        if self.path().is_dir()
            && !has_reference(&self.worktrees.repository, &id.branch_ref())
            && self.record().base.is_some()
        {
            done.push(Collected::kept(id, "its branch is gone"));
        }
        Ok(done)
    }
}
