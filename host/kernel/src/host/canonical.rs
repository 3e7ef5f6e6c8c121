//! Values of the canonical ABI in a guest's memory: lists as they come, results as they go.

use crate::{Errno, Fault, Stop, memory};

/// Bytes of an element that is an address and a length, as those of `list<list<u8>>` are.
const PAIR_BYTES: u32 = 8;

/// A `list<T>` or `string` as it is passed: address and number of elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub(super) address: u32,
    pub(super) length: u32,
}

impl List {
    /// The bytes of a `list<u8>` or `string`.
    ///
    /// # Errors
    /// `FAULT` outside of the memory.
    pub(super) fn bytes(self, memory: &[u8]) -> Result<&[u8], Errno> {
        memory::bytes(memory, self.address, self.length)
    }

    /// The elements of a `list<list<u8>>`.
    ///
    /// # Errors
    /// `FAULT` outside of the memory.
    pub(super) fn lists(self, memory: &[u8]) -> Result<impl Iterator<Item = Result<&[u8], Errno>>, Errno> {
        let pairs = self.pairs(memory)?;
        Ok(pairs.map(move |(address, length)| memory::bytes(memory, address, length)))
    }

    /// The elements of a list whose elements are two 32-bit numbers.
    ///
    /// # Errors
    /// `FAULT` outside of the memory.
    pub(super) fn pairs(self, memory: &[u8]) -> Result<impl Iterator<Item = (u32, u32)>, Errno> {
        let length = self.length.checked_mul(PAIR_BYTES).ok_or(Errno::FAULT)?;
        let bytes = memory::bytes(memory, self.address, length)?;
        Ok(bytes.as_chunks::<8>().0.iter().map(|&[a, b, c, d, e, f, g, h]| {
            (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
        }))
    }
}

/// Writes what a call gives at the address that the guest passed for it.
///
/// # Errors
/// [`Stop::BadAddress`] outside of the memory, which traps in the canonical ABI.
pub(super) fn store(memory: &mut [u8], address: u32, value: &[u8]) -> Result<(), Fault> {
    memory::store(memory, address, value).map_err(|_| Fault::Stop(Stop::BadAddress))
}

/// Checks, before anything is done, that a result of so many bytes can be written.
///
/// # Errors
/// As [`store`].
pub(super) fn check(memory: &[u8], address: u32, length: usize) -> Result<(), Fault> {
    memory::check(memory, address, length).map_err(|_| Fault::Stop(Stop::BadAddress))
}

/// `result<u32, errno>`.
pub(super) fn result_u32(result: Result<u32, Errno>) -> [u8; 8] {
    match result {
        Ok(value) => {
            let [a, b, c, d] = value.to_le_bytes();
            [0, 0, 0, 0, a, b, c, d]
        }
        Err(errno) => {
            let [a, b] = errno.raw().to_le_bytes();
            [1, 0, 0, 0, a, b, 0, 0]
        }
    }
}

/// `result<T, errno>` where `T` has at most 16 bits, or none.
pub(super) fn result_u16(result: Result<u16, Errno>) -> [u8; 4] {
    let (tag, [a, b]) = match result {
        Ok(value) => (0, value.to_le_bytes()),
        Err(errno) => (1, errno.raw().to_le_bytes()),
    };
    [tag, 0, a, b]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_lists_are_read_and_bad_addresses_are_faults() {
        let mut memory = [0; 32];
        memory[0..16].copy_from_slice(&[16, 0, 0, 0, 2, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0]);
        memory[16..18].copy_from_slice(b"hi");
        let lists: Vec<_> = List { address: 0, length: 2 }.lists(&memory).unwrap().collect();
        assert_eq!(lists, [Ok(&b"hi"[..]), Ok(&b""[..])]);
        assert!(List { address: 0, length: 5 }.lists(&memory).is_err());
        assert!(List { address: 0, length: u32::MAX }.pairs(&memory).is_err());
        memory[0] = 31;
        assert_eq!(List { address: 0, length: 1 }.lists(&memory).unwrap().next(), Some(Err(Errno::FAULT)));
    }

    #[test]
    fn results_are_laid_out_as_the_canonical_abi_has_them() {
        assert_eq!(result_u32(Ok(0x0102_0304)), [0, 0, 0, 0, 4, 3, 2, 1]);
        assert_eq!(result_u32(Err(Errno::NOENT)), [1, 0, 0, 0, 44, 0, 0, 0]);
        assert_eq!(result_u16(Ok(0o755)), [0, 0, 0xed, 1]);
        assert_eq!(result_u16(Err(Errno::BADF)), [1, 0, 8, 0]);
    }
}
