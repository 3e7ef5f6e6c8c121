//! What differs between trees, the index and the working tree, file by file, as data.

use super::failure::Result;
use super::path::check_depth;
use super::pathspec::Pathspec;
use super::session::{Found, Session};
use super::staging::Staging;
use super::work_tree::{GITLINK, Kind, TREE};
use git2::{IndexEntry, ObjectType, Oid, Tree};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a file differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// It is only on the new side.
    Added,
    /// It is only on the old side.
    Deleted,
    /// Its content or its executable bit differs.
    Modified,
    /// It is of another type: a file, a symbolic link or a submodule.
    TypeChanged,
    /// It has another path, and its content is the same or similar.
    Renamed,
    /// The index holds it in conflict.
    Unmerged,
}

impl Change {
    /// The letter that git shows.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Deleted => 'D',
            Self::Modified => 'M',
            Self::TypeChanged => 'T',
            Self::Renamed => 'R',
            Self::Unmerged => 'U',
        }
    }
}

/// One side of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) path: Vec<u8>,
    pub(super) mode: u32,
    /// Of the content; nothing until it is asked for where a file of the working tree is meant.
    pub(super) id: Option<Oid>,
    pub(super) in_work_tree: bool,
    /// The id of a file of the working tree was compared: then `--raw` tells it, as with git.
    pub(super) compared: bool,
}

impl Side {
    pub(super) fn stored(path: &[u8], mode: u32, id: Oid) -> Self {
        Self { path: path.to_vec(), mode, id: Some(id), in_work_tree: false, compared: false }
    }

    fn file(path: &[u8], mode: u32) -> Self {
        Self { path: path.to_vec(), mode, id: None, in_work_tree: true, compared: false }
    }

    /// The content as it is or would be stored; that of a submodule is a line with its commit.
    pub(super) fn content(&self, session: &Session<'_>) -> Result<Vec<u8>> {
        match (self.mode, self.id) {
            (GITLINK, id) => Ok(format!("Subproject commit {}\n", id.unwrap_or(Oid::ZERO_SHA1)).into_bytes()),
            (_, Some(id)) if !self.in_work_tree => session.blob(id),
            _ => {
                let kind = if self.mode == super::work_tree::LINK {
                    Kind::Link
                } else {
                    Kind::File { executable: false }
                };
                session.stored_form(&self.path, kind, session.first_staging()?.get(&self.path))
            }
        }
    }

    /// The id of the content.
    pub(super) fn id(&self, session: &Session<'_>) -> Result<Oid> {
        match self.id {
            Some(id) => Ok(id),
            None => Ok(Oid::hash_object(ObjectType::Blob, &self.content(session)?)?),
        }
    }

    /// The type of the file without its permission bits.
    pub(super) fn kind(&self) -> u32 {
        self.mode & 0o170_000
    }
}

/// A file that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delta {
    pub(super) change: Change,
    pub(super) old: Option<Side>,
    pub(super) new: Option<Side>,
    /// How similar the sides of a rename are, in percent.
    pub(super) similarity: u32,
}

impl Delta {
    pub(super) fn new(old: Option<Side>, new: Option<Side>) -> Self {
        let change = match (&old, &new) {
            (None, _) => Change::Added,
            (_, None) => Change::Deleted,
            (Some(old), Some(new)) if old.kind() != new.kind() => Change::TypeChanged,
            _ => Change::Modified,
        };
        Self { change, old, new, similarity: 0 }
    }

    fn unmerged(path: &[u8]) -> Self {
        let side = Some(Side::stored(path, 0, Oid::ZERO_SHA1));
        Self { change: Change::Unmerged, old: side, new: None, similarity: 0 }
    }

    /// The path that git names first: the new one, or the old one of a deleted file.
    pub(super) fn path(&self) -> &[u8] {
        self.new.as_ref().or(self.old.as_ref()).map(|side| side.path.as_slice()).unwrap_or_default()
    }

    /// The path before, where it is another one.
    pub(super) fn path_before(&self) -> Option<&[u8]> {
        let old = self.old.as_ref().filter(|_| self.change == Change::Renamed)?;
        Some(&old.path)
    }
}

/// Files by path, each with its mode and the id of its content.
pub(super) type Files = BTreeMap<Vec<u8>, (u32, Oid)>;

/// The files of a tree.
pub(super) fn files(session: &Session<'_>, tree: Option<&Tree<'_>>) -> Result<Files> {
    let deltas = between_trees(session, None, tree, &Pathspec::default())?;
    let sides = deltas.into_iter().filter_map(|delta| delta.new);
    Ok(sides.map(|side| (side.path, (side.mode, side.id.unwrap_or(Oid::ZERO_SHA1)))).collect())
}

/// The differences between two trees.
pub(super) fn between_trees(
    session: &Session<'_>,
    old: Option<&Tree<'_>>,
    new: Option<&Tree<'_>>,
    spec: &Pathspec,
) -> Result<Vec<Delta>> {
    let mut deltas = Vec::new();
    compare_trees(session, (old, new), b"", (spec, &mut deltas))?;
    deltas.sort_by(|left, right| left.path().cmp(right.path()));
    Ok(deltas)
}

/// The differences between a tree and the index.
pub(super) fn staged(
    session: &Session<'_>,
    tree: Option<&Tree<'_>>,
    staging: &Staging,
    spec: &Pathspec,
) -> Result<Vec<Delta>> {
    let now = |entry: &IndexEntry| Ok(Some(Side::stored(&entry.path, entry.mode, entry.id)));
    against(files(session, tree)?, staging, spec, now)
}

