//! Small things about bytes that are text in some encoding, mostly UTF-8.

use std::borrow::Cow;

/// Is it a name of a variable?
pub fn is_name(text: &[u8]) -> bool {
    text.first().is_some_and(|&byte| byte.is_ascii_alphabetic() || byte == b'_')
        && text.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// How many bytes at the front are a name.
pub fn name_length(text: &[u8]) -> usize {
    if !text.first().is_some_and(|&byte| byte.is_ascii_alphabetic() || byte == b'_') {
        return 0;
    }
    text.iter().take_while(|&&byte| byte.is_ascii_alphanumeric() || byte == b'_').count()
}

/// The length of the character at the front: that of its UTF-8 form, or one byte.
pub fn char_length(text: &[u8]) -> usize {
    let length = match text.first() {
        None => return 0,
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        Some(_) => return 1,
    };
    match text.get(..length) {
        Some(character) if std::str::from_utf8(character).is_ok() => length,
        _ => 1,
    }
}

/// The characters, each as bytes.
pub fn chars(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (character, others) = rest.split_at(char_length(rest));
        rest = others;
        Some(character)
    })
}

pub fn char_count(text: &[u8]) -> usize {
    if text.is_ascii() { text.len() } else { chars(text).count() }
}

/// The code point of one character; a byte that is none counts as itself.
pub fn code_point(character: &[u8]) -> u32 {
    std::str::from_utf8(character)
        .ok()
        .and_then(|text| text.chars().next())
        .map_or_else(|| character.first().map_or(0, |&byte| u32::from(byte)), u32::from)
}

pub fn push_char(out: &mut Vec<u8>, code: u32) {
    match char::from_u32(code) {
        Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.push(u8::try_from(code & 0xff).unwrap_or(0)),
    }
}

pub fn upper(text: &[u8]) -> Vec<u8> {
    map_chars(text, |c| c.to_uppercase().next().filter(|_| c.to_uppercase().count() == 1))
}

pub fn lower(text: &[u8]) -> Vec<u8> {
    map_chars(text, |c| c.to_lowercase().next().filter(|_| c.to_lowercase().count() == 1))
}

fn map_chars(text: &[u8], change: impl Fn(char) -> Option<char>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for character in chars(text) {
        match std::str::from_utf8(character).ok().and_then(|text| text.chars().next()).and_then(&change) {
            Some(changed) => out.extend_from_slice(changed.encode_utf8(&mut [0; 4]).as_bytes()),
            None => out.extend_from_slice(character),
        }
    }
    out
}

pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Where `needle` starts in `haystack`.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    haystack.windows(needle.len()).position(|window| window == needle)
}

pub fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// A decimal number with an optional sign and blanks around it, as `test` and most builtins take it.
pub fn decimal(bytes: &[u8]) -> Option<i64> {
    let trimmed = trim(bytes);
    let digits = trimmed.strip_prefix(b"+").unwrap_or(trimmed);
    if digits.strip_prefix(b"-").unwrap_or(digits).is_empty()
        || (digits.len() != trimmed.len() && digits.starts_with(b"-"))
    {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
