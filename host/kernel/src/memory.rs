//! Checked access to the guest's linear memory; every address and length is the guest's choice.

use crate::Errno;

/// The `length` bytes at `address`.
///
/// # Errors
/// `FAULT` when they are not all inside the memory.
pub(crate) fn bytes(memory: &[u8], address: u32, length: u32) -> Result<&[u8], Errno> {
    let (start, end) = range(address, length)?;
    memory.get(start..end).ok_or(Errno::FAULT)
}

/// The `length` bytes at `address`, to write them.
///
/// # Errors
/// As [`bytes()`].
pub(crate) fn bytes_mut(memory: &mut [u8], address: u32, length: u32) -> Result<&mut [u8], Errno> {
    let (start, end) = range(address, length)?;
    memory.get_mut(start..end).ok_or(Errno::FAULT)
}

/// Checks that `length` bytes at `address` are inside the memory, before anything is done.
///
/// # Errors
/// As [`bytes()`].
pub(crate) fn check(memory: &[u8], address: u32, length: usize) -> Result<(), Errno> {
    let length = u32::try_from(length).map_err(|_| Errno::FAULT)?;
    bytes(memory, address, length).map(|_| ())
}

/// Writes a record at `address`.
///
/// # Errors
/// As [`bytes()`].
pub(crate) fn store(memory: &mut [u8], address: u32, record: &[u8]) -> Result<(), Errno> {
    let length = u32::try_from(record.len()).map_err(|_| Errno::FAULT)?;
    bytes_mut(memory, address, length)?.copy_from_slice(record);
    Ok(())
}

/// Writes a 32-bit number at `address`.
///
/// # Errors
/// As [`bytes()`].
pub(crate) fn store_u32(memory: &mut [u8], address: u32, value: u32) -> Result<(), Errno> {
    store(memory, address, &value.to_le_bytes())
}

/// Writes a 64-bit number at `address`.
///
/// # Errors
/// As [`bytes()`].
pub(crate) fn store_u64(memory: &mut [u8], address: u32, value: u64) -> Result<(), Errno> {
    store(memory, address, &value.to_le_bytes())
}

/// A count of bytes as the guest gets it; the kernel's own limits keep counts far below 32 bits.
pub(crate) fn count(bytes: usize) -> Result<u32, Errno> {
    u32::try_from(bytes).map_err(|_| Errno::OVERFLOW)
}

fn range(address: u32, length: u32) -> Result<(usize, usize), Errno> {
    let start = usize::try_from(address).map_err(|_| Errno::FAULT)?;
    let length = usize::try_from(length).map_err(|_| Errno::FAULT)?;
    Ok((start, start.checked_add(length).ok_or(Errno::FAULT)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_is_inside_and_the_next_is_a_fault() {
        let mut memory = [0; 8];
        assert_eq!(store_u32(&mut memory, 4, 1), Ok(()));
        assert_eq!(store_u32(&mut memory, 5, 1), Err(Errno::FAULT));
        assert_eq!(bytes(&memory, 8, 0), Ok(&[][..]));
        assert_eq!(bytes(&memory, 9, 0), Err(Errno::FAULT));
        assert_eq!(bytes(&memory, u32::MAX, u32::MAX), Err(Errno::FAULT));
    }
}
