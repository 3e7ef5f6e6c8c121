//! Regular expressions as git reads them, for the regex crate, whose time is bounded whatever a guest
//! searches for.

use super::failure::{Failure, Result};
use regex::bytes::{Regex, RegexBuilder};

/// The most memory that a compiled pattern takes.
const MAX_PATTERN_BYTES: usize = 4 * 1024 * 1024;

/// How a pattern is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Dialect {
    /// POSIX basic: `\(`, `\|`, `\+` are special and `(`, `|`, `+` are not.
    #[default]
    Basic,
    /// POSIX extended.
    Extended,
    /// No character is special.
    Fixed,
}

/// Compiles a pattern.
pub(super) fn pattern(text: &str, dialect: Dialect, ignore_case: bool) -> Result<Regex> {
    let source = match dialect {
        Dialect::Fixed => regex::escape(text),
        Dialect::Extended => translated(text, true),
        Dialect::Basic => translated(text, false),
    };
    RegexBuilder::new(&source)
        .case_insensitive(ignore_case)
        .multi_line(true)
        .unicode(true)
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|_| Failure::fatal(format!("pattern '{text}' is not understood or too large")))
}

/// Writes a POSIX pattern in the syntax of the regex crate.
fn translated(text: &str, extended: bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text.chars().peekable();
    let mut at_start = true;
    while let Some(char) = rest.next() {
        let started = std::mem::take(&mut at_start);
        match char {
            '\\' => match rest.next() {
                Some(next @ ('(' | ')' | '{' | '}' | '+' | '?' | '|')) => {
                    if extended {
                        out.push('\\');
                    }
                    out.push(next);
                    at_start = !extended && matches!(next, '(' | '|');
                }
                Some('<') => out.push_str("\\b{start}"),
                Some('>') => out.push_str("\\b{end}"),
                Some(next @ ('w' | 'W' | 's' | 'S' | 'b' | 'B')) => {
                    out.push('\\');
                    out.push(next);
                }
                Some(next) => out.push_str(&regex::escape(next.encode_utf8(&mut [0; 4]))),
                None => out.push_str("\\\\"),
            },
            '[' => bracket(&mut rest, &mut out),
            '(' | ')' | '{' | '}' | '+' | '?' | '|' if !extended => {
                out.push('\\');
                out.push(char);
            }
            '*' if !extended && started => out.push_str("\\*"),
            '^' if !extended && !started => out.push_str("\\^"),
            '$' if !extended && rest.peek().is_some() && !ends_group(&rest) => out.push_str("\\$"),
            '^' => {
                out.push('^');
                at_start = true;
            }
            '.' | '*' | '$' | '(' | ')' | '{' | '}' | '+' | '?' | '|' => out.push(char),
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

/// Tells whether `\)` or `\|` follows, before which `$` is special in a basic pattern.
fn ends_group(rest: &std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    let mut ahead = rest.clone();
    ahead.next() == Some('\\') && matches!(ahead.next(), Some(')' | '|'))
}

/// Copies a bracket expression, in which a backslash is a plain character.
fn bracket(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    out.push('[');
    if rest.peek() == Some(&'^') {
        rest.next();
        out.push('^');
    }
    let mut first = true;
    while let Some(char) = rest.next() {
        match char {
            ']' if !first => {
                out.push(']');
                return;
            }
            '[' if rest.peek() == Some(&':') => {
                out.push('[');
                for inner in rest.by_ref() {
                    out.push(inner);
                    if inner == ']' {
                        break;
                    }
                }
            }
            '\\' | '[' | ']' | '&' | '~' => {
                out.push('\\');
                out.push(char);
            }
            other => out.push(other),
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, pattern};

    fn matches(text: &str, dialect: Dialect, line: &str) -> bool {
        pattern(text, dialect, false).unwrap().is_match(line.as_bytes())
    }

    #[test]
    fn basic_patterns_have_their_special_characters_behind_backslashes() {
        assert!(matches("a+b", Dialect::Basic, "a+b"));
        assert!(!matches("a+b", Dialect::Basic, "aab"));
        assert!(matches("a\\+b", Dialect::Basic, "aab"));
        assert!(matches("\\(x\\|y\\)z", Dialect::Basic, "yz"));
        assert!(matches("(x)", Dialect::Basic, "(x)"));
        assert!(matches("*a", Dialect::Basic, "*a"));
    }

    #[test]
    fn extended_and_fixed_patterns() {
        assert!(matches("(x|y)z", Dialect::Extended, "yz"));
        assert!(matches("[\\.]", Dialect::Extended, "\\"));
        assert!(matches("a.c(", Dialect::Fixed, "a.c("));
        assert!(!matches("a.c", Dialect::Fixed, "abc"));
    }
}
