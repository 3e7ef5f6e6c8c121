//! `fd_write` and `fd_pwrite`.

use std::sync::Arc;

use super::read::{Call, checked_offset};
use crate::abi::{FdFlags, Rights};
use crate::description::{Description, Object};
use crate::fault::{Attempt, Failure};
use crate::file_system::File;
use crate::output::Output;
use crate::pipe::PipeWriter;
use crate::vectors::Vectors;
use crate::{Errno, Fault, Process, Signal, memory};

impl Process {
    /// Writes at the descriptor's offset, or at the end under `APPEND`.
    ///
    /// A write that a quota does not allow whole is a partial one; the next ends the guest. Output that
    /// exceeds its quota ends the guest at once, with what was allowed delivered.
    ///
    /// # Errors
    /// `BADF`, `NOTCAPABLE`, `ISDIR`, `FAULT`, `INVAL`, `NOSPC`, `PIPE`, a quota, the host's.
    pub async fn fd_write(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        vectors: u32,
        count: u32,
        written: u32,
    ) -> Result<(), Fault> {
        let call = Call { fd, vectors, count, result: written, offset: None };
        let result = self.write(memory, call).await;
        self.settle("fd_write", Some(fd), result)
    }

    /// Writes at an offset of its own. A file of a mount that was opened with `APPEND` is appended to
    /// all the same on Linux hosts, as `pwrite` does there.
    ///
    /// # Errors
    /// As [`Process::fd_write`], and `SPIPE` for a stream.
    pub async fn fd_pwrite(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        vectors: u32,
        count: u32,
        offset: u64,
        written: u32,
    ) -> Result<(), Fault> {
        let call = Call { fd, vectors, count, result: written, offset: Some(offset) };
        let result = self.write(memory, call).await;
        self.settle("fd_pwrite", Some(fd), result)
    }

    async fn write(&mut self, memory: &mut [u8], call: Call) -> Attempt<()> {
        let descriptor = self.descriptors.get(call.fd)?;
        let rights = call.rights(Rights::FD_WRITE);
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
        // Whole, however much it is: few programs ask how much of a blocking write was done, for POSIX does all of it.
        let mut count = 0;
        loop {
            let piece = vectors.piece(count);
            let offset = call.offset.map(|offset| offset.saturating_add(u64::try_from(count).unwrap_or(0)));
            match self.write_piece(&description, memory, &piece, offset).await {
                Ok(written) => {
                    count += written;
                    if written < piece.total() || count == vectors.total() {
                        break;
                    }
                }
                Err(Failure::Quota(quota)) => return Err(Failure::Quota(quota)),
                Err(Failure::Signal(signal)) => return Err(Failure::Signal(signal)),
                // It comes again with the next write.
                Err(_) if count > 0 => break,
                Err(failure) => return Err(failure),
            }
            tokio::task::yield_now().await;
        }
        Ok(memory::store_u32(memory, call.result, memory::count(count)?)?)
    }

    async fn write_piece(
        &mut self,
        description: &Description,
        memory: &[u8],
        piece: &Vectors,
        offset: Option<u64>,
    ) -> Attempt<usize> {
        let now = description.flags().has(FdFlags::NONBLOCK);
        match description.object() {
            Object::File(file) => self.write_file(description, file, memory, piece, offset),
            Object::Output(output) => self.write_output(output, memory, piece, now).await,
            Object::PipeWriter(pipe) => {
                let written = self.write_pipe(pipe, memory, piece, now).await;
                self.unless_broken(written)
            }
            Object::Directory(_) | Object::Input(_) | Object::PipeReader(_) => Err(Errno::BADF.into()),
        }
    }

    /// Writes a file straight from the guest's memory.
    fn write_file(
        &self,
        description: &Description,
        file: &File,
        memory: &[u8],
        vectors: &Vectors,
        offset: Option<u64>,
    ) -> Attempt<usize> {
        self.tell_file_change(description, file)?;
        let flags = description.flags();
        let mut shared = offset.is_none().then(|| description.offset());
        let append = flags.has(FdFlags::APPEND) && offset.is_none();
        let mut at = checked_offset(shared.as_deref().copied().or(offset).unwrap_or(0), vectors)?;
        let mut done = 0;
        for range in vectors.ranges() {
            let bytes = memory.get(range).ok_or(Errno::FAULT)?;
            let result = if append {
                file.append(&self.world, bytes)
            } else {
                file.write_at(&self.world, bytes, at)
                    .map(|count| (count, at.saturating_add(u64::try_from(count).unwrap_or(0))))
            };
            let count = match result {
                Ok((count, end)) => {
                    at = end;
                    count
                }
                Err(_) if done > 0 => break,
                Err(failure) => return Err(failure),
            };
            done += count;
            if count < bytes.len() {
                break;
            }
        }
        if let Some(offset) = shared.as_deref_mut().filter(|_| !file.is_device() && done > 0) {
            *offset = at;
        }
        self.world.count_written(done);
        if flags.synchronous() {
            file.sync(!flags.has(FdFlags::SYNC))?;
        }
        Ok(done)
    }

    async fn write_pipe(
        &mut self,
        pipe: &PipeWriter,
        memory: &[u8],
        vectors: &Vectors,
        now: bool,
    ) -> Result<usize, Errno> {
        let mut written = 0;
        for range in vectors.ranges() {
            let bytes = memory.get(range).ok_or(Errno::FAULT)?;
            let result = match pipe.write_now(bytes) {
                Ok(count) if count == bytes.len() || now => {
                    written += count;
                    if count < bytes.len() {
                        break;
                    }
                    continue;
                }
                Ok(count) => {
                    written += count;
                    let rest = bytes.get(count..).unwrap_or_default();
                    self.wait_unless_noted(pipe.write(rest, &mut written)).await
                }
                Err(Errno::AGAIN) if !now => self.wait_unless_noted(pipe.write(bytes, &mut written)).await,
                Err(errno) => Err(errno),
            };
            match result {
                Ok(Ok(())) => {}
                // What was written is told; the error comes with the next write.
                Ok(Err(_)) | Err(_) if written > 0 => break,
                Ok(Err(errno)) | Err(errno) => return Err(errno),
            }
        }
        self.world.count_written(written);
        Ok(written)
    }

    /// A write that nobody reads ends the process, unless it has decided otherwise (POSIX `write`).
    fn unless_broken(&self, written: Result<usize, Errno>) -> Attempt<usize> {
        if written == Err(Errno::PIPE) && self.signals.ends(Signal::PIPE) {
            return Err(Failure::Signal(Signal::PIPE));
        }
        Ok(written?)
    }

    async fn write_output(
        &mut self,
        output: &Output,
        memory: &[u8],
        vectors: &Vectors,
        now: bool,
    ) -> Attempt<usize> {
        let ready = output.ready_now()?;
        if now && !ready && vectors.total() > 0 {
            return Err(Errno::AGAIN.into());
        }
        let world = Arc::clone(&self.world);
        let mut delivered = 0;
        let deliver = async {
            for range in vectors.ranges() {
                let bytes = memory.get(range).ok_or(Errno::FAULT)?;
                output.write(bytes, &mut delivered).await?;
            }
            Ok(())
        };
        let result: Result<(), Failure> = if ready { deliver.await } else { self.wait_for(deliver).await };
        world.count_written(delivered);
        match result {
            // The receiver went away between two pieces: the guest learns of it with its next write.
            Err(Failure::Errno(Errno::PIPE)) if delivered > 0 => Ok(delivered),
            result => result.map(|()| delivered),
        }
    }
}
