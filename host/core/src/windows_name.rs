//! Names that mean a device, a stream or another file on Windows.

/// Whether Windows gives the name of one path component another meaning than that of a plain file, in every
/// directory: `NUL`, `com1.txt` and `CONIN$` are devices, `a:b` is a stream of `a`, dots and spaces at the end are
/// dropped, `\` separates, and `PROGRA~1` is another file's short name. See
/// <https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file>.
///
/// ```
/// use sandpiper_core::is_reserved_windows_name;
/// assert!(is_reserved_windows_name("nul.txt") && is_reserved_windows_name("a.txt:stream"));
/// assert!(!is_reserved_windows_name("null.txt"));
/// ```
pub fn is_reserved_windows_name(name: &str) -> bool {
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
            assert!(is_reserved_windows_name(name), "{name:?}");
        }
    }

    #[test]
    fn plain_names_are_not_is_reserved_windows_name() {
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
            assert!(!is_reserved_windows_name(name), "{name:?}");
        }
    }
}
