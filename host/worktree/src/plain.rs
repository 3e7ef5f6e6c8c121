//! Directories that are in no git repository.
//!
//! A private repository beside their worktrees keeps what each began with, and what was removed; the
//! directory counts as its checkout. So all that compares, applies and removes is the same. Nothing is
//! committed or merged: nobody would find it.

use std::fs;
use std::path::{Path, PathBuf};

use git2::{Oid, Repository, RepositoryInitOptions};
use serde::{Deserialize, Serialize};

use crate::create::remove_directory;
use crate::error::{At, Trying};
use crate::git::{LookError, Snapshot, What};
use crate::snapshot::scope_of;
use crate::{Create, Worktree, WorktreeError, Worktrees, checkout};

/// The private repository, beside the directories of tasks, whose names have no dot.
const REPOSITORY: &str = "plain.git";
/// Files are copied as they are, whatever attributes say.
const ATTRIBUTES: &str = "* -text -ident -filter !working-tree-encoding\n";
/// A directory with more was not meant to be copied for a run, as a home directory.
const MOST_FILES: usize = 100_000;
/// The same in bytes: each run keeps them once more, compressed.
const MOST_BYTES: u64 = 1 << 30;

/// What a worktree begins with where there is no repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plain {
    /// All files of the directory.
    Copy,
    /// Nothing.
    Empty,
}

/// Where a worktree comes from that is of no repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlainOrigin {
    /// The user's directory, which is in no repository.
    pub directory: PathBuf,
    /// What it began with.
    pub kind: Plain,
}

/// Where the private repository of a directory is or would be.
pub(crate) fn repository_path(root: &Path) -> PathBuf {
    root.join(REPOSITORY)
}

/// Opens a private repository, with the user's directory as its checkout.
pub(crate) fn open(path: &Path, directory: &Path) -> Result<Repository, WorktreeError> {
    let repository = Repository::open(path).trying("open the private repository")?;
    repository.set_workdir(directory, false).trying("open the private repository")?;
    Ok(repository)
}

/// Makes a private repository, or completes one.
pub(crate) fn make(path: &Path) -> Result<(), WorktreeError> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).mkpath(true).external_template(false);
    Repository::init_opts(path, &options).trying("make the private repository")?;
    let info = path.join("info");
    fs::create_dir_all(&info).at("create", &info)?;
    let attributes = info.join("attributes");
    fs::write(&attributes, ATTRIBUTES).at("write", &attributes)
}

impl Worktrees {
    /// The user's directory, where it is in no repository.
    pub fn plain_directory(&self) -> Option<&Path> {
        self.plain.as_deref()
    }

    /// Where a new worktree of a directory that is in no repository comes from; none in a repository.
    ///
    /// # Errors
    /// [`WorktreeError::NoRepository`] if it is not said what to begin with then, and
    /// [`WorktreeError::Unsupported`] for what only a repository has.
    pub(crate) fn plain_origin(&self, options: &Create) -> Result<Option<PlainOrigin>, WorktreeError> {
        let Some(directory) = &self.plain else { return Ok(None) };
        let Some(kind) = options.plain else {
            return Err(WorktreeError::NoRepository { path: directory.clone() });
        };
        if options.base.is_some() || options.include_uncommitted || options.include_untracked {
            return Err(WorktreeError::Unsupported {
                what: "a base, or changes of a checkout".to_owned(),
                reason: format!(
                    "{} is in no git repository; leave them out, a copy has all its files",
                    directory.display()
                ),
            });
        }
        Ok(Some(PlainOrigin { directory: directory.clone(), kind }))
    }

    /// A commit, in the private repository, of what a worktree is to begin with.
    pub(crate) fn plain_base(&self, origin: &PlainOrigin) -> Result<Oid, WorktreeError> {
        let tree = match origin.kind {
            Plain::Copy => self.copied_tree(&origin.directory)?,
            Plain::Empty => checkout::empty_tree(&self.repository)?,
        };
        let tree = self.repository.find_tree(tree).trying("read a tree")?;
        let who = self.own_signature()?;
        let message = format!("The files of {}\n", origin.directory.display());
        self.repository.commit(None, &who, &who, &message, &tree, &[]).trying("note what it begins with")
    }

