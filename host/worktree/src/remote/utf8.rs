//! A stream whose bytes that are no UTF-8 are replaced, each by a question mark, so that all lengths in it
//! stay right.
//!
//! git2 takes names and reasons that a server sends about a push for text, and panics where they are none.

/// At most what a character has.
const MAX_CHARACTER_BYTES: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character whose rest is still to come.
    begun: Vec<u8>,
}

impl Utf8 {
    /// Reads as `read` does. A buffer that is smaller than a character gets what `read` gives, replaced.
    pub(super) fn read(
        &mut self,
        read: &mut dyn FnMut(&mut [u8]) -> std::io::Result<usize>,
        buffer: &mut [u8],
    ) -> std::io::Result<usize> {
        loop {
            let begun = self.begun.len();
            let Some(room) = buffer.get_mut(begun..).filter(|room| room.len() >= MAX_CHARACTER_BYTES) else {
                let count = read(buffer)?;
                buffer.iter_mut().take(count).filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
                return Ok(count);
            };
            let count = read(room)?;
            for (to, from) in buffer.iter_mut().zip(self.begun.drain(..)) {
                *to = from;
            }
            let is_end = count == 0;
            let whole = buffer.get_mut(..begun + count).unwrap_or_default();
            let kept = replace(whole, is_end);
            self.begun.extend_from_slice(whole.get(kept..).unwrap_or_default());
            if kept > 0 || is_end {
                return Ok(kept);
            }
        }
    }
}

/// Replaces what is no text; returns up to where it is whole.
fn replace(bytes: &mut [u8], is_end: bool) -> usize {
    let mut start = 0;
    loop {
        let Some(rest) = bytes.get(start..) else { return start };
        let Err(err) = std::str::from_utf8(rest) else { return bytes.len() };
        let at = start + err.valid_up_to();
        let length = match err.error_len() {
            Some(length) => length,
            None if is_end => bytes.len() - at,
            None => return at,
        };
        bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = b'?');
        start = at + length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in_pieces(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut rest = bytes;
        let mut utf8 = Utf8::default();
        let mut all = Vec::new();
        loop {
            let mut buffer = [0; 16];
            let count = utf8
                .read(
                    &mut |room: &mut [u8]| {
                        let count = rest.len().min(room.len()).min(piece);
                        room[..count].copy_from_slice(&rest[..count]);
                        rest = &rest[count..];
                        Ok(count)
                    },
                    &mut buffer,
                )
                .unwrap();
            if count == 0 {
                return all;
            }
            all.extend_from_slice(&buffer[..count]);
        }
    }

    #[test]
    fn text_stays_and_the_rest_is_replaced_however_it_comes() {
        let bytes = b"a\xffb\xc3\xbcc\xf0\x9f\x90\xa6d\xf0\x9f!\xc3";
        for piece in 1..20 {
            let expected = "a?b\u{fc}c\u{1f426}d??!?";
            assert_eq!(String::from_utf8(read_in_pieces(bytes, piece)).unwrap(), expected, "{piece}");
        }
    }
}
