//! The worktrees of a repository, and one that this process holds.

use std::path::{Path, PathBuf};

use git2::{ErrorClass, ErrorCode, Oid, Repository, Signature, Time};

use crate::error::{At, Trying};
use crate::record::{Held, Records};
use crate::{Create, Id, Plain, Record, WorktreeError, administration, plain};

/// The worktrees that sandpiper makes of a repository.
pub struct Worktrees {
    pub(crate) repository: Repository,
    pub(crate) records: Records,
    /// The directory in which the directories of worktrees are.
    pub(crate) root: PathBuf,
    /// The user's directory, if it is in no repository.
    pub(crate) plain: Option<PathBuf>,
}

impl Worktrees {
    /// Those of the repository that the directory `start` is in. New ones are made below `root`, which
    /// need not be there yet. Where there is no repository, those of the nearest directory of which there are
    /// any.
    ///
    /// # Errors
    /// [`WorktreeError::NoRepository`]; [`WorktreeError::Unsupported`] for repositories whose objects are
    /// named by SHA-256 and for a root within a checkout of the repository.
    pub fn open(start: &Path, root: &Path) -> Result<Self, WorktreeError> {
        Self::find_or_make(start, root, None)
    }

    /// Opens them to make one: where there is no repository and `options` say what it is to begin with then
    /// ([`Create::plain`]), those of the directory `start` itself.
    ///
    /// # Errors
    /// As [`Worktrees::open`].
    pub fn open_to_create(start: &Path, root: &Path, options: &Create) -> Result<Self, WorktreeError> {
        Self::find_or_make(start, root, options.plain)
    }

    fn find_or_make(start: &Path, root: &Path, plain: Option<Plain>) -> Result<Self, WorktreeError> {
        // What is read was checked by zlib, and by its name when it was written; as git, which does not hash
        // what it checks out either.
        git2::opts::strict_hash_verification(false);
        let root = std::path::absolute(root).at("find", root)?;
        match Repository::discover(start) {
            Ok(repository) => return Self::of_repository(repository, &root),
            Err(source) if source.code() == ErrorCode::NotFound => {}
            Err(source) => return Err(WorktreeError::Git { action: "open the repository", source }),
        }
        let directory = start.canonicalize().at("open", start)?;
        let own_repository = |of: &Path| plain::repository_path(&root.join(repository_name(of)));
        if plain.is_some() {
            plain::make(&own_repository(&directory))?;
            return Self::of_directory(&directory, &root);
        }
        let known = directory.ancestors().find(|directory| own_repository(directory).join("HEAD").exists());
        let known = known.ok_or_else(|| WorktreeError::NoRepository { path: start.to_owned() })?;
        Self::of_directory(known, &root)
    }

    fn of_repository(repository: Repository, root: &Path) -> Result<Self, WorktreeError> {
        let common = repository.commondir().canonicalize().at("open", repository.commondir())?;
        let resolved = resolve_existing(root);
        let checkout =
            repository.workdir().map(|path| path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        if checkout.is_some_and(|checkout| resolved.starts_with(checkout)) || resolved.starts_with(&common) {
            return Err(WorktreeError::Unsupported {
                what: format!("the worktree root {}", root.display()),
                reason: "it is within the repository; choose a directory outside".to_owned(),
            });
        }
        let root = root.join(repository_name(&common));
        Ok(Self { records: Records::of(&common), root, plain: None, repository })
    }

    fn of_directory(directory: &Path, root: &Path) -> Result<Self, WorktreeError> {
        let root = root.join(repository_name(directory));
        let repository = plain::open(&plain::repository_path(&root), directory)?;
        let records = Records::of(repository.commondir());
        Ok(Self { records, root, plain: Some(directory.to_owned()), repository })
    }

    /// Takes a worktree for this process, by its id or its branch's name.
    ///
    /// # Errors
    /// [`WorktreeError::Unknown`], [`WorktreeError::InUse`].
    pub fn hold(&self, name: &str) -> Result<Worktree<'_>, WorktreeError> {
        let id: Id = name.parse().map_err(|_| WorktreeError::Unknown { name: name.to_owned() })?;
        let held = self.records.hold(&id)?;
        Ok(Worktree { worktrees: self, held })
    }

    /// The record of a worktree, by its id or its branch's name, whoever uses it.
    ///
    /// # Errors
    /// [`WorktreeError::Unknown`].
    pub fn find(&self, name: &str) -> Result<Record, WorktreeError> {
        let unknown = || WorktreeError::Unknown { name: name.to_owned() };
        let id: Id = name.parse().map_err(|_| unknown())?;
        self.records.read(&id)?.ok_or_else(unknown)
    }

