//! Names of commits and other objects (gitrevisions(7)), and which arguments are such names and which
//! are paths.

use super::failure::{Failure, Result};
use super::path;
use super::pathspec::Pathspec;
use super::session::Session;
use super::wildcard::is_glob;
use git2::{Commit, Object, ObjectType, Oid, Tree};

/// An argument that names commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Revision {
    /// `A`
    One(String),
    /// `^A`
    Not(String),
    /// `A..B`
    Range(String, String),
    /// `A...B`
    Symmetric(String, String),
}

/// Reads an argument as a name of commits.
pub(super) fn parse(text: &str) -> Revision {
    let or_head = |name: &str| if name.is_empty() { "HEAD".to_owned() } else { name.to_owned() };
    if let Some((from, to)) = text.split_once("...") {
        Revision::Symmetric(or_head(from), or_head(to))
    } else if let Some((from, to)) = text.split_once("..") {
        Revision::Range(or_head(from), or_head(to))
    } else if let Some(name) = text.strip_prefix('^') {
        Revision::Not(name.to_owned())
    } else {
        Revision::One(text.to_owned())
    }
}

/// The object of a name, if there is one.
pub(super) fn find<'s>(session: &'s Session<'_>, name: &str) -> Result<Option<Object<'s>>> {
    // A regular expression of the guest would be matched against all history by libgit2.
    if name.starts_with(":/") || name.contains("^{/") {
        return Err(Failure::fatal(format!(
            "'{name}': a search for a commit by its message is not supported here"
        ))
        .hint("git log --grep=PATTERN finds commits by their message"));
    }
    if let Some(found) = super::commands::stash::find(session, name)? {
        return Ok(Some(found));
    }
    let name = match name.strip_prefix('@') {
        Some(rest) if rest.is_empty() || rest.starts_with(['~', '^', ':']) => format!("HEAD{rest}"),
        _ => name.to_owned(),
    };
    // A path in a name starts at the directory of the command only after `./`.
    if let Some((revision, inner)) = name.split_once(':')
        && (inner.starts_with("./") || inner.starts_with("../"))
    {
        let inner = path::resolve(inner.as_bytes(), &session.prefix, &session.scope.guest_path)?;
        let whole = format!("{revision}:{}", String::from_utf8_lossy(&inner));
        return Ok(session.repository.revparse_single(&whole).ok());
    }
    if let Some(inner) = name.strip_prefix(':') {
        let inner = inner.strip_prefix("0:").unwrap_or(inner);
        let staging = session.staging()?;
        let Some(entry) = staging.get(inner.as_bytes()) else { return Ok(None) };
        return Ok(session.repository.find_object(entry.id, None).ok());
    }
    if let Some((revision, "")) = name.split_once(':') {
        let Some(object) = find(session, revision)? else { return Ok(None) };
        return Ok(object.peel(ObjectType::Tree).ok());
    }
    Ok(session.repository.revparse_single(&name).ok())
}

/// The commit of a name.
pub(super) fn commit<'s>(session: &'s Session<'_>, name: &str) -> Result<Commit<'s>> {
    let object = find(session, name)?.ok_or_else(|| unknown(name))?;
    object.peel_to_commit().map_err(|_| Failure::fatal(format!("'{name}' is no commit")))
}

/// The tree of a name.
pub(super) fn tree<'s>(session: &'s Session<'_>, name: &str) -> Result<Tree<'s>> {
    let object = find(session, name)?.ok_or_else(|| unknown(name))?;
    object.peel_to_tree().map_err(|_| Failure::fatal(format!("'{name}' is no tree")))
}

/// The best common ancestor of two commits.
pub(super) fn merge_base(session: &Session<'_>, left: Oid, right: Oid) -> Result<Option<Oid>> {
    match session.repository.merge_base(left, right) {
        Ok(base) => Ok(Some(base)),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What git says of an argument that is neither a name nor a path.
pub(super) fn unknown(name: &str) -> Failure {
    Failure::fatal(format!(
        "ambiguous argument '{name}': unknown revision or path not in the working tree.\n\
         Use '--' to separate paths from revisions, like this:\n\
         'git <command> [<revision>...] -- [<file>...]'"
    ))
}

/// Tells names from paths as git does: names come first, and without a `--` the first argument that
/// is none must be a file, as must all after it.
pub(super) fn split(
    session: &Session<'_>,
    operands: &[Vec<u8>],
    paths: &[Vec<u8>],
    separated: bool,
) -> Result<(Vec<String>, Pathspec)> {
    let mut names = Vec::new();
    let mut all_paths = Vec::new();
    for operand in operands {
        let name = std::str::from_utf8(operand).ok();
        let is_name = match name.filter(|_| all_paths.is_empty()) {
            Some(name) => exists(session, name)?,
            None => false,
        };
        match name {
            Some(name) if is_name => {
                if !separated && is_file(session, operand)? {
                    return Err(Failure::fatal(format!(
                        "ambiguous argument '{name}': both revision and filename\n\
                         Use '--' to separate paths from revisions, like this:\n\
                         'git <command> [<revision>...] -- [<file>...]'"
                    )));
                }
                names.push(name.to_owned());
            }
            _ if separated => {
                return Err(Failure::fatal(format!("bad revision '{}'", String::from_utf8_lossy(operand))));
            }
            _ => {
                if !is_file(session, operand)? && !is_glob(operand) && operand.first() != Some(&b':') {
                    return Err(unknown(&String::from_utf8_lossy(operand)));
                }
                all_paths.push(operand.clone());
            }
        }
    }
    all_paths.extend_from_slice(paths);
    Ok((names, Pathspec::parse(&all_paths, &session.prefix, &session.scope.guest_path)?))
}

fn exists(session: &Session<'_>, text: &str) -> Result<bool> {
    Ok(match parse(text) {
        Revision::One(name) | Revision::Not(name) => find(session, &name)?.is_some(),
        Revision::Range(from, to) | Revision::Symmetric(from, to) => {
            find(session, &from)?.is_some() && find(session, &to)?.is_some()
        }
    })
}

fn is_file(session: &Session<'_>, operand: &[u8]) -> Result<bool> {
    match path::resolve(operand, &session.prefix, &session.scope.guest_path) {
        Ok(path) if path.is_empty() => Ok(true),
        Ok(path) => Ok(session.tree.stat(&path)?.is_some()),
        Err(_) => Ok(false),
    }
}
