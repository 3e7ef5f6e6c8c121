//! Backslash escapes, and quoting so that the shell reads the same again.

use crate::bytes::{char_length, chars, push_char};
use crate::syntax::ast::Bytes;

/// What stands between `$'` and `'`.
pub fn ansi(text: &[u8]) -> Bytes {
    let mut out = Bytes::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' || at + 1 == text.len() {
            out.push(text[at]);
            at += 1;
            continue;
        }
        at += 1;
        if text[at] == b'c' && at + 1 < text.len() {
            out.push(if text[at + 1] == b'?' { 0x7f } else { text[at + 1].to_ascii_uppercase() ^ 0x40 });
            at += 2;
            continue;
        }
        let (length, _) = one(&text[at..], Style::Ansi, &mut out);
        at += length;
    }
    // A NUL ends the string.
    if let Some(end) = out.iter().position(|&byte| byte == 0) {
        out.truncate(end);
    }
    out
}

/// How `echo -e`, `printf` and `$' '` differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Ansi,
    /// `echo -e` and `printf %b`: octal numbers begin with a zero, `\c` ends all output.
    Echo,
    /// `printf %b` also takes octal numbers without a zero.
    PrintfArgument,
    /// The format of `printf`.
    Format,
}

/// Decodes one escape behind its backslash; gives its length, and whether it ends the output.
pub fn one(text: &[u8], style: Style, out: &mut Bytes) -> (usize, bool) {
    let digits = |from: usize, most: usize, base: u32| {
        let mut value = 0_u32;
        let mut count = 0;
        while count < most
            && let Some(digit) = text.get(from + count).and_then(|&byte| char::from(byte).to_digit(base))
        {
            value = value.wrapping_mul(base).wrapping_add(digit);
            count += 1;
        }
        (value, count)
    };
    let plain = match text[0] {
        b'a' => 7,
        b'b' => 8,
        b'e' | b'E' => 0x1b,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' => b'\\',
        b'\'' | b'"' | b'?' if matches!(style, Style::Ansi) => text[0],
        b'\'' | b'"' | b'?' if matches!(style, Style::Format | Style::PrintfArgument) => text[0],
        b'c' if matches!(style, Style::Echo | Style::PrintfArgument) => return (1, true),
        b'0'..=b'7' => {
            let (from, most) = match (style, text[0]) {
                (Style::Echo | Style::PrintfArgument, b'0') => (1, 3),
                (Style::Echo, _) => {
                    out.extend_from_slice(&[b'\\', text[0]]);
                    return (1, false);
                }
                _ => (0, 3),
            };
            let (value, count) = digits(from, most, 8);
            out.push(u8::try_from(value & 0xff).unwrap_or(0));
            return (from + count, false);
        }
        b'x' => {
            let (value, count) = digits(1, 2, 16);
            if count == 0 {
                out.extend_from_slice(b"\\x");
            } else {
                out.push(u8::try_from(value & 0xff).unwrap_or(0));
            }
            return (1 + count, false);
        }
        letter @ (b'u' | b'U') => {
            let (value, count) = digits(1, if letter == b'u' { 4 } else { 8 }, 16);
            if count == 0 {
                out.extend_from_slice(&[b'\\', letter]);
            } else {
                push_char(out, value);
            }
            return (1 + count, false);
        }
        other => {
            out.extend_from_slice(&[b'\\', other]);
            return (1, false);
        }
    };
    out.push(plain);
    (1, false)
}

fn is_printable(character: &[u8]) -> bool {
    match character {
        [byte] => (0x20..0x7f).contains(byte),
        _ => !std::str::from_utf8(character).is_ok_and(|text| text.chars().any(char::is_control)),
    }
}

fn needs_ansi(text: &[u8]) -> bool {
    chars(text).any(|character| !is_printable(character))
}

/// `$'...'`.
pub fn quoted_ansi(text: &[u8]) -> Bytes {
    let mut out = b"$'".to_vec();
    for character in chars(text) {
        match character {
            [7] => out.extend_from_slice(b"\\a"),
            [8] => out.extend_from_slice(b"\\b"),
            [0x1b] => out.extend_from_slice(b"\\E"),
            [0x0c] => out.extend_from_slice(b"\\f"),
            [b'\n'] => out.extend_from_slice(b"\\n"),
            [b'\r'] => out.extend_from_slice(b"\\r"),
            [b'\t'] => out.extend_from_slice(b"\\t"),
            [0x0b] => out.extend_from_slice(b"\\v"),
            [byte @ (b'\\' | b'\'')] => out.extend_from_slice(&[b'\\', *byte]),
            _ if is_printable(character) => out.extend_from_slice(character),
            _ => {
                for byte in character {
                    out.extend_from_slice(format!("\\{byte:03o}").as_bytes());
                }
            }
        }
    }
    out.push(b'\'');
    out
}

/// `'...'`.
pub fn quoted_single(text: &[u8]) -> Bytes {
    if text == b"'" {
        return b"\\'".to_vec();
    }
    let mut out = b"'".to_vec();
    for &byte in text {
        if byte == b'\'' {
            out.extend_from_slice(b"'\\''");
        } else {
            out.push(byte);
        }
    }
    out.push(b'\'');
    out
}

/// As `declare -p` shows a value.
pub fn quoted_double(text: &[u8]) -> Bytes {
    if needs_ansi(text) {
        return quoted_ansi(text);
    }
    let mut out = b"\"".to_vec();
    for &byte in text {
        if b"$`\"\\".contains(&byte) {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
    out
}

/// As `set` shows a value: with quotes only where they are needed.
pub fn quoted_for_set(text: &[u8]) -> Bytes {
    if needs_ansi(text) {
        return quoted_ansi(text);
    }
    let special = text.iter().enumerate().any(|(at, byte)| {
        b" \t\n'\"\\|&;()<>!{}*[]?^$`".contains(byte)
            || (*byte == b'#' && at == 0)
            || (*byte == b'~' && (at == 0 || b":=".contains(&text[at - 1])))
    });
    if special { quoted_single(text) } else { text.to_vec() }
}

/// `${x@Q}`.
pub fn quoted_reusable(text: &[u8]) -> Bytes {
    if needs_ansi(text) { quoted_ansi(text) } else { quoted_single(text) }
}

/// `printf %q`.
pub fn quoted_backslash(text: &[u8]) -> Bytes {
    if text.is_empty() {
        return b"''".to_vec();
    }
    if needs_ansi(text) {
        return quoted_ansi(text);
    }
    let mut out = Bytes::new();
    let mut at = 0;
    while at < text.len() {
        let length = char_length(&text[at..]);
        let byte = text[at];
        let special = b" \t\n!\"$&'()*,;<>?[\\]^`{|}".contains(&byte)
            || (byte == b'#' && at == 0)
            || (byte == b'~' && (at == 0 || b":=".contains(&text[at - 1])));
        if special {
            out.push(b'\\');
        }
        out.extend_from_slice(&text[at..at + length]);
        at += length;
    }
    out
}
