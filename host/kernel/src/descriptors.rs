//! The descriptor table of a process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sandpiper_core::{Access, DenialReason};

use crate::Errno;
use crate::abi::Rights;
use crate::description::{Description, Object, OpenDirectory};
use crate::fault::{Attempt, Failure};

/// Numbers beyond this are never given out, whatever the spec's limit: a guest may ask for any number
/// in `fd_renumber`, and the table is as long as its largest.
const MAX_DESCRIPTORS: u32 = 1 << 16;

/// The number of the root directory for programs that are not to find it among their own descriptors.
pub(crate) const ROOT: u32 = 1 << 30;

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
    /// What is at [`ROOT`].
    root: Option<Descriptor>,
    limit: u32,
    open_files: Arc<OpenFiles>,
}

/// What all processes of a sandbox have open together: the host holds something for each.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    limit: u32,
    count: AtomicU32,
}

/// One of [`OpenFiles`], as long as it lives.
#[derive(Debug)]
pub(crate) struct OpenFile(Arc<OpenFiles>);

impl OpenFiles {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, count: AtomicU32::new(0) }
    }

    fn take(self: &Arc<Self>) -> Attempt<OpenFile> {
        let add = |count: u32| count.checked_add(1).filter(|count| *count <= self.limit);
        match self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(OpenFile(Arc::clone(self))),
            Err(_) => Err(Failure::denied(Errno::NFILE, DenialReason::DescriptorLimit)),
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Descriptor {
    fn is_preopened(&self) -> bool {
        matches!(self.description.object(), Object::Directory(directory) if directory.preopened)
    }

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
    /// `open_files` are those of the sandbox, of which a process may have as many as there are.
    pub(crate) fn new(open_files: &Arc<OpenFiles>) -> Self {
        let limit = open_files.limit.min(MAX_DESCRIPTORS);
        Self { slots: Vec::with_capacity(8), root: None, limit, open_files: Arc::clone(open_files) }
    }

    /// A table in which nothing is ever open.
    pub(crate) fn none() -> Self {
        Self::new(&Arc::new(OpenFiles::new(0)))
    }

    /// An empty table for another process of the sandbox.
    pub(crate) fn like(&self) -> Self {
        Self::new(&self.open_files)
    }

    /// Whether a directory is preopened among the numbers that a program looks through.
    pub(crate) fn has_preopened(&self) -> bool {
        self.slots.iter().flatten().any(Descriptor::is_preopened)
    }

    /// Puts the root directory at [`ROOT`], and takes it from among the others.
    pub(crate) fn set_root(&mut self, root: Descriptor) {
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(Descriptor::is_preopened) {
                *slot = None;
            }
        }
        self.root = Some(root);
    }

    /// # Errors
    /// `BADF` for a number that is not open.
    pub(crate) fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        if fd == ROOT {
            return self.root.as_ref().ok_or(Errno::BADF);
        }
        self.slots.get(index(fd)?).and_then(Option::as_ref).ok_or(Errno::BADF)
    }

    /// # Errors
    /// `BADF` for a number that is not open.
    pub(crate) fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        if fd == ROOT {
            return self.root.as_mut().ok_or(Errno::BADF);
        }
        self.slots.get_mut(index(fd)?).and_then(Option::as_mut).ok_or(Errno::BADF)
    }

    /// The lowest free number.
    ///
    /// # Errors
    /// `MFILE` when the limit is reached, recorded.
    pub(crate) fn lowest_free(&self) -> Attempt<u32> {
        self.lowest_free_from(0)
    }

    fn lowest_free_from(&self, lowest: u32) -> Attempt<u32> {
        let slots = (0..).zip(&self.slots).skip(index(lowest)?);
        let free = slots.filter(|(_, slot)| slot.is_none()).map(|(fd, _)| fd).next();
        let beyond = u32::try_from(self.slots.len()).unwrap_or(u32::MAX).max(lowest);
        match free.unwrap_or(beyond) {
            fd if fd < self.limit => Ok(fd),
            _ => Err(Failure::denied(Errno::MFILE, DenialReason::DescriptorLimit)),
        }
    }

    /// Puts a descriptor at the lowest free number.
    ///
    /// # Errors
    /// As [`Descriptors::lowest_free`].
    pub(crate) fn insert(&mut self, descriptor: Descriptor) -> Attempt<u32> {
        self.insert_from(0, descriptor)
    }

    /// Puts a descriptor at the lowest free number that is at least `lowest`.
    ///
    /// # Errors
    /// As [`Descriptors::lowest_free`]; `NFILE` when the sandbox has as many files open as it may, recorded.
    pub(crate) fn insert_from(&mut self, lowest: u32, descriptor: Descriptor) -> Attempt<u32> {
        let fd = self.lowest_free_from(lowest)?;
        descriptor.description.count_by(|| self.open_files.take())?;
        self.place(fd, Some(descriptor))?;
        Ok(fd)
    }

    /// Puts a descriptor at a number, closing what is there.
    ///
    /// # Errors
    /// `BADF` for a number beyond the limit.
    pub(crate) fn put(&mut self, fd: u32, descriptor: Descriptor) -> Result<(), Errno> {
        if fd >= self.limit {
            return Err(Errno::BADF);
        }
        self.place(fd, Some(descriptor))
    }

    /// Has `to` be a duplicate of `from`, closing what is there, as `dup2`.
    ///
    /// # Errors
    /// `BADF` when `from` is not open, or `to` is no number that could be.
    pub(crate) fn duplicate(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        let descriptor = self.get(from)?.clone();
        if from == to { Ok(()) } else { self.put(to, descriptor) }
    }

    /// # Errors
    /// `BADF` for a number that is not open.
    pub(crate) fn close(&mut self, fd: u32) -> Result<(), Errno> {
        self.get(fd)?;
        if fd == ROOT {
            self.root = None;
            return Ok(());
        }
        self.place(fd, None)
    }

    /// Moves `from` to `to`, closing what is there, as `dup2` and `close` together.
    ///
    /// # Errors
    /// `BADF` when `from` is not open, or `to` is no number that could be.
    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.duplicate(from, to)?;
        if from == to { Ok(()) } else { self.close(from) }
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
