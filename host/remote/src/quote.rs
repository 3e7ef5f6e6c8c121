//! Words for a POSIX shell.

/// A text as one word of a shell's command line, whatever is in it.
pub(super) fn quoted(text: &str) -> String {
    let mut word = String::with_capacity(text.len() + 2);
    word.push('\'');
    for (index, part) in text.split('\'').enumerate() {
        if index > 0 {
            word.push_str(r"'\''");
        }
        word.push_str(part);
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_what_it_was() {
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a b$c`d\"\n*"), "'a b$c`d\"\n*'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("''"), r"''\'''\'''");
    }
}
