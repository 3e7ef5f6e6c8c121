//! Anonymous pipes over `sandpiper:host/process`.

use crate::io;
use crate::os::fd::FromRawFd;
use crate::sys::fd::FileDesc;
use crate::sys::pal::sandpiper;

pub type Pipe = FileDesc;

pub fn pipe() -> io::Result<(Pipe, Pipe)> {
    let (reader, writer) = sandpiper::pipe()?;
    // SAFETY: the host has just made both, and nobody else knows them.
    unsafe { Ok((Pipe::from_raw_fd(reader), Pipe::from_raw_fd(writer))) }
}
