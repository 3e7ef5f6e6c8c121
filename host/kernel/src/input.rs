//! Standard input: empty, given bytes, or a stream that is read as the guest asks.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use sandpiper_core::Stdin;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Mutex;

use crate::Errno;
use crate::abi::FileKind;

/// How far a stream is read ahead when the guest asks whether it can be read: the only way to know.
const READ_AHEAD_BYTES: usize = 4096;

/// Standard input of a process.
pub struct Input {
    terminal: bool,
    state: Mutex<State>,
}

struct State {
    /// The end of a terminal's input is that of one line: more may come after it.
    terminal: bool,
    /// Bytes read ahead, or all there is.
    buffered: Bytes,
    stream: Option<Box<dyn AsyncRead + Send + Sync + Unpin>>,
}

/// How ready an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Bytes(u64),
    End,
}

impl Input {
    /// The input that an [`Exec`](sandpiper_core::Exec) describes.
    pub fn new(stdin: Stdin) -> Self {
        let (terminal, buffered, stream) = match stdin {
            Stdin::Empty => (false, Bytes::new(), None),
            Stdin::Bytes(bytes) => (false, bytes, None),
            Stdin::Stream(stream) => (false, Bytes::new(), Some(stream)),
            Stdin::Terminal(stream) => (true, Bytes::new(), Some(stream)),
        };
        Self { terminal, state: Mutex::new(State { terminal, buffered, stream }) }
    }

    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    pub(crate) fn kind(&self) -> FileKind {
        // wasi-libc's `isatty`: a character device that cannot seek.
        if self.terminal { FileKind::CharacterDevice } else { FileKind::Unknown }
    }

    /// Reads at least one byte into a buffer that is not empty, or 0 at the end.
    ///
    /// # Errors
    /// `IO` for an error of the stream, which then has ended.
    pub(crate) async fn read(&self, bytes: &mut [u8]) -> Result<usize, Errno> {
        let mut state = self.state.lock().await;
        std::future::poll_fn(|context| state.poll_read(context, bytes)).await
    }

    /// Reads at least one byte into a buffer that is not empty, or 0 at the end, without waiting.
    ///
    /// # Errors
    /// `AGAIN` instead of waiting, `IO` for an error of the stream, which then has ended.
    pub async fn read_now(&self, bytes: &mut [u8]) -> Result<usize, Errno> {
        let Ok(mut state) = self.state.try_lock() else { return Err(Errno::AGAIN) };
        std::future::poll_fn(|context| match state.poll_read(context, bytes) {
            Poll::Pending => Poll::Ready(Err(Errno::AGAIN)),
            ready @ Poll::Ready(_) => ready,
        })
        .await
    }

    /// Waits until something can be read, or the end has come.
    pub async fn ready(&self) {
        self.readiness().await;
    }

    /// As [`Input::ready`], and says which.
    pub(crate) async fn readiness(&self) -> Readiness {
        let mut state = self.state.lock().await;
        std::future::poll_fn(|context| state.poll_ready(context)).await
    }

    /// What can be read without waiting.
    pub(crate) async fn ready_now(&self) -> Option<Readiness> {
        let Ok(mut state) = self.state.try_lock() else { return None };
        std::future::poll_fn(|context| match state.poll_ready(context) {
            Poll::Ready(readiness) => Poll::Ready(Some(readiness)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }
}

impl State {
    fn poll_read(&mut self, context: &mut Context<'_>, bytes: &mut [u8]) -> Poll<Result<usize, Errno>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.buffered.is_empty() && self.stream.is_some() {
            return self.poll_stream(context, bytes);
        }
        let count = bytes.len().min(self.buffered.len());
        if let Some(to) = bytes.get_mut(..count) {
            self.buffered.copy_to_slice(to);
        }
        Poll::Ready(Ok(count))
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Readiness> {
        if self.buffered.is_empty() && self.stream.is_some() {
            let mut ahead = [0; READ_AHEAD_BYTES];
            match self.poll_stream(context, &mut ahead) {
                Poll::Pending => return Poll::Pending,
                // An error shows as the end: the stream is gone, and there is nothing to read.
                Poll::Ready(result) => {
                    let read = result.ok().and_then(|count| ahead.get(..count)).unwrap_or_default();
                    self.buffered = Bytes::copy_from_slice(read);
                }
            }
        }
        Poll::Ready(match u64::try_from(self.buffered.len()).unwrap_or(u64::MAX) {
            0 => Readiness::End,
            count => Readiness::Bytes(count),
        })
    }

    fn poll_stream(&mut self, context: &mut Context<'_>, bytes: &mut [u8]) -> Poll<Result<usize, Errno>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(0)) };
        let mut buffer = ReadBuf::new(bytes);
        let result = match Pin::new(stream).poll_read(context, &mut buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(result) => result,
        };
        let count = buffer.filled().len();
        if result.is_err() || (count == 0 && !self.terminal) {
            self.stream = None;
        }
        Poll::Ready(result.map(|()| count).map_err(|_| Errno::IO))
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Input").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}
