//! `sha256` and `sha512` of the interface `digest`: blocks of SHA-2 (FIPS 180-4).

use sha2::digest::generic_array::GenericArray;
use sha2::{compress256, compress512};

use super::canonical::{check, store};
use crate::{Errno, Fault, Process, memory};

/// The most bytes of a call: the guest waits meanwhile, and so does its deadline.
const MAX_BYTES: u32 = 64 << 10;

/// What a byte counts, in units of fuel: about the time that it takes, as the guest's own instructions take it.
const BYTE_FUEL: u64 = 4;

impl Process {
    /// `sha256`: the state after blocks of 64 bytes. Gives the fuel that the work counts.
    ///
    /// # Errors
    /// In the result: `INVAL` for what is no whole number of blocks, `TOO_BIG` for more than 64 KiB.
    /// [`Stop::BadAddress`](crate::Stop::BadAddress) and `FAULT` outside of the memory.
    pub fn digest_sha256(
        &self,
        memory: &mut [u8],
        mut state: [u32; 8],
        blocks: (u32, u32),
        result: u32,
    ) -> Result<u64, Fault> {
        let compress = |bytes: &[u8]| {
            for block in bytes.chunks_exact(64) {
                compress256(&mut state, std::slice::from_ref(GenericArray::from_slice(block)));
            }
            state.map(u32::to_le_bytes).concat()
        };
        digest(memory, blocks, 64, result, compress)
    }

    /// `sha512`: the same, in blocks of 128 bytes.
    ///
    /// # Errors
    /// As [`Process::digest_sha256`].
    pub fn digest_sha512(
        &self,
        memory: &mut [u8],
        mut state: [u64; 8],
        blocks: (u32, u32),
        result: u32,
    ) -> Result<u64, Fault> {
        let compress = |bytes: &[u8]| {
            for block in bytes.chunks_exact(128) {
                compress512(&mut state, std::slice::from_ref(GenericArray::from_slice(block)));
            }
            state.map(u64::to_le_bytes).concat()
        };
        digest(memory, blocks, 128, result, compress)
    }
}

/// Writes the state after these blocks, as the canonical ABI has `result<tuple, errno>`: the discriminant, and what it
/// carries behind it, aligned as a word.
fn digest(
    memory: &mut [u8],
    (address, length): (u32, u32),
    block_bytes: u32,
    result: u32,
    compress: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Result<u64, Fault> {
    let alignment = usize::try_from(block_bytes / 16).unwrap_or(8);
    check(memory, result, alignment * 9)?;
    let bytes = memory::bytes(memory, address, length)?;
    let refused = match () {
        () if length > MAX_BYTES => Some(Errno::TOO_BIG),
        () if length % block_bytes != 0 => Some(Errno::INVAL),
        () => None,
    };
    let mut answer = vec![0; alignment];
    if let Some(errno) = refused {
        answer[0] = 1;
        answer.extend_from_slice(&errno.raw().to_le_bytes());
    } else {
        answer.extend(compress(bytes));
    }
    store(memory, result, &answer)?;
    Ok(if refused.is_some() { 0 } else { u64::from(length) * BYTE_FUEL })
}
