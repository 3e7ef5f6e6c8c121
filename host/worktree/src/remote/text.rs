//! Text of servers and programs, as it may be shown: no byte of it moves a cursor.

/// More is not shown of what a server says at once.
const MAX_CHARACTERS: usize = 2000;

/// One line per line that has anything, without control characters and what turns text around.
pub(super) fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split(['\n', '\r']).map(clean).filter(|line| !line.is_empty()).collect()
}

/// All of it on one line.
pub(super) fn one_line(bytes: &[u8]) -> String {
    lines(bytes).join("; ")
}

fn clean(line: &str) -> String {
    let shown = line.chars().filter(|c| !c.is_control() && !turns_text(*c));
    shown.take(MAX_CHARACTERS).collect::<String>().trim().to_owned()
}

fn turns_text(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_out_and_lines_kept() {
        assert_eq!(lines(b"\x1b[2Jone\r50%\r100%\n\n two \n"), ["[2Jone", "50%", "100%", "two"]);
        assert_eq!(one_line("a\u{202e}b\x07\nc\u{fc}".as_bytes()), "ab; c\u{fc}");
    }
}
