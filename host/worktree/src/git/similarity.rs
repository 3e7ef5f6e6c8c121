//! How much of one file is in another, counted as git counts it: a file is cut into pieces at each
//! line end or after 64 bytes, pieces are told apart by a small hash, and the bytes of the pieces
//! that both files have are added up.

use std::collections::BTreeMap;

/// The highest score: all of the one file is in the other.
pub(super) const MAX_SCORE: u64 = 60_000;

/// The longest piece.
const PIECE_BYTES: u32 = 64;
/// The hashes of pieces are below this prime; scores depend on it.
const HASHES: u32 = 107_927;
/// How far into a file a zero byte makes it binary.
const BINARY_LOOK_BYTES: usize = 8000;

/// The pieces of a file: how many bytes fall on each hash.
#[derive(Debug)]
pub(super) struct Pieces {
    size: u64,
    bytes_by_hash: BTreeMap<u32, u64>,
}

impl Pieces {
    /// Cuts a content into its pieces; in a text the two ways to end a line are one.
    pub(super) fn of(content: &[u8], text: bool) -> Self {
        let mut bytes_by_hash = BTreeMap::new();
        let (mut low, mut high, mut length) = (0_u32, 0_u32, 0_u32);
        let mut rest = content.iter().peekable();
        while let Some(byte) = rest.next() {
            if text && *byte == b'\r' && rest.peek() == Some(&&b'\n') {
                continue;
            }
            // Two words that are turned as one of 64 bits.
            let carry = low >> 25;
            low = ((low << 7) ^ (high >> 25)).wrapping_add(u32::from(*byte));
            high = (high << 7) ^ carry;
            length += 1;
            if length == PIECE_BYTES || *byte == b'\n' {
                *bytes_by_hash.entry(hash(low, high)).or_default() += u64::from(length);
                (low, high, length) = (0, 0, 0);
            }
        }
        if length > 0 {
            *bytes_by_hash.entry(hash(low, high)).or_default() += u64::from(length);
        }
        Self { size: content.len() as u64, bytes_by_hash }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// How many bytes of this file are in `new` too.
    pub(super) fn bytes_kept_in(&self, new: &Self) -> u64 {
        let kept =
            |(hash, bytes): (&u32, &u64)| new.bytes_by_hash.get(hash).map_or(0, |other| *bytes.min(other));
        self.bytes_by_hash.iter().map(kept).sum()
    }

    /// How similar two files are, up to [`MAX_SCORE`]; zero if their sizes alone keep it below `least`.
    pub(super) fn score(&self, new: &Self, least: u64) -> u64 {
        if sizes_differ_too_much(self.size, new.size, least) || new.size == 0 {
            return 0;
        }
        self.bytes_kept_in(new) * MAX_SCORE / self.size.max(new.size)
    }
}

/// Tells whether the sizes of two files alone keep their score below `least`.
pub(super) fn sizes_differ_too_much(old: u64, new: u64, least: u64) -> bool {
    let (small, large) = (old.min(new), old.max(new));
    large * (MAX_SCORE - least) < (large - small) * MAX_SCORE
}

/// Tells whether a content is binary to git: it has a zero byte near its start.
pub(super) fn is_binary(content: &[u8]) -> bool {
    content.iter().take(BINARY_LOOK_BYTES).any(|byte| *byte == 0)
}

fn hash(low: u32, high: u32) -> u32 {
    low.wrapping_add(high.wrapping_mul(0x61)) % HASHES
}

#[cfg(test)]
mod tests {
    use super::{MAX_SCORE, Pieces};

    #[test]
    fn a_file_is_all_in_itself_and_half_in_its_double() {
        let one = Pieces::of(b"alpha\nbeta\n", true);
        let double = Pieces::of(b"alpha\nbeta\ngamma\ndelt\n", true);
        assert_eq!(one.score(&one, 0), MAX_SCORE);
        assert_eq!(one.score(&double, 0), MAX_SCORE / 2);
        assert_eq!(Pieces::of(b"", true).score(&one, MAX_SCORE / 2), 0);
    }
}
