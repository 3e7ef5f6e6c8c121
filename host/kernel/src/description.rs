//! Open file descriptions: what descriptors, also those of several processes, share.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use sandpiper_core::Access;

use crate::abi::{FdFlags, FileKind};
use crate::descriptors::OpenFile;
use crate::fault::Attempt;
use crate::file_system::{File, Stat};
use crate::input::Input;
use crate::listing::Listing;
use crate::namespace::Place;
use crate::output::Output;
use crate::pipe::{PipeReader, PipeWriter};
use crate::view::View;

/// Inode number of all pipes, after those of the standard streams.
const PIPE_INO: u64 = 4;

/// An open file, directory or stream, with its offset and flags.
#[derive(Debug)]
pub(crate) struct Description {
    object: Object,
    /// The guest path by which it was opened, for messages.
    path: String,
    access: Access,
    /// The device number that the guest sees.
    device: u64,
    flags: AtomicU16,
    offset: Mutex<u64>,
    counted: OnceLock<OpenFile>,
}

/// What is open.
#[derive(Debug)]
pub(crate) enum Object {
    Directory(OpenDirectory),
    File(File),
    Input(Input),
    Output(Output),
    PipeReader(PipeReader),
    PipeWriter(PipeWriter),
}

/// An open directory.
#[derive(Debug)]
pub(crate) struct OpenDirectory {
    pub(crate) place: Place,
    pub(crate) preopened: bool,
    /// The names as they were when the directory was first read, so that cookies stay true.
    pub(crate) listing: Mutex<Option<Listing>>,
}

impl Object {
    /// Whether it is read or written in order, without a place in it.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self, Self::Input(_) | Self::Output(_) | Self::PipeReader(_) | Self::PipeWriter(_))
    }
}

impl Description {
    /// An open file of a mount.
    pub(crate) fn file(file: File, parent: &Place, name: &str, access: Access, flags: FdFlags) -> Self {
        Self::new(Object::File(file), parent.join(name), access, device_number(parent), flags)
    }

    /// An open directory.
    pub(crate) fn directory(place: Place, access: Access, preopened: bool) -> Self {
        let (path, device) = (place.shown(), device_number(&place));
        let object = Object::Directory(OpenDirectory { place, preopened, listing: Mutex::new(None) });
        Self::new(object, path, access, device, FdFlags::default())
    }

    /// A standard stream.
    pub(crate) fn stream(object: Object, path: &str) -> Self {
        Self::new(object, path.to_owned(), Access::ReadWrite, 0, FdFlags::default())
    }

    fn new(object: Object, path: String, access: Access, device: u64, flags: FdFlags) -> Self {
        let (flags, offset) = (AtomicU16::new(flags.raw()), Mutex::new(0));
        Self { object, path, access, device, flags, offset, counted: OnceLock::new() }
    }

    /// Counts it among the open files, once.
    ///
    /// # Errors
    /// Those of `count`.
    pub(crate) fn count_by(&self, count: impl FnOnce() -> Attempt<OpenFile>) -> Attempt<()> {
        if self.counted.get().is_none() {
            // Nobody else knows it yet, so it was not set meanwhile.
            let _ = self.counted.set(count()?);
        }
        Ok(())
    }

    pub(crate) fn object(&self) -> &Object {
        &self.object
    }

    pub(crate) fn access(&self) -> Access {
        self.access
    }

    pub(crate) fn device(&self) -> u64 {
        self.device
    }

    /// The guest path, for messages.
    pub(crate) fn shown(&self) -> String {
        self.path.clone()
    }

    pub(crate) fn flags(&self) -> FdFlags {
        FdFlags::from_known(self.flags.load(Ordering::Relaxed))
    }

    pub(crate) fn set_flags(&self, flags: FdFlags) {
        self.flags.store(flags.raw(), Ordering::Relaxed);
    }

    /// The offset, locked for as long as a read or write at it takes: descriptors share it.
    pub(crate) fn offset(&self) -> MutexGuard<'_, u64> {
        self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn kind(&self) -> FileKind {
        match &self.object {
            Object::Directory(_) => FileKind::Directory,
            Object::File(file) if file.is_device() => FileKind::CharacterDevice,
            Object::File(_) => FileKind::RegularFile,
            Object::Input(input) => input.kind(),
            Object::Output(_) | Object::PipeReader(_) | Object::PipeWriter(_) => FileKind::Unknown,
        }
    }

    pub(crate) fn stat(&self, view: &View<'_>) -> Attempt<Stat> {
        match &self.object {
            Object::Directory(directory) => directory.place.directory.stat(view),
            Object::File(file) => file.stat(),
            Object::Input(_) => Ok(Stat::own(self.kind(), 1)),
            Object::Output(output) => Ok(Stat::own(self.kind(), output.ino())),
            Object::PipeReader(_) | Object::PipeWriter(_) => Ok(Stat::own(self.kind(), PIPE_INO)),
        }
    }
}

/// The device number of a place, as the guest sees it: that of its mount, from 1 on; 0 is for streams.
pub(crate) fn device_number(place: &Place) -> u64 {
    u64::try_from(place.mount).unwrap_or(u64::MAX).saturating_add(1)
}
