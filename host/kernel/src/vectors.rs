//! Scatter and gather lists: parsed once, checked whole, and bounded.

use std::borrow::Cow;
use std::ops::Range;

use sandpiper_core::DenialReason;

use crate::fault::{Attempt, Failure};
use crate::{Errno, memory};

/// Most vectors of a call, as Linux's `IOV_MAX`.
pub(crate) const MAX_VECTORS: u32 = 1024;

/// Most bytes moved by a call, as Linux's `MAX_RW_COUNT`; more is a partial read or write.
pub(crate) const MAX_TRANSFER_BYTES: usize = 0x7fff_f000;

/// Most bytes moved at once. It bounds how long a call holds the host's thread.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// Lists this short, which is nearly all, need no allocation.
const INLINE: usize = 4;

const VECTOR_BYTES: u32 = 8;

/// The memory ranges of a scatter or gather list, together at most [`MAX_TRANSFER_BYTES`].
#[derive(Clone)]
pub(crate) struct Vectors {
    inline: [Range<usize>; INLINE],
    spilled: Vec<Range<usize>>,
    used: usize,
    total: usize,
}

impl Vectors {
    /// Parses the list of `count` vectors at `address`. They are copied out, because a read may
    /// overwrite the list itself.
    ///
    /// # Errors
    /// `INVAL` for more than [`MAX_VECTORS`], `FAULT` for a vector that is not inside the memory.
    pub(crate) fn parse(memory: &[u8], address: u32, count: u32) -> Attempt<Self> {
        if count > MAX_VECTORS {
            return Err(Failure::denied(Errno::INVAL, DenialReason::SizeLimit));
        }
        let list = memory::bytes(memory, address, count * VECTOR_BYTES)?;
        let mut vectors = Self { inline: Default::default(), spilled: Vec::new(), used: 0, total: 0 };
        for vector in list.chunks_exact(8) {
            let (address, length) = vector.split_at(4);
            let start = word(address)?;
            let length = word(length)?;
            let end = start.checked_add(length).filter(|end| *end <= memory.len()).ok_or(Errno::FAULT)?;
            let taken = length.min(MAX_TRANSFER_BYTES - vectors.total);
            if taken > 0 {
                vectors.push(start..end - (length - taken));
            }
        }
        Ok(vectors)
    }

    /// At most [`PIECE_BYTES`] of the ranges, after so many bytes of them.
    pub(crate) fn piece(&self, from: usize) -> Cow<'_, Self> {
        if from == 0 && self.total <= PIECE_BYTES {
            return Cow::Borrowed(self);
        }
        let mut piece = Self { inline: Default::default(), spilled: Vec::new(), used: 0, total: 0 };
        let mut skip = from;
        for range in self.ranges() {
            let start = range.start + skip.min(range.len());
            skip -= start - range.start;
            let end = range.end.min(start + (PIECE_BYTES - piece.total));
            if start < end {
                piece.push(start..end);
            }
            if piece.total == PIECE_BYTES {
                break;
            }
        }
        Cow::Owned(piece)
    }

    /// Bytes in all ranges together.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// The ranges that are not empty, in order.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.inline.iter().take(self.used).chain(&self.spilled).cloned()
    }

    fn push(&mut self, range: Range<usize>) {
        self.total += range.len();
        if let Some(place) = self.inline.get_mut(self.used) {
            *place = range;
            self.used += 1;
        } else {
            self.spilled.push(range);
        }
    }
}

fn word(bytes: &[u8]) -> Result<usize, Errno> {
    let bytes = bytes.try_into().map_err(|_| Errno::FAULT)?;
    usize::try_from(u32::from_le_bytes(bytes)).map_err(|_| Errno::FAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory_with(vectors: &[(u32, u32)], size: usize) -> Vec<u8> {
        let mut memory = vec![0; size];
        for (index, (address, length)) in vectors.iter().enumerate() {
            memory[index * 8..index * 8 + 4].copy_from_slice(&address.to_le_bytes());
            memory[index * 8 + 4..index * 8 + 8].copy_from_slice(&length.to_le_bytes());
        }
        memory
    }

    #[test]
    fn long_lists_keep_their_order() {
        let list: Vec<_> = (0..20).map(|index| (200 + index, index % 3)).collect();
        let memory = memory_with(&list, 400);
        let vectors = Vectors::parse(&memory, 0, 20).unwrap();
        let starts: Vec<_> = vectors.ranges().map(|range| range.start).collect();
        let expected: Vec<_> = (200..220).filter(|start| (start - 200) % 3 != 0).collect();
        assert_eq!(starts, expected);
    }

    #[test]
    fn pieces_are_all_of_a_list_in_its_order() {
        let large = u32::try_from(PIECE_BYTES).unwrap();
        let memory = memory_with(&[(100, 7), (0, large), (50, 0), (200, 2 * large + 5), (3, 1)], 3 << 20);
        let vectors = Vectors::parse(&memory, 0, 5).unwrap();
        let mut from = 0;
        let mut joined: Vec<Range<usize>> = Vec::new();
        while from < vectors.total() {
            let piece = vectors.piece(from);
            assert_eq!(piece.total(), PIECE_BYTES.min(vectors.total() - from));
            for range in piece.ranges() {
                match joined.last_mut() {
                    Some(last) if last.end == range.start => last.end = range.end,
                    _ => joined.push(range),
                }
            }
            from += piece.total();
        }
        assert_eq!(joined, vectors.ranges().collect::<Vec<_>>());
        assert_eq!(vectors.piece(from).total(), 0);
    }

    #[test]
    fn a_list_is_refused_whole() {
        let memory = memory_with(&[(100, 1), (199, 2)], 200);
        assert_eq!(Vectors::parse(&memory, 0, 2).err(), Some(Failure::Errno(Errno::FAULT)));
        assert_eq!(Vectors::parse(&memory, 190, 2).err(), Some(Failure::Errno(Errno::FAULT)));
    }

    #[test]
    fn the_limits_on_count_and_total_are_exact() {
        let memory = memory_with(&[(0, 1 << 20), (8, 1)], 2 << 20);
        assert_eq!(Vectors::parse(&memory, 0, 1).unwrap().total(), 1 << 20);
        assert_eq!(Vectors::parse(&memory, 0, 2).unwrap().total(), (1 << 20) + 1);
        assert!(Vectors::parse(&memory, 1 << 20, MAX_VECTORS).is_ok());
        let denied = Failure::denied(Errno::INVAL, DenialReason::SizeLimit);
        assert_eq!(Vectors::parse(&memory, 1 << 20, MAX_VECTORS + 1).err(), Some(denied));
    }
}
