//! `pipe`, `dup` and `dup-to`.

use std::sync::Arc;

use super::canonical::{check, result_u16, result_u32, store};
use crate::abi::Rights;
use crate::description::{Description, Object};
use crate::descriptors::Descriptor;
use crate::fault::{Attempt, Failure};
use crate::pipe::pipe;
use crate::{Errno, Fault, Process};

impl Process {
    /// `pipe`: a new pipe, the end to read and the end to write.
    ///
    /// # Errors
    /// In the result: `MFILE`, recorded. [`Stop::BadAddress`](crate::Stop::BadAddress).
    pub fn process_pipe(&mut self, memory: &mut [u8], result: u32) -> Result<(), Fault> {
        check(memory, result, 12)?;
        let ends = self.pipe();
        let mut bytes = [0; 12];
        match self.answered("pipe", None, ends)? {
            Ok((reader, writer)) => {
                bytes[4..8].copy_from_slice(&reader.to_le_bytes());
                bytes[8..].copy_from_slice(&writer.to_le_bytes());
            }
            Err(errno) => bytes[..8].copy_from_slice(&result_u32(Err(errno))),
        }
        store(memory, result, &bytes)
    }

    /// `dup`: a duplicate at the lowest free number that is at least `lowest`.
    ///
    /// # Errors
    /// In the result: `BADF`, `MFILE` (recorded). [`Stop::BadAddress`](crate::Stop::BadAddress).
    pub fn process_dup(
        &mut self,
        memory: &mut [u8],
        from: u32,
        lowest: u32,
        result: u32,
    ) -> Result<(), Fault> {
        check(memory, result, 8)?;
        let duplicate = self.descriptors.get(from).cloned().map_err(Failure::from);
        let fd = duplicate.and_then(|descriptor| self.descriptors.insert_from(lowest, descriptor));
        let fd = self.answered("dup", Some(from), fd)?;
        store(memory, result, &result_u32(fd))
    }

    /// `dup-to`: a duplicate at a number, closing what is there.
    ///
    /// # Errors
    /// In the result: `BADF` when `from` is not open, or `to` is beyond the limit.
    /// [`Stop::BadAddress`](crate::Stop::BadAddress).
    pub fn process_dup_to(
        &mut self,
        memory: &mut [u8],
        from: u32,
        to: u32,
        result: u32,
    ) -> Result<(), Fault> {
        check(memory, result, 4)?;
        let done = self.descriptors.duplicate(from, to);
        store(memory, result, &result_u16(done.map(|()| 0)))
    }

    fn pipe(&mut self) -> Attempt<(u32, u32)> {
        let (reader, writer) = pipe();
        let descriptor = |object, rights| Descriptor {
            description: Arc::new(Description::stream(object, "pipe")),
            base: rights,
            inheriting: Rights::NONE,
        };
        let read = self.descriptors.insert(descriptor(Object::PipeReader(reader), Rights::INPUT))?;
        match self.descriptors.insert(descriptor(Object::PipeWriter(writer), Rights::OUTPUT)) {
            Ok(write) => Ok((read, write)),
            Err(failure) => {
                self.descriptors.close(read)?;
                Err(failure)
            }
        }
    }

    /// The result of a call that has one of its own, with what was refused recorded.
    pub(super) fn answered<T>(
        &self,
        operation: &str,
        fd: Option<u32>,
        result: Attempt<T>,
    ) -> Result<Result<T, Errno>, Fault> {
        match self.settle(operation, fd, result) {
            Ok(value) => Ok(Ok(value)),
            Err(Fault::Errno(errno)) => Ok(Err(errno)),
            Err(stop) => Err(stop),
        }
    }
}
