//! Open regular files of the host: positioned reads and writes, charged by growth.

use std::fs::{File, FileTimes};
use std::io::{self, Seek};
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::Metadata;
use sandpiper_core::Quota;

use super::host::{failure, platform_time, stat};
use super::{NewTimes, Stat, platform};
use crate::Errno;
use crate::budget::Budget;
use crate::fault::{Attempt, Failure};

/// An open regular file of the host.
#[derive(Debug)]
pub(crate) struct HostFile {
    file: File,
    /// Whether the host itself appends, so that other processes' appends are not overwritten.
    appends: bool,
    /// A length that the file is known to have had: writes up to it make no hole to be charged.
    seen_bytes: AtomicU64,
}

impl HostFile {
    pub(super) fn new(file: File, appends: bool, size: u64) -> Self {
        Self { file, appends, seen_bytes: AtomicU64::new(size) }
    }

    pub(super) fn appends(&self) -> bool {
        self.appends
    }

    pub(super) fn stat(&self) -> Attempt<Stat> {
        Metadata::from_file(&self.file).map(|metadata| stat(&metadata)).map_err(|error| failure(&error))
    }

    pub(super) fn read_at(&self, bytes: &mut [u8], offset: u64) -> Attempt<usize> {
        retry(|| platform::read_at(&self.file, bytes, offset))
    }

    /// Writes what the budget still allows of `bytes`.
    ///
    /// # Errors
    /// The disk quota, when it allows nothing.
    pub(super) fn write_at(&self, bytes: &[u8], offset: u64, budget: &Budget) -> Attempt<usize> {
        self.charge_hole(offset, budget)?;
        charged(bytes, budget, |allowed| {
            let written = retry(|| platform::write_at(&self.file, allowed, offset))?;
            self.saw(offset.saturating_add(u64::try_from(written).unwrap_or(u64::MAX)));
            Ok(written)
        })
    }

    /// Appends what the budget still allows of `bytes`, and gives how much that was and where it ends.
    ///
    /// # Errors
    /// As [`HostFile::write_at`].
    pub(super) fn append(&self, bytes: &[u8], budget: &Budget) -> Attempt<(usize, u64)> {
        let written = charged(bytes, budget, |allowed| retry(|| platform::append(&self.file, allowed)))?;
        let end = (&self.file).stream_position().map_err(|error| failure(&error))?;
        self.saw(end);
        Ok((written, end))
    }

    /// Sets the length; growth is charged.
    ///
    /// # Errors
    /// The disk quota, with the file as it was.
    pub(super) fn set_len(&self, size: u64, budget: &Budget) -> Attempt<()> {
        // Offsets are signed on every host; a larger one is an error there, and must not be charged.
        if i64::try_from(size).is_err() {
            return Err(Errno::FBIG.into());
        }
        let now = self.stat()?.size;
        let growth = size.saturating_sub(now);
        if !budget.take(growth) {
            return Err(Failure::Quota(Quota::Disk));
        }
        self.file.set_len(size).map_err(|error| {
            budget.give(growth);
            failure(&error)
        })?;
        self.seen_bytes.store(size, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn set_times(&self, times: NewTimes) -> Attempt<()> {
        set_times(&self.file, times)
    }

    pub(super) fn sync(&self, data_only: bool) -> Attempt<()> {
        let result = if data_only { self.file.sync_data() } else { self.file.sync_all() };
        result.map_err(|error| failure(&error))
    }

    /// Charges the hole that a write at `offset` leaves behind the end.
    fn charge_hole(&self, offset: u64, budget: &Budget) -> Attempt<()> {
        if offset <= self.seen_bytes.load(Ordering::Relaxed) {
            return Ok(());
        }
        let size = self.stat()?.size;
        self.saw(size);
        if i64::try_from(offset).is_err() {
            return Err(Errno::FBIG.into());
        }
        if budget.take(offset.saturating_sub(size)) { Ok(()) } else { Err(Failure::Quota(Quota::Disk)) }
    }

    fn saw(&self, size: u64) {
        self.seen_bytes.fetch_max(size, Ordering::Relaxed);
    }
}

/// Writes what the budget allows of `bytes`, and charges what was written.
fn charged(bytes: &[u8], budget: &Budget, write: impl FnOnce(&[u8]) -> Attempt<usize>) -> Attempt<usize> {
    let wanted = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let taken = budget.take_up_to(wanted);
    if taken == 0 && wanted > 0 {
        return Err(Failure::Quota(Quota::Disk));
    }
    let allowed = usize::try_from(taken).ok().and_then(|taken| bytes.get(..taken)).unwrap_or(bytes);
    let result = write(allowed);
    let written = result.as_ref().map_or(0, |written| u64::try_from(*written).unwrap_or(0));
    budget.give(taken.saturating_sub(written));
    result
}

/// Sets the times of an open file or directory.
pub(super) fn set_times(file: &File, times: NewTimes) -> Attempt<()> {
    let mut host_times = FileTimes::new();
    if let Some(time) = times.accessed_ns.and_then(platform_time) {
        host_times = host_times.set_accessed(time);
    }
    if let Some(time) = times.modified_ns.and_then(platform_time) {
        host_times = host_times.set_modified(time);
    }
    file.set_times(host_times).map_err(|error| failure(&error))
}

/// Repeats a call that a signal of the host's interrupted; the guest has no signals.
fn retry(mut call: impl FnMut() -> io::Result<usize>) -> Attempt<usize> {
    loop {
        match call() {
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failure(&error)),
        }
    }
}
