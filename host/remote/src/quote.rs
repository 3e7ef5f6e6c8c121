//! Words for a POSIX shell.

/// A word of which the shell changes nothing: between single quotes everything but they is itself
/// (bash manual, 3.1.2.2).
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
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