/// The differences between the index and the working tree, of tracked files.
pub(super) fn unstaged(session: &Session<'_>, staging: &Staging, spec: &Pathspec) -> Result<Vec<Delta>> {
    let mut deltas = Vec::new();
    for (path, stages) in staging.conflicts().iter().filter(|(path, _)| spec.has(path)) {
        deltas.push(Delta::unmerged(path));
        // Beside the conflict git shows how the file differs from our side of it.
        let [_, ours, _] = stages;
        if let (Some(ours), Some(stat)) = (ours, session.tree.stat(path)?) {
            let mode = session.mode_of(stat.kind, Some(ours.mode));
            let old = Side::stored(path, ours.mode, ours.id);
            deltas.push(Delta::new(Some(old), Some(Side::file(path, mode))));
        }
    }
    for entry in staging.entries().filter(|entry| spec.has(&entry.path)) {
        let old = Some(Side::stored(&entry.path, entry.mode, entry.id));
        match session.found(staging, entry)? {
            Found::Same(_) => {}
            Found::Missing => deltas.push(Delta::new(old, None)),
            Found::Changed { mode } => deltas.push(Delta::new(old, Some(Side::file(&entry.path, mode)))),
        }
    }
    deltas.sort_by(|left, right| left.path().cmp(right.path()));
    Ok(deltas)
}

/// The differences between a tree and the working tree, of files that are tracked in either.
pub(super) fn since(
    session: &Session<'_>,
    tree: Option<&Tree<'_>>,
    staging: &Staging,
    spec: &Pathspec,
) -> Result<Vec<Delta>> {
    against(files(session, tree)?, staging, spec, |entry| {
        Ok(match session.found(staging, entry)? {
            Found::Same(_) => Some(Side::stored(&entry.path, entry.mode, entry.id)),
            Found::Missing => None,
            Found::Changed { mode } => {
                let mut side = Side::file(&entry.path, mode);
                side.id = Some(side.id(session)?);
                Some(side)
            }
        })
    })
}

/// The differences between files and what `now` says of each entry of the index.
fn against(
    mut old: Files,
    staging: &Staging,
    spec: &Pathspec,
    now: impl Fn(&IndexEntry) -> Result<Option<Side>>,
) -> Result<Vec<Delta>> {
    let mut deltas = Vec::new();
    for path in staging.conflicts().keys().filter(|path| spec.has(path)) {
        deltas.push(Delta::unmerged(path));
        old.remove(path);
    }
    for entry in staging.entries() {
        let before = old.remove(&entry.path);
        if !spec.has(&entry.path) {
            continue;
        }
        let now = now(entry)?;
        let same = before.map(|(mode, id)| (mode, Some(id))) == now.as_ref().map(|side| (side.mode, side.id));
        if same || (before.is_none() && now.is_none()) {
            continue;
        }
        let before = before.map(|(mode, id)| Side::stored(&entry.path, mode, id));
        deltas.push(Delta::new(before, now));
    }
    for (path, (mode, id)) in old.into_iter().filter(|(path, _)| spec.has(path)) {
        deltas.push(Delta::new(Some(Side::stored(&path, mode, id)), None));
    }
    deltas.sort_by(|left, right| left.path().cmp(right.path()));
    Ok(deltas)
}

/// Walks two trees together and skips what both share.
fn compare_trees(
    session: &Session<'_>,
    (old, new): (Option<&Tree<'_>>, Option<&Tree<'_>>),
    prefix: &[u8],
    (spec, deltas): (&Pathspec, &mut Vec<Delta>),
) -> Result<()> {
    if old.map(Tree::id) == new.map(Tree::id) {
        return Ok(());
    }
    check_depth(prefix)?;
    let mut names: BTreeMap<Vec<u8>, [Option<(u32, Oid)>; 2]> = BTreeMap::new();
    for (side, tree) in [old, new].into_iter().enumerate() {
        for entry in tree.into_iter().flat_map(Tree::iter) {
            let mode = u32::try_from(entry.filemode()).unwrap_or(0);
            let slots = names.entry(entry.name_bytes().to_vec()).or_default();
            if let Some(slot) = slots.get_mut(side) {
                *slot = Some((mode, entry.id()));
            }
        }
    }
    for (name, [old, new]) in names {
        if old == new {
            continue;
        }
        let path = if prefix.is_empty() { name } else { [prefix, b"/", &name].concat() };
        let tree_of = |side: Option<(u32, Oid)>| match side {
            Some((TREE, id)) => session.repository.find_tree(id).map(Some),
            _ => Ok(None),
        };
        let (old_tree, new_tree) = (tree_of(old)?, tree_of(new)?);
        if (old_tree.is_some() || new_tree.is_some()) && spec.may_have_below(&path) {
            compare_trees(session, (old_tree.as_ref(), new_tree.as_ref()), &path, (spec, deltas))?;
        }
        let file = |side: Option<(u32, Oid)>| {
            side.filter(|(mode, _)| *mode != TREE).map(|(mode, id)| Side::stored(&path, mode, id))
        };
        let (old, new) = (file(old), file(new));
        if (old.is_some() || new.is_some()) && spec.has(&path) {
            deltas.push(Delta::new(old, new));
        }
    }
    Ok(())
}
