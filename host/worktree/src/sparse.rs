//! Worktrees with some directories only: the cone mode of git-sparse-checkout(1).
//!
//! Git knows such a worktree by a configuration of its own, which takes `extensions.worktreeConfig` in the
//! repository's; there is no other way to have `git status` and `git sparse-checkout` agree. It is set as
//! git sets it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use git2::{Config, Index, Repository};

use crate::WorktreeError;
use crate::error::{At, Trying};
use crate::pending::Pending;
use crate::update::retry_locked;

/// The bit of an index entry whose file is left out (gitformat-index(5)).
pub(crate) const SKIP_WORKTREE: u16 = 1 << 14;

/// The directories whose files are there, with slashes: all below some, and those directly in the
/// directories above them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cone {
    whole: BTreeSet<Vec<u8>>,
    above: BTreeSet<Vec<u8>>,
}

impl Cone {
    /// That of these directories; none if all files are there.
    ///
    /// # Errors
    /// [`WorktreeError::Unsupported`] for what is no path to a directory of the repository.
    pub(crate) fn of(directories: &[String]) -> Result<Option<Self>, WorktreeError> {
        if directories.is_empty() {
            return Ok(None);
        }
        let mut whole = BTreeSet::new();
        for directory in directories {
            let path = directory.strip_suffix('/').unwrap_or(directory);
            let is_sound = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['\n', '\0']);
            if !path.split('/').all(is_sound) {
                return Err(refused(
                    directory,
                    "expected a path from the repository's root, as in src/parser",
                ));
            }
            whole.insert(path.as_bytes().to_vec());
        }
        let within = |path: &Vec<u8>| parents(path).any(|parent| whole.contains(parent));
        let whole: BTreeSet<Vec<u8>> = whole.iter().filter(|path| !within(path)).cloned().collect();
        let above = whole.iter().flat_map(|path| parents(path)).map(<[u8]>::to_vec).collect();
        Ok(Some(Self { whole, above }))
    }

    /// Whether a file is there.
    pub(crate) fn has(&self, file: &[u8]) -> bool {
        match parents(file).next() {
            Some(directory) => self.has_directory(directory),
            None => true,
        }
    }

    /// Whether files directly in a directory are there.
    pub(crate) fn has_directory(&self, directory: &[u8]) -> bool {
        self.above.contains(directory)
            || self.whole.contains(directory)
            || parents(directory).any(|parent| self.whole.contains(parent))
    }

    /// Every directory has to be one of the commit: a name that is not would leave its files out unsaid.
    ///
    /// # Errors
    /// [`WorktreeError::Unsupported`].
    pub(crate) fn check(&self, directories: &BTreeSet<Vec<u8>>) -> Result<(), WorktreeError> {
        match self.whole.iter().find(|path| !directories.contains(*path)) {
            Some(path) => {
                Err(refused(&String::from_utf8_lossy(path), "the worktree's base has no such directory"))
            }
            None => Ok(()),
        }
    }

    /// Tells git, in the worktree's administrative directory.
    pub(crate) fn write(&self, administration: &Path) -> Result<(), WorktreeError> {
        let info = administration.join("info");
        fs::create_dir_all(&info).at("create", &info)?;
        let settings = b"[core]\n\tsparseCheckout = true\n\tsparseCheckoutCone = true\n".to_vec();
        let files = [
            (info.join("sparse-checkout"), self.patterns()),
            (administration.join("config.worktree"), settings),
        ];
        for (path, content) in files {
            fs::write(&path, content).at("write", &path)?;
        }
        Ok(())
    }

    /// Marks the entries of the files that are left out.
    pub(crate) fn mark(&self, index: &mut Index) -> Result<(), WorktreeError> {
        let left_out: Vec<_> = index.iter().filter(|entry| !self.has(&entry.path)).collect();
        for mut entry in left_out {
            entry.flags_extended |= SKIP_WORKTREE;
            index.add(&entry).trying("write the index")?;
        }
        Ok(())
    }

    /// The file `info/sparse-checkout`, as git writes it.
    fn patterns(&self) -> Vec<u8> {
        let mut text = b"/*\n!/*/\n".to_vec();
        let escaped = |path: &[u8]| {
            let special = |byte: u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
            let escape = |byte: &u8| if special(*byte) { vec![b'\\', *byte] } else { vec![*byte] };
            path.iter().flat_map(escape).collect::<Vec<u8>>()
        };
        for path in &self.above {
            let path = escaped(path);
            text.extend_from_slice(&[b"/", path.as_slice(), b"/\n!/", &path, b"/*/\n"].concat());
        }
        for path in &self.whole {
            text.extend_from_slice(&[b"/", escaped(path).as_slice(), b"/\n"].concat());
        }
        text
    }
}

/// Lets worktrees have a configuration of their own, as `git sparse-checkout set` does: what is true of the
/// repository's own checkout only moves into that one's.
pub(crate) fn allow(repository: &Repository, scratch: &Path) -> Result<(), WorktreeError> {
    let common = repository.commondir();
    let path = common.join("config");
    let action = "let the worktree have settings of its own";
    let mut config = Config::open(&path).trying(action)?;
    if config.get_bool("extensions.worktreeConfig").unwrap_or(false) {
        return Ok(());
    }
    let own = common.join("config.worktree");
    let locks = [&path, &own].map(|path| path.with_added_extension("lock")).to_vec();
    let _pending = Pending::begin(scratch, "the making of a sparse worktree was interrupted", locks)?;
    retry_locked(|| config.set_bool("extensions.worktreeConfig", true)).trying(action)?;
    let mut own = Config::open(&own).trying(action)?;
    if config.get_bool("core.bare").unwrap_or(false) {
        own.set_bool("core.bare", true).trying(action)?;
        retry_locked(|| config.remove("core.bare")).trying(action)?;
    }
    if let Ok(checkout) = config.get_string("core.worktree") {
        own.set_str("core.worktree", &checkout).trying(action)?;
        retry_locked(|| config.remove("core.worktree")).trying(action)?;
    }
    Ok(())
}

/// The directories above a path, the nearest first, without the root.
fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/');
    slashes.filter_map(|(at, _)| path.get(..at))
}

fn refused(directory: &str, reason: &str) -> WorktreeError {
    WorktreeError::Unsupported {
        what: format!("a worktree with the directory {directory:?} only"),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cone(directories: &[&str]) -> Cone {
        Cone::of(&directories.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()).unwrap().unwrap()
    }

    #[test]
    fn files_in_the_directories_and_beside_the_way_to_them_are_there() {
        let cone = cone(&["a/b/", "a/b/c", "d"]);
        for path in ["top", "a/1", "a/b/2", "a/b/c/3", "a/b/x/y", "d/4"] {
            assert!(cone.has(path.as_bytes()), "{path}");
        }
        for path in ["a/x/1", "e/5", "dd/4", "a/bb/2"] {
            assert!(!cone.has(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn what_is_no_path_from_the_root_is_refused() {
        for path in ["", "/", "/a", "a//b", "../a", "a/..", "./a", "a\nb"] {
            let err = Cone::of(&[path.to_owned()]).unwrap_err();
            assert!(matches!(err, WorktreeError::Unsupported { .. }), "{path:?}");
        }
        assert_eq!(Cone::of(&[]).unwrap(), None);
    }
}
