//! Pipes between processes: a bounded buffer whose writers wait for readers.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::Errno;

/// What a pipe holds before its writers wait; as Linux's pipes (`pipe(7)`).
pub(crate) const CAPACITY_BYTES: usize = 64 << 10;

/// A write of at most this many bytes is not mixed with another's (POSIX `PIPE_BUF`, Linux's value).
const ATOMIC_BYTES: usize = 4096;

/// The end of a pipe that is read. Dropping the last one breaks the pipe.
pub(crate) struct PipeReader(Arc<Pipe>);

/// The end of a pipe that is written. Dropping the last one is the end of the file.
pub(crate) struct PipeWriter(Arc<Pipe>);

struct Pipe {
    state: Mutex<State>,
}

struct State {
    buffer: VecDeque<u8>,
    has_reader: bool,
    has_writer: bool,
    /// Those that wait for the state to change, in the order in which they came.
    waiting: Vec<Waker>,
}

/// A new pipe.
pub(crate) fn pipe() -> (PipeReader, PipeWriter) {
    let state = State { buffer: VecDeque::new(), has_reader: true, has_writer: true, waiting: Vec::new() };
    let pipe = Arc::new(Pipe { state: Mutex::new(state) });
    (PipeReader(Arc::clone(&pipe)), PipeWriter(pipe))
}

impl PipeReader {
    /// Reads at least one byte into a buffer that is not empty, or 0 when there is no writer left.
    pub(crate) async fn read(&self, bytes: &mut [u8]) -> usize {
        poll_fn(|context| {
            let mut state = self.0.lock();
            match state.read(bytes) {
                Some(count) => Poll::Ready(count),
                None => state.wait(context),
            }
        })
        .await
    }

    /// Reads as [`PipeReader::read`].
    ///
    /// # Errors
    /// `AGAIN` instead of waiting.
    pub(crate) fn read_now(&self, bytes: &mut [u8]) -> Result<usize, Errno> {
        self.0.lock().read(bytes).ok_or(Errno::AGAIN)
    }

    /// The bytes that can be read without waiting, and whether there is no writer left; `None` when a
    /// read would wait.
    pub(crate) fn ready_now(&self) -> Option<(usize, bool)> {
        let state = self.0.lock();
        (!state.buffer.is_empty() || !state.has_writer).then_some((state.buffer.len(), !state.has_writer))
    }

    /// Waits until a read would not wait.
    pub(crate) async fn ready(&self) {
        poll_fn(|context| {
            let mut state = self.0.lock();
            if state.buffer.is_empty() && state.has_writer { state.wait(context) } else { Poll::Ready(()) }
        })
        .await;
    }
}

impl PipeWriter {
    /// Writes all of `bytes`, and counts in `written` as it goes: the future may be dropped.
    ///
    /// # Errors
    /// `PIPE` when there is no reader left.
    pub(crate) async fn write(&self, bytes: &[u8], written: &mut usize) -> Result<(), Errno> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = poll_fn(|context| {
                let mut state = self.0.lock();
                match state.write(rest) {
                    Ok(0) => state.wait(context),
                    result => Poll::Ready(result),
                }
            })
            .await?;
            *written += count;
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    /// `AGAIN` instead of waiting, `PIPE` when there is no reader left.
    pub(crate) fn write_now(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match self.0.lock().write(bytes)? {
            0 if !bytes.is_empty() => Err(Errno::AGAIN),
            count => Ok(count),
        }
    }

    /// The bytes that can be written without waiting; `None` when a write would wait.
    ///
    /// # Errors
    /// `PIPE` when there is no reader left.
    pub(crate) fn ready_now(&self) -> Result<Option<usize>, Errno> {
        let state = self.0.lock();
        if !state.has_reader {
            return Err(Errno::PIPE);
        }
        let room = CAPACITY_BYTES - state.buffer.len();
        Ok((room >= ATOMIC_BYTES).then_some(room))
    }

    /// Whether there is no reader left.
    pub(crate) fn is_abandoned(&self) -> bool {
        !self.0.lock().has_reader
    }