    fn copied_tree(&self, directory: &Path) -> Result<Oid, WorktreeError> {
        let refused = |reason: &str| WorktreeError::Unsupported {
            what: format!("copying {}", directory.display()),
            reason: reason.to_owned(),
        };
        if self.root.canonicalize().unwrap_or_else(|_| self.root.clone()).starts_with(directory) {
            return Err(refused("worktrees are kept in it; use a directory in it, or begin with nothing"));
        }
        let mut size = Size::default();
        size.add(directory)?;
        if size.files > MOST_FILES || size.bytes > MOST_BYTES {
            let most = format!(
                "it holds more than {MOST_FILES} files or {} MiB; use a directory in it, or begin with nothing",
                MOST_BYTES >> 20
            );
            return Err(refused(&most));
        }
        let scope = scope_of(&self.repository, directory);
        let taken = Snapshot::take(&scope, What::Everything).and_then(|mut snapshot| snapshot.whole_tree());
        taken.map_err(|err| match err {
            LookError::InnerRepository { path } => {
                refused(&format!("{path} is a repository, which a copy would not hold; run it in there"))
            }
            err => err.into(),
        })
    }

    /// Removes the private repository if it keeps nothing for anybody.
    pub(crate) fn prune_plain(&self) -> Result<(), WorktreeError> {
        if self.plain.is_none() || !self.records.ids()?.is_empty() || !self.trash()?.is_empty() {
            return Ok(());
        }
        let path = repository_path(&self.root);
        let old = self.root.join(format!("{REPOSITORY}.old"));
        remove_directory(&old)?;
        // At once: whoever is about to use it fails, and finds no half of it.
        fs::rename(&path, &old).at("remove", &path)?;
        remove_directory(&old)?;
        let _ = fs::remove_dir(&self.root);
        Ok(())
    }
}

impl Worktree<'_> {
    /// # Errors
    /// [`WorktreeError::Unsupported`] where there is no repository.
    pub(crate) fn need_repository(&self, what: &str) -> Result<(), WorktreeError> {
        match &self.record().plain {
            None => Ok(()),
            Some(origin) => Err(WorktreeError::Unsupported {
                what: format!("{what} in {}", self.record().id),
                reason: format!(
                    "{} is in no git repository; apply brings the changes there, and export writes them as a patch",
                    origin.directory.display()
                ),
            }),
        }
    }

    /// Makes a new worktree what a copy is: with the directories that hold no file, and no way to the
    /// private repository.
    pub(crate) fn finish_plain(&self, origin: &PlainOrigin) -> Result<(), WorktreeError> {
        if origin.kind == Plain::Copy && self.record().sparse.is_empty() {
            copy_directories(&origin.directory, self.path())?;
        }
        let link = self.path().join(".git");
        fs::remove_file(&link).at("remove", &link)
    }
}

impl PlainOrigin {
    /// What a person should know.
    pub(crate) fn note(&self) -> String {
        let directory = self.directory.display();
        match self.kind {
            Plain::Copy => format!("{directory} is in no git repository: this is a copy of its files"),
            Plain::Empty => format!("{directory} is in no git repository: this begins with no files"),
        }
    }
}

/// What a directory holds, counted until it is too much.
#[derive(Default)]
struct Size {
    files: usize,
    bytes: u64,
}

impl Size {
    fn add(&mut self, directory: &Path) -> Result<(), WorktreeError> {
        for entry in fs::read_dir(directory).at("list", directory)? {
            let entry = entry.at("list", directory)?;
            let metadata = entry.metadata().at("read", &entry.path())?;
            self.files += 1;
            self.bytes += metadata.len();
            if self.files > MOST_FILES || self.bytes > MOST_BYTES {
                return Ok(());
            }
            if metadata.is_dir() {
                self.add(&entry.path())?;
            }
        }
        Ok(())
    }
}

fn copy_directories(from: &Path, to: &Path) -> Result<(), WorktreeError> {
    for entry in fs::read_dir(from).at("list", from)? {
        let entry = entry.at("list", from)?;
        if entry.file_type().at("read", &entry.path())?.is_dir() {
            let target = to.join(entry.file_name());
            if !target.is_dir() {
                fs::create_dir(&target).at("create", &target)?;
            }
            copy_directories(&entry.path(), &target)?;
        }
    }
    Ok(())
}
