//! History from a set of commits in git's order: always the newest of those commits that were named
//! or are a parent of one that was passed.

use super::changes::between_trees;
use super::failure::Result;
use super::pathspec::Pathspec;
use super::revision::{Revision, commit, parse};
use super::session::Session;
use git2::{Commit, Oid};
use std::collections::{HashSet, VecDeque};

/// Which commits are wanted, beside their names and paths.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    pub(super) count: Option<u32>,
    pub(super) skip: u32,
    /// Seconds since 1970.
    pub(super) since: Option<i64>,
    pub(super) until: Option<i64>,
    /// Only merges, or only others.
    pub(super) merges: Option<bool>,
    pub(super) first_parent: bool,
}

/// A walk through history.
pub(super) struct Walk<'w, 'a> {
    session: &'w Session<'a>,
    spec: &'w Pathspec,
    selection: &'w Selection,
    /// Commits to show, the newest first, those of one second in the order in which they were found.
    queue: VecDeque<Commit<'w>>,
    seen: HashSet<Oid>,
    /// The commits that a range leaves, if there is one.
    wanted: Option<HashSet<Oid>>,
}

impl<'w, 'a> Walk<'w, 'a> {
    /// Starts at the named commits, or at HEAD.
    pub(super) fn new(
        session: &'w Session<'a>,
        names: &[String],
        spec: &'w Pathspec,
        selection: &'w Selection,
    ) -> Result<Self> {
        let (mut from, mut not) = (Vec::new(), Vec::new());
        for name in names {
            match parse(name) {
                Revision::One(name) => from.push(commit(session, &name)?.id()),
                Revision::Not(name) => not.push(commit(session, &name)?.id()),
                Revision::Range(left, right) => {
                    not.push(commit(session, &left)?.id());
                    from.push(commit(session, &right)?.id());
                }
                Revision::Symmetric(left, right) => {
                    let (left, right) = (commit(session, &left)?.id(), commit(session, &right)?.id());
                    if let Ok(bases) = session.repository.merge_bases(left, right) {
                        not.extend(bases.iter().copied());
                    }
                    from.extend([left, right]);
                }
            }
        }
        if from.is_empty()
            && let Some(head) = session.head()?
        {
            from.push(head.id());
        }
        let wanted = if not.is_empty() {
            None
        } else {
            let mut walk = session.repository.revwalk()?;
            from.iter().try_for_each(|id| walk.push(*id))?;
            not.iter().try_for_each(|id| walk.hide(*id))?;
            Some(walk.collect::<std::result::Result<HashSet<_>, _>>()?)
        };
        let mut walk =
            Self { session, spec, selection, queue: VecDeque::new(), seen: HashSet::new(), wanted };
        for id in from {
            walk.insert(id)?;
        }
        Ok(walk)
    }

    fn insert(&mut self, id: Oid) -> Result<()> {
        if self.wanted.as_ref().is_some_and(|wanted| !wanted.contains(&id)) || !self.seen.insert(id) {
            return Ok(());
        }
        let commit = self.session.repository.find_commit(id)?;
        let time = commit.time().seconds();
        let at =
            self.queue.iter().position(|other| other.time().seconds() < time).unwrap_or(self.queue.len());
        self.queue.insert(at, commit);
        Ok(())
    }

    /// Queues the parents of a commit and tells whether it is shown.
    fn visit(&mut self, commit: &Commit<'w>) -> Result<bool> {
        let parents: Vec<Oid> = if self.selection.first_parent {
            commit.parent_ids().take(1).collect()
        } else {
            commit.parent_ids().collect()
        };
        if !self.spec.is_empty() {
            let tree = commit.tree()?;
            if parents.is_empty() {
                return Ok(!between_trees(self.session, None, Some(&tree), self.spec)?.is_empty());
            }
            for parent in &parents {
                let before = self.session.repository.find_commit(*parent)?.tree()?;
                if between_trees(self.session, Some(&before), Some(&tree), self.spec)?.is_empty() {
                    // Nothing came but from here: the other parents tell nothing of these paths.
                    self.insert(*parent)?;
                    return Ok(false);
                }
            }
        }
        for parent in &parents {
            self.insert(*parent)?;
        }
        let seconds = commit.time().seconds();
        let in_time = self.selection.since.is_none_or(|since| seconds >= since)
            && self.selection.until.is_none_or(|until| seconds <= until);
        let merge = commit.parent_count() > 1;
        // A merge that changes the paths against every parent is shown; without paths all are.
        Ok(in_time && self.selection.merges.is_none_or(|wanted| wanted == merge))
    }
}

impl<'w> Iterator for Walk<'w, '_> {
    type Item = Result<Commit<'w>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let commit = self.queue.pop_front()?;
            match self.session.check_wanted().and_then(|()| self.visit(&commit)) {
                Ok(true) => return Some(Ok(commit)),
                Ok(false) => {}
                Err(failure) => return Some(Err(failure)),
            }
        }
    }
}
