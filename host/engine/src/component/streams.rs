//! Streams of components: standard input and output are the kernel's, files are read where they lie.

use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use sandpiper_kernel::{Errno, Fault, Input, OutputQueue, World};
use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use crate::classify::Stopped;

/// Most bytes of one read, whatever the guest asks for; as wasmtime-wasi has it.
const MAX_READ_BYTES: usize = 64 << 10;

/// Standard input, of which each handle is a view.
pub(super) struct Stdin {
    input: Arc<Input>,
    world: Arc<World>,
}

impl Stdin {
    pub(super) fn new(input: Arc<Input>, world: Arc<World>) -> Self {
        Self { input, world }
    }
}

impl IsTerminal for Stdin {
    fn is_terminal(&self) -> bool {
        self.input.is_terminal()
    }
}

impl StdinStream for Stdin {
    /// For WASI 0.3 only, which is not offered.
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(Self { input: Arc::clone(&self.input), world: Arc::clone(&self.world) })
    }
}

#[async_trait]
impl Pollable for Stdin {
    async fn ready(&mut self) {
        self.input.ready().await;
    }
}

#[async_trait]
impl InputStream for Stdin {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let mut bytes = BytesMut::zeroed(size.min(MAX_READ_BYTES));
        match now(self.input.read_now(&mut bytes)) {
            Some(Ok(0)) => Err(StreamError::Closed),
            Some(Ok(count)) => {
                self.world.count_read(count);
                bytes.truncate(count);
                Ok(bytes.freeze())
            }
            None | Some(Err(Errno::AGAIN)) => Ok(Bytes::new()),
            Some(Err(_)) => Err(failed(io::ErrorKind::Other.into())),
        }
    }
}

/// What a future that does not wait gives.
fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn failed(err: io::Error) -> StreamError {
    StreamError::LastOperationFailed(err.into())
}

/// Standard output or error, of which each handle is a view.
pub(super) struct Stdout(Arc<OutputQueue>);

impl Stdout {
    pub(super) fn new(queue: Arc<OutputQueue>) -> Self {
        Self(queue)
    }
}

impl IsTerminal for Stdout {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stdout {
    /// For WASI 0.3 only, which is not offered.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self(Arc::clone(&self.0)))
    }
}

#[async_trait]
impl Pollable for Stdout {
    async fn ready(&mut self) {
        self.0.ready().await;
    }
}

#[async_trait]
impl OutputStream for Stdout {
    fn check_write(&mut self) -> StreamResult<usize> {
        self.0.permit().map_err(|_| StreamError::Closed)
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(bytes).map_err(|fault| match fault {
            Fault::Stop(stop) => StreamError::Trap(Stopped(stop).into()),
            Fault::Errno(_) => StreamError::trap("more was written than permitted"),
        })
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check_write().map(|_| ())
    }
}

/// A file, read where it lies on this thread: a read that waited on another would leave a thread, and
/// start one behind a wall.
pub(super) struct FileReader {
    file: Arc<File>,
    position: u64,
    world: Arc<World>,
}

impl FileReader {
    pub(super) fn new(file: Arc<File>, position: u64, world: Arc<World>) -> Self {
        Self { file, position, world }
    }
}

#[async_trait]
impl Pollable for FileReader {
    async fn ready(&mut self) {}
}

#[async_trait]
impl InputStream for FileReader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let mut bytes = BytesMut::zeroed(size.min(MAX_READ_BYTES));
        let count = loop {
            match read_at(&self.file, &mut bytes, self.position) {
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(failed)?,
            }
        };
        if count == 0 {
            return Err(StreamError::Closed);
        }
        self.position = self.position.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        self.world.count_read(count);
        bytes.truncate(count);
        Ok(bytes.freeze())
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, position)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, position)
}
