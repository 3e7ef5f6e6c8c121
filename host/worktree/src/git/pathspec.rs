//! The paths after `--`: which files of the tree they choose (gitglossary(7), "pathspec").

use super::failure::{Failure, Result};
use super::path::resolve;
use super::wildcard::{Slash, is_glob, matches};

/// The most paths on one command line.
const MAX_PATHS: usize = 10_000;

/// Paths from the root of the tree.
pub(super) type Paths = Vec<Vec<u8>>;

/// A choice of files; without any path it chooses all.
#[derive(Clone, Debug, Default)]
pub(super) struct Pathspec {
    items: Vec<Item>,
}

/// One path of a choice.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// As it stood on the command line.
    pub(super) argument: Vec<u8>,
    /// From the root of the tree, without a slash at its end.
    pub(super) path: Vec<u8>,
    directory_only: bool,
    glob: bool,
    exclude: bool,
}

impl Pathspec {
    /// Reads the paths of a command that works in the directory `prefix`.
    pub(super) fn parse(arguments: &[Vec<u8>], prefix: &[u8], guest_root: &str) -> Result<Self> {
        if arguments.len() > MAX_PATHS {
            return Err(Failure::fatal(format!("more than {MAX_PATHS} paths")));
        }
        let items = arguments.iter().map(|argument| item(argument, prefix, guest_root));
        Ok(Self { items: items.collect::<Result<_>>()? })
    }

    /// The choice of exactly these paths and what is below them.
    pub(super) fn exactly(paths: &[Vec<u8>]) -> Self {
        let item = |path: &Vec<u8>| Item {
            argument: path.clone(),
            path: path.clone(),
            directory_only: false,
            glob: false,
            exclude: false,
        };
        Self { items: paths.iter().map(item).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The paths that choose, without those that exclude.
    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| !item.exclude)
    }

    /// Tells whether a file is chosen.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        if self.items.iter().any(|item| item.exclude && item.has(path)) {
            return false;
        }
        self.items().next().is_none() || self.items().any(|item| item.has(path))
    }

    /// Tells whether something below the directory `path` can be chosen.
    pub(super) fn may_have_below(&self, path: &[u8]) -> bool {
        self.items().next().is_none()
            || self.items().any(|item| item.has(path) || item.glob || is_below(&item.path, path))
    }
}

impl Item {
    /// Tells whether this path alone chooses a file.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        if self.path.is_empty() || is_below(path, &self.path) {
            return true;
        }
        if path == self.path {
            return !self.directory_only;
        }
        self.glob && matches(&self.path, path, Slash::Crossed)
    }

    /// Tells whether it has wildcards.
    pub(super) fn is_glob(&self) -> bool {
        self.glob
    }
}

/// Tells whether `path` lies below the directory `above`; everything lies below the root.
pub(super) fn is_below(path: &[u8], above: &[u8]) -> bool {
    above.is_empty() || path.strip_prefix(above).is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn item(argument: &[u8], prefix: &[u8], guest_root: &str) -> Result<Item> {
    let mut exclude = false;
    let mut top = false;
    let mut literal = false;
    let mut rest = argument;
    if let Some(long) = argument.strip_prefix(b":(") {
        let end = long.iter().position(|byte| *byte == b')').ok_or_else(|| unsupported(argument))?;
        let (words, after) = long.split_at(end);
        for word in words.split(|byte| *byte == b',') {
            match word {
                b"exclude" => exclude = true,
                b"top" => top = true,
                b"literal" => literal = true,
                _ => return Err(unsupported(argument)),
            }
        }
        rest = after.get(1..).unwrap_or_default();
    } else if let Some(short) = argument.strip_prefix(b":") {
        rest = short;
        loop {
            rest = match rest {
                [b'/', after @ ..] => {
                    top = true;
                    after
                }
                [b'!' | b'^', after @ ..] => {
                    exclude = true;
                    after
                }
                [b':', after @ ..] => {
                    rest = after;
                    break;
                }
                [first, ..]
                    if first.is_ascii_punctuation() && !matches!(first, b'.' | b'*' | b'_' | b'-') =>
                {
                    return Err(unsupported(argument));
                }
                _ => break,
            };
        }
    }
    if argument.is_empty() {
        return Err(Failure::fatal(
            "empty string is not a valid pathspec. please use . instead if you meant to match all paths",
        ));
    }
    let path = resolve(rest, if top { b"" } else { prefix }, guest_root)?;
    let glob = !literal && is_glob(&path);
    Ok(Item { argument: argument.to_vec(), path, directory_only: rest.ends_with(b"/"), glob, exclude })
}

fn unsupported(argument: &[u8]) -> Failure {
    let mut text = b"pathspec magic of '".to_vec();
    text.extend_from_slice(argument);
    text.extend_from_slice(b"' is not supported here");
    Failure::fatal(text)
        .hint("plain paths, wildcards, ':/path', ':!path' and ':(top,exclude,literal)path' work")
}

#[cfg(test)]
mod tests {
    use super::Pathspec;

    fn spec(arguments: &[&str]) -> Pathspec {
        let arguments: Vec<_> = arguments.iter().map(|text| text.as_bytes().to_vec()).collect();
        Pathspec::parse(&arguments, b"sub/", "/workspace").unwrap()
    }

    #[test]
    fn a_directory_chooses_what_is_below_it() {
        let spec = spec(&["a"]);
        assert!(spec.has(b"sub/a"));
        assert!(spec.has(b"sub/a/b"));
        assert!(!spec.has(b"sub/ab"));
        assert!(!spec.has(b"a"));
    }

    #[test]
    fn wildcards_cross_directories_and_excluded_files_are_out() {
        let spec = spec(&["*.rs", ":!x*"]);
        assert!(spec.has(b"sub/deep/a.rs"));
        assert!(!spec.has(b"sub/x.rs"));
        assert!(spec.may_have_below(b"sub"));
    }
}
