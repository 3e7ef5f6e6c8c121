//! Moving a branch, with the checkout that it may be checked out in.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use git2::{AttrCheckFlags, Delta, ErrorCode, Oid, Repository, Tree};

use crate::WorktreeError;
use crate::error::{At, Trying};
use crate::git::{Step, obstacles};
use crate::pending::Pending;
use crate::place::Placing;
use crate::snapshot::scope_of;

/// How long another git command may hold the index.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// Where a branch is to move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move<'a> {
    pub(crate) reference: &'a str,
    pub(crate) before: Option<Oid>,
    pub(crate) after: Oid,
    /// For the branch's log.
    pub(crate) message: &'a str,
}

/// Moves a branch from one commit to another. Where it is checked out, the files that differ are
/// updated first. `scratch` is the worktree's record, where what is begun is noted.
///
/// # Errors
/// [`WorktreeError::Dirty`] when one of these files has changes, [`WorktreeError::Unsupported`] when the
/// branch is checked out in another worktree than the user's; nothing is changed then.
pub(crate) fn move_branch(
    repository: &Repository,
    moved: Move<'_>,
    scratch: &Path,
) -> Result<(), WorktreeError> {
    let Move { reference, before, after, message } = moved;
    let is_here = head_of(repository.path()).as_deref() == Some(reference) && repository.workdir().is_some();
    if !is_here && let Some(other) = checked_out_elsewhere(repository, reference) {
        return Err(WorktreeError::Unsupported {
            what: format!("moving {}", reference.trim_start_matches("refs/heads/")),
            reason: format!("it is checked out by {other}; merge from there"),
        });
    }
    let failed = |source| WorktreeError::Git { action: "move the branch", source };
    let locks = ["index.lock".into(), "HEAD.lock".into(), format!("{reference}.lock")];
    let locks =
        locks.iter().flat_map(|name| [repository.path().join(name), repository.commondir().join(name)]);
    // Until the branch has moved.
    let _pending =
        Pending::begin(scratch, "the merge was interrupted; it can be made again", locks.collect())?;
    // From here on no other process of git moves the branch.
    let mut transaction = repository.transaction().map_err(failed)?;
    retry_locked(|| transaction.lock_ref(reference)).map_err(failed)?;
    match (repository.refname_to_id(reference), before) {
        (Ok(now), Some(before)) if now == before => {}
        (Err(err), None) if err.code() == ErrorCode::NotFound => {}
        _ => {
            return Err(WorktreeError::Moved {
                branch: reference.trim_start_matches("refs/heads/").to_owned(),
            });
        }
    }
    if is_here {
        update_checkout(repository, &moved, scratch)?;
    }
    transaction.set_target(reference, after, None, message).map_err(failed)?;
    transaction.commit().map_err(failed)
}

fn update_checkout(repository: &Repository, moved: &Move<'_>, scratch: &Path) -> Result<(), WorktreeError> {
    let Move { before, after, .. } = *moved;
    let tree = |oid| repository.find_commit(oid).and_then(|commit| commit.tree()).trying("read a commit");
    let (before, after) = (before.map(tree).transpose()?, tree(after)?);
    let (written, deleted) = changed_paths(repository, before.as_ref(), &after)?;
    let changed: BTreeSet<Vec<u8>> =
        written.iter().chain(&deleted).map(|path| crate::platform::name(path)).collect();
    check_filters(repository, &written)?;
    let placing = Placing::stage(repository, after.id(), written, deleted, scratch)?;
    let lock = IndexLock::take(repository)?;
    let scope = scope_of(repository, repository.workdir().unwrap_or(repository.path()));
    let step = Step { before: before.map(|tree| tree.id()), after: after.id() };
    let obstacles = obstacles(&scope, step, &changed)?;
    if !obstacles.is_empty() {
        let shown = obstacles.iter().map(|path| String::from_utf8_lossy(path).into_owned());
        return Err(WorktreeError::Dirty { paths: shown.collect() });
    }
    placing.place()?;
    lock.replace_by(&placing.index()?)
}

/// The index of a checkout, locked as git locks it: no other command of git changes files meanwhile.
struct IndexLock {
    path: PathBuf,
}

