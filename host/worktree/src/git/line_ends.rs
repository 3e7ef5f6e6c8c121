//! Line ends between the working tree and the object store, as `core.autocrlf`, `core.eol` and the
//! attributes `text` and `eol` ask (gitattributes(5)).

use super::attributes::{Attributes, State};

/// `core.autocrlf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AutoCrlf {
    Off,
    On,
    Input,
}

/// What is done to the line ends of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// Nothing.
    Kept,
    /// Stored with LF, whatever is in it; written with CRLF if `crlf`.
    Text { crlf: bool },
    /// The same where the content looks like text.
    Auto { crlf: bool },
}

impl LineEnds {
    /// Decides by the attributes of a path; `crlf` tells what `core.eol` asks of text.
    pub(super) fn of(attributes: &Attributes, auto: AutoCrlf, core_eol_crlf: bool) -> Self {
        let native = match auto {
            AutoCrlf::On => true,
            AutoCrlf::Input => false,
            AutoCrlf::Off => core_eol_crlf,
        };
        let eol = match attributes.get(&b"eol"[..]) {
            Some(State::Value(value)) if value == b"crlf" => Some(true),
            Some(State::Value(value)) if value == b"lf" => Some(false),
            _ => None,
        };
        let text = attributes.get(&b"text"[..]).or_else(|| attributes.get(&b"crlf"[..]));
        match text {
            Some(State::Unset) => Self::Kept,
            Some(State::Value(value)) if value == b"auto" => Self::Auto { crlf: eol.unwrap_or(native) },
            Some(State::Value(value)) if value == b"input" => Self::Text { crlf: eol.unwrap_or(false) },
            Some(State::Set) => Self::Text { crlf: eol.unwrap_or(native) },
            Some(State::Value(_)) | None => match (eol, auto) {
                (Some(crlf), _) => Self::Text { crlf },
                (None, AutoCrlf::Off) => Self::Kept,
                (None, _) => Self::Auto { crlf: native },
            },
        }
    }

    /// The bytes to store. `stored` gives what the index holds: text that has CRLF there keeps it.
    pub(super) fn to_store(self, bytes: Vec<u8>, stored: impl FnOnce() -> Option<Vec<u8>>) -> Vec<u8> {
        let counts = match self {
            Self::Kept => return bytes,
            Self::Text { .. } | Self::Auto { .. } => Counts::of(&bytes),
        };
        if counts.crlf == 0 {
            return bytes;
        }
        if matches!(self, Self::Auto { .. })
            && (counts.is_binary() || stored().is_some_and(|old| has_crlf(&old)))
        {
            return bytes;
        }
        let mut result = Vec::with_capacity(bytes.len());
        let mut rest = bytes.iter().peekable();
        while let Some(byte) = rest.next() {
            if *byte != b'\r' || rest.peek() != Some(&&b'\n') {
                result.push(*byte);
            }
        }
        result
    }

    /// The bytes to write into the working tree.
    pub(super) fn to_work_tree(self, bytes: Vec<u8>) -> Vec<u8> {
        let (Self::Text { crlf: true } | Self::Auto { crlf: true }) = self else { return bytes };
        let counts = Counts::of(&bytes);
        if counts.lone_lf == 0 {
            return bytes;
        }
        if matches!(self, Self::Auto { .. }) && (counts.crlf > 0 || counts.lone_cr > 0 || counts.is_binary())
        {
            return bytes;
        }
        let mut result = Vec::with_capacity(bytes.len() + counts.lone_lf);
        let mut before = 0;
        for byte in bytes {
            if byte == b'\n' && before != b'\r' {
                result.push(b'\r');
            }
            result.push(byte);
            before = byte;
        }
        result
    }
}

fn has_crlf(bytes: &[u8]) -> bool {
    let counts = Counts::of(bytes);
    counts.crlf > 0 && !counts.is_binary()
}

#[derive(Default)]
struct Counts {
    nul: usize,
    lone_cr: usize,
    lone_lf: usize,
    crlf: usize,
    printable: usize,
    unprintable: usize,
}

impl Counts {
    fn of(bytes: &[u8]) -> Self {
        let mut counts = Self::default();
        let mut rest = bytes.iter().peekable();
        while let Some(byte) = rest.next() {
            match byte {
                b'\r' if rest.peek() == Some(&&b'\n') => {
                    rest.next();
                    counts.crlf += 1;
                }
                b'\r' => counts.lone_cr += 1,
                b'\n' => counts.lone_lf += 1,
                0 => {
                    counts.nul += 1;
                    counts.unprintable += 1;
                }
                0x08 | b'\t' | 0x0c | 0x1b => counts.printable += 1,
                0x7f | 0..0x20 => counts.unprintable += 1,
                _ => counts.printable += 1,
            }
        }
        if bytes.last() == Some(&0x1a) {
            counts.unprintable -= 1;
        }
        counts
    }

    fn is_binary(&self) -> bool {
        self.lone_cr > 0 || self.nul > 0 || (self.printable >> 7) < self.unprintable
    }
}

#[cfg(test)]
mod tests {
    use super::LineEnds;

    #[test]
    fn text_is_stored_with_lf_and_written_as_asked() {
        let text = LineEnds::Text { crlf: true };
        assert_eq!(text.to_store(b"a\r\nb\rc\n".to_vec(), || None), b"a\nb\rc\n");
        assert_eq!(text.to_work_tree(b"a\nb\r\n".to_vec()), b"a\r\nb\r\n");
    }

    #[test]
    fn what_looks_binary_or_is_stored_with_crlf_is_kept() {
        let auto = LineEnds::Auto { crlf: true };
        assert_eq!(auto.to_store(b"a\r\n\0".to_vec(), || None), b"a\r\n\0");
        assert_eq!(auto.to_store(b"a\r\n".to_vec(), || Some(b"x\r\n".to_vec())), b"a\r\n");
        assert_eq!(auto.to_store(b"a\r\n".to_vec(), || Some(b"x\n".to_vec())), b"a\n");
    }
}
