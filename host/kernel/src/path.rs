//! Guest paths as a call gives them: bytes checked once, then text.

use sandpiper_core::DenialReason;

use crate::fault::{Attempt, Failure};
use crate::{Errno, memory};

/// Longest path of a call and longest symlink target, in bytes, as Linux's `PATH_MAX`.
pub(crate) const MAX_PATH_BYTES: u32 = 4096;

/// Longest name in a directory, in bytes, as Linux's `NAME_MAX`.
pub(crate) const MAX_NAME_BYTES: usize = 255;

/// Reads a path of the guest's. Paths are UTF-8 as the witx says: others are `ILSEQ`, also on hosts
/// that have such names.
///
/// # Errors
/// `FAULT`, `NAMETOOLONG` (recorded), `NOENT` for the empty path, `INVAL` for NUL, `ILSEQ`.
pub(crate) fn read(memory: &[u8], address: u32, length: u32) -> Attempt<&str> {
    let bytes = memory::bytes(memory, address, length)?;
    if length > MAX_PATH_BYTES {
        return Err(Failure::denied(Errno::NAMETOOLONG, DenialReason::SizeLimit));
    }
    if bytes.is_empty() {
        return Err(Errno::NOENT.into());
    }
    if bytes.contains(&0) {
        return Err(Errno::INVAL.into());
    }
    std::str::from_utf8(bytes).map_err(|_| Errno::ILSEQ.into())
}

/// Checks the length of one name.
///
/// # Errors
/// `NAMETOOLONG`.
pub(crate) fn check_name(name: &str) -> Result<(), Errno> {
    if name.len() > MAX_NAME_BYTES { Err(Errno::NAMETOOLONG) } else { Ok(()) }
}

/// The path that `path` means from the directory at `base`, for messages only: nothing is resolved.
pub(crate) fn join(base: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{base}/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bad_path_has_its_errno() {
        let memory = b"abc\0\xff".as_slice();
        assert_eq!(read(memory, 0, 3), Ok("abc"));
        assert_eq!(read(memory, 0, 0), Err(Errno::NOENT.into()));
        assert_eq!(read(memory, 0, 4), Err(Errno::INVAL.into()));
        assert_eq!(read(memory, 4, 1), Err(Errno::ILSEQ.into()));
        assert_eq!(read(memory, 4, 2), Err(Errno::FAULT.into()));
    }

    #[test]
    fn the_longest_path_is_4096_bytes() {
        let memory = vec![b'a'; 5000];
        assert!(read(&memory, 0, 4096).is_ok());
        let denied = Failure::denied(Errno::NAMETOOLONG, DenialReason::SizeLimit);
        assert_eq!(read(&memory, 0, 4097), Err(denied));
    }
}
