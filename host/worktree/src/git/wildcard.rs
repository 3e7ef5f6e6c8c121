//! git's wildcards, as gitignore(5) and gitglossary(7) ("pathspec") describe them.

/// Whether `*` and `?` cross a `/`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Slash {
    /// As in ignore files: only `**` crosses it.
    Stops,
    /// As in paths on a command line.
    Crossed,
}

/// Tells whether a pattern has a character that [`matches`] reads as more than itself.
pub(super) fn is_glob(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

/// Matches the whole of `text`.
///
/// The time is bounded: a `*` that fails is tried again only from the last one, and `**` nests no
/// deeper than a path has directories.
pub(super) fn matches(pattern: &[u8], text: &[u8], slash: Slash) -> bool {
    let mut pattern = pattern;
    let mut text = text;
    // Where to go on when a byte does not match: after the last star, one byte later.
    let mut star: Option<(&[u8], &[u8])> = None;
    // Where the last `**` goes on, for when a `*` after it can take no more.
    let mut double: Option<(&[u8], &[u8])> = None;
    let mut at_start = true;
    loop {
        if let [b'*', b'*', rest @ ..] = pattern
            && slash == Slash::Stops
            && at_start
            && (rest.is_empty() || rest.first() == Some(&b'/'))
        {
            let Some((_, after)) = rest.split_first() else { return true };
            // `**/` may stand for no directory at all.
            double = Some((after, text));
            pattern = after;
            star = None;
            continue;
        }
        let matched = match pattern {
            [b'*', rest @ ..] => {
                let rest =
                    rest.iter().position(|byte| *byte != b'*').map_or(&[][..], |at| rest.split_at(at).1);
                star = Some((rest, text));
                pattern = rest;
                at_start = false;
                continue;
            }
            [] => text.is_empty().then_some((pattern, text)),
            _ => one(pattern, text, slash),
        };
        if let Some((next_pattern, next_text)) = matched {
            if pattern.is_empty() {
                return true;
            }
            at_start = pattern.first() == Some(&b'/');
            pattern = next_pattern;
            text = next_text;
            continue;
        }
        // A star takes one byte more.
        if let Some((after, from)) = star
            && let Some((byte, rest)) = from.split_first()
            && (slash == Slash::Crossed || *byte != b'/')
        {
            star = Some((after, rest));
            pattern = after;
            text = rest;
            at_start = false;
            continue;
        }
        // A `**/` takes one directory more.
        if let Some((after, from)) = double
            && let Some(at) = from.iter().position(|byte| *byte == b'/')
        {
            let rest = from.split_at(at + 1).1;
            double = Some((after, rest));
            star = None;
            pattern = after;
            text = rest;
            at_start = true;
            continue;
        }
        return false;
    }
}

/// Matches what stands for exactly one byte and returns what is left.
fn one<'p, 't>(pattern: &'p [u8], text: &'t [u8], slash: Slash) -> Option<(&'p [u8], &'t [u8])> {
    let (byte, rest) = text.split_first()?;
    match pattern {
        [b'?', after @ ..] => (slash == Slash::Crossed || *byte != b'/').then_some((after, rest)),
        [b'[', after @ ..] => {
            let (matched, after) = class(after, *byte)?;
            (matched && (slash == Slash::Crossed || *byte != b'/')).then_some((after, rest))
        }
        [b'\\', literal, after @ ..] | [literal, after @ ..] => (literal == byte).then_some((after, rest)),
        [] => None,
    }
}

/// Reads a bracket expression; nothing if it does not end.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match pattern {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    let mut first = true;
    loop {
        rest = match rest {
            [b']', after @ ..] if !first => return Some((found != negated, after)),
            [b'[', b':', after @ ..] => {
                let end = after.windows(2).position(|pair| pair == b":]")?;
                let (name, tail) = after.split_at(end);
                found |= named(name, byte)?;
                tail.split_at(2).1
            }
            [b'\\', low, b'-', high, after @ ..] if *high != b']' => {
                found |= (*low..=*high).contains(&byte);
                after
            }
            [b'\\', literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
            [low, b'-', b'\\', high, after @ ..] => {
                found |= (*low..=*high).contains(&byte);
                after
            }
            [low, b'-', high, after @ ..] if *high != b']' => {
                found |= (*low..=*high).contains(&byte);
                after
            }
            [literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
            [] => return None,
        };
        first = false;
    }
}

fn named(name: &[u8], byte: u8) -> Option<bool> {
    Some(match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Slash, matches};

    #[test]
    fn a_star_stops_at_a_slash_in_ignore_files_and_not_in_paths() {
        assert!(matches(b"a*c", b"abbc", Slash::Stops));
        assert!(!matches(b"a*c", b"ab/c", Slash::Stops));
        assert!(matches(b"a*c", b"ab/c", Slash::Crossed));
    }

    #[test]
    fn two_stars_stand_for_any_directories() {
        for text in [&b"a/b"[..], b"a/x/b", b"a/x/y/b"] {
            assert!(matches(b"a/**/b", text, Slash::Stops));
        }
        assert!(!matches(b"a/**/b", b"a/xb", Slash::Stops));
        assert!(matches(b"**/foo", b"foo", Slash::Stops));
        assert!(matches(b"**/foo", b"a/b/foo", Slash::Stops));
        assert!(matches(b"abc/**", b"abc/x/y", Slash::Stops));
        assert!(!matches(b"abc/**", b"abc", Slash::Stops));
        assert!(matches(b"**/a*/b", b"x/ay/b", Slash::Stops));
    }

    #[test]
    fn brackets_and_escapes() {
        assert!(matches(b"[a-c]x", b"bx", Slash::Stops));
        assert!(!matches(b"[!a-c]x", b"bx", Slash::Stops));
        assert!(matches(b"[]-]", b"]", Slash::Stops));
        assert!(matches(b"\\*", b"*", Slash::Stops));
        assert!(!matches(b"\\*", b"x", Slash::Stops));
        assert!(matches(b"[[:digit:]]", b"7", Slash::Stops));
        assert!(!matches(b"[", b"[", Slash::Stops));
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let text = vec![b'a'; 20_000];
        let mut pattern = b"*a".repeat(40);
        pattern.push(b'b');
        assert!(!matches(&pattern, &text, Slash::Stops));
    }
}
