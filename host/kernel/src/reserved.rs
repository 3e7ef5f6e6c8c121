//! Names that mean a device, a stream or another file on Windows.
//!
//! Windows takes `NUL`, `com1.txt` and `CONIN$` for devices in every directory, `a:b` for a stream of
//! `a`, drops trailing dots and spaces, and takes `\` for a separator. cap-std refuses only some of
//! them, so the kernel refuses them all before a name reaches a mount there. See
//! <https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file>.

/// Whether one of a path's names must not reach a host directory on this platform.
pub fn path_is_reserved(path: &str) -> bool {
    path.split('/').any(refused_here)
}

/// Whether a name must not reach a host directory on this platform.
pub(crate) fn refused_here(name: &str) -> bool {
    cfg!(windows) && refused_on_windows(name)
}

/// Whether Windows gives a name another meaning than that of a plain file.
pub(crate) fn refused_on_windows(name: &str) -> bool {
    name.chars().any(|c| matches!(c, '\0'..='\x1f' | '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*'))
        || (name.ends_with(['.', ' ']) && name != "." && name != "..")
        || is_device(name)
        || is_short_name(name)
}

/// A device's name, alone or before an extension, as `NUL`, `nul.txt`, `COM1 .log`.
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

/// The short alias of another file, as `PROGRA~1` or `GIT~1.TXT`: with it a name that is mounted over
/// or reserved could be reached under a second name.
fn is_short_name(name: &str) -> bool {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let Some((head, number)) = stem.rsplit_once('~') else {
        return false;
    };
    let short = stem.chars().count() <= 8 && extension.chars().count() <= 3 && !extension.contains('.');
    short && !head.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_another_meaning_on_windows_are_refused() {
        for name in [
            "NUL",
            "nul",
            "NUL.txt",
            "nul.tar.gz",
            "CON",
            "con.",
            "AUX",
            "PRN",
            "COM1",
            "com9.log",
            "COM¹",
            "LPT0",
            "LPT³",
            "CONIN$",
            "conout$",
            "NUL ",
            "NUL .txt",
            "a:b",
            "a.txt::$DATA",
            "C:",
            "a.",
            "a ",
            "...",
            "a\\b",
            "a?",
            "a*",
            "a\"",
            "a|b",
            "a<b",
            "\x01",
            "PROGRA~1",
            "GIT~1",
            "a~12.txt",
        ] {
            assert!(refused_on_windows(name), "{name:?}");
        }
    }

    #[test]
    fn plain_names_are_not_refused_on_windows() {
        for name in [
            ".",
            "..",
            "a",
            "null",
            "nul_",
            "console",
            "com",
            "com10",
            "COMA",
            "lpt",
            "a.b.c",
            ".git",
            "a b",
            "auxiliary.txt",
            "~",
            "~1",
            "file~",
            "file~x",
            "longer-name~1.backup",
            "é",
        ] {
            assert!(!refused_on_windows(name), "{name:?}");
        }
    }

    #[test]
    fn only_windows_refuses_them() {
        assert_eq!(refused_here("NUL"), cfg!(windows));
        assert!(!refused_here("plain.txt"));
    }
}
