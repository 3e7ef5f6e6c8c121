//! Where a command's part of a stream ends: a stream that the daemon ends too early looks like one that is whole.

use bytes::{Bytes, BytesMut};

/// What each mark begins with.
const FIRST: u8 = 0x1e;
/// Most bytes of an exit code behind the mark, with the space before it and the line's end.
const CODE_BYTES: usize = 5;

/// A stream up to its mark.
#[derive(Debug)]
pub(super) struct Marked {
    mark: Vec<u8>,
    /// What may be the beginning of the mark.
    held: BytesMut,
    code: Option<u8>,
}

impl Marked {
    pub(super) fn new(mark: &str) -> Self {
        let mark = [&[FIRST], mark.as_bytes(), b" "].concat();
        Self { mark, held: BytesMut::new(), code: None }
    }

    /// The exit code that the mark told, once it has come.
    pub(super) fn code(&self) -> Option<u8> {
        self.code
    }

    /// What of the stream can be given now that more of it has come. Behind the mark there is nothing of the command.
    pub(super) fn take(&mut self, bytes: Bytes) -> Bytes {
        if self.code.is_some() {
            return Bytes::new();
        }
        let mut bytes = if self.held.is_empty() {
            bytes
        } else {
            self.held.extend_from_slice(&bytes);
            std::mem::take(&mut self.held).freeze()
        };
        let mut from = 0;
        while let Some(found) = bytes.iter().skip(from).position(|byte| *byte == FIRST) {
            let at = from + found;
            match self.read(bytes.get(at..).unwrap_or_default()) {
                Read::Mark(code) => {
                    self.code = Some(code);
                    bytes.truncate(at);
                    break;
                }
                Read::Short => {
                    self.held.extend_from_slice(&bytes.split_off(at));
                    break;
                }
                Read::Other => from = at + 1,
            }
        }
        bytes
    }

    /// What was held back of a stream that has ended without its mark.
    pub(super) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.held).freeze()
    }

    fn read(&self, bytes: &[u8]) -> Read {
        let Some(code) = bytes.strip_prefix(self.mark.as_slice()) else {
            return if self.mark.starts_with(bytes) { Read::Short } else { Read::Other };
        };
        match code.iter().position(|byte| *byte == b'\n') {
            None if code.len() < CODE_BYTES => Read::Short,
            None => Read::Other,
            Some(end) => {
                let code = code.get(..end).and_then(|code| std::str::from_utf8(code).ok());
                code.and_then(|code| code.parse().ok()).map_or(Read::Other, Read::Mark)
            }
        }
    }
}

enum Read {
    Mark(u8),
    /// Perhaps one, by what has come of it.
    Short,
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is given of pieces, and the code.
    fn taken(pieces: &[&[u8]]) -> (Vec<u8>, Option<u8>) {
        let mut marked = Marked::new("abc");
        let mut given = Vec::new();
        for piece in pieces {
            given.extend_from_slice(&marked.take(Bytes::copy_from_slice(piece)));
        }
        given.extend_from_slice(&marked.rest());
        (given, marked.code())
    }

    #[test]
    fn a_stream_ends_at_its_mark_wherever_it_is_cut() {
        let stream = b"one\x1e\x1eabd\x1eab\x1eabc x\n\x1eabc 256\n\x1eabc 1234567\nlast\x1eabc 137\nbehind\x1eabc 0\n";
        let expected = b"one\x1e\x1eabd\x1eab\x1eabc x\n\x1eabc 256\n\x1eabc 1234567\nlast".to_vec();
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(taken(&pieces), (expected.clone(), Some(137)), "{first} {second}");
            }
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(taken(&bytes), (expected, Some(137)));
    }

    #[test]
    fn a_stream_without_its_mark_is_given_whole_and_has_no_code() {
        for stream in [&b""[..], b"plain", b"\x1e", b"x\x1eabc", b"x\x1eabc 1", b"\x1eabd 1\n"] {
            assert_eq!(taken(&[stream]), (stream.to_vec(), None), "{stream:?}");
        }
    }
}
