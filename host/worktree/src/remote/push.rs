//! Pushing the branch of a run: git-push(1).

use std::cell::RefCell;
use std::sync::Arc;

use git2::{Direction, Oid, PushOptions, Reference, RemoteCallbacks, Repository};
use serde::Serialize;

use super::address::Address;
use super::configured::{Configured, Purpose};
use super::refspec::Refspec;
use super::session::Session;
use super::settings::Settings;
use super::{Access, RemoteError, RemoteProgress, local, text};
use crate::error::Trying;
use crate::{Worktree, WorktreeError};

/// What is pushed, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Push {
    /// A remote of the repository's configuration; the only one, or `origin`, if none.
    pub remote: Option<String>,
    /// The branch there; that of the run, `sandpiper/<task>/<run>`, if none.
    pub target: Option<String>,
    /// Whether the branch there may lose commits.
    pub force: Force,
}

/// Whether the branch there may lose commits: git-push(1), `--force-with-lease`. There is no force without
/// saying what is expected there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Force {
    /// It may not.
    #[default]
    Never,
    /// If it is where the last fetch or push saw it: at `refs/remotes/<remote>/<branch>`.
    WhereSeen,
    /// If it is at this commit.
    At(String),
}

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pushed {
    /// The remote's name.
    pub remote: String,
    /// Where it is, without what may be a secret.
    pub address: String,
    /// The branch there.
    pub branch: String,
    /// Where it was; none where it was not there.
    pub before: Option<String>,
    /// Where it is now.
    pub after: String,
    /// Whether it lost commits.
    pub is_forced: bool,
    /// What the server said.
    pub said: Vec<String>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Worktree<'_> {
    /// Pushes the run's branch. What is not committed is not pushed, and no hook is run.
    ///
    /// # Errors
    /// [`RemoteError::NotFastForward`], [`RemoteError::Stale`], [`RemoteError::Rejected`] and others.
    pub fn push(
        &self,
        push: &Push,
        access: &Access,
        progress: &mut dyn FnMut(RemoteProgress),
    ) -> Result<Pushed, RemoteError> {
        let repository = &self.worktrees.repository;
        let id = &self.record().id;
        let tip = self.tip()?.ok_or_else(|| RemoteError::NothingToPush { id: id.clone() })?;
        let branch = push.target.clone().unwrap_or_else(|| id.branch());
        let target = format!("refs/heads/{branch}");
        if !Reference::is_valid_name(&target) || branch.starts_with('-') {
            let reason = "it is no name of a branch";
            return Err(RemoteError::refused(
                format!("the target {}", text::one_line(branch.as_bytes())),
                reason,
            ));
        }
        let settings = Settings::read(access.user_configuration.as_deref(), Some(repository))?;
        let base = repository.workdir().unwrap_or(repository.commondir());
        let remote = Configured::find(&settings, push.remote.as_deref(), Purpose::Push, base)?;
        let mut notes = Vec::new();
        if super::hook(repository, "pre-push").is_some() {
            notes.push("the hook pre-push was not run".to_owned());
        }
        if settings.is_true("push.gpgsign") {
            let reason = "signed pushes are not supported; unset it, or push by git itself";
            return Err(RemoteError::refused("push.gpgSign", reason));
        }
        if settings.last("push.pushoption").is_some_and(|option| !option.is_empty()) {
            notes.push("push.pushOption was not sent".to_owned());
        }
        if let Address::Local(path) = &remote.address {
            notes.extend(local::check_push(path, push.force != Force::Never)?);
        }
        let directory = repository.commondir().to_owned();
        let session = Session::new(remote.address.clone(), settings, access, directory)?;
        let sending =
            Sending { repository, session: &session, remote: &remote, branch: &branch, target: &target };
        let sent = sending.send(tip, push, progress)?;
        sending.note_where_seen(tip);
        Ok(Pushed {
            remote: remote.name.clone(),
            address: remote.address.to_string(),
            branch,
            before: sent.before.map(|oid| oid.to_string()),
            after: tip.to_string(),
            is_forced: sent.is_forced,
            said: sent.said,
            notes,
        })
    }
}

struct Sending<'a> {
    repository: &'a Repository,
    session: &'a Arc<Session>,
    remote: &'a Configured,
    branch: &'a str,
    target: &'a str,
}

