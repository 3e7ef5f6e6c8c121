//! Names of one path component that no file of a workspace may have.

use sandpiper_core::is_reserved_windows_name;

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
            Ok(text) if is_reserved_windows_name(text) => return Some(PathFault::ReservedOnWindows),
            Ok(text) => text.encode_utf16().count(),
        },
    };
    (length > MAX_NAME).then_some(PathFault::LongName { length, limit: MAX_NAME })
}

#[cfg(test)]
mod tests {
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
}
