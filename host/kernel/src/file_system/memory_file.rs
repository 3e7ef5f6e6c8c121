//! Reading, writing and resizing the files of the in-memory file system.

use sandpiper_core::DenialReason;

use super::memory_tree::MemoryNode;
use crate::Errno;
use crate::budget::Budgets;
use crate::fault::{Attempt, Failure};

impl MemoryNode {
    pub(super) fn read_at(&self, bytes: &mut [u8], offset: u64) -> Attempt<usize> {
        self.with_file(|content, _| {
            let rest =
                usize::try_from(offset).ok().and_then(|offset| content.get(offset..)).unwrap_or_default();
            let count = rest.len().min(bytes.len());
            if let (Some(from), Some(to)) = (rest.get(..count), bytes.get_mut(..count)) {
                to.copy_from_slice(from);
            }
            Ok(count)
        })
    }

    /// Writes what the budget still allows of `bytes`.
    ///
    /// # Errors
    /// `NOSPC` when it allows nothing.
    pub(super) fn write_at(&self, bytes: &[u8], offset: u64, now_ns: u64) -> Attempt<usize> {
        let written = self.with_file(|content, budgets| write(content, budgets, bytes, offset))?;
        self.touch(now_ns);
        Ok(written)
    }

    /// Appends as [`MemoryNode::write_at`] writes, and gives how much that was and where it ends.
    pub(super) fn append(&self, bytes: &[u8], now_ns: u64) -> Attempt<(usize, u64)> {
        let result = self.with_file(|content, budgets| {
            let end = u64::try_from(content.len()).map_err(|_| Errno::FBIG)?;
            let written = write(content, budgets, bytes, end)?;
            Ok((written, u64::try_from(content.len()).map_err(|_| Errno::FBIG)?))
        })?;
        self.touch(now_ns);
        Ok(result)
    }

    /// Sets the length; growth is charged in full.
    ///
    /// # Errors
    /// `NOSPC`, with the file as it was.
    pub(super) fn set_len(&self, size: u64, now_ns: u64) -> Attempt<()> {
        self.with_file(|content, budgets| {
            let now = u64::try_from(content.len()).map_err(|_| Errno::FBIG)?;
            if size <= now {
                content.truncate(usize::try_from(size).map_err(|_| Errno::FBIG)?);
                content.shrink_to_fit();
                budgets.memory_bytes.give(now - size);
                return Ok(());
            }
            if !budgets.memory_bytes.take(size - now) {
                return Err(full());
            }
            let grown = grow(content, size);
            if grown.is_err() {
                budgets.memory_bytes.give(size - now);
            }
            grown
        })?;
        self.touch(now_ns);
        Ok(())
    }
}

fn write(content: &mut Vec<u8>, budgets: &Budgets, bytes: &[u8], offset: u64) -> Attempt<usize> {
    if bytes.is_empty() {
        return Ok(0);
    }
    let size = u64::try_from(content.len()).map_err(|_| Errno::FBIG)?;
    let length = u64::try_from(bytes.len()).map_err(|_| Errno::FBIG)?;
    let end = offset.checked_add(length).ok_or(Errno::FBIG)?;
    // The hole before the offset is charged whole or the write does nothing; of the rest, what fits.
    let hole = offset.saturating_sub(size);
    let growth = end.saturating_sub(size.max(offset));
    if !budgets.memory_bytes.take(hole) {
        return Err(full());
    }
    let granted = budgets.memory_bytes.take_up_to(growth);
    let allowed = length - (growth - granted);
    let result = if allowed == 0 { Err(full()) } else { grow(content, (offset + allowed).max(size)) };
    if let Err(failure) = result {
        budgets.memory_bytes.give(hole + granted);
        return Err(failure);
    }
    let start = usize::try_from(offset).map_err(|_| Errno::FBIG)?;
    let count = usize::try_from(allowed).map_err(|_| Errno::FBIG)?;
    if let (Some(to), Some(from)) = (content.get_mut(start..start + count), bytes.get(..count)) {
        to.copy_from_slice(from);
    }
    Ok(count)
}

/// Grows a file with zeros. Capacity grows by a quarter at least, so that appending in small pieces
/// stays linear and the memory held stays near what is charged.
fn grow(content: &mut Vec<u8>, size: u64) -> Attempt<()> {
    let size = usize::try_from(size).map_err(|_| Errno::FBIG)?;
    if size <= content.len() {
        return Ok(());
    }
    if size > content.capacity() {
        let wanted = size.max(content.len() + content.len() / 4);
        content.try_reserve_exact(wanted - content.len()).map_err(|_| Errno::NOSPC)?;
    }
    content.resize(size, 0);
    Ok(())
}

fn full() -> Failure {
    Failure::denied(Errno::NOSPC, DenialReason::TmpLimit)
}
