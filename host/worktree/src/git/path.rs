//! Paths that a guest names: brought into the form of the index, and refused where they leave the
//! working tree or are git's own.

use super::failure::{Failure, Result};

/// The most names in a path: trees are walked by recursion, and a guest must not choose how deep.
const MAX_NAMES: usize = 200;

/// A path relative to the root of the working tree, without `.`, `..` or slashes at its ends; empty
/// for the root itself.
pub(super) fn resolve(argument: &[u8], prefix: &[u8], guest_root: &str) -> Result<Vec<u8>> {
    let outside = || {
        let shown = String::from_utf8_lossy(argument);
        Failure::fatal(format!("{shown}: '{shown}' is outside repository at '{guest_root}'"))
    };
    let root = guest_root.as_bytes();
    let mut parts: Vec<&[u8]> = Vec::new();
    let rest = if argument.first() == Some(&b'/') {
        match argument.strip_prefix(root) {
            Some(rest) if rest.is_empty() || rest.first() == Some(&b'/') => rest,
            _ => return Err(outside()),
        }
    } else {
        parts.extend(names(prefix));
        argument
    };
    for part in names(rest) {
        match part {
            b"." => {}
            b".." => {
                parts.pop().ok_or_else(outside)?;
            }
            name => parts.push(name),
        }
    }
    if parts.iter().any(|part| part.contains(&0)) {
        return Err(Failure::fatal("a path has a zero byte in it"));
    }
    Ok(parts.join(&b'/'))
}

/// Refuses a path that is too deep to be walked to.
pub(super) fn check_depth(path: &[u8]) -> Result<()> {
    if is_too_deep(path) {
        return Err(Failure::fatal(format!("a directory is more than {MAX_NAMES} directories deep"))
            .hint("remove it, or have the user look after it"));
    }
    Ok(())
}

fn is_too_deep(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').count() > MAX_NAMES
}

/// Tells whether a path may be in the index: it is not too deep, and no part of it is empty, `.`, `..` or a spelling of
/// `.git` on any file system (git's `verify_path` with `core.protectHFS` and `core.protectNTFS` on).
pub(super) fn is_valid(path: &[u8]) -> bool {
    !path.is_empty()
        && !is_too_deep(path)
        && path
            .split(|byte| *byte == b'/')
            .all(|part| !part.is_empty() && part != b"." && part != b".." && !is_git_name(part))
}

/// Tells whether a file name stands for `.git` somewhere: by letter case, by the code points that
/// HFS+ ignores, by the short name, trailing dots and spaces, or the streams of NTFS.
pub(super) fn is_git_name(name: &[u8]) -> bool {
    // NTFS reads a backslash as the end of the name and a colon as the start of a stream.
    let ntfs = name.split(|byte| matches!(byte, b'\\' | b':')).next().unwrap_or_default();
    let end = ntfs.iter().rposition(|byte| !matches!(byte, b'.' | b' ')).map_or(0, |at| at + 1);
    let ntfs = ntfs.get(..end).unwrap_or_default();
    if ntfs.eq_ignore_ascii_case(b".git") || ntfs.eq_ignore_ascii_case(b"git~1") {
        return true;
    }
    let hfs: String =
        String::from_utf8_lossy(name).chars().filter(|char| !is_ignored_by_hfs(*char)).collect();
    hfs.eq_ignore_ascii_case(".git")
}

fn is_ignored_by_hfs(char: char) -> bool {
    matches!(char, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{is_git_name, is_valid, resolve};

    #[test]
    fn every_spelling_of_git_is_known_and_other_names_are_free() {
        for name in [
            ".git",
            ".GIT",
            ".Git",
            "git~1",
            "GIT~1",
            ".git.",
            ".git ",
            ".git . .",
            ".git::$INDEX_ALLOCATION",
            ".git\\config",
            ".g\u{200c}it",
            "\u{feff}.git",
            ".gi\u{206f}T",
        ] {
            assert!(is_git_name(name.as_bytes()), "{name:?}");
        }
        for name in [".gitignore", "git", ".gitx", "git~2", ".git1", "a.git", ".gi t"] {
            assert!(!is_git_name(name.as_bytes()), "{name:?}");
        }
        assert!(!is_valid(b"a/.git/config"));
        assert!(is_valid(b"a/.gitignore"));
        assert!(!is_valid(b"a//b"));
    }

    #[test]
    fn a_path_stays_in_the_working_tree() {
        assert_eq!(resolve(b"../x", b"a/b/", "/workspace").unwrap(), b"a/x");
        assert_eq!(resolve(b"/workspace/x/", b"a/", "/workspace").unwrap(), b"x");
        assert_eq!(resolve(b".", b"", "/workspace").unwrap(), b"");
        for outside in [&b"../x"[..], b"/etc/passwd", b"/workspacex", b"a/../../x"] {
            let failure = resolve(outside, b"", "/workspace").unwrap_err();
            assert_eq!(failure.code, 128);
            assert!(
                String::from_utf8_lossy(&failure.message).contains("is outside repository at '/workspace'")
            );
        }
    }
}
