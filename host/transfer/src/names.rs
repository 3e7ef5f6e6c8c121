//! Names of one path component that no file of a workspace may have.

use crate::PathFault;

/// Longest name that the usual file systems take (`NAME_MAX`; NTFS and APFS count 255 units of UTF-16 or UTF-8).
const MAX_NAME: usize = 255;

/// By whose rules a name is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Unix,
    Windows,
}

impl System {
    /// The one that this process runs on.
    pub(crate) const HERE: Self = if cfg!(windows) { Self::Windows } else { Self::Unix };
}

/// Why a name cannot be a component of a path on a system.
pub(crate) fn fault(name: &[u8], system: System) -> Option<PathFault> {
    match name {
        b"" => return Some(PathFault::EmptyName),
        b"." => return Some(PathFault::CurrentDirectory),
        b".." => return Some(PathFault::ParentDirectory),
        _ => {}
    }
    if name.contains(&0) {
        return Some(PathFault::Nul);
    }
    if name.contains(&b'/') {
        return Some(PathFault::Separator);
    }
    let length = match system {
        System::Unix => name.len(),
        System::Windows => match std::str::from_utf8(name) {
            Err(_) => return Some(PathFault::NotUnicode),
            Ok(text) if is_reserved_on_windows(text) => return Some(PathFault::ReservedOnWindows),
            Ok(text) => text.encode_utf16().count(),
        },
    };
    (length > MAX_NAME).then_some(PathFault::LongName { length, limit: MAX_NAME })
}

/// Whether a name means git's own directory on Linux, macOS or Windows.
///
/// The rules are those of `sandpiper_core::is_git_directory_name`, which is not imported because this crate
/// imports nothing of ours; a test compares both.
pub(crate) fn means_git(name: &[u8]) -> bool {
    means_git_on_ntfs(name) || means_git_on_hfs(name)
}

fn means_git_on_ntfs(name: &[u8]) -> bool {
    let first = name.split(|byte| matches!(byte, b'\\' | b':')).next().unwrap_or_default();
    let end = first.iter().rposition(|byte| !matches!(byte, b'.' | b' ')).map_or(0, |last| last + 1);
    let stem = first.get(..end).unwrap_or_default();
    stem.eq_ignore_ascii_case(b".git") || stem.eq_ignore_ascii_case(b"git~1")
}

fn means_git_on_hfs(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let is_unseen = |character: &char| {
        matches!(
            character,
            '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
        )
    };
    name.chars().filter(|c| !is_unseen(c)).map(|c| c.to_ascii_lowercase()).eq(".git".chars())
}

/// Devices, streams, short names and characters that mean something else there; see
/// <https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file>.
fn is_reserved_on_windows(name: &str) -> bool {
    name.chars().any(|c| matches!(c, '\0'..='\x1f' | '<' | '>' | ':' | '"' | '\\' | '|' | '?' | '*'))
        || name.ends_with(['.', ' '])
        || is_device(name)
        || is_short_name(name)
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") {
        return true;
    }
    let Some(number) = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")) else {
        return false;
    };
    let mut characters = number.chars();
    matches!((characters.next(), characters.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

/// The short alias of another file, as `PROGRA~1`: by it a file could be reached under a second name.
fn is_short_name(name: &str) -> bool {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let Some((head, number)) = stem.rsplit_once('~') else { return false };
    let is_short = stem.chars().count() <= 8 && extension.chars().count() <= 3 && !extension.contains('.');
    is_short && !head.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_refuses_its_own_names_and_unix_takes_them() {
        for name in
            ["NUL", "nul.txt", "COM1", "com9.log", "LPT³", "CONIN$", "C:", "a:b", "a.", "a ", "a\\b", "a?"]
                .into_iter()
                .chain(["PROGRA~1", "a~12.txt", "\x01"])
        {
            assert_eq!(
                fault(name.as_bytes(), System::Windows),
                Some(PathFault::ReservedOnWindows),
                "{name:?}"
            );
            assert_eq!(fault(name.as_bytes(), System::Unix), None, "{name:?}");
        }
        for name in ["null", "console", "com10", "a.b.c", "a b", "file~x", "longer-name~1.backup", "é"] {
            assert_eq!(fault(name.as_bytes(), System::Windows), None, "{name:?}");
        }
    }

    #[test]
    fn names_without_unicode_are_for_unix_alone() {
        assert_eq!(fault(b"a\xff", System::Windows), Some(PathFault::NotUnicode));
        assert_eq!(fault(b"a\xff", System::Unix), None);
    }

    #[test]
    fn a_name_of_255_is_the_longest() {
        for system in [System::Unix, System::Windows] {
            assert_eq!(fault(&[b'a'; 255], system), None);
            let long = PathFault::LongName { length: 256, limit: 255 };
            assert_eq!(fault(&[b'a'; 256], system), Some(long));
        }
    }

    #[test]
    fn spellings_of_the_git_directory_are_known() {
        for name in
            [".git", ".GIT", ".git. ", "git~1", ".git::$DATA", ".git\\x", ".g\u{200c}it", "\u{feff}.git"]
        {
            assert!(means_git(name.as_bytes()), "{name:?}");
        }
        for name in ["git", ".gitignore", ".github", "a.git", "git~2", "x:.git", ""] {
            assert!(!means_git(name.as_bytes()), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn git_names_are_those_of_core(name in "(\\.?[gG][iI]?[\u{200c}\u{206f}]?[tT](~1)?|.{0,4})[. :\\\\]{0,2}[a$]?") {
            prop_assert_eq!(means_git(name.as_bytes()), sandpiper_core::is_git_directory_name(name.as_bytes()));
        }

        #[test]
        fn git_names_of_any_bytes_are_those_of_core(name: Vec<u8>) {
            prop_assert_eq!(means_git(&name), sandpiper_core::is_git_directory_name(&name));
        }
    }
}
