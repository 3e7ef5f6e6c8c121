//! What a session's shell is told: lines of a script on its standard input, which is the commands' input too.

use std::fmt::Write as _;

/// Keeps the shell's own streams apart from those of commands, which may redirect theirs.
pub(super) const PROLOGUE: &str = "exec 60<&0 61>&1 62>&2\n";

/// The line that runs a command, and prints on both streams that it has ended.
///
/// It ends by reading what the command has left of its input, up to [`discarded`]: that would be the next
/// lines of the script otherwise. The command is a single word to `eval`, so that nothing in it
/// can end the line; no `{ }` is around that, as bash 5.2 takes the next `{` for a word after a command that is no
/// script.
pub(super) fn run(command: &str, mark: &str) -> String {
    let quoted = quote(command);
    format!(
        "eval -- {quoted} <&60 1>&61 2>&62; sandpiper_status=$?; \
         printf '{mark}%03d' \"$sandpiper_status\" >&62; printf '{mark}%03d' \"$sandpiper_status\" >&61; \
         while IFS= read -r sandpiper_rest <&60; do case $sandpiper_rest in {mark}) break;; esac; done; \
         unset sandpiper_status sandpiper_rest\n"
    )
}

/// The line up to which input is thrown away. It begins with a line end, because input need not end with one.
pub(super) fn discarded(mark: &str) -> String {
    format!("\n{mark}\n")
}

/// A text as one word of bash, on one line: `$'...'`.
fn quote(text: &str) -> String {
    let mut word = String::with_capacity(text.len() + 3);
    word.push_str("$'");
    for character in text.chars() {
        match character {
            '\\' => word.push_str("\\\\"),
            '\'' => word.push_str("\\'"),
            '\n' => word.push_str("\\n"),
            character if character.is_ascii_control() => {
                // Always three digits: what follows may be a digit too.
                let _ = write!(word, "\\{:03o}", u32::from(character));
            }
            character => word.push(character),
        }
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_word_on_one_line() {
        assert_eq!(quote("echo 'a'\n\\x\t1\u{e9}"), r"$'echo \'a\'\n\\x\0111é'");
        let line = run("cat <<'E'\nx\nE", "M");
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.starts_with(r"eval -- $'cat <<\'E\'\nx\nE' <&60 1>&61 2>&62; "), "{line}");
    }
}
