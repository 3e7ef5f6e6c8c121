//! `fd_filestat_get`, `fd_filestat_set_times` and `fd_readdir`.

use std::sync::PoisonError;

use crate::abi::{DIRENT_BYTES, FILESTAT_BYTES, Rights, TimeFlags, dirent, filestat};
use crate::description::Object;
use crate::fault::Attempt;
use crate::file_system::NewTimes;
use crate::listing::Listing;
use crate::{Errno, Fault, Process, memory};

impl Process {
    /// Writes the `filestat` of what a descriptor has open.
    ///
    /// # Errors
    /// `BADF`, `NOTCAPABLE`, `FAULT`, the host's.
    pub fn fd_filestat_get(&mut self, memory: &mut [u8], fd: u32, stat: u32) -> Result<(), Fault> {
        let result = self.filestat(memory, fd, stat);
        self.settle("fd_filestat_get", Some(fd), result)
    }

    /// Sets the times of what a descriptor has open.
    ///
    /// # Errors
    /// `BADF`, `ROFS`, `NOTCAPABLE`, `INVAL` for flags that contradict each other, the host's.
    pub fn fd_filestat_set_times(
        &mut self,
        fd: u32,
        accessed_ns: u64,
        modified_ns: u64,
        flags: u32,
    ) -> Result<(), Fault> {
        let result = self.set_times(fd, accessed_ns, modified_ns, flags);
        self.settle("fd_filestat_set_times", Some(fd), result)
    }

    /// Writes entries of a directory from a cookie on; the last may be cut where the buffer ends.
    ///
    /// The names are those of the first reading until a reading from cookie 0, in the order of their
    /// bytes.
    ///
    /// # Errors
    /// `BADF`, `NOTDIR`, `NOTCAPABLE`, `FAULT`, `NOMEM` for a directory too large, the host's.
    pub fn fd_readdir(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        buffer: u32,
        length: u32,
        cookie: u64,
        used: u32,
    ) -> Result<(), Fault> {
        let result = self.read_directory(memory, fd, (buffer, length), cookie, used);
        self.settle("fd_readdir", Some(fd), result)
    }

    /// The new times that a call asks for.
    ///
    /// # Errors
    /// `INVAL` when a time is to be both given and now.
    pub(super) fn new_times(
        &self,
        accessed_ns: u64,
        modified_ns: u64,
        flags: u32,
    ) -> Result<NewTimes, Errno> {
        let flags = TimeFlags::parse(flags)?;
        let now_ns = self.world.now_ns();
        let one = |given, now, time_ns| match (flags.has(given), flags.has(now)) {
            (true, true) => Err(Errno::INVAL),
            (true, false) => Ok(Some(time_ns)),
            (false, true) => Ok(Some(now_ns)),
            (false, false) => Ok(None),
        };
        Ok(NewTimes {
            accessed_ns: one(TimeFlags::ATIM, TimeFlags::ATIM_NOW, accessed_ns)?,
            modified_ns: one(TimeFlags::MTIM, TimeFlags::MTIM_NOW, modified_ns)?,
        })
    }

    fn filestat(&self, memory: &mut [u8], fd: u32, at: u32) -> Attempt<()> {
        let descriptor = self.descriptors.get(fd)?;
        descriptor.check(Rights::FD_FILESTAT_GET)?;
        memory::check(memory, at, FILESTAT_BYTES)?;
        let stat = descriptor.description.stat(&self.view())?;
        Ok(memory::store(memory, at, &filestat(descriptor.description.device(), &stat))?)
    }

    fn set_times(&self, fd: u32, accessed_ns: u64, modified_ns: u64, flags: u32) -> Attempt<()> {
        let descriptor = self.descriptors.get(fd)?;
        let times = self.new_times(accessed_ns, modified_ns, flags)?;
        match descriptor.description.object() {
            Object::Input(_) | Object::Output(_) | Object::PipeReader(_) | Object::PipeWriter(_) => {
                Err(Errno::INVAL.into())
            }
            Object::File(file) => {
                descriptor.check_change(Rights::FD_FILESTAT_SET_TIMES)?;
                self.tell_file_change(&descriptor.description, file)?;
                file.set_times(&self.world, times)
            }
            Object::Directory(directory) => {
                descriptor.check_change(Rights::FD_FILESTAT_SET_TIMES)?;
                self.tell_place_change(&directory.place)?;
                directory.place.directory.set_times(&self.view(), times)
            }
        }
    }

    fn read_directory(
        &self,
        memory: &mut [u8],
        fd: u32,
        (buffer, length): (u32, u32),
        cookie: u64,
        used: u32,
    ) -> Attempt<()> {
        let descriptor = self.descriptors.get(fd)?;
        let directory = descriptor.directory(Rights::FD_READDIR)?;
        memory::check(memory, used, 4)?;
        let out = memory::bytes_mut(memory, buffer, length)?;
        let mut held = directory.listing.lock().unwrap_or_else(PoisonError::into_inner);
        if cookie == 0 {
            *held = None;
        }
        let listing = match held.take() {
            Some(listing) => listing,
            None => Listing::read(&self.view(), &directory.place)?,
        };
        let listing = held.insert(listing);
        let mut filled = 0;
        for (next, entry) in listing.entries_from(cookie) {
            let name_bytes = memory::count(entry.name.len())?;
            let record: [u8; DIRENT_BYTES] = dirent(next, entry.ino, name_bytes, entry.kind);
            filled += put(out, filled, &record);
            filled += put(out, filled, &entry.name);
            if filled == out.len() {
                break;
            }
        }
        Ok(memory::store_u32(memory, used, memory::count(filled)?)?)
    }
}

/// Copies as much as fits, and gives how much that was.
fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    let Some(room) = out.get_mut(at..) else { return 0 };
    let count = room.len().min(bytes.len());
    if let (Some(to), Some(from)) = (room.get_mut(..count), bytes.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}
