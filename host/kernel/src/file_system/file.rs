//! An open file of any file system, with one set of operations at explicit offsets.

use std::sync::Arc;

use super::host_file::HostFile;
use super::memory_tree::MemoryNode;
use super::{Device, NewTimes, Stat};
use crate::Errno;
use crate::fault::{Attempt, Failure};
use crate::world::World;

/// An open file.
#[derive(Debug)]
pub(crate) enum File {
    System { content: Arc<[u8]>, stat: Stat },
    Device { device: Device, stat: Stat },
    Memory(MemoryNode),
    Host(HostFile),
}

impl File {
    pub(crate) fn stat(&self) -> Attempt<Stat> {
        match self {
            Self::System { stat, .. } | Self::Device { stat, .. } => Ok(*stat),
            Self::Memory(node) => node.stat(),
            Self::Host(file) => file.stat(),
        }
    }

    /// Whether it is a file of a mount's.
    pub(crate) fn is_of_host(&self) -> bool {
        matches!(self, Self::Host(_))
    }

    /// Whether the file has no size and its offset means nothing.
    pub(crate) fn is_device(&self) -> bool {
        matches!(self, Self::Device { .. })
    }

    pub(crate) fn read_at(&self, world: &World, bytes: &mut [u8], offset: u64) -> Attempt<usize> {
        match self {
            Self::System { content, .. } => {
                let rest = usize::try_from(offset).ok().and_then(|offset| content.get(offset..));
                let rest = rest.unwrap_or_default();
                let count = rest.len().min(bytes.len());
                if let (Some(from), Some(to)) = (rest.get(..count), bytes.get_mut(..count)) {
                    to.copy_from_slice(from);
                }
                Ok(count)
            }
            Self::Device { device, .. } => device.read(world, bytes),
            Self::Memory(node) => node.read_at(bytes, offset),
            Self::Host(file) => file.read_at(bytes, offset),
        }
    }

    /// Writes as much of `bytes` as the budgets allow.
    ///
    /// # Errors
    /// When they allow nothing, and the host's.
    pub(crate) fn write_at(&self, world: &World, bytes: &[u8], offset: u64) -> Attempt<usize> {
        match self {
            Self::System { .. } => Err(Failure::read_only()),
            Self::Device { device, .. } => device.write(bytes),
            Self::Memory(node) => node.write_at(bytes, offset, world.now_ns()),
            Self::Host(file) => file.write_at(bytes, offset, &world.budgets().disk_bytes),
        }
    }

    /// Appends as [`File::write_at`] writes, and gives how much that was and where it ends.
    pub(crate) fn append(&self, world: &World, bytes: &[u8]) -> Attempt<(usize, u64)> {
        match self {
            Self::System { .. } => Err(Failure::read_only()),
            Self::Device { device, .. } => Ok((device.write(bytes)?, 0)),
            Self::Memory(node) => node.append(bytes, world.now_ns()),
            Self::Host(file) if file.appends() => file.append(bytes, &world.budgets().disk_bytes),
            Self::Host(file) => {
                // The flag was set after opening; only the kernel's own appends are in step here.
                let end = file.stat()?.size;
                let written = file.write_at(bytes, end, &world.budgets().disk_bytes)?;
                Ok((written, end.saturating_add(u64::try_from(written).unwrap_or(u64::MAX))))
            }
        }
    }

    /// Whether the host appends by itself, which cannot be switched off again.
    pub(crate) fn always_appends(&self) -> bool {
        matches!(self, Self::Host(file) if file.appends())
    }

    pub(crate) fn set_len(&self, world: &World, size: u64) -> Attempt<()> {
        match self {
            Self::System { .. } => Err(Failure::read_only()),
            Self::Device { .. } => Err(Errno::INVAL.into()),
            Self::Memory(node) => node.set_len(size, world.now_ns()),
            Self::Host(file) => file.set_len(size, &world.budgets().disk_bytes),
        }
    }

    pub(crate) fn set_times(&self, world: &World, times: NewTimes) -> Attempt<()> {
        match self {
            Self::System { .. } => Err(Failure::read_only()),
            Self::Device { .. } => Err(Errno::INVAL.into()),
            Self::Memory(node) => node.set_times(times, world.now_ns()),
            Self::Host(file) => file.set_times(times),
        }
    }

    pub(crate) fn sync(&self, data_only: bool) -> Attempt<()> {
        match self {
            Self::Host(file) => file.sync(data_only),
            _ => Ok(()),
        }
    }
}
