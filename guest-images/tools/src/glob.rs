//! Patterns of file names, as POSIX `fnmatch` has them.

use crate::posix::character_length;

/// How a pattern is matched.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mode {
    /// A slash has to be matched by a slash.
    pub path: bool,
    /// A leading dot has to be matched by a dot.
    pub period: bool,
    pub ignore_case: bool,
}

/// Whether the whole of a text matches.
pub fn matches(pattern: &[u8], text: &[u8], mode: Mode) -> bool {
    if mode.period && text.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut at, mut place) = (0, 0);
    // Where the last star is, and up to where it has taken the text.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let rest = pattern.get(at..).unwrap_or_default();
        let there = text.get(place..).unwrap_or_default();
        if rest.is_empty() && there.is_empty() {
            return true;
        }
        if rest.first() == Some(&b'*') {
            star = Some((at + 1, place));
            at += 1;
            continue;
        }
        if let Some((taken, length)) = one(rest, there, mode) {
            at += taken;
            place += length;
            continue;
        }
        match star {
            Some((behind, from)) if from < text.len() && !(mode.path && text.get(from) == Some(&b'/')) => {
                let next = from + character_length(text.get(from..).unwrap_or_default());
                star = Some((behind, next));
                (at, place) = (behind, next);
            }
            _ => return false,
        }
    }
}

/// How much of the pattern matches how much of the text, for one character.
fn one(pattern: &[u8], text: &[u8], mode: Mode) -> Option<(usize, usize)> {
    let length = character_length(text);
    let there = text.get(..length).filter(|there| !there.is_empty())?;
    match pattern.first()? {
        b'?' => (!(mode.path && there == b"/")).then_some((1, length)),
        b'[' if let Some((taken, holds)) = bracket(pattern, there, mode) => {
            (holds && !(mode.path && there == b"/")).then_some((taken, length))
        }
        b'\\' if pattern.len() > 1 => {
            let taken = character_length(pattern.get(1..)?);
            same(pattern.get(1..=taken)?, there, mode).then_some((taken + 1, length))
        }
        _ => {
            let taken = character_length(pattern);
            same(pattern.get(..taken)?, there, mode).then_some((taken, length))
        }
    }
}

fn character(bytes: &[u8]) -> char {
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.chars().next())
        .unwrap_or_else(|| char::from(bytes.first().copied().unwrap_or(0)))
}

fn folded(character: char, mode: Mode) -> char {
    if mode.ignore_case { character.to_lowercase().next().unwrap_or(character) } else { character }
}

fn same(left: &[u8], right: &[u8], mode: Mode) -> bool {
    left == right || (mode.ignore_case && folded(character(left), mode) == folded(character(right), mode))
}

/// How long a bracket expression is and whether the character is of it; none when it does not end.
fn bracket(pattern: &[u8], there: &[u8], mode: Mode) -> Option<(usize, bool)> {
    let mut at = 1;
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    if negated {
        at += 1;
    }
    let wanted = folded(character(there), mode);
    let mut holds = false;
    let mut first = true;
    loop {
        let rest = pattern.get(at..).filter(|rest| !rest.is_empty())?;
        if rest.first() == Some(&b']') && !first {
            return Some((at + 1, holds != negated));
        }
        first = false;
        if rest.starts_with(b"[:") {
            let end = (2..rest.len()).find(|&end| rest.get(end..).is_some_and(|rest| rest.starts_with(b":]")))?;
            holds |= named(rest.get(2..end)?, wanted, mode);
            at += end + 2;
            continue;
        }
        let (low, taken) = bracket_character(rest)?;
        at += taken;
        let behind = pattern.get(at..)?;
        if behind.first() == Some(&b'-') && behind.get(1).is_some_and(|&next| next != b']') {
            let (high, taken) = bracket_character(behind.get(1..)?)?;
            at += taken + 1;
            holds |= (folded(low, mode)..=folded(high, mode)).contains(&wanted);
        } else {
            holds |= folded(low, mode) == wanted;
        }
    }
}

fn bracket_character(rest: &[u8]) -> Option<(char, usize)> {
    if rest.first() == Some(&b'\\') && rest.len() > 1 {
        let length = character_length(rest.get(1..)?);
        return Some((character(rest.get(1..=length)?), length + 1));
    }
    let length = character_length(rest);
    Some((character(rest.get(..length)?), length))
}

fn named(name: &[u8], character: char, mode: Mode) -> bool {
    match name {
        b"alpha" => character.is_alphabetic(),
        b"digit" => character.is_ascii_digit(),
        b"alnum" => character.is_alphanumeric(),
        b"upper" => character.is_uppercase() || (mode.ignore_case && character.is_lowercase()),
        b"lower" => character.is_lowercase(),
        b"space" => character.is_whitespace(),
        b"blank" => character == ' ' || character == '\t',
        b"punct" => character.is_ascii_punctuation(),
        b"print" => !character.is_control(),
        b"graph" => !character.is_control() && !character.is_whitespace(),
        b"cntrl" => character.is_control(),
        b"xdigit" => character.is_ascii_hexdigit(),
        _ => false,
    }
}
