//! `path_filestat_*` and `path_readlink`.

use crate::abi::{FILESTAT_BYTES, FileKind, LookupFlags, Rights, filestat};
use crate::description::device_number;
use crate::fault::Attempt;
use crate::file_system::{Device, NewTimes, Stat};
use crate::namespace::{Links, Name, Place, Target, resolve};
use crate::{Errno, Fault, Process, memory, path};

impl Process {
    /// Writes the `filestat` of a path.
    ///
    /// # Errors
    /// `BADF`, `NOTDIR`, `NOTCAPABLE`, `FAULT`, `INVAL`, those of a path, the host's.
    pub fn path_filestat_get(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        lookup: u32,
        path_address: u32,
        path_length: u32,
        stat: u32,
    ) -> Result<(), Fault> {
        let mut get = || {
            memory::check(memory, stat, FILESTAT_BYTES)?;
            let links = links(lookup)?;
            let path = path::read(memory, path_address, path_length)?;
            let start = &self.descriptors.get(fd)?.directory(Rights::PATH_FILESTAT_GET)?.place;
            let (device, found) = self
                .stat_path(start, path, links)
                .map_err(|failure| failure.on(|| path::join(&start.path, path)))?;
            Ok(memory::store(memory, stat, &filestat(device, &found))?)
        };
        let result = get();
        self.settle("path_filestat_get", Some(fd), result)
    }

    /// Sets the times of a path.
    ///
    /// # Errors
    /// `BADF`, `NOTDIR`, `ROFS`, `NOTCAPABLE`, `FAULT`, `INVAL`, those of a path, the host's.
    #[expect(clippy::too_many_arguments, reason = "the witx's own signature")]
    pub fn path_filestat_set_times(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        lookup: u32,
        path_address: u32,
        path_length: u32,
        accessed_ns: u64,
        modified_ns: u64,
        flags: u32,
    ) -> Result<(), Fault> {
        let set = || {
            let links = links(lookup)?;
            let times = self.new_times(accessed_ns, modified_ns, flags)?;
            let path = path::read(memory, path_address, path_length)?;
            let start = &self.descriptors.get(fd)?.directory(Rights::PATH_FILESTAT_SET_TIMES)?.place;
            self.set_path_times(start, path, links, times)
                .map_err(|failure| failure.on(|| path::join(&start.path, path)))
        };
        let result = set();
        self.settle("path_filestat_set_times", Some(fd), result)
    }

    /// Writes the target of a symlink, cut where the buffer ends.
    ///
    /// # Errors
    /// `BADF`, `NOTDIR`, `NOTCAPABLE`, `FAULT`, `INVAL` for what is no symlink, those of a path, the
    /// host's.
    #[expect(clippy::too_many_arguments, reason = "the witx's own signature")]
    pub fn path_readlink(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        path_address: u32,
        path_length: u32,
        buffer: u32,
        length: u32,
        used: u32,
    ) -> Result<(), Fault> {
        let mut read = || {
            memory::check(memory, used, 4)?;
            memory::bytes(memory, buffer, length)?;
            let path = path::read(memory, path_address, path_length)?;
            let start = &self.descriptors.get(fd)?.directory(Rights::PATH_READLINK)?.place;
            let target = self
                .read_link(start, path)
                .map_err(|failure| failure.on(|| path::join(&start.path, path)))?;
            let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(target.len());
            let kept = target.as_bytes().get(..wanted).unwrap_or_default();
            memory::store(memory, buffer, kept)?;
            Ok(memory::store_u32(memory, used, memory::count(kept.len())?)?)
        };
        let result = read();
        self.settle("path_readlink", Some(fd), result)
    }

    pub(crate) fn stat_path(&self, start: &Place, path: &str, links: Links) -> Attempt<(u64, Stat)> {
        let view = self.view();
        match resolve(&view, start, path, links)? {
            Target::Directory { place, .. } => Ok((device_number(&place), place.directory.stat(&view)?)),
            Target::Name(name) => {
                let entry = name.existing()?;
                if let (Some(Device::Descriptor(fd)), Links::Follow) = (entry.device, links) {
                    let description = &self.descriptors.get(fd).map_err(|_| Errno::NOENT)?.description;
                    return Ok((description.device(), description.stat(&view)?));
                }
                Ok((device_number(&name.parent), entry.stat))
            }
        }
    }

    fn set_path_times(&self, start: &Place, path: &str, links: Links, times: NewTimes) -> Attempt<()> {
        let view = self.view();
        match resolve(&view, start, path, links)? {
            Target::Directory { place, .. } => {
                self.world.namespace().check_writable(&place)?;
                self.tell_place_change(&place)?;
                place.directory.set_times(&view, times)
            }
            Target::Name(name) => {
                // As on Linux, which looks before it asks whether it may write.
                name.existing()?;
                self.world.namespace().check_writable(&name.parent)?;
                self.tell_change(&name)?;
                name.parent.directory.set_entry_times(&view, &name.text, times)
            }
        }
    }

    pub(crate) fn read_link(&self, start: &Place, path: &str) -> Attempt<String> {
        let view = self.view();
        let Target::Name(name) = resolve(&view, start, path, Links::Keep)? else {
            return Err(Errno::INVAL.into());
        };
        if !name.existing()?.is(FileKind::SymbolicLink) {
            return Err(Errno::INVAL.into());
        }
        name.parent.directory.read_link(&view, &name.text)
    }

    /// Goes into the directory that a name is.
    pub(crate) fn enter(&self, name: &Name) -> Attempt<Place> {
        match resolve(&self.view(), &name.parent, &format!("{}/.", name.text), Links::Keep)? {
            Target::Directory { place, .. } => Ok(place),
            Target::Name(_) => Err(Errno::NOTDIR.into()),
        }
    }
}

/// What a call's lookup flags mean for the last symlink.
///
/// # Errors
/// `INVAL` for unknown flags.
pub(super) fn links(lookup: u32) -> Result<Links, Errno> {
    let follow = LookupFlags::parse(lookup)?.has(LookupFlags::SYMLINK_FOLLOW);
    Ok(if follow { Links::Follow } else { Links::Keep })
}
