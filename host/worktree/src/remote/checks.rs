//! Looking through what arrived: no object is missing, and no tree has names that lead anywhere else.
//!
//! As git does with `transfer.fsckObjects`, of which only what matters for safety is asked: histories that
//! are merely odd (modes with leading zeros, times without zone) are taken.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use git2::{ObjectType, Odb, Oid, Repository};
use sandpiper_core::is_git_directory_name;

use super::session::Session;
use super::{RemoteError, RemoteProgress};
use crate::error::Trying;

/// Objects between two words of progress.
const STEP: usize = 1000;

/// Checks all objects of `own`, which may lead to others of the repository.
///
/// # Errors
/// [`RemoteError::Content`] with the object and the reason.
pub(super) fn check(
    repository: &Repository,
    own: &Path,
    tips: impl Iterator<Item = Oid>,
    session: &Session,
    progress: &mut dyn FnMut(RemoteProgress),
) -> Result<(), RemoteError> {
    let new = new_objects(own)?;
    let all = repository.odb().trying("read the objects")?;
    let mut checks = Checks { repository, all, kinds: HashMap::with_capacity(new.len()), session };
    for oid in &new {
        let kind = match checks.all.read_header(*oid) {
            Ok((_, kind)) => kind,
            Err(err) => return Err(checks.refused(*oid, err.message())),
        };
        checks.kinds.insert(*oid, kind);
    }
    for tip in tips {
        if !checks.has(tip) {
            return Err(checks.refused(tip, "it was promised, and is missing"));
        }
    }
    let total = new.len();
    for (objects, oid) in new.iter().enumerate() {
        if objects % STEP == 0 {
            session.access.check_cancelled()?;
            progress(RemoteProgress::Checked { objects, total });
        }
        match checks.kinds.get(oid) {
            Some(ObjectType::Commit) => checks.commit(*oid)?,
            Some(ObjectType::Tree) => checks.tree(*oid)?,
            Some(ObjectType::Tag) => checks.tag(*oid)?,
            _ => {}
        }
    }
    if total > 0 {
        progress(RemoteProgress::Checked { objects: total, total });
    }
    Ok(())
}

fn new_objects(own: &Path) -> Result<Vec<Oid>, RemoteError> {
    let reason = "its path is not UTF-8";
    let path = own.to_str().ok_or_else(|| RemoteError::refused("the repository", reason))?;
    let objects = Odb::new().trying("read what arrived")?;
    objects.add_disk_alternate(path).trying("read what arrived")?;
    let mut found = Vec::new();
    objects
        .foreach(|oid| {
            found.push(*oid);
            true
        })
        .trying("read what arrived")?;
    Ok(found)
}

struct Checks<'a> {
    repository: &'a Repository,
    all: Odb<'a>,
    /// Of what is new.
    kinds: HashMap<Oid, ObjectType>,
    session: &'a Session,
}

impl Checks<'_> {
    fn commit(&self, oid: Oid) -> Result<(), RemoteError> {
        let commit = self.repository.find_commit(oid).map_err(|err| self.refused(oid, err.message()))?;
        self.leads(oid, commit.tree_id(), ObjectType::Tree)?;
        // Parents of a shallow history's first commits are not there, and libgit2 does not name them.
        for parent in commit.parent_ids() {
            self.leads(oid, parent, ObjectType::Commit)?;
        }
        Ok(())
    }

    fn tag(&self, oid: Oid) -> Result<(), RemoteError> {
        let tag = self.repository.find_tag(oid).map_err(|err| self.refused(oid, err.message()))?;
        let kind = tag.target_type().ok_or_else(|| self.refused(oid, "it is a tag of nothing"))?;
        self.leads(oid, tag.target_id(), kind)
    }

    fn tree(&self, oid: Oid) -> Result<(), RemoteError> {
        let tree = self.repository.find_tree(oid).map_err(|err| self.refused(oid, err.message()))?;
        let mut names = HashSet::with_capacity(tree.len());
        for entry in &tree {
            let name = entry.name_bytes();
            let kind = match entry.filemode_raw() {
                0o040_000 => Some(ObjectType::Tree),
                0o100_644 | 0o100_664 | 0o100_755 | 0o120_000 => Some(ObjectType::Blob),
                // A commit of another repository.
                0o160_000 => None,
                mode => return Err(self.refused(oid, &format!("it has an entry of the mode {mode:o}"))),
            };
            if let Some(kind) = kind {
                self.leads(oid, entry.id(), kind)?;
            }
            if let Some(reason) = wrong_name(name, entry.filemode_raw() == 0o120_000) {
                let shown = super::text::one_line(name);
                return Err(self.refused(oid, &format!("{shown:?} {reason}")));
            }
            if !names.insert(name.to_vec()) {
                return Err(self.refused(oid, &format!("it has {:?} twice", super::text::one_line(name))));
            }
        }
        Ok(())
    }

    /// What an object leads to is there, and of the kind that it says.
    fn leads(&self, from: Oid, to: Oid, kind: ObjectType) -> Result<(), RemoteError> {
        match self.kinds.get(&to) {
            Some(found) if *found == kind => Ok(()),
            Some(found) => Err(self.refused(from, &format!("it takes the {found} {to} for a {kind}"))),
            None if self.all.exists(to) => Ok(()),
            None => Err(self.refused(from, &format!("the {kind} {to}, to which it leads, is missing"))),
        }
    }

    fn has(&self, oid: Oid) -> bool {
        self.kinds.contains_key(&oid) || self.all.exists(oid)
    }

    fn refused(&self, oid: Oid, reason: &str) -> RemoteError {
        RemoteError::Content {
            address: self.session.address.to_string(),
            what: format!("the object {oid}"),
            reason: super::text::one_line(reason.as_bytes()),
        }
    }
}

/// Why no file is to have the name.
fn wrong_name(name: &[u8], is_link: bool) -> Option<&'static str> {
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
        return Some("is no name of a file");
    }
    if is_git_directory_name(name) {
        return Some("is git's own directory to some file system");
    }
    (is_link && name.eq_ignore_ascii_case(b".gitmodules")).then_some("is a symbolic link")
}
