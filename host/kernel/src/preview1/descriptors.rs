//! What a descriptor itself is: `fd_close`, `fd_renumber`, `fd_fdstat_*`, `fd_prestat_*`, `fd_advise`.

use crate::abi::{Advice, FdFlags, Rights, fdstat};
use crate::description::Object;
use crate::fault::Attempt;
use crate::{Errno, Fault, Process, memory};

/// The name of the one preopened directory.
const PREOPEN_NAME: &str = "/";

impl Process {
    /// Takes advice on how a file will be read; it changes nothing.
    ///
    /// # Errors
    /// `BADF`, `SPIPE` for a stream, `NOTCAPABLE`, `INVAL` for unknown advice.
    pub fn fd_advise(&mut self, fd: u32, offset: u64, length: u64, advice: u32) -> Result<(), Fault> {
        let result = self.advise(fd, offset, length, advice);
        self.settle("fd_advise", Some(fd), result)
    }

    /// Closes a descriptor; the standard streams and the preopened directory can be closed too.
    ///
    /// # Errors
    /// `BADF`.
    pub fn fd_close(&mut self, fd: u32) -> Result<(), Fault> {
        Ok(self.descriptors.close(fd)?)
    }

    /// Writes a descriptor's `fdstat`.
    ///
    /// # Errors
    /// `BADF`, `FAULT`.
    pub fn fd_fdstat_get(&mut self, memory: &mut [u8], fd: u32, stat: u32) -> Result<(), Fault> {
        let descriptor = self.descriptors.get(fd)?;
        let description = &descriptor.description;
        let record = fdstat(description.kind(), description.flags(), descriptor.base, descriptor.inheriting);
        Ok(memory::store(memory, stat, &record)?)
    }

    /// Sets the flags of what a descriptor has open. They are the sandbox's own business, so they can
    /// be set in read-only mounts too.
    ///
    /// # Errors
    /// `BADF`, `NOTCAPABLE`, `INVAL` for unknown flags, `NOTSUP` to take `APPEND` from a file of a
    /// mount that was opened with it.
    pub fn fd_fdstat_set_flags(&mut self, fd: u32, flags: u32) -> Result<(), Fault> {
        let result = self.set_flags(fd, flags);
        self.settle("fd_fdstat_set_flags", Some(fd), result)
    }

    /// Takes rights from a descriptor.
    ///
    /// # Errors
    /// `BADF`, `NOTCAPABLE` (recorded) for rights that it does not have.
    pub fn fd_fdstat_set_rights(&mut self, fd: u32, base: u64, inheriting: u64) -> Result<(), Fault> {
        let result = self.set_rights(fd, base, inheriting);
        self.settle("fd_fdstat_set_rights", Some(fd), result)
    }

    /// Writes the kind and the name's length of a preopened directory.
    ///
    /// # Errors
    /// `BADF` for a descriptor that is not preopened, `FAULT`.
    pub fn fd_prestat_get(&mut self, memory: &mut [u8], fd: u32, prestat: u32) -> Result<(), Fault> {
        self.check_preopened(fd)?;
        memory::check(memory, prestat, 8)?;
        // A tag of 0 for a directory, then the length.
        memory::store(memory, prestat, &[0; 4])?;
        let [a, b, c, d] = memory::count(PREOPEN_NAME.len())?.to_le_bytes();
        memory::store(memory, prestat, &[0, 0, 0, 0, a, b, c, d])?;
        Ok(())
    }

    /// Writes the name of a preopened directory.
    ///
    /// # Errors
    /// `BADF` for a descriptor that is not preopened, `NAMETOOLONG` for a buffer too short, `FAULT`.
    pub fn fd_prestat_dir_name(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        buffer: u32,
        length: u32,
    ) -> Result<(), Fault> {
        self.check_preopened(fd)?;
        memory::bytes(memory, buffer, length)?;
        if memory::count(PREOPEN_NAME.len())? > length {
            return Err(Errno::NAMETOOLONG.into());
        }
        Ok(memory::store(memory, buffer, PREOPEN_NAME.as_bytes())?)
    }

    /// Moves a descriptor to another number, closing what is there.
    ///
    /// # Errors
    /// `BADF` when `from` is not open or `to` is beyond the limit.
    pub fn fd_renumber(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        Ok(self.descriptors.renumber(from, to)?)
    }

    fn advise(&self, fd: u32, offset: u64, length: u64, advice: u32) -> Attempt<()> {
        let descriptor = self.descriptors.get(fd)?;
        Advice::parse(advice)?;
        match descriptor.description.object() {
            Object::Input(_) | Object::Output(_) | Object::PipeReader(_) | Object::PipeWriter(_) => {
                return Err(Errno::SPIPE.into());
            }
            Object::Directory(_) => return Err(Errno::BADF.into()),
            Object::File(_) => descriptor.check(Rights::FD_ADVISE)?,
        }
        match offset.checked_add(length).map(i64::try_from) {
            Some(Ok(_)) => Ok(()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    fn set_flags(&self, fd: u32, flags: u32) -> Attempt<()> {
        let descriptor = self.descriptors.get(fd)?;
        descriptor.check(Rights::FD_FDSTAT_SET_FLAGS)?;
        let flags = FdFlags::parse(flags)?;
        match descriptor.description.object() {
            Object::File(file) if file.always_appends() && !flags.has(FdFlags::APPEND) => {
                return Err(Errno::NOTSUP.into());
            }
            _ => descriptor.description.set_flags(flags),
        }
        Ok(())
    }

    fn set_rights(&mut self, fd: u32, base: u64, inheriting: u64) -> Attempt<()> {
        let descriptor = self.descriptors.get_mut(fd)?;
        let (base, inheriting) = (Rights::from_raw(base), Rights::from_raw(inheriting));
        descriptor.check(base)?;
        if !descriptor.inheriting.contains(inheriting) {
            let denied =
                crate::fault::Failure::denied(Errno::NOTCAPABLE, sandpiper_core::DenialReason::Rights);
            return Err(denied);
        }
        descriptor.base = base;
        descriptor.inheriting = inheriting;
        Ok(())
    }

    fn check_preopened(&self, fd: u32) -> Result<(), Errno> {
        match self.descriptors.get(fd)?.description.object() {
            Object::Directory(directory) if directory.preopened => Ok(()),
            _ => Err(Errno::BADF),
        }
    }
}