    /// The repository's common git directory.
    pub fn git_directory(&self) -> &Path {
        self.repository.commondir()
    }

    /// The user's checkout, or directory; none of a bare repository.
    pub fn checkout(&self) -> Option<&Path> {
        self.repository.workdir()
    }

    pub(crate) fn resolve(&self, name: &str) -> Result<Oid, WorktreeError> {
        let unknown = || WorktreeError::NoCommit { name: name.to_owned() };
        let object = self.repository.revparse_single(name).map_err(|_| unknown())?;
        Ok(object.peel_to_commit().map_err(|_| unknown())?.id())
    }

    /// Who commits, as git's configuration says.
    pub(crate) fn signature(&self) -> Result<Signature<'static>, WorktreeError> {
        self.repository.signature().map_err(|err| match (err.class(), err.code()) {
            (ErrorClass::Config, ErrorCode::NotFound) => WorktreeError::NoAuthor,
            _ => WorktreeError::Git { action: "read who commits", source: err },
        })
    }

    /// For commits and logs that are this crate's, not a person's.
    pub(crate) fn own_signature(&self) -> Result<Signature<'static>, WorktreeError> {
        self.signature().or_else(|_| {
            let seconds = i64::try_from(crate::record::now_seconds()).unwrap_or_default();
            Signature::new("sandpiper", "sandpiper@localhost", &Time::new(seconds, 0))
                .trying("name the committer")
        })
    }
}

impl std::fmt::Debug for Worktrees {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worktrees")
            .field("repository", &self.repository.path())
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// A worktree that this process alone works on, until this is dropped.
#[derive(Debug)]
pub struct Worktree<'a> {
    pub(crate) worktrees: &'a Worktrees,
    pub(crate) held: Held,
}

impl Worktree<'_> {
    /// What is noted about it.
    pub fn record(&self) -> &Record {
        &self.held.record
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.held.record.path
    }

    /// Where git keeps its HEAD and index: in the repository, out of the reach of who has the directory.
    pub fn git_directory(&self) -> PathBuf {
        administration::directory(self.worktrees.repository.commondir(), &self.held.record.id)
    }

    /// Tells git that a run uses the worktree, until what is returned is dropped: it is not pruned then.
    ///
    /// # Errors
    /// When the lock cannot be written.
    pub fn lock_for_run(&self) -> Result<RunLock, WorktreeError> {
        let administration = self.git_directory();
        administration::lock(&administration)?;
        Ok(RunLock { administration })
    }

    /// Opens it by what is noted in the repository. The `.git` file in its directory, which a guest may
    /// have written, is not read.
    pub(crate) fn open(&self) -> Result<Repository, WorktreeError> {
        let repository = Repository::open(self.git_directory()).trying("open the worktree")?;
        repository.set_workdir(self.path(), false).trying("open the worktree")?;
        Ok(repository)
    }

    /// Where its branch is; none before the first commit.
    pub(crate) fn tip(&self) -> Result<Option<Oid>, WorktreeError> {
        match self.worktrees.repository.refname_to_id(&self.held.record.id.branch_ref()) {
            Ok(oid) => Ok(Some(oid)),
            Err(err) if err.code() == ErrorCode::NotFound => Ok(None),
            Err(source) => Err(WorktreeError::Git { action: "read the worktree's branch", source }),
        }
    }
}

/// Keeps git from pruning a worktree.
#[derive(Debug)]
pub struct RunLock {
    administration: PathBuf,
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // What is left is found by `repair`.
        let _ = administration::unlock(&self.administration);
    }
}

/// The path with links resolved as far as it exists.
fn resolve_existing(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let Ok(resolved) = ancestor.canonicalize() {
            let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
            return resolved.join(rest);
        }
    }
    path.to_owned()
}

/// A directory's name for a repository: what a person calls it, and what tells it from others.
fn repository_name(common: &Path) -> String {
    use sha1::{Digest, Sha1};
    use std::fmt::Write;

    let of = if common.ends_with(".git") { common.parent().unwrap_or(common) } else { common };
    let name: String = of
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' })
        .take(40)
        .collect();
    let mut text = format!("{}-", name.trim_matches('.'));
    for byte in Sha1::digest(common.as_os_str().as_encoded_bytes()).iter().take(4) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