    /// Waits until there is no reader left.
    pub(crate) async fn abandoned(&self) {
        poll_fn(|context| {
            let mut state = self.0.lock();
            if state.has_reader { state.wait(context) } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Waits until a write would not wait, or there is no reader left.
    pub(crate) async fn ready(&self) {
        poll_fn(|context| {
            let mut state = self.0.lock();
            let full = CAPACITY_BYTES - state.buffer.len() < ATOMIC_BYTES;
            if full && state.has_reader { state.wait(context) } else { Poll::Ready(()) }
        })
        .await;
    }
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes what there is; `None` when there is nothing yet.
    fn read(&mut self, bytes: &mut [u8]) -> Option<usize> {
        if bytes.is_empty() {
            return Some(0);
        }
        if self.buffer.is_empty() && self.has_writer {
            return None;
        }
        let count = bytes.len().min(self.buffer.len());
        let (first, second) = self.buffer.as_slices();
        let (to_first, to_second) = bytes.split_at_mut(count.min(first.len()));
        for (to, from) in [(to_first, first), (to_second, second)] {
            let length = to.len().min(from.len());
            if let (Some(to), Some(from)) = (to.get_mut(..length), from.get(..length)) {
                to.copy_from_slice(from);
            }
        }
        self.buffer.drain(..count);
        self.changed();
        Some(count)
    }

    /// Puts in what there is room for, and a short write whole or not at all.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        if !self.has_reader {
            return Err(Errno::PIPE);
        }
        let room = CAPACITY_BYTES - self.buffer.len();
        if bytes.is_empty() || room < bytes.len().min(ATOMIC_BYTES) {
            return Ok(0);
        }
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.buffer.extend(taken);
        self.changed();
        Ok(taken.len())
    }

    fn wait<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        if !self.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            self.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn changed(&mut self) {
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_reader = false;
        state.buffer = VecDeque::new();
        state.changed();
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_writer = false;
        state.changed();
    }
}

impl fmt::Debug for PipeReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PipeReader")
    }
}

impl fmt::Debug for PipeWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PipeWriter")
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_is_written_is_read_in_order_and_then_comes_the_end() {
        let (reader, writer) = pipe();
        assert_eq!(writer.write_now(b"abc"), Ok(3));
        assert_eq!(writer.write_now(b"de"), Ok(2));
        let mut bytes = [0; 4];
        assert_eq!(reader.read_now(&mut bytes), Ok(4));
        assert_eq!(&bytes, b"abcd");
        assert_eq!(reader.read_now(&mut bytes), Ok(1));
        assert_eq!(reader.read_now(&mut bytes), Err(Errno::AGAIN));
        drop(writer);
        assert_eq!(reader.read_now(&mut bytes), Ok(0));
    }

    #[test]
    fn a_full_pipe_has_its_writer_wait_and_go_on_where_it_was() {
        let (reader, writer) = pipe();
        let bytes: Vec<u8> =
            (0..CAPACITY_BYTES + 10).map(|index| u8::try_from(index % 251).unwrap()).collect();
        let mut written = 0;
        assert!(poll_once(writer.write(&bytes, &mut written)).is_pending());
        assert_eq!(written, CAPACITY_BYTES);
        assert_eq!(writer.ready_now(), Ok(None));
        let mut read = vec![0; CAPACITY_BYTES];
        assert_eq!(reader.read_now(&mut read), Ok(CAPACITY_BYTES));
        assert_eq!(read, bytes[..CAPACITY_BYTES]);
        assert_eq!(writer.ready_now(), Ok(Some(CAPACITY_BYTES)));
    }

    #[test]
    fn a_short_write_is_whole_or_waits() {
        let (reader, writer) = pipe();
        assert_eq!(writer.write_now(&vec![1; CAPACITY_BYTES - 10]), Ok(CAPACITY_BYTES - 10));
        assert_eq!(writer.write_now(&[2; 11]), Err(Errno::AGAIN));
        assert_eq!(writer.write_now(&[2; 10]), Ok(10));
        drop(reader);
        assert_eq!(writer.write_now(&[2]), Err(Errno::PIPE));
        assert_eq!(writer.ready_now(), Err(Errno::PIPE));
    }

    #[test]
    fn a_waiting_reader_is_woken_by_a_write_and_by_the_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (reader, writer) = pipe();
            let read = async {
                let mut bytes = [0; 8];
                let first = reader.read(&mut bytes).await;
                (first, reader.read(&mut bytes).await)
            };
            let write = async {
                tokio::task::yield_now().await;
                assert_eq!(writer.write_now(b"xyz"), Ok(3));
                tokio::task::yield_now().await;
                drop(writer);
            };
            assert_eq!(tokio::join!(read, write).0, (3, 0));
        });
    }
}
