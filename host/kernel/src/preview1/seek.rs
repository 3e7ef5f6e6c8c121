//! `fd_seek`, `fd_tell`, and what changes or settles a file's size.

use crate::abi::{Rights, Whence};
use crate::description::{Description, Object};
use crate::fault::Attempt;
use crate::file_system::File;
use crate::{Errno, Fault, Process, memory};

impl Process {
    /// Moves the descriptor's offset, and writes where it is then.
    ///
    /// # Errors
    /// `BADF` (also for directories), `SPIPE` for a stream, `NOTCAPABLE`, `INVAL`, `FAULT`.
    pub fn fd_seek(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        offset: u64,
        whence: u32,
        position: u32,
    ) -> Result<(), Fault> {
        let result = self.seek(memory, fd, offset.cast_signed(), whence, position);
        self.settle("fd_seek", Some(fd), result)
    }

    /// Writes the descriptor's offset.
    ///
    /// # Errors
    /// As [`Process::fd_seek`].
    pub fn fd_tell(&mut self, memory: &mut [u8], fd: u32, position: u32) -> Result<(), Fault> {
        let result = self.tell(memory, fd, position);
        self.settle("fd_tell", Some(fd), result)
    }

    /// Makes a file at least `offset + length` bytes long.
    ///
    /// # Errors
    /// `BADF`, `ROFS`, `NOTCAPABLE`, `INVAL` for a length of 0, `FBIG`, `NOSPC`, a quota, the host's.
    pub fn fd_allocate(&mut self, fd: u32, offset: u64, length: u64) -> Result<(), Fault> {
        let result = self.allocate(fd, offset, length);
        self.settle("fd_allocate", Some(fd), result)
    }

    /// Sets a file's size.
    ///
    /// # Errors
    /// `BADF`, `ROFS`, `NOTCAPABLE`, `INVAL`, `FBIG`, `NOSPC`, a quota, the host's.
    pub fn fd_filestat_set_size(&mut self, fd: u32, size: u64) -> Result<(), Fault> {
        let result = self.set_size(fd, size);
        self.settle("fd_filestat_set_size", Some(fd), result)
    }

    /// Brings a file's data to the disk.
    ///
    /// # Errors
    /// `BADF`, `INVAL` for a stream, `NOTCAPABLE`, the host's.
    pub fn fd_datasync(&mut self, fd: u32) -> Result<(), Fault> {
        let result = self.sync(fd, Rights::FD_DATASYNC);
        self.settle("fd_datasync", Some(fd), result)
    }

    /// Brings a file's data and metadata to the disk.
    ///
    /// # Errors
    /// As [`Process::fd_datasync`].
    pub fn fd_sync(&mut self, fd: u32) -> Result<(), Fault> {
        let result = self.sync(fd, Rights::FD_SYNC);
        self.settle("fd_sync", Some(fd), result)
    }

    fn seek(&self, memory: &mut [u8], fd: u32, delta: i64, whence: u32, position: u32) -> Attempt<()> {
        let descriptor = self.descriptors.get(fd)?;
        let file = seekable(&descriptor.description)?;
        let whence = Whence::parse(whence)?;
        if whence != Whence::Current || delta != 0 || !descriptor.base.contains(Rights::FD_TELL) {
            descriptor.check(Rights::FD_SEEK)?;
        }
        memory::check(memory, position, 8)?;
        if file.is_device() {
            return Ok(memory::store_u64(memory, position, 0)?);
        }
        let mut offset = descriptor.description.offset();
        let from = match whence {
            Whence::Start => 0,
            Whence::Current => *offset,
            Whence::End => file.stat()?.size,
        };
        let moved = from.checked_add_signed(delta).filter(|moved| i64::try_from(*moved).is_ok());
        *offset = moved.ok_or(Errno::INVAL)?;
        Ok(memory::store_u64(memory, position, *offset)?)
    }

    fn tell(&self, memory: &mut [u8], fd: u32, position: u32) -> Attempt<()> {
        let descriptor = self.descriptors.get(fd)?;
        seekable(&descriptor.description)?;
        if !descriptor.base.contains(Rights::FD_SEEK) {
            descriptor.check(Rights::FD_TELL)?;
        }
        let offset = *descriptor.description.offset();
        Ok(memory::store_u64(memory, position, offset)?)
    }

    fn allocate(&self, fd: u32, offset: u64, length: u64) -> Attempt<()> {
        let descriptor = self.descriptors.get(fd)?;
        let file = seekable(&descriptor.description)?;
        descriptor.check_change(Rights::FD_ALLOCATE)?;
        if length == 0 {
            return Err(Errno::INVAL.into());
        }
        if file.is_device() {
            return Err(Errno::NODEV.into());
        }
        let end = offset.checked_add(length).ok_or(Errno::FBIG)?;
        if end <= file.stat()?.size {
            return Ok(());
        }
        self.tell_file_change(&descriptor.description, file)?;
        file.set_len(&self.world, end)
    }

    fn set_size(&self, fd: u32, size: u64) -> Attempt<()> {
        let descriptor = self.descriptors.get(fd)?;
        let Object::File(file) = descriptor.description.object() else {
            return Err(Errno::INVAL.into());
        };
        descriptor.check_change(Rights::FD_FILESTAT_SET_SIZE)?;
        self.tell_file_change(&descriptor.description, file)?;
        file.set_len(&self.world, size)
    }

    fn sync(&self, fd: u32, right: Rights) -> Attempt<()> {
        let descriptor = self.descriptors.get(fd)?;
        match descriptor.description.object() {
            stream if stream.is_stream() => Err(Errno::INVAL.into()),
            object => {
                // Nothing of a read-only file is unsaved, so syncing it needs no right to change it.
                if right != Rights::FD_DATASYNC || descriptor.base.contains(Rights::FD_WRITE) {
                    descriptor.check(right)?;
                }
                match object {
                    Object::File(file) if descriptor.base.contains(Rights::FD_WRITE) => {
                        file.sync(right == Rights::FD_DATASYNC)
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

/// The file of a description that has an offset.
fn seekable(description: &Description) -> Attempt<&File> {
    match description.object() {
        Object::File(file) => Ok(file),
        Object::Directory(_) => Err(Errno::BADF.into()),
        Object::Input(_) | Object::Output(_) | Object::PipeReader(_) | Object::PipeWriter(_) => {
            Err(Errno::SPIPE.into())
        }
    }
}
