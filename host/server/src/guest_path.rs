//! Paths of guests as clients write them.

use crate::failure::Failure;

/// The user's home, where relative paths begin.
pub(crate) const HOME: &str = "/home/user";

/// The absolute path without `.`, `..`, doubled and closing slashes, as Go's `filepath.Clean` makes it: `..` takes
/// away what is before it, whatever that is.
///
/// # Errors
/// [`Failure::Invalid`] for one that is longer than `limit` bytes, or has a NUL.
pub(crate) fn absolute(path: &str, base: &str, limit: usize) -> Result<String, Failure> {
    if path.len() > limit {
        return Err(Failure::Invalid(format!("a path has {} bytes, expected at most {limit}", path.len())));
    }
    if path.contains('\0') {
        return Err(Failure::Invalid(format!("the path `{}` contains NUL", path.escape_debug())));
    }
    let (base, rest) = match path.strip_prefix('~') {
        _ if path.starts_with('/') => ("", path),
        Some(rest) if rest.is_empty() || rest.starts_with('/') => (HOME, rest),
        _ => (base, path),
    };
    let mut parts = Vec::new();
    for part in base.split('/').chain(rest.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

/// The last part of a clean path.
pub(crate) fn name(path: &str) -> &str {
    match path.rsplit('/').next() {
        None | Some("") => "/",
        Some(name) => name,
    }
}

/// What a clean path is in.
pub(crate) fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        None | Some(("", _)) => "/",
        Some((parent, _)) => parent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_begin_at_home() {
        for (path, expected) in [
            ("a", "/home/user/a"),
            ("", "/home/user"),
            ("~", "/home/user"),
            ("~/b", "/home/user/b"),
            ("~b", "/home/user/~b"),
            ("/", "/"),
            ("/a//b/./c/", "/a/b/c"),
            ("/a/../b", "/b"),
            ("../../../..", "/"),
        ] {
            assert_eq!(absolute(path, HOME, 100).unwrap(), expected, "{path}");
        }
        assert!(matches!(absolute("/a\0", HOME, 100), Err(Failure::Invalid(_))));
        assert!(matches!(absolute(&"a".repeat(101), HOME, 100), Err(Failure::Invalid(_))));
    }

    #[test]
    fn a_path_has_a_name_and_a_parent() {
        for (path, is_in, is_named) in [("/a/b", "/a", "b"), ("/a", "/", "a"), ("/", "/", "/")] {
            assert_eq!((parent(path), name(path)), (is_in, is_named));
        }
    }
}
