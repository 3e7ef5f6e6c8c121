//! How much of a journal's size is left, and for what.

use std::collections::BTreeMap;

use crate::line::MAX_LINE_BYTES;
use crate::{JournalError, Record};

/// What a file has room for, and what had none.
#[derive(Debug)]
pub(crate) struct Room {
    max_bytes: u64,
    not_written: BTreeMap<String, u64>,
}

impl Room {
    /// Kept for the records that say that others are missing, and for the end: three texts of at most 2 KiB,
    /// each byte escaped as six.
    const RESERVE_BYTES: u64 = 64 << 10;
    const LEAST_BYTES: u64 = 2 * Self::RESERVE_BYTES;

    pub(crate) fn new(max_bytes: u64) -> Result<Self, JournalError> {
        if max_bytes < Self::LEAST_BYTES {
            return Err(JournalError::TooSmall { bytes: max_bytes, least: Self::LEAST_BYTES });
        }
        Ok(Self { max_bytes, not_written: BTreeMap::new() })
    }

    /// Whether a line has room behind so many bytes.
    pub(crate) fn has(&self, record: &Record, bytes: u64, line: &str) -> bool {
        let all = self.max_bytes.saturating_sub(Self::RESERVE_BYTES);
        let end = bytes.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        line.len() <= MAX_LINE_BYTES
            && match record {
                Record::RunEnded(_) | Record::Truncated { .. } => true,
                record if record.is_chatter() => end <= all / 2,
                _ => end <= all,
            }
    }

    /// Counts a record that is not written, and says whether it is the first.
    pub(crate) fn leave_out(&mut self, kind: &str) -> bool {
        let is_first = self.not_written.is_empty();
        let count = self.not_written.entry(kind.to_owned()).or_default();
        *count = count.saturating_add(1);
        is_first
    }

    /// How many of each kind were not written.
    pub(crate) fn not_written(&self) -> &BTreeMap<String, u64> {
        &self.not_written
    }
}
