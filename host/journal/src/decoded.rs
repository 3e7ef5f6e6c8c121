//! A text as it reads when it is decoded, and where each byte of that came from.

use std::ops::Range;

/// A text's bytes after decoding.
pub(crate) struct Decoded {
    bytes: Vec<u8>,
    /// Where in the text each byte came from.
    sources: Vec<Range<usize>>,
}

impl Decoded {
    /// The text itself, and as it reads by each encoding that it may be in.
    pub(crate) fn of(text: &str) -> Vec<Self> {
        let mut decoded = vec![Self::by(text, |_| None)];
        if text.contains('%') {
            decoded.push(Self::by(text, percent));
        }
        // In forms, a plus is a space.
        if text.contains('+') {
            decoded.push(Self::by(text, |rest| match rest {
                [b'+', ..] => Some((1, Piece::byte(b' '))),
                _ => percent(rest),
            }));
        }
        if text.contains('\\') {
            decoded.push(Self::by(text, escape));
        }
        decoded
    }

    fn by(text: &str, decode: impl Fn(&[u8]) -> Option<(usize, Piece)>) -> Self {
        let (mut bytes, mut sources) = (Vec::new(), Vec::new());
        let mut rest = text.as_bytes();
        while let [first, ..] = rest {
            let start = text.len() - rest.len();
            let (length, piece) = decode(rest).unwrap_or_else(|| (1, Piece::byte(*first)));
            for byte in piece.as_bytes() {
                bytes.push(*byte);
                sources.push(start..start + length);
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Self { bytes, sources }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where in the text a range of the bytes came from, in whole characters.
    pub(crate) fn source(&self, text: &str, range: Range<usize>) -> Range<usize> {
        let covered = self.sources.get(range).unwrap_or_default();
        let (Some(first), Some(last)) = (covered.first(), covered.last()) else { return 0..0 };
        let (mut start, mut end) = (first.start, last.end);
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        while !text.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }
}

/// What one escape stands for: one character at most.
struct Piece {
    bytes: [u8; 4],
    length: usize,
}

impl Piece {
    fn byte(byte: u8) -> Self {
        Self { bytes: [byte, 0, 0, 0], length: 1 }
    }

    fn character(character: char) -> Self {
        let mut bytes = [0; 4];
        let length = character.encode_utf8(&mut bytes).len();
        Self { bytes, length }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// `%2F`.
fn percent(rest: &[u8]) -> Option<(usize, Piece)> {
    let [b'%', digits @ ..] = rest else { return None };
    let value = hexadecimal(digits.get(..2)?)?;
    Some((3, Piece::byte(u8::try_from(value).ok()?)))
}

/// An escape of JSON or Python: `\n`, `\"`, `\x2f`, `\u002f`, `\ud83d\ude00`.
fn escape(rest: &[u8]) -> Option<(usize, Piece)> {
    let [b'\\', kind, digits @ ..] = rest else { return None };
    let plain = match kind {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'"' | b'\'' | b'\\' | b'/' => *kind,
        b'x' => return Some((4, Piece::byte(u8::try_from(hexadecimal(digits.get(..2)?)?).ok()?))),
        b'u' => return unicode(digits),
        _ => return None,
    };
    Some((2, Piece::byte(plain)))
}

/// What comes after `\u`.
fn unicode(digits: &[u8]) -> Option<(usize, Piece)> {
    let first = hexadecimal(digits.get(..4)?)?;
    if let Some(character) = char::from_u32(first) {
        return Some((6, Piece::character(character)));
    }
    let second = digits.get(4..10)?.strip_prefix(b"\\u")?;
    let units = [first, hexadecimal(second)?];
    let units = units.map(|unit| u16::try_from(unit).unwrap_or_default());
    let character = char::decode_utf16(units).next()?.ok()?;
    Some((12, Piece::character(character)))
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    // `from_str_radix` would take a sign.
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(text: &str) -> Vec<String> {
        Decoded::of(text)
            .iter()
            .map(|decoded| String::from_utf8_lossy(decoded.bytes()).into_owned())
            .collect()
    }

    #[test]
    fn a_text_reads_as_itself_and_decoded() {
        assert_eq!(readings("a"), ["a"]);
        assert_eq!(readings("%41+%4"), ["%41+%4", "A+%4", "A %4"]);
        assert_eq!(readings(r"\u0041\x42\n\q"), [r"\u0041\x42\n\q", "AB\n\\q"]);
        assert_eq!(readings(r"\ud83d\ude00\ud83d"), [r"\ud83d\ude00\ud83d", "😀\\ud83d"]);
    }

    #[test]
    fn a_place_is_in_whole_characters() {
        let text = "é%C3";
        let decoded = &Decoded::of(text)[1];
        assert_eq!(decoded.source(text, 1..3), 0..5);
    }
}
