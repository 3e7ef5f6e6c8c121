//! How far a command may go.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far a command may go; whoever runs it can change that meanwhile.
#[derive(Debug)]
pub struct Allowance {
    cancelled: AtomicBool,
    disk_bytes: AtomicU64,
}

impl Allowance {
    /// One for so many bytes of files and objects.
    #[must_use]
    pub fn new(disk_bytes: u64) -> Self {
        Self { cancelled: AtomicBool::new(false), disk_bytes: AtomicU64::new(disk_bytes) }
    }

    /// Has the command end early, as git does at Ctrl-C.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Sets how many bytes it may write from now on.
    pub fn allow(&self, disk_bytes: u64) {
        self.disk_bytes.store(disk_bytes, Ordering::Relaxed);
    }

    /// How many bytes it may still write.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.disk_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Takes bytes that are about to be written, all or none.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        self.disk_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}