impl IndexLock {
    fn take(repository: &Repository) -> Result<Self, WorktreeError> {
        let path = repository.path().join("index.lock");
        let start = Instant::now();
        loop {
            match File::options().write(true).create_new(true).open(&path) {
                Ok(_) => return Ok(Self { path }),
                Err(err) if err.kind() == io::ErrorKind::AlreadyExists && start.elapsed() < PATIENCE => {
                    std::thread::sleep(PAUSE);
                }
                Err(err) => return Err(err).at("lock the index by", &path),
            }
        }
    }

    /// Makes a file the index, and unlocks it.
    fn replace_by(mut self, index: &Path) -> Result<(), WorktreeError> {
        fs::copy(index, &self.path).at("write", &self.path)?;
        let place = self.path.with_extension("");
        fs::rename(&self.path, &place).at("write", &place)?;
        // The name may be another process's lock by now.
        self.path.clear();
        Ok(())
    }
}

impl Drop for IndexLock {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Tries again while another process has the index locked.
pub(crate) fn retry_locked<T>(mut work: impl FnMut() -> Result<T, git2::Error>) -> Result<T, git2::Error> {
    let start = Instant::now();
    loop {
        match work() {
            Err(err) if err.code() == ErrorCode::Locked && start.elapsed() < PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

/// As [`changed_paths`], of trees by their names.
pub(crate) fn changed_paths_of(
    repository: &Repository,
    before: Oid,
    after: Oid,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>), WorktreeError> {
    let tree = |oid| repository.find_tree(oid).trying("read a tree");
    changed_paths(repository, Some(&tree(before)?), &tree(after)?)
}

/// The files of a tree that differ from those of another, and those that it has not.
fn changed_paths(
    repository: &Repository,
    before: Option<&Tree<'_>>,
    after: &Tree<'_>,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>), WorktreeError> {
    let diff = repository.diff_tree_to_tree(before, Some(after), None).trying("compare the commits")?;
    let (mut written, mut deleted) = (Vec::new(), Vec::new());
    for delta in diff.deltas() {
        match (delta.status(), delta.new_file().path_bytes(), delta.old_file().path_bytes()) {
            (Delta::Deleted, _, Some(path)) => deleted.push(crate::platform::path(path)),
            (_, Some(path), _) => written.push(crate::platform::path(path)),
            _ => {}
        }
    }
    Ok((written, deleted))
}

/// Files with a filter would be written as they are in the repository, because no filter is run.
pub(crate) fn check_filters(repository: &Repository, written: &[PathBuf]) -> Result<(), WorktreeError> {
    for path in written {
        let filter = repository
            .get_attr_bytes(path, "filter", AttrCheckFlags::FILE_THEN_INDEX)
            .trying("read the attributes")?;
        if filter.is_some_and(|filter| !filter.is_empty() && !filter.starts_with(b"[internal]")) {
            return Err(WorktreeError::Unsupported {
                what: format!("updating {} in the checkout", path.display()),
                reason:
                    "it has a filter, which is a command that only git runs; use `git merge` with the branch"
                        .to_owned(),
            });
        }
    }
    Ok(())
}

/// The name of a worktree, or of the repository, that has the branch checked out.
fn checked_out_elsewhere(repository: &Repository, reference: &str) -> Option<String> {
    let common = repository.commondir();
    let is_bare = repository.config().and_then(|config| config.get_bool("core.bare")).unwrap_or(false);
    if !is_bare && head_of(common).as_deref() == Some(reference) {
        return Some("the repository's own checkout".to_owned());
    }
    let worktrees = fs::read_dir(common.join("worktrees")).ok()?;
    worktrees
        .flatten()
        .find(|entry| head_of(&entry.path()).as_deref() == Some(reference))
        .map(|entry| format!("the worktree {}", entry.file_name().to_string_lossy()))
}

fn head_of(git_directory: &Path) -> Option<String> {
    let head = fs::read_to_string(git_directory.join("HEAD")).ok()?;
    Some(head.strip_prefix("ref: ")?.trim_end().to_owned())
}
