//! Paths below the directory that is transferred.

use std::fmt;

use crate::names::{self, System};

/// Deepest path, in names: each is a descriptor that is open while a directory is walked, and a step of each
/// look-up. Real trees (nested `node_modules`) stay below a third of it.
const MAX_DEPTH: usize = 128;

/// A path below the directory: names with `/` between them, none of them empty, `.` or `..`.
///
/// Names are bytes, as they are on Unix; on Windows they are UTF-8.
///
/// ```
/// use sandpiper_transfer::{PathFault, RelativePath};
/// let path = RelativePath::parse(b"src/main.py")?;
/// assert_eq!(path.name(), b"main.py");
/// assert_eq!(RelativePath::parse(b"../x"), Err(PathFault::ParentDirectory));
/// # Ok::<(), PathFault>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(Vec<u8>);

/// Why bytes are no path below a directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFault {
    /// There is no name in it.
    #[error("the path is empty")]
    Empty,
    /// It begins with `/`.
    #[error("the path is absolute")]
    Absolute,
    /// Two separators, or one at the end.
    #[error("one of its names is empty")]
    EmptyName,
    /// A name is `.`.
    #[error("one of its names is \".\"")]
    CurrentDirectory,
    /// A name is `..`.
    #[error("\"..\" would lead out of the directory")]
    ParentDirectory,
    /// A name holds a zero byte.
    #[error("one of its names has a zero byte")]
    Nul,
    /// A single name holds `/`.
    #[error("a name has \"/\" in it")]
    Separator,
    /// A name is longer than file systems take.
    #[error("one of its names is {length} long, more than {limit}")]
    LongName {
        /// Its length: bytes, on Windows units of UTF-16.
        length: usize,
        /// The most.
        limit: usize,
    },
    /// There are too many names.
    #[error("it is {depth} names deep, more than {limit}")]
    Deep {
        /// How many there are.
        depth: usize,
        /// The most.
        limit: usize,
    },
    /// A name is no Unicode, which Windows needs.
    #[error("one of its names is no Unicode, which this system needs")]
    NotUnicode,
    /// A name means a device, a drive, a stream or another file on Windows, which is where this runs.
    #[error("one of its names means a device, a drive, a stream or another file on Windows")]
    ReservedOnWindows,
}

impl RelativePath {
    /// Reads a path of this machine's: on Windows, names that mean something else there are refused.
    ///
    /// # Errors
    /// The first [`PathFault`].
    pub fn parse(path: &[u8]) -> Result<Self, PathFault> {
        Self::parse_for(path, System::HERE)
    }

    pub(crate) fn parse_for(path: &[u8], system: System) -> Result<Self, PathFault> {
        if path.is_empty() {
            return Err(PathFault::Empty);
        }
        if path.starts_with(b"/") {
            return Err(PathFault::Absolute);
        }
        let mut depth = 0;
        for name in path.split(|byte| *byte == b'/') {
            depth += 1;
            if let Some(fault) = names::fault(name, system) {
                return Err(fault);
            }
        }
        if depth > MAX_DEPTH {
            return Err(PathFault::Deep { depth, limit: MAX_DEPTH });
        }
        Ok(Self(path.to_vec()))
    }

    /// The path of an entry of a directory; `None` is the directory that is transferred.
    pub(crate) fn of_child(parent: Option<&Self>, name: &[u8]) -> Result<Self, PathFault> {
        if name.contains(&b'/') {
            return Err(PathFault::Separator);
        }
        match parent {
            None => Self::parse(name),
            Some(parent) => Self::parse(&[&parent.0, b"/".as_slice(), name].concat()),
        }
    }

    /// The path's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its names, from the outermost.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/')
    }

    /// Its last name.
    pub fn name(&self) -> &[u8] {
        self.names().next_back().unwrap_or_default()
    }

    /// The directory that it is in, if that is below the one that is transferred.
    pub fn parent(&self) -> Option<Self> {
        let end = self.0.iter().rposition(|byte| *byte == b'/')?;
        self.0.get(..end).map(|parent| Self(parent.to_vec()))
    }

    /// The directories that it is in, from the innermost.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Whether it is below a directory, at any depth.
    pub fn is_below(&self, directory: &Self) -> bool {
        self.0.strip_prefix(directory.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
    }
}

/// The path in quotes; what is no Unicode is replaced, and what cannot be seen is escaped.
impl fmt::Debug for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_stay_below_are_paths() {
        for (path, fault) in [
            ("", PathFault::Empty),
            ("/etc", PathFault::Absolute),
            ("a//b", PathFault::EmptyName),
            ("a/", PathFault::EmptyName),
            ("a/./b", PathFault::CurrentDirectory),
            ("a/../b", PathFault::ParentDirectory),
            ("a\0b", PathFault::Nul),
        ] {
            assert_eq!(RelativePath::parse(path.as_bytes()), Err(fault), "{path:?}");
        }
        for path in ["a", "...", "a/b..", ".a/b"] {
            assert_eq!(
                RelativePath::parse_for(path.as_bytes(), System::Unix).unwrap().as_bytes(),
                path.as_bytes()
            );
        }
    }

    #[test]
    fn a_path_of_128_names_is_the_deepest() {
        assert!(RelativePath::parse(vec!["a"; 128].join("/").as_bytes()).is_ok());
        let deep = PathFault::Deep { depth: 129, limit: 128 };
        assert_eq!(RelativePath::parse(vec!["a"; 129].join("/").as_bytes()), Err(deep));
    }

    #[test]
    fn drives_are_refused_on_windows() {
        assert_eq!(RelativePath::parse_for(b"C:/x", System::Windows), Err(PathFault::ReservedOnWindows));
        assert!(RelativePath::parse_for(b"C:/x", System::Unix).is_ok());
    }

    #[test]
    fn below_is_not_beside() {
        let path = |text: &str| RelativePath::parse(text.as_bytes()).unwrap();
        assert!(path("a/b/c").is_below(&path("a")) && path("a/b").is_below(&path("a")));
        assert!(!path("a-b").is_below(&path("a")) && !path("a").is_below(&path("a")));
        assert_eq!(path("a/b/c").ancestors().collect::<Vec<_>>(), [path("a/b"), path("a")]);
    }
}
