//! Moving a branch, with the checkout that it may be checked out in.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use git2::build::CheckoutBuilder;
use git2::{AttrCheckFlags, ErrorCode, Oid, Repository, Status, StatusOptions};

use crate::WorktreeError;
use crate::error::Trying;

/// How long another git command may hold the index.
const PATIENCE: Duration = Duration::from_secs(5);

/// Moves a branch from one commit to another. Where it is checked out, the files that differ are
/// updated first.
///
/// # Errors
/// [`WorktreeError::Dirty`] when one of these files has changes, [`WorktreeError::Unsupported`] when the
/// branch is checked out in another worktree than the user's; nothing is changed then.
pub(crate) fn move_branch(
    repository: &Repository,
    reference: &str,
    before: Option<Oid>,
    after: Oid,
    message: &str,
) -> Result<(), WorktreeError> {
    let is_here = head_of(repository.path()).as_deref() == Some(reference) && repository.workdir().is_some();
    if !is_here && let Some(other) = checked_out_elsewhere(repository, reference) {
        return Err(WorktreeError::Unsupported {
            what: format!("moving {}", reference.trim_start_matches("refs/heads/")),
            reason: format!("it is checked out by {other}; merge from there"),
        });
    }
    if is_here {
        update_checkout(repository, before, after)?;
    }
    match before {
        Some(before) => repository.reference_matching(reference, after, true, before, message),
        None => repository.reference(reference, after, false, message),
    }
    .map(drop)
    .trying("move the branch")
}

fn update_checkout(repository: &Repository, before: Option<Oid>, after: Oid) -> Result<(), WorktreeError> {
    let changed = changed_paths(repository, before, after)?;
    check_clean(repository, &changed)?;
    check_filters(repository, &changed)?;
    let target = repository.find_object(after, None).trying("read the merged commit")?;
    retry_locked(|| {
        let mut builder = CheckoutBuilder::new();
        builder.safe().overwrite_ignored(false);
        repository.checkout_tree(&target, Some(&mut builder))
    })
    .map_err(|source| match source.code() {
        ErrorCode::Conflict => WorktreeError::Dirty { paths: vec![source.message().to_owned()] },
        _ => WorktreeError::Git { action: "update the checkout", source },
    })
}

/// Tries again while another process has the index locked.
pub(crate) fn retry_locked<T>(mut work: impl FnMut() -> Result<T, git2::Error>) -> Result<T, git2::Error> {
    const PAUSE: Duration = Duration::from_millis(20);

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

/// The files that differ between two commits, by the bytes of their paths.
fn changed_paths(
    repository: &Repository,
    before: Option<Oid>,
    after: Oid,
) -> Result<HashSet<Vec<u8>>, WorktreeError> {
    let tree = |oid| repository.find_commit(oid).and_then(|commit| commit.tree()).trying("read a commit");
    let (before, after) = (before.map(tree).transpose()?, tree(after)?);
    let diff =
        repository.diff_tree_to_tree(before.as_ref(), Some(&after), None).trying("compare the commits")?;
    Ok(diff
        .deltas()
        .flat_map(|delta| [delta.old_file().path_bytes(), delta.new_file().path_bytes()])
        .flatten()
        .map(<[u8]>::to_vec)
        .collect())
}

fn check_clean(repository: &Repository, changed: &HashSet<Vec<u8>>) -> Result<(), WorktreeError> {
    let mut options = StatusOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).include_ignored(false).update_index(false);
    let statuses = repository.statuses(Some(&mut options)).trying("read the checkout's changes")?;
    let mut paths = Vec::new();
    for entry in &statuses {
        let path = entry.path_bytes();
        if entry.status() != Status::CURRENT && (changed.contains(path) || in_the_way(path, changed)) {
            paths.push(String::from_utf8_lossy(path).into_owned());
        }
    }
    if paths.is_empty() { Ok(()) } else { Err(WorktreeError::Dirty { paths }) }
}

/// Whether a file stands where a directory is to be.
fn in_the_way(path: &[u8], changed: &HashSet<Vec<u8>>) -> bool {
    changed.iter().any(|other| other.strip_prefix(path).is_some_and(|rest| rest.starts_with(b"/")))
}

/// Files with a filter would be written as they are in the repository, because no filter is run.
fn check_filters(repository: &Repository, changed: &HashSet<Vec<u8>>) -> Result<(), WorktreeError> {
    for path in changed {
        let path = crate::platform::path(path);
        let filter = repository
            .get_attr_bytes(&path, "filter", AttrCheckFlags::FILE_THEN_INDEX)
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
    let worktrees = std::fs::read_dir(common.join("worktrees")).ok()?;
    worktrees
        .flatten()
        .find(|entry| head_of(&entry.path()).as_deref() == Some(reference))
        .map(|entry| format!("the worktree {}", entry.file_name().to_string_lossy()))
}

fn head_of(git_directory: &Path) -> Option<String> {
    let head = std::fs::read_to_string(git_directory.join("HEAD")).ok()?;
    Some(head.strip_prefix("ref: ")?.trim_end().to_owned())
}
