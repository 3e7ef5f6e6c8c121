//! Budgets of a sandbox: counters with a limit, shared by all its processes.

use std::sync::atomic::{AtomicU64, Ordering};

use sandpiper_core::Limits;

/// A counter that never exceeds its limit.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    pub(crate) const fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0) }
    }

    /// Takes `amount`, or nothing and says so.
    pub(crate) fn take(&self, amount: u64) -> bool {
        let add = |used: u64| used.checked_add(amount).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    /// Takes as much of `amount` as is left, and gives how much that was.
    pub(crate) fn take_up_to(&self, amount: u64) -> u64 {
        let mut taken = 0;
        let add = |used: u64| {
            taken = amount.min(self.limit.saturating_sub(used));
            Some(used.saturating_add(taken))
        };
        // The closure never declines, so this is always `Ok`.
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        taken
    }

    /// Gives back `amount`; more than was taken leaves nothing used.
    pub(crate) fn give(&self, amount: u64) {
        let subtract = |used: u64| Some(used.saturating_sub(amount));
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract);
    }

    /// What can still be taken.
    pub(crate) fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used.load(Ordering::Relaxed))
    }

    /// What is used.
    #[cfg(test)]
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// All budgets of a sandbox.
#[derive(Debug)]
pub(crate) struct Budgets {
    /// Bytes of the in-memory file system, by file size: a hole counts in full.
    pub(crate) memory_bytes: Budget,
    /// Bytes written to mounts, or by which files in them grew; never given back.
    pub(crate) disk_bytes: Budget,
    /// Names created, less names removed, in memory and in mounts.
    pub(crate) files: Budget,
    /// Bytes of the directory listings that open descriptors hold.
    pub(crate) listing_bytes: Budget,
}

/// Memory of all directory listings held at one time; some 500,000 names.
const MAX_LISTING_BYTES: u64 = 32 << 20;

impl Budgets {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes: Budget::new(limits.tmp_bytes),
            disk_bytes: Budget::new(limits.disk_bytes),
            files: Budget::new(limits.files),
            listing_bytes: Budget::new(MAX_LISTING_BYTES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_can_be_taken_and_one_more_cannot() {
        let budget = Budget::new(3);
        assert!(budget.take(3));
        assert!(!budget.take(1));
        assert!(budget.take(0));
        budget.give(1);
        assert_eq!(budget.take_up_to(5), 1);
        assert_eq!(budget.take_up_to(5), 0);
    }

    #[test]
    fn nothing_overflows() {
        let budget = Budget::new(u64::MAX);
        assert!(budget.take(u64::MAX));
        assert!(!budget.take(u64::MAX));
        budget.give(u64::MAX);
        budget.give(u64::MAX);
        assert_eq!(budget.used(), 0);
    }
}
