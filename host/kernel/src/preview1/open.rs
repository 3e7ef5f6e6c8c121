//! `path_open`.

use std::sync::Arc;

use sandpiper_core::Access;

use crate::abi::{FdFlags, FileKind, LookupFlags, OpenFlags, Rights};
use crate::description::{Description, Object};
use crate::descriptors::Descriptor;
use crate::fault::{Attempt, Failure};
use crate::file_system::{Device, File, OpenMode, special};
use crate::namespace::{Links, Name, Place, Target, resolve};
use crate::{Errno, Fault, Process, memory, path};

/// How often an opening is tried when another process makes or removes the name meanwhile.
const MAX_RACES: u32 = 8;

/// What an opening asks for.
#[derive(Clone, Copy)]
struct Request {
    open: OpenFlags,
    flags: FdFlags,
    base: Rights,
    inheriting: Rights,
}

impl Process {
    /// Opens a file or directory at the lowest free number.
    ///
    /// The new descriptor has those of the rights asked for that the directory's inheriting rights, the
    /// kind of file and the mount allow. Rights to change a file are refused, not dropped, where the
    /// mount is read-only.
    ///
    /// # Errors
    /// `BADF`, `NOTDIR`, `NOTCAPABLE`, `FAULT`, `INVAL`, `MFILE`, `ROFS`, `EXIST`, `ISDIR`, `LOOP`,
    /// `NXIO` for devices and FIFOs of the host, those of a path, a budget's, the host's.
    #[expect(clippy::too_many_arguments, reason = "the witx's own signature")]
    pub fn path_open(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        lookup: u32,
        path_address: u32,
        path_length: u32,
        open: u32,
        base: u64,
        inheriting: u64,
        flags: u32,
        opened: u32,
    ) -> Result<(), Fault> {
        let mut open = || {
            memory::check(memory, opened, 4)?;
            let request = Request {
                open: OpenFlags::parse(open)?,
                flags: FdFlags::parse(flags)?,
                base: Rights::from_raw(base),
                inheriting: Rights::from_raw(inheriting),
            };
            let path = path::read(memory, path_address, path_length)?;
            let descriptor = self.open(fd, LookupFlags::parse(lookup)?, path, request)?;
            let number = self.descriptors.insert(descriptor)?;
            Ok(memory::store_u32(memory, opened, number)?)
        };
        let result = open();
        self.settle("path_open", Some(fd), result)
    }

    fn open(&self, fd: u32, lookup: LookupFlags, path: &str, request: Request) -> Attempt<Descriptor> {
        let parent = self.descriptors.get(fd)?;
        let mut rights = Rights::PATH_OPEN;
        if request.open.has(OpenFlags::CREAT) {
            rights = rights | Rights::PATH_CREATE_FILE;
        }
        if request.open.has(OpenFlags::TRUNC) {
            rights = rights | Rights::PATH_FILESTAT_SET_SIZE;
        }
        let start = &parent.directory(rights)?.place;
        if request.open.has(OpenFlags::CREAT) && request.open.has(OpenFlags::DIRECTORY) {
            return Err(Errno::INVAL.into());
        }
        self.descriptors.lowest_free().map_err(|failure| failure.on(|| path::join(&start.path, path)))?;
        let request = Request {
            base: request.base & parent.inheriting,
            inheriting: request.inheriting & parent.inheriting,
            ..request
        };
        let exclusive = request.open.has(OpenFlags::CREAT) && request.open.has(OpenFlags::EXCL);
        let links = match lookup.has(LookupFlags::SYMLINK_FOLLOW) {
            _ if exclusive => Links::KeepAlways,
            true => Links::Follow,
            false => Links::Keep,
        };
        let mut races = 0;
        loop {
            let opened = match resolve(&self.view(), start, path, links) {
                Ok(Target::Directory { place, .. }) => self.open_directory(place, request, exclusive),
                Ok(Target::Name(name)) => self.open_name(&name, request, exclusive),
                Err(failure) => Err(failure),
            };
            match opened {
                Err(Failure::Errno(Errno::EXIST)) if !exclusive && races < MAX_RACES => races += 1,
                opened => return opened.map_err(|failure| failure.on(|| path::join(&start.path, path))),
            }
        }
    }

