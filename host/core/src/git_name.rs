//! Names that some file system takes for `.git`.

/// Whether a name of one path component means git's own directory on Linux, macOS or Windows.
///
/// macOS (HFS+) leaves out some code points that cannot be seen, and folds case. Windows (NTFS) folds
/// case, drops periods and spaces at the end, takes what follows a colon for a stream and a backslash
/// for a separator, and knows `.git` by its short name `GIT~1` too. These are the names that git
/// itself refuses under `core.protectHFS` and `core.protectNTFS`; see git-config(1).
///
/// ```
/// use sandpiper_core::is_git_directory_name;
/// assert!(is_git_directory_name(b".GIT. ") && is_git_directory_name(".g\u{200c}it".as_bytes()));
/// assert!(!is_git_directory_name(b".gitignore"));
/// ```
pub fn is_git_directory_name(name: &[u8]) -> bool {
    is_on_ntfs(name) || is_on_hfs(name)
}

fn is_on_ntfs(name: &[u8]) -> bool {
    let first = name.split(|byte| *byte == b'\\' || *byte == b':').next().unwrap_or_default();
    let end = first.iter().rposition(|byte| *byte != b'.' && *byte != b' ').map_or(0, |last| last + 1);
    let stem = first.get(..end).unwrap_or_default();
    stem.eq_ignore_ascii_case(b".git") || stem.eq_ignore_ascii_case(b"git~1")
}

fn is_on_hfs(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let seen = name.chars().filter(|character| !is_ignored_on_hfs(*character));
    seen.map(|character| character.to_ascii_lowercase()).eq(".git".chars())
}

fn is_ignored_on_hfs(character: char) -> bool {
    matches!(
        character,
        '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_git_directory_is_known() {
        for name in [
            ".git",
            ".GIT",
            ".Git",
            ".git.",
            ".git ",
            ".git . .",
            ".git::$INDEX_ALLOCATION",
            ".git:x",
            "git~1",
            "GIT~1",
            "git~1. ",
            ".git\\hooks",
            ".g\u{200c}it",
            "\u{feff}.git",
            ".gi\u{206f}T\u{202e}",
        ] {
            assert!(is_git_directory_name(name.as_bytes()), "{name:?}");
        }
    }

    #[test]
    fn other_names_are_free() {
        for name in [
            "",
            ".",
            "..",
            "git",
            ".gitignore",
            ".gitattributes",
            ".github",
            "a.git",
            ".git2",
            "git~2",
            "x:.git",
        ] {
            assert!(!is_git_directory_name(name.as_bytes()), "{name:?}");
        }
        assert!(!is_git_directory_name(b".g\xffit"));
    }
}
