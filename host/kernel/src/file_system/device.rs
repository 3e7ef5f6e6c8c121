//! The devices of `/dev`.

use crate::Errno;
use crate::fault::{Attempt, Failure};
use crate::world::World;

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    Null,
    Zero,
    /// Always full: reads zeros, and every write is `NOSPC`.
    Full,
    /// `/dev/random` and `/dev/urandom`.
    Random,
    /// `/dev/tty`: standard input where it is a terminal.
    Terminal,
    /// One of the process's own descriptors: `/dev/stdin`, `/dev/fd/7`.
    Descriptor(u32),
}

impl Device {
    pub(super) fn read(self, world: &World, bytes: &mut [u8]) -> Attempt<usize> {
        match self {
            Self::Null | Self::Terminal | Self::Descriptor(_) => return Ok(0),
            Self::Zero | Self::Full => bytes.fill(0),
            Self::Random => world.random(bytes)?,
        }
        Ok(bytes.len())
    }

    pub(super) fn write(self, bytes: &[u8]) -> Attempt<usize> {
        match self {
            Self::Full if !bytes.is_empty() => Err(Failure::Errno(Errno::NOSPC)),
            _ => Ok(bytes.len()),
        }
    }
}