struct Sent {
    before: Option<Oid>,
    is_forced: bool,
    said: Vec<String>,
}

impl Sending<'_> {
    fn send(
        &self,
        tip: Oid,
        push: &Push,
        progress: &mut dyn FnMut(RemoteProgress),
    ) -> Result<Sent, RemoteError> {
        let failed = |source| self.session.failure("push", source);
        let (mut remote, _registered) = self.session.remote(self.repository)?;
        remote.connect(Direction::Push).map_err(failed)?;
        let before = self.session.advertised()?.find(self.target).map(|head| head.oid);
        let is_forced = self.check(tip, before, &push.force)?;
        if before == Some(tip) {
            return Ok(Sent { before, is_forced: false, said: Vec::new() });
        }
        let said = RefCell::new(Vec::new());
        let rejected = RefCell::new(None);
        let progress = RefCell::new(progress);
        let mut callbacks = RemoteCallbacks::new();
        callbacks.sideband_progress(|bytes| {
            for line in text::lines(bytes) {
                said.borrow_mut().push(line.clone());
                progress.borrow_mut()(RemoteProgress::Said(line));
            }
            !self.session.access.is_cancelled()
        });
        callbacks.push_transfer_progress(|objects, total, bytes| {
            progress.borrow_mut()(RemoteProgress::Sent { objects, total, bytes });
        });
        callbacks.push_update_reference(|_, status| {
            if let Some(reason) = status {
                *rejected.borrow_mut() = Some(text::one_line(reason.as_bytes()));
            }
            Ok(())
        });
        // The server compares what it told with what it has when it moves the branch, so that what was
        // decided here still holds there.
        let plus = if is_forced { "+" } else { "" };
        let refspec = format!("{plus}{tip}:{}", self.target);
        let mut options = PushOptions::new();
        options.remote_callbacks(callbacks);
        let pushed = remote.push(&[refspec], Some(&mut options));
        drop(options);
        let said = said.into_inner();
        if let Some(reason) = rejected.into_inner() {
            return Err(RemoteError::Rejected {
                remote: self.remote.name.clone(),
                branch: self.branch.to_owned(),
                reason,
                said,
            });
        }
        pushed.map_err(failed)?;
        Ok(Sent { before, is_forced, said })
    }

    /// Whether commits are lost there, if they may be.
    fn check(&self, tip: Oid, before: Option<Oid>, force: &Force) -> Result<bool, RemoteError> {
        let expected = match force {
            Force::Never => None,
            Force::WhereSeen => {
                let seen = self.seen_at().and_then(|name| self.repository.refname_to_id(&name).ok());
                Some(seen)
            }
            Force::At(commit) => {
                let unknown = || WorktreeError::NoCommit { name: commit.clone() };
                let object = self.repository.revparse_single(commit).map_err(|_| unknown())?;
                Some(Some(object.peel_to_commit().map_err(|_| unknown())?.id()))
            }
        };
        if let Some(expected) = expected
            && expected != before
        {
            let shown = |oid: Option<Oid>| oid.map_or_else(|| "no commit".to_owned(), |oid| oid.to_string());
            return Err(RemoteError::Stale {
                remote: self.remote.name.clone(),
                branch: self.branch.to_owned(),
                expected: shown(expected),
                found: shown(before),
            });
        }
        let Some(before) = before else { return Ok(false) };
        let is_fast_forward =
            before == tip || self.repository.graph_descendant_of(tip, before).unwrap_or(false);
        if !is_fast_forward && expected.is_none() {
            let (remote, branch) = (self.remote.name.clone(), self.branch.to_owned());
            return Err(RemoteError::NotFastForward { remote, branch });
        }
        Ok(!is_fast_forward)
    }

    /// The reference here that says where the branch there was last.
    fn seen_at(&self) -> Option<String> {
        let mapped = Refspec::map(&self.remote.refspecs, self.target)?;
        mapped.to.starts_with("refs/remotes/").then_some(mapped.to)
    }

    /// As git does after a push. That it cannot be noted does not undo the push.
    fn note_where_seen(&self, tip: Oid) {
        if let Some(name) = self.seen_at() {
            let _ = self.repository.reference(&name, tip, true, "update by push").trying("note the push");
        }
    }
}
