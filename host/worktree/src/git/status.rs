//! What `git status` tells, as data.

use super::changes::{Change, Delta, staged, unstaged};
use super::failure::Result;
use super::path::{check_depth, is_git_name};
use super::pathspec::{Paths, Pathspec};
use super::renames::detect;
use super::session::Session;
use super::staging::Staging;
use super::work_tree::Kind;
use git2::Oid;
use std::collections::BTreeMap;

/// Which files that are not tracked are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Untracked {
    /// None.
    No,
    /// Files, and whole directories with nothing tracked in them.
    #[default]
    Normal,
    /// Each file.
    All,
}

/// One path of a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusEntry {
    /// The path from the root of the worktree; that of an untracked directory ends in a slash.
    pub path: Vec<u8>,
    /// What is told of it.
    pub state: State,
}

/// What is told of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// A tracked file that differs somewhere.
    Changed(Changed),
    /// A file in conflict.
    Conflict(Conflict),
    /// Not tracked.
    Untracked,
    /// Ignored.
    Ignored,
}

/// A tracked file that differs between HEAD, the index and the working tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// How the index differs from HEAD.
    pub staged: Option<Change>,
    /// How the working tree differs from the index.
    pub unstaged: Option<Change>,
    /// The path in HEAD, of a file that was renamed in the index.
    pub path_before: Option<Vec<u8>>,
    /// How similar a renamed file is, in percent.
    pub similarity: u32,
    /// Modes in HEAD, the index and the working tree; zero where it is missing.
    pub modes: [u32; 3],
    /// Ids in HEAD and the index; zeros where it is missing.
    pub ids: [String; 2],
}

/// A file in conflict, with base, ours and theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Modes of base, ours and theirs, and in the working tree; zero where it is missing.
    pub modes: [u32; 4],
    /// Ids of base, ours and theirs; zeros where it is missing.
    pub ids: [String; 3],
}

impl Conflict {
    /// The two letters that git shows.
    #[must_use]
    pub fn letters(&self) -> &'static str {
        let [base, ours, theirs, _] = self.modes;
        match (base != 0, ours != 0, theirs != 0) {
            (true, false, false) => "DD",
            (false, true, false) => "AU",
            (true, true, false) => "UD",
            (false, false, _) => "UA",
            (true, false, true) => "DU",
            (false, true, true) => "AA",
            (true, true, true) => "UU",
        }
    }
}

/// What to tell.
#[derive(Clone, Debug, Default)]
pub(super) struct StatusOptions {
    pub(super) untracked: Untracked,
    pub(super) ignored: bool,
    pub(super) renames: bool,
}

/// Tells the state of all chosen paths: tracked ones, then untracked, then ignored, each in order.
pub(super) fn status(
    session: &Session<'_>,
    staging: &Staging,
    spec: &Pathspec,
    options: &StatusOptions,
) -> Result<Vec<StatusEntry>> {
    let head = session.head_tree()?;
    // Renames are looked for among all files, as git does.
    let mut staged = staged(session, head.as_ref(), staging, spec)?;
    if options.renames {
        staged = detect(session, staged, 50)?;
    }
    let mut changed: BTreeMap<Vec<u8>, Changed> = BTreeMap::new();
    let zero = Oid::ZERO_SHA1.to_string();
    for delta in staged.iter().filter(|delta| delta.change != Change::Unmerged) {
        let (old, new) = (delta.old.as_ref(), delta.new.as_ref());
        let mode = |side: Option<&super::changes::Side>| side.map_or(0, |side| side.mode);
        let id = |side: Option<&super::changes::Side>| {
            side.and_then(|side| side.id).map_or_else(|| zero.clone(), |id| id.to_string())
        };
        changed.insert(
            delta.path().to_vec(),
            Changed {
                staged: Some(delta.change),
                unstaged: None,
                path_before: delta.path_before().map(<[u8]>::to_vec),
                similarity: delta.similarity,
                modes: [mode(old), mode(new), mode(new)],
                ids: [id(old), id(new)],
            },
        );
    }
    for delta in unstaged(session, staging, spec)? {
        add_unstaged(&mut changed, staging, &delta);
    }
    let mut entries: Vec<StatusEntry> = changed
        .into_iter()
        .map(|(path, changed)| StatusEntry { path, state: State::Changed(changed) })
        .collect();
    for (path, stages) in staging.conflicts().iter().filter(|(path, _)| spec.has(path)) {
        let [base, ours, theirs] =
            stages.each_ref().map(|entry| entry.as_ref().map_or(0, |entry| entry.mode));
        let ids = stages
            .each_ref()
            .map(|entry| entry.as_ref().map_or(Oid::ZERO_SHA1, |entry| entry.id).to_string());
        let now = session.tree.stat(path)?.map_or(0, |stat| session.mode_of(stat.kind, Some(ours)));
        let conflict = Conflict { modes: [base, ours, theirs, now], ids };
        entries.push(StatusEntry { path: path.clone(), state: State::Conflict(conflict) });
    }
    entries.sort_by(|left, right| left.path.cmp(&right.path));
    if options.untracked != Untracked::No || options.ignored {
        let (untracked, ignored) = untracked(session, staging, spec, options)?;
        let entry = |path: Vec<u8>, state: State| StatusEntry { path, state };
        if options.untracked != Untracked::No {
            entries.extend(untracked.into_iter().map(|path| entry(path, State::Untracked)));
        }
        if options.ignored {
            entries.extend(ignored.into_iter().map(|path| entry(path, State::Ignored)));
        }
    }
    Ok(entries)
}

