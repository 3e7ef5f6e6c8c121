//! All files of a working tree put into its index, in memory, for the host: what cannot be kept is an
//! error, and nothing is left out unsaid.

use super::Scope;
use super::failure::{Failure, Result};
use super::look::LookError;
use super::path::{check_depth, is_git_name, is_valid};
use super::session::{Caller, Session};
use super::staging::Staging;
use super::work_tree::{GITLINK, Kind, Stat};
use git2::Oid;
use std::collections::BTreeSet;

/// Which of the files that git does not track are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Those that it is not told to ignore.
    Untracked,
    /// All. What the index says is not believed but compared.
    Everything,
}

/// The files of a working tree as objects.
pub(crate) struct Snapshot<'a> {
    session: Session<'a>,
    staging: Staging,
    /// Files that git does not tell of, of [`What::Everything`]; they are not in the tree yet.
    hidden: Vec<(Vec<u8>, Stat)>,
}

impl<'a> Snapshot<'a> {
    /// Writes the files as objects. The index in the git directory stays as it is.
    pub(crate) fn take(scope: &'a Scope, what: What) -> std::result::Result<Self, LookError> {
        let session = Session::open_for(scope, Caller::Host)?;
        let staging = session.staging()?;
        let mut found = Walk { session: &session, staging: &staging, what, found: Found::default() };
        found.directory(b"", false)?;
        let Found { seen, told, hidden, inner } = found.found;
        if let Some(path) = inner {
            return Err(LookError::InnerRepository { path: String::from_utf8_lossy(&path).into_owned() });
        }
        let mut snapshot = Self { session, staging, hidden };
        snapshot.remove_missing(&seen)?;
        snapshot.add_all(&told)?;
        Ok(snapshot)
    }

    /// The files as a tree, with those that git does not tell of, if they were asked for.
    pub(crate) fn whole_tree(&mut self) -> std::result::Result<Oid, LookError> {
        let hidden = std::mem::take(&mut self.hidden);
        self.add_all(&hidden)?;
        self.tree()
    }

    /// The files that git tells of as a tree.
    pub(crate) fn tree(&mut self) -> std::result::Result<Oid, LookError> {
        Ok(self.session.write_tree(&mut self.staging)?)
    }

    /// Makes the files what is staged.
    pub(crate) fn write_index(&mut self) -> std::result::Result<(), LookError> {
        Ok(self.session.save(&mut self.staging)?)
    }

    fn remove_missing(&mut self, seen: &BTreeSet<Vec<u8>>) -> Result<()> {
        let is_missing = |path: &Vec<u8>| {
            let is_skipped = self.staging.get(path).is_some_and(Staging::is_skipped);
            !is_skipped && !seen.contains(path)
        };
        let missing: Vec<Vec<u8>> = self.staging.paths().filter(|path| is_missing(path)).cloned().collect();
        missing.iter().try_for_each(|path| self.staging.remove(path))
    }

    fn add_all(&mut self, files: &[(Vec<u8>, Stat)]) -> Result<()> {
        files.iter().try_for_each(|(path, stat)| self.add(path, stat))
    }

    fn add(&mut self, path: &[u8], stat: &Stat) -> Result<()> {
        if !is_valid(path) {
            return Err(Failure::fatal([b"'".as_slice(), path, b"' cannot be kept by git"].concat()));
        }
        let entry = self.staging.get(path);
        let mode = self.session.mode_of(stat.kind, entry.map(|entry| entry.mode));
        let id = self.session.store(path, stat, entry)?;
        self.staging.set(path, mode, id, Some(stat))
    }
}

/// What a walk through the working tree finds.
#[derive(Default)]
struct Found {
    /// Tracked paths that are there.
    seen: BTreeSet<Vec<u8>>,
    /// Files to be stored.
    told: Vec<(Vec<u8>, Stat)>,
    /// The same of those that git does not tell of.
    hidden: Vec<(Vec<u8>, Stat)>,
    /// A git directory below the root's.
    inner: Option<Vec<u8>>,
}

struct Walk<'w, 'a> {
    session: &'w Session<'a>,
    staging: &'w Staging,
    what: What,
    found: Found,
}

impl Walk<'_, '_> {
    /// Walks one directory; all below `ignored` is ignored.
    fn directory(&mut self, path: &[u8], ignored: bool) -> Result<()> {
        check_depth(path)?;
        for (name, stat) in self.session.tree.list(path)? {
            let at_root = path.is_empty();
            let path = if at_root { name.clone() } else { [path, b"/", &name].concat() };
            if is_git_name(&name) {
                // The root's own leads to the repository.
                if !(at_root && name == b".git" && matches!(stat.kind, Kind::File { .. })) {
                    self.found.inner.get_or_insert(path);
                }
                continue;
            }
            match stat.kind {
                Kind::Other => {}
                Kind::Directory => self.subdirectory(&path, ignored)?,
                Kind::File { .. } | Kind::Link => self.file(path, stat, ignored)?,
            }
        }
        Ok(())
    }

    fn subdirectory(&mut self, path: &[u8], ignored: bool) -> Result<()> {
        if self.staging.has(path) {
            let is_submodule = self.staging.get(path).is_some_and(|entry| entry.mode == GITLINK);
            if is_submodule {
                self.found.seen.insert(path.to_vec());
            }
            // Git tells nothing of what is in a submodule; but it may be nowhere else.
            return match self.what {
                What::Untracked if is_submodule => Ok(()),
                What::Untracked | What::Everything => self.directory(path, ignored || is_submodule),
            };
        }
        let ignored = ignored || self.session.ignores.is_ignored_itself(path, true)?;
        if ignored && self.what == What::Untracked && !self.staging.has_below(path) {
            return Ok(());
        }
        self.directory(path, ignored)
    }

    fn file(&mut self, path: Vec<u8>, stat: Stat, ignored: bool) -> Result<()> {
        if let Some(entry) = self.staging.get(&path) {
            self.found.seen.insert(path.clone());
            let is_same = self.session.mode_of(stat.kind, Some(entry.mode)) == entry.mode
                && match self.what {
                    What::Untracked => self.staging.is_fresh(entry, &stat),
                    What::Everything => self.staging.is_as_written(entry, &stat),
                };
            if !is_same {
                self.found.told.push((path, stat));
            }
            return Ok(());
        }
        if self.staging.has(&path) {
            self.found.seen.insert(path.clone());
            self.found.told.push((path, stat));
        } else if !ignored && !self.session.ignores.is_ignored_itself(&path, false)? {
            self.found.told.push((path, stat));
        } else if self.what == What::Everything {
            self.found.hidden.push((path, stat));
        }
        Ok(())
    }
}
