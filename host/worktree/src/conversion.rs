//! Whether files are other bytes in a worktree than in the repository: gitattributes(5).

use std::fs;
use std::path::PathBuf;

use git2::{Config, ConfigLevel, Repository};

use crate::WorktreeError;
use crate::checkout::{self, Listing};

/// How the files of a commit get into a worktree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conversion {
    /// Lines end otherwise, or `$Id$` is filled in, in some file; libgit2 knows how.
    pub(crate) needed: bool,
    /// Some file has a filter, which is a command and so is not run.
    pub(crate) has_filters: bool,
}

impl Conversion {
    /// Files are what they are in the repository.
    pub(crate) fn none() -> Self {
        Self { needed: false, has_filters: false }
    }

    /// What the attributes of the commit, of the repository and of the user ask for.
    ///
    /// # Errors
    /// [`WorktreeError::Unsupported`] for `working-tree-encoding`: libgit2 would write such files as UTF-8,
    /// and git then take them for changed.
    pub(crate) fn of(repository: &Repository, listing: &Listing) -> Result<Self, WorktreeError> {
        let config = repository.config().ok();
        let setting = |name: &str| config.as_ref().and_then(|config| config.get_string(name).ok());
        let autocrlf =
            config.as_ref().and_then(|config| config.get_bool("core.autocrlf").ok()).unwrap_or(false);
        let ends_in_crlf = autocrlf
            || match setting("core.eol").as_deref() {
                Some("crlf") => true,
                Some("lf") => false,
                _ => cfg!(windows),
            };
        let mut found = Found::default();
        for content in checkout::attribute_files(repository, listing)? {
            found.read(&content);
        }
        let info = repository.commondir().join("info").join("attributes");
        for path in attribute_files(config.as_ref()).into_iter().chain([info]) {
            if let Ok(content) = fs::read(path) {
                found.read(&content);
            }
        }
        if found.has_encoding {
            return Err(WorktreeError::Unsupported {
                what: "the attribute working-tree-encoding".to_owned(),
                reason: "its files would be written in another encoding; take it out of .gitattributes"
                    .to_owned(),
            });
        }
        Ok(Self {
            needed: autocrlf || found.has_crlf || found.has_ident || ends_in_crlf && found.has_text,
            has_filters: found.has_filter,
        })
    }
}

/// The files of attributes of the system and of the user, the weakest first.
pub(crate) fn attribute_files(config: Option<&Config>) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        searched(ConfigLevel::System).map(|directory| directory.join("gitattributes")).collect();
    files.extend(of_user(config, "core.attributesFile", "attributes"));
    files
}

/// The files of the user that say what is ignored everywhere.
pub(crate) fn ignore_files(config: Option<&Config>) -> Vec<PathBuf> {
    of_user(config, "core.excludesFile", "ignore")
}

fn of_user(config: Option<&Config>, setting: &str, name: &str) -> Vec<PathBuf> {
    match config.and_then(|config| config.get_path(setting).ok()) {
        Some(path) => vec![path],
        None => searched(ConfigLevel::XDG).map(|directory| directory.join(name)).collect(),
    }
}

fn searched(level: ConfigLevel) -> impl Iterator<Item = PathBuf> {
    // SAFETY: reads a setting that this crate changes nowhere.
    let paths = unsafe { git2::opts::get_search_path(level) };
    let paths = paths.ok().and_then(|paths| paths.into_string().ok()).unwrap_or_default();
    std::env::split_paths(&paths).collect::<Vec<_>>().into_iter()
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a set of attributes")]
struct Found {
    has_text: bool,
    has_crlf: bool,
    has_ident: bool,
    has_filter: bool,
    has_encoding: bool,
}

impl Found {
    fn read(&mut self, content: &[u8]) {
        for line in content.split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // A pattern in quotes may have blanks in it; what is after one is read as attributes then,
            // which at worst has libgit2 write the files.
            for attribute in line.split_ascii_whitespace().skip(1) {
                match attribute.split_once('=').unwrap_or((attribute, "")) {
                    ("eol", "crlf") | ("crlf", _) => self.has_crlf = true,
                    ("text", _) => self.has_text = true,
                    ("ident", _) => self.has_ident = true,
                    ("filter", _) => self.has_filter = true,
                    ("working-tree-encoding", _) => self.has_encoding = true,
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_behind_patterns_and_in_macros() {
        let mut found = Found::default();
        found.read(
            b"# filter=x\n*.bin binary -text !eol\n*.txt text=auto\n[attr]lfs filter=lfs diff=lfs -text\n",
        );
        assert!(found.has_text && found.has_filter);
        assert!(!found.has_crlf && !found.has_ident && !found.has_encoding);
        found.read(b"\"a b.c\" eol=crlf ident\r\n*.ps1 working-tree-encoding=UTF-16LE");
        assert!(found.has_crlf && found.has_ident && found.has_encoding);
    }
}
