//! Argument and environment lists in the form in which preview 1 hands them out.

use crate::{Errno, memory};

/// NUL-terminated strings, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    bytes: Vec<u8>,
    offsets: Vec<u32>,
}

impl Strings {
    /// Joins strings; `None` when they exceed 4 GiB together, which no guest memory holds.
    pub(crate) fn new<'a>(strings: impl Iterator<Item = [&'a str; 3]>) -> Option<Self> {
        let mut list = Self::default();
        for parts in strings {
            list.push(parts.concat().as_bytes()).ok()?;
        }
        u32::try_from(list.bytes.len()).ok()?;
        Some(list)
    }

    /// Adds a string, which has no NUL.
    ///
    /// # Errors
    /// `TOO_BIG` when they exceed 4 GiB together.
    pub(crate) fn push(&mut self, text: &[u8]) -> Result<(), Errno> {
        self.offsets.push(u32::try_from(self.bytes.len()).map_err(|_| Errno::TOO_BIG)?);
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
        Ok(())
    }

    /// The strings, without their NUL.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split_inclusive(|byte| *byte == 0).map(|text| text.strip_suffix(&[0]).unwrap_or(text))
    }

    /// The first bytes of all, each with its NUL.
    pub(crate) fn first_bytes(&self, count: usize) -> &[u8] {
        self.bytes.get(..count).unwrap_or(&self.bytes)
    }

    /// How many bytes the strings have together.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Writes how many strings there are and their bytes.
    ///
    /// # Errors
    /// `FAULT` for an address outside the memory.
    pub(crate) fn sizes(&self, memory: &mut [u8], count_at: u32, bytes_at: u32) -> Result<(), Errno> {
        memory::check(memory, count_at, 4)?;
        memory::check(memory, bytes_at, 4)?;
        memory::store_u32(memory, count_at, memory::count(self.offsets.len())?)?;
        memory::store_u32(memory, bytes_at, memory::count(self.bytes.len())?)
    }

    /// Writes the strings at `bytes_at` and their addresses at `pointers_at`.
    ///
    /// # Errors
    /// `FAULT` for an address outside the memory.
    pub(crate) fn write(&self, memory: &mut [u8], pointers_at: u32, bytes_at: u32) -> Result<(), Errno> {
        memory::check(memory, pointers_at, self.offsets.len().saturating_mul(4))?;
        memory::check(memory, bytes_at, self.bytes.len())?;
        memory::store(memory, bytes_at, &self.bytes)?;
        let pointers = memory::bytes_mut(memory, pointers_at, memory::count(self.offsets.len() * 4)?)?;
        for (place, offset) in pointers.chunks_exact_mut(4).zip(&self.offsets) {
            place.copy_from_slice(&bytes_at.wrapping_add(*offset).to_le_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_written_with_their_addresses() {
        let list = Strings::new([["a", "=", "b"], ["", "", ""]].into_iter()).unwrap();
        let mut memory = [0xff; 32];
        list.sizes(&mut memory, 0, 4).unwrap();
        assert_eq!(&memory[..8], &[2, 0, 0, 0, 5, 0, 0, 0]);
        list.write(&mut memory, 8, 20).unwrap();
        assert_eq!(&memory[8..16], &[20, 0, 0, 0, 24, 0, 0, 0]);
        assert_eq!(&memory[20..26], b"a=b\0\0\xff");
        assert_eq!(list.write(&mut memory, 0, 28), Err(Errno::FAULT));
    }
}