    fn open_name(&self, name: &Name, request: Request, exclusive: bool) -> Attempt<Descriptor> {
        let Some(entry) = name.entry else { return self.create(name, request) };
        if exclusive {
            return Err(Errno::EXIST.into());
        }
        let entry = match name.existing() {
            Err(_) if request.open.has(OpenFlags::CREAT) && !entry.is(FileKind::Directory) => {
                return Err(Errno::NOTDIR.into());
            }
            entry => entry?,
        };
        if entry.is(FileKind::Directory) {
            let place = self.enter(name)?;
            return self.open_directory(place, request, exclusive);
        }
        if entry.is(FileKind::SymbolicLink) {
            return Err(Errno::LOOP.into());
        }
        if request.open.has(OpenFlags::DIRECTORY) {
            return Err(Errno::NOTDIR.into());
        }
        if let Some(device) = entry.device {
            return self.open_device(name, device, request);
        }
        if !entry.is(FileKind::RegularFile) {
            return Err(special());
        }
        let access = self.world.namespace().access(&name.parent);
        if request.changes() {
            if access == Access::ReadOnly {
                return Err(Failure::read_only());
            }
            self.tell_change(name)?;
        }
        let file = name.parent.directory.open_file(&self.view(), &name.text, request.mode())?;
        if request.open.has(OpenFlags::TRUNC) {
            file.set_len(&self.world, 0)?;
        }
        Ok(describe(file, name, access, request))
    }

    fn create(&self, name: &Name, request: Request) -> Attempt<Descriptor> {
        if !request.open.has(OpenFlags::CREAT) {
            return Err(Errno::NOENT.into());
        }
        if name.slash {
            return Err(Errno::ISDIR.into());
        }
        self.world.namespace().check_writable(&name.parent)?;
        self.tell_change(name)?;
        let file = name.parent.directory.create_file(&self.view(), &name.text, request.mode())?;
        self.apply_umask(name, 0o666)?;
        Ok(describe(file, name, Access::ReadWrite, request))
    }

    fn open_directory(&self, place: Place, request: Request, exclusive: bool) -> Attempt<Descriptor> {
        if exclusive {
            return Err(Errno::EXIST.into());
        }
        let makes = request.open.has(OpenFlags::CREAT) || request.open.has(OpenFlags::TRUNC);
        if makes || request.base.contains(Rights::FD_WRITE) {
            return Err(Errno::ISDIR.into());
        }
        let access = self.world.namespace().access(&place);
        Ok(Descriptor {
            description: Arc::new(Description::directory(place, access, false)),
            base: request.base & Rights::DIRECTORY,
            inheriting: request.inheriting,
        })
    }

    fn open_device(&self, name: &Name, device: Device, request: Request) -> Attempt<Descriptor> {
        let fd = match device {
            Device::Descriptor(fd) => fd,
            Device::Terminal => match self.descriptors.get(0).map(|stdin| stdin.description.kind()) {
                Ok(FileKind::CharacterDevice) => 0,
                _ => return Err(Errno::NXIO.into()),
            },
            Device::Null | Device::Zero | Device::Full | Device::Random => {
                let stat = name.existing()?.stat;
                return Ok(describe(File::Device { device, stat }, name, Access::ReadWrite, request));
            }
        };
        // As a `dup`: the same description, with those of its rights that are asked for.
        let original = self.descriptors.get(fd).map_err(|_| Errno::NOENT)?;
        let transfer = Rights::FD_READ | Rights::FD_WRITE;
        if !(request.base & original.base).intersects(transfer) && request.base.intersects(transfer) {
            return Err(Errno::ACCES.into());
        }
        Ok(Descriptor {
            description: Arc::clone(&original.description),
            base: request.base & original.base,
            inheriting: request.inheriting & original.inheriting,
        })
    }
}

impl Request {
    /// Whether the file is to be opened so that it can be changed.
    fn changes(self) -> bool {
        let change = Rights::FD_WRITE | Rights::FD_ALLOCATE | Rights::FD_FILESTAT_SET_SIZE;
        self.base.intersects(change) || self.open.has(OpenFlags::TRUNC)
    }

    fn mode(self) -> OpenMode {
        OpenMode {
            read: self.base.contains(Rights::FD_READ),
            write: self.changes(),
            append: self.flags.has(FdFlags::APPEND),
        }
    }
}

fn describe(file: File, name: &Name, access: Access, request: Request) -> Descriptor {
    let allowed = match access {
        Access::ReadWrite => Rights::FILE,
        Access::ReadOnly => Rights::FILE.without(Rights::FILE_CHANGE),
    };
    let description = Description::file(file, &name.parent, &name.text, access, request.flags);
    debug_assert!(matches!(description.object(), Object::File(_)));
    Descriptor {
        description: Arc::new(description),
        base: request.base & allowed,
        inheriting: request.inheriting & allowed,
    }
}
