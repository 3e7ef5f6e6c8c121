//! `fd_read` and `fd_pread`.

use std::sync::Arc;

use crate::abi::{FdFlags, Rights};
use crate::description::{Description, Object};
use crate::fault::Attempt;
use crate::file_system::File;
use crate::input::Input;
use crate::pipe::PipeReader;
use crate::vectors::Vectors;
use crate::{Errno, Fault, Process, memory};

impl Process {
    /// Reads at the descriptor's offset.
    ///
    /// # Errors
    /// `BADF`, `NOTCAPABLE`, `ISDIR`, `FAULT`, `INVAL`, `AGAIN` for a non-blocking input, the host's.
    pub async fn fd_read(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        vectors: u32,
        count: u32,
        read: u32,
    ) -> Result<(), Fault> {
        let call = Call { fd, vectors, count, result: read, offset: None };
        let result = self.read(memory, call).await;
        self.settle("fd_read", Some(fd), result)
    }

    /// Reads at an offset of its own.
    ///
    /// # Errors
    /// As [`Process::fd_read`], and `SPIPE` for a stream.
    pub async fn fd_pread(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        vectors: u32,
        count: u32,
        offset: u64,
        read: u32,
    ) -> Result<(), Fault> {
        let call = Call { fd, vectors, count, result: read, offset: Some(offset) };
        let result = self.read(memory, call).await;
        self.settle("fd_pread", Some(fd), result)
    }

    async fn read(&mut self, memory: &mut [u8], call: Call) -> Attempt<()> {
        let descriptor = self.descriptors.get(call.fd)?;
        let rights = call.rights(Rights::FD_READ);
        let description = match descriptor.description.object() {
            Object::Directory(_) => return Err(Errno::ISDIR.into()),
            stream if stream.is_stream() && call.offset.is_some() => return Err(Errno::SPIPE.into()),
            _ => {
                descriptor.check(rights)?;
                Arc::clone(&descriptor.description)
            }
        };
        memory::check(memory, call.result, 4)?;
        let vectors = Vectors::parse(memory, call.vectors, call.count)?;
        let count = match description.object() {
            Object::File(file) => {
                let mut count = 0;
                loop {
                    let piece = vectors.piece(count);
                    let offset =
                        call.offset.map(|offset| offset.saturating_add(u64::try_from(count).unwrap_or(0)));
                    match self.read_file(&description, file, memory, &piece, offset) {
                        Ok(read) => {
                            count += read;
                            if read < piece.total() || count == vectors.total() {
                                break count;
                            }
                        }
                        Err(_) if count > 0 => break count,
                        Err(failure) => return Err(failure),
                    }
                    tokio::task::yield_now().await;
                }
            }
            Object::Input(input) => {
                let now = description.flags().has(FdFlags::NONBLOCK);
                self.read_input(input, memory, &vectors, now).await?
            }
            Object::PipeReader(pipe) => {
                let now = description.flags().has(FdFlags::NONBLOCK);
                self.read_pipe(pipe, memory, &vectors, now).await?
            }
            Object::Directory(_) | Object::Output(_) | Object::PipeWriter(_) => {
                return Err(Errno::BADF.into());
            }
        };
        self.world.count_read(count);
        Ok(memory::store_u32(memory, call.result, memory::count(count)?)?)
    }

    /// Reads a file straight into the guest's memory.
    fn read_file(
        &self,
        description: &Description,
        file: &File,
        memory: &mut [u8],
        vectors: &Vectors,
        offset: Option<u64>,
    ) -> Attempt<usize> {
        let mut shared = offset.is_none().then(|| description.offset());
        let start = shared.as_deref().copied().or(offset).unwrap_or(0);
        let mut at = checked_offset(start, vectors)?;
        let mut done = 0;
        for range in vectors.ranges() {
            let bytes = memory.get_mut(range).ok_or(Errno::FAULT)?;
            let wanted = bytes.len();
            let count = match file.read_at(&self.world, bytes, at) {
                Ok(count) => count,
                Err(_) if done > 0 => break,
                Err(failure) => return Err(failure),
            };
            done += count;
            at = at.saturating_add(u64::try_from(count).unwrap_or(0));
            if count < wanted {
                break;
            }
        }
        if let Some(offset) = shared.as_deref_mut().filter(|_| !file.is_device()) {
            *offset = at;
        }
        Ok(done)
    }

    async fn read_input(
        &mut self,
        input: &Input,
        memory: &mut [u8],
        vectors: &Vectors,
        now: bool,
    ) -> Attempt<usize> {
        let Some(bytes) = first_range(memory, vectors)? else { return Ok(0) };
        let read =
            if now { input.read_now(bytes).await } else { self.wait_unless_noted(input.read(bytes)).await? };
        Ok(read?)
    }

    async fn read_pipe(
        &mut self,
        pipe: &PipeReader,
        memory: &mut [u8],
        vectors: &Vectors,
        now: bool,
    ) -> Attempt<usize> {
        let Some(bytes) = first_range(memory, vectors)? else { return Ok(0) };
        match pipe.read_now(bytes) {
            Err(Errno::AGAIN) if !now => Ok(self.wait_unless_noted(pipe.read(bytes)).await?),
            read => Ok(read?),
        }
    }
}

/// The arguments that reading and writing have in common.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) fd: u32,
    pub(super) vectors: u32,
    pub(super) count: u32,
    /// Where the count of bytes goes.
    pub(super) result: u32,
    /// The offset; `None` is the descriptor's own.
    pub(super) offset: Option<u64>,
}

impl Call {
    pub(super) fn rights(&self, right: Rights) -> Rights {
        if self.offset.is_some() { right | Rights::FD_SEEK } else { right }
    }
}

/// An offset that every host and file system can take, the end of the transfer too.
///
/// # Errors
/// `INVAL` beyond 63 bits, as Linux has it.
pub(super) fn checked_offset(offset: u64, vectors: &Vectors) -> Result<u64, Errno> {
    let end = u64::try_from(vectors.total()).ok().and_then(|total| offset.checked_add(total));
    match end.map(i64::try_from) {
        Some(Ok(_)) => Ok(offset),
        _ => Err(Errno::INVAL),
    }
}

/// The first range that is not empty, which is all that a stream fills: it gives what it has, and the
/// rest would wait.
fn first_range<'a>(memory: &'a mut [u8], vectors: &Vectors) -> Result<Option<&'a mut [u8]>, Errno> {
    vectors.ranges().next().map(|range| memory.get_mut(range).ok_or(Errno::FAULT)).transpose()
}
