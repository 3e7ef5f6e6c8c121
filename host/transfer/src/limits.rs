//! How much one archive may hold.

use crate::{RelativePath, TransferError};

/// The limits of one archive, whichever way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackLimits {
    /// Bytes of all contents and of all symlinks' targets.
    pub max_bytes: u64,
    /// Entries of any kind: files, directories and links.
    pub max_files: u64,
}

/// What of the limits is used.
pub(crate) struct Budget {
    limits: PackLimits,
    bytes: u64,
    files: u64,
}

impl Budget {
    pub(crate) fn new(limits: PackLimits) -> Self {
        Self { limits, bytes: 0, files: 0 }
    }

    /// Counts an entry before anything is kept of it.
    pub(crate) fn take(&mut self, path: &RelativePath, size: u64) -> Result<(), TransferError> {
        let PackLimits { max_bytes, max_files } = self.limits;
        if self.files >= max_files {
            return Err(TransferError::TooManyFiles { path: path.clone(), limit: max_files });
        }
        let bytes = self.bytes.checked_add(size).filter(|bytes| *bytes <= max_bytes);
        let Some(bytes) = bytes else {
            return Err(TransferError::TooLarge { path: path.clone(), size, limit: max_bytes });
        };
        self.bytes = bytes;
        self.files += 1;
        Ok(())
    }
}
