//! The files by which git knows a linked worktree: gitrepository-layout(5), git-worktree(1).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git2::Oid;

use crate::error::At;
use crate::{Id, WorktreeError};

const LOCKED: &str = "locked";

/// Where git keeps what belongs to the worktree alone: its HEAD and index.
pub(crate) fn directory(common: &Path, id: &Id) -> PathBuf {
    common.join("worktrees").join(id.administrative_name())
}

/// Makes git know the worktree at `path`, with the id's branch as its HEAD: whole or not at all.
///
/// `scratch` is a directory of the same file system.
pub(crate) fn create(common: &Path, id: &Id, path: &Path, scratch: &Path) -> Result<PathBuf, WorktreeError> {
    let new = scratch.join("administration");
    match fs::remove_dir_all(&new) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err).at("remove", &new),
        _ => {}
    }
    fs::create_dir(&new).at("create", &new)?;
    for (name, content) in [
        ("HEAD", format!("ref: {}\n", id.branch_ref())),
        ("commondir", "../..\n".to_owned()),
        ("gitdir", format!("{}\n", path_text(&path.join(".git"))?)),
        (LOCKED, lock_reason()),
    ] {
        let file = new.join(name);
        fs::write(&file, content).at("write", &file)?;
    }
    let directory = directory(common, id);
    let parent = common.join("worktrees");
    fs::create_dir_all(&parent).at("create", &parent)?;
    fs::rename(&new, &directory).at("create", &directory)?;
    Ok(directory)
}

/// Writes the file by which a worktree leads to its repository.
pub(crate) fn link(administration: &Path, path: &Path) -> Result<(), WorktreeError> {
    let file = path.join(".git");
    fs::write(&file, format!("gitdir: {}\n", path_text(administration)?)).at("write", &file)
}

/// Whether the directory is the worktree's, by the file that [`link`] wrote.
pub(crate) fn is_linked(administration: &Path, path: &Path) -> bool {
    let file = path.join(".git");
    let is_file = fs::symlink_metadata(&file).is_ok_and(|metadata| metadata.is_file());
    let text = fs::read(&file).unwrap_or_default();
    let entries = fs::read_dir(path).map_or(0, Iterator::count);
    let Ok(whole) = path_text(administration).map(|text| format!("gitdir: {text}\n")) else { return false };
    // Killed while it was being written, it is the beginning of it, and all that there is.
    is_file && (text == whole.as_bytes() || whole.as_bytes().starts_with(&text) && entries == 1)
}

/// Keeps git from pruning the worktree, and says why.
pub(crate) fn lock(administration: &Path) -> Result<(), WorktreeError> {
    let file = administration.join(LOCKED);
    fs::write(&file, lock_reason()).at("write", &file)
}

/// Whether git is kept from pruning it.
pub(crate) fn is_locked(administration: &Path) -> bool {
    administration.join(LOCKED).exists()
}

/// Lets git prune the worktree again when its directory is gone.
pub(crate) fn unlock(administration: &Path) -> Result<(), WorktreeError> {
    remove_file(&administration.join(LOCKED))
}

/// Writes the first line of the worktree's reflog, as git does for a new one.
pub(crate) fn begin_log(
    administration: &Path,
    commit: Oid,
    who: &git2::Signature<'_>,
) -> Result<(), WorktreeError> {
    let logs = administration.join("logs");
    fs::create_dir_all(&logs).at("create", &logs)?;
    let when = who.when();
    let (sign, offset) =
        if when.offset_minutes() < 0 { ('-', -when.offset_minutes()) } else { ('+', when.offset_minutes()) };
    let line = format!(
        "{} {commit} {} <{}> {} {sign}{:02}{:02}\tworktree: created\n",
        Oid::ZERO_SHA1,
        String::from_utf8_lossy(who.name_bytes()),
        String::from_utf8_lossy(who.email_bytes()),
        when.seconds(),
        offset / 60,
        offset % 60,
    );
    let file = logs.join("HEAD");
    fs::write(&file, line).at("write", &file)
}

/// Has git forget the worktree; it may be forgotten already.
pub(crate) fn remove(administration: &Path, scratch: &Path) -> Result<(), WorktreeError> {
    let old = scratch.join("administration.old");
    match fs::rename(administration, &old) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err).at("remove", administration),
        _ => {}
    }
    match fs::remove_dir_all(&old) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err).at("remove", &old),
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> Result<(), WorktreeError> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err).at("remove", path),
        _ => Ok(()),
    }
}

fn lock_reason() -> String {
    format!("sandpiper: process {} since {} (Unix time)", std::process::id(), crate::record::now_seconds())
}

/// Git's files have paths as bytes that end with a line.
fn path_text(path: &Path) -> Result<&str, WorktreeError> {
    path.to_str().filter(|text| !text.contains('\n')).ok_or_else(|| WorktreeError::Unsupported {
        what: format!("the path {}", path.display()),
        reason:
            "git's files cannot hold it: it is not UTF-8, or has a line break; use another --worktree-root"
                .to_owned(),
    })
}