fn add_unstaged(changed: &mut BTreeMap<Vec<u8>, Changed>, staging: &Staging, delta: &Delta) {
    let Some(entry) = staging.get(delta.path()) else { return };
    let slot = changed.entry(delta.path().to_vec()).or_insert_with(|| Changed {
        staged: None,
        unstaged: None,
        path_before: None,
        similarity: 0,
        modes: [entry.mode; 3],
        ids: [entry.id.to_string(), entry.id.to_string()],
    });
    slot.unstaged = Some(delta.change);
    if let Some(mode) = slot.modes.last_mut() {
        *mode = delta.new.as_ref().map_or(0, |side| side.mode);
    }
}

/// The untracked and the ignored paths, each in order; a directory ends in a slash.
pub(super) fn untracked(
    session: &Session<'_>,
    staging: &Staging,
    spec: &Pathspec,
    options: &StatusOptions,
) -> Result<(Paths, Paths)> {
    let walk = Walk { session, staging, spec, options };
    let mut seen = Seen::default();
    walk.directory(b"", false, &mut seen)?;
    seen.untracked.sort();
    seen.ignored.sort();
    Ok((seen.untracked, seen.ignored))
}

struct Walk<'w, 'a> {
    session: &'w Session<'a>,
    staging: &'w Staging,
    spec: &'w Pathspec,
    options: &'w StatusOptions,
}

#[derive(Default)]
struct Seen {
    untracked: Vec<Vec<u8>>,
    ignored: Vec<Vec<u8>>,
}

impl Walk<'_, '_> {
    /// Walks one directory; all below `ignored` is ignored.
    fn directory(&self, path: &[u8], ignored: bool, seen: &mut Seen) -> Result<()> {
        check_depth(path)?;
        for (name, stat) in self.session.tree.list(path)? {
            if is_git_name(&name) {
                continue;
            }
            let path = if path.is_empty() { name } else { [path, b"/", &name].concat() };
            match stat.kind {
                Kind::Other => {}
                Kind::Directory => self.subdirectory(&path, ignored, seen)?,
                Kind::File { .. } | Kind::Link => {
                    if self.staging.has(&path) || !self.spec.has(&path) {
                        continue;
                    }
                    if ignored || self.session.ignores.is_ignored_itself(&path, false)? {
                        seen.ignored.push(path);
                    } else {
                        seen.untracked.push(path);
                    }
                }
            }
        }
        Ok(())
    }

    fn subdirectory(&self, path: &[u8], ignored: bool, seen: &mut Seen) -> Result<()> {
        // A submodule is one entry; what is in it is never looked at.
        if self.staging.has(path) || !self.spec.may_have_below(path) {
            return Ok(());
        }
        let ignored = ignored || self.session.ignores.is_ignored_itself(path, true)?;
        let has_tracked = self.staging.has_below(path);
        if ignored && !self.options.ignored && !has_tracked {
            return Ok(());
        }
        let with_slash = [path, b"/"].concat();
        if !has_tracked && is_repository(self.session, path)? {
            if self.spec.has(path) {
                if ignored { seen.ignored.push(with_slash) } else { seen.untracked.push(with_slash) }
            }
            return Ok(());
        }
        let mut below = Seen::default();
        self.directory(path, ignored, &mut below)?;
        let whole = self.options.untracked != Untracked::All && !has_tracked && self.spec.has(path);
        if !whole {
            seen.untracked.append(&mut below.untracked);
            seen.ignored.append(&mut below.ignored);
        } else if ignored {
            seen.ignored.push(with_slash);
        } else if !below.untracked.is_empty() {
            seen.untracked.push(with_slash);
            seen.ignored.append(&mut below.ignored);
        } else if !below.ignored.is_empty() {
            seen.ignored.push(with_slash);
        }
        Ok(())
    }
}

/// Tells whether a directory holds something called `.git`: then it is left alone as a whole.
pub(super) fn is_repository(session: &Session<'_>, path: &[u8]) -> Result<bool> {
    Ok(session.tree.stat(&[path, b"/.git"].concat())?.is_some())
}
