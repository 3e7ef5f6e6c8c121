//! The descriptor table of a process.

use std::sync::Arc;

use sandpiper_core::{Access, DenialReason};

use crate::Errno;
use crate::abi::Rights;
use crate::description::{Description, Object, OpenDirectory};
use crate::fault::{Attempt, Failure};

/// Numbers beyond this are never given out, whatever the spec's limit: a guest may ask for any number
/// in `fd_renumber`, and the table is as long as its largest.
const MAX_DESCRIPTORS: u32 = 1 << 16;

/// A descriptor: an open file description, and what this descriptor may do with it.
#[derive(Clone, Debug)]
pub(crate) struct Descriptor {
    pub(crate) description: Arc<Description>,
    pub(crate) base: Rights,
    pub(crate) inheriting: Rights,
}

/// The descriptors of a process.
#[derive(Debug)]
pub(crate) struct Descriptors {
    slots: Vec<Option<Descriptor>>,
    limit: u32,
}

impl Descriptor {
    /// Checks rights.
    ///
    /// # Errors
    /// `NOTCAPABLE`, recorded on the descriptor's path.
    pub(crate) fn check(&self, rights: Rights) -> Attempt<()> {
        if self.base.contains(rights) {
            return Ok(());
        }
        Err(Failure::denied(Errno::NOTCAPABLE, DenialReason::Rights).on(|| self.description.shown()))
    }

    /// Checks that the file may be changed: first that it is not in a read-only mount.
    ///
    /// # Errors
    /// `ROFS` or `NOTCAPABLE`, recorded on the descriptor's path.
    pub(crate) fn check_change(&self, rights: Rights) -> Attempt<()> {
        if self.description.access() == Access::ReadOnly {
            return Err(Failure::read_only().on(|| self.description.shown()));
        }
        self.check(rights)
    }

    /// The directory that is open here.
    ///
    /// # Errors
    /// `NOTDIR`, and as [`Descriptor::check`].
    pub(crate) fn directory(&self, rights: Rights) -> Attempt<&OpenDirectory> {
        let Object::Directory(directory) = self.description.object() else {
            return Err(Errno::NOTDIR.into());
        };
        self.check(rights)?;
        Ok(directory)
    }
}

impl Descriptors {
    pub(crate) fn new(limit: u32) -> Self {
        Self { slots: Vec::with_capacity(8), limit: limit.min(MAX_DESCRIPTORS) }
    }

    /// # Errors
    /// `BADF` for a number that is not open.
    pub(crate) fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        self.slots.get(index(fd)?).and_then(Option::as_ref).ok_or(Errno::BADF)
    }

    /// # Errors
    /// `BADF` for a number that is not open.
    pub(crate) fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.slots.get_mut(index(fd)?).and_then(Option::as_mut).ok_or(Errno::BADF)
    }

    /// The lowest free number.
    ///
    /// # Errors
    /// `MFILE` when the limit is reached, recorded.
    pub(crate) fn lowest_free(&self) -> Attempt<u32> {
        let index = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        match u32::try_from(index) {
            Ok(fd) if fd < self.limit => Ok(fd),
            _ => Err(Failure::denied(Errno::MFILE, DenialReason::DescriptorLimit)),
        }
    }

    /// Puts a descriptor at the lowest free number.
    ///
    /// # Errors
    /// As [`Descriptors::lowest_free`].
    pub(crate) fn insert(&mut self, descriptor: Descriptor) -> Attempt<u32> {
        let fd = self.lowest_free()?;
        self.place(fd, Some(descriptor))?;
        Ok(fd)
    }

    /// # Errors
    /// `BADF` for a number that is not open.
    pub(crate) fn close(&mut self, fd: u32) -> Result<(), Errno> {
        self.get(fd)?;
        self.place(fd, None)
    }

    /// Moves `from` to `to`, closing what is there, as `dup2` and `close` together.
    ///
    /// # Errors
    /// `BADF` when `from` is not open, or `to` is no number that could be.
    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        let descriptor = self.get(from)?.clone();
        if to >= self.limit {
            return Err(Errno::BADF);
        }
        if from != to {
            self.place(from, None)?;
            self.place(to, Some(descriptor))?;
        }
        Ok(())
    }

    /// The open numbers, ascending.
    pub(crate) fn open(&self) -> impl Iterator<Item = u32> + '_ {
        (0..).zip(&self.slots).filter(|(_, slot)| slot.is_some()).map(|(fd, _)| fd)
    }

    fn place(&mut self, fd: u32, descriptor: Option<Descriptor>) -> Result<(), Errno> {
        let index = index(fd)?;
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = descriptor;
        }
        Ok(())
    }
}

fn index(fd: u32) -> Result<usize, Errno> {
    usize::try_from(fd).map_err(|_| Errno::BADF)
}
