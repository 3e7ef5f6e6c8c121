//! Open file descriptions: what descriptors, also those of several processes, share.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sandpiper_core::Access;

use crate::abi::{FdFlags, FileKind};
use crate::fault::Attempt;
use crate::file_system::{File, Stat};
use crate::input::Input;
use crate::listing::Listing;
use crate::namespace::Place;
use crate::output::Output;
use crate::view::View;

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
}

/// What is open.
#[derive(Debug)]
pub(crate) enum Object {
    Directory(OpenDirectory),
    File(File),
    Input(Input),
    Output(Output),
}

/// An open directory.
#[derive(Debug)]
pub(crate) struct OpenDirectory {
    pub(crate) place: Place,
    pub(crate) preopened: bool,
    /// The names as they were when the directory was first read, so that cookies stay true.
    pub(crate) listing: Mutex<Option<Listing>>,
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
        Self { object, path, access, device, flags: AtomicU16::new(flags.raw()), offset: Mutex::new(0) }
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
            Object::Output(_) => FileKind::Unknown,
        }
    }

    pub(crate) fn stat(&self, view: &View<'_>) -> Attempt<Stat> {
        match &self.object {
            Object::Directory(directory) => directory.place.directory.stat(view),
            Object::File(file) => file.stat(),
            Object::Input(_) => Ok(Stat::own(self.kind(), 1)),
            Object::Output(output) => Ok(Stat::own(self.kind(), output.ino())),
        }
    }
}

/// The device number of a place, as the guest sees it: that of its mount, from 1 on; 0 is for streams.
pub(crate) fn device_number(place: &Place) -> u64 {
    u64::try_from(place.mount).unwrap_or(u64::MAX).saturating_add(1)
}
