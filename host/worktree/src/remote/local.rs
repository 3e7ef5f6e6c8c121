//! Repositories of this machine, by libgit2's own transport.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, ObjectType, Reference, Repository};

use super::RemoteError;
use super::advertisement::{Advertisement, Head};
use crate::error::Trying;

/// The path as an address that libgit2 takes for nothing else.
///
/// # Errors
/// [`RemoteError::Refused`] for paths that are no text.
pub(super) fn url(path: &Path) -> Result<String, RemoteError> {
    let path = directory(path)?;
    let reason = "a path of a repository is to be UTF-8";
    let text = path.to_str().ok_or_else(|| RemoteError::refused(path.display().to_string(), reason))?;
    let mut url = "file://".to_owned();
    if !text.starts_with('/') {
        url.push('/');
    }
    for byte in text.replace('\\', "/").bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.:".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    Ok(url)
}

/// Opens it as git does: the directory, or the same with `.git` behind it.
fn open(path: &Path) -> Result<Repository, RemoteError> {
    let unreachable =
        |reason: String| RemoteError::Unreachable { address: path.display().to_string(), reason };
    let mut with_suffix = path.as_os_str().to_owned();
    with_suffix.push(".git");
    for candidate in [path.to_owned(), PathBuf::from(with_suffix)] {
        match Repository::open(&candidate) {
            Ok(repository) => return Ok(repository),
            Err(err) if err.code() == ErrorCode::NotFound => {}
            Err(err) => return Err(unreachable(err.message().to_owned())),
        }
    }
    Err(unreachable("there is no repository".to_owned()))
}

fn directory(path: &Path) -> Result<PathBuf, RemoteError> {
    Ok(open(path)?.path().to_owned())
}

/// Its references, as a server would tell them.
pub(super) fn advertised(path: &Path) -> Result<Advertisement, RemoteError> {
    let repository = open(path)?;
    let mut found = Advertisement::default();
    if let Ok(head) = repository.find_reference("HEAD") {
        found.head_target = head.symbolic_target().ok().flatten().map(str::to_owned);
    }
    if let Ok(oid) = repository.refname_to_id("HEAD") {
        found.heads.push(Head { name: "HEAD".to_owned(), oid, peeled: None });
    }
    for reference in repository.references().trying("list the references")? {
        let reference = reference.trying("read a reference")?;
        match (std::str::from_utf8(reference.name_bytes()), reference.resolve()) {
            (Ok(name), Ok(resolved)) if Reference::is_valid_name(name) => {
                let Some(oid) = resolved.target() else { continue };
                let is_tag = resolved.peel(ObjectType::Tag).is_ok();
                let peeled = is_tag.then(|| resolved.peel(ObjectType::Any).ok()).flatten();
                let peeled = peeled.map(|object| object.id());
                found.heads.push(Head { name: name.to_owned(), oid, peeled });
            }
            _ => found.dropped.push(super::text::one_line(reference.name_bytes())),
        }
    }
    Ok(found)
}

/// What a push to it would have to run or ask, and libgit2 does not. Nor does libgit2 compare where the branch
/// there is once more when it moves it, as servers do.
///
/// # Errors
/// [`RemoteError::Refused`] for checkouts, and for hooks that decide what is accepted.
pub(super) fn check_push(path: &Path, is_forced: bool) -> Result<Vec<String>, RemoteError> {
    let repository = open(path)?;
    let refused = |reason: &str| Err(RemoteError::refused(format!("a push to {}", path.display()), reason));
    if !repository.is_bare() {
        return refused(
            "it has a checkout; push to a bare repository (`git clone --bare`), or fetch from there",
        );
    }
    for hook in ["pre-receive", "update", "proc-receive", "reference-transaction"] {
        if super::hook(&repository, hook).is_some() {
            let reason =
                format!("its hook {hook} decides what is accepted, and hooks are not run; use git itself");
            return refused(&reason);
        }
    }
    let config = repository.config().trying("read its configuration")?;
    if is_forced && config.get_bool("receive.denynonfastforwards").unwrap_or(false) {
        return refused("it has receive.denyNonFastForwards; push without force");
    }
    let after =
        ["post-receive", "post-update"].into_iter().filter(|hook| super::hook(&repository, hook).is_some());
    Ok(after.map(|hook| format!("the hook {hook} of the repository there was not run")).collect())
}
