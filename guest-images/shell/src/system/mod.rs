//! What the shell asks of its system: the only door out, and the only unsafe code.
//!
//! Two faces: `wasi` is a sandpiper sandbox, `unix` is Linux, where the shell is developed and compared with bash.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as face;
#[cfg(target_os = "wasi")]
mod wasi;
#[cfg(target_os = "wasi")]
use wasi as face;

pub use face::{
    act, change_directory, close, directory, directory_names, dup, dup_to, errno, exit, fork, group, home,
    host_name, id, is_open, is_terminal, kill, link_metadata, may, metadata, mode_of_new, open, parent, pipe,
    processor_times, program, read, readable, remove, run, seek_back, spawn, take_signals, tell_absent, user,
    wait, write,
};

use crate::syntax::ast::Bytes;

/// Whether this is a sandbox of sandpiper's.
pub const SANDBOX: bool = cfg!(target_os = "wasi");

/// An error of the system, by the number that it has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    pub fn message(self) -> Bytes {
        face::message(self)
    }
}

pub type Result<T> = std::result::Result<T, Errno>;

/// A descriptor of the new process, and what of the caller's it duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Mapping {
    pub from: u32,
    pub to: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Exited(u8),
    Signaled(u8),
}

impl Ended {
    pub fn status(self) -> u8 {
        match self {
            Ended::Exited(status) => status,
            Ended::Signaled(signal) => 128 + (signal & 0x7f),
        }
    }
}

/// What a signal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Default,
    Ignore,
    /// Marked for `take_signals`.
    Note,
}

/// A program to start.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    pub path: &'a [u8],
    pub arguments: &'a [Bytes],
    pub environment: &'a [Bytes],
    pub descriptors: &'a [Mapping],
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    Read,
    /// Creates, or cuts to nothing.
    Write,
    Append,
    ReadWrite,
    /// Fails when it is there.
    New,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Regular,
    Directory,
    Link,
    Pipe,
    Socket,
    Character,
    Block,
}

#[derive(Debug, Clone, Copy)]
pub struct Metadata {
    pub kind: FileKind,
    /// Permission bits.
    pub mode: u32,
    pub size: u64,
    /// Seconds and nanoseconds.
    pub modified: (i64, u32),
    pub accessed: (i64, u32),
    pub identity: (u64, u64),
    pub owner: (u32, u32),
}

impl Metadata {
    pub fn is_directory(&self) -> bool {
        self.kind == FileKind::Directory
    }

    pub fn is_regular(&self) -> bool {
        self.kind == FileKind::Regular
    }
}

/// What may be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    Execute,
}

pub fn is_directory(path: &[u8]) -> bool {
    metadata(path).is_some_and(|metadata| metadata.is_directory())
}

/// Writes all of it, also where the system takes it in pieces.
pub fn write_all(fd: u32, bytes: &[u8]) -> Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match write(fd, rest) {
            Ok(0) => return Err(errno::IO),
            Ok(count) => rest = &rest[count..],
            Err(errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads to the end.
pub fn read_all(fd: u32) -> Result<Bytes> {
    let mut out = Bytes::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match read(fd, &mut buffer) {
            Ok(0) => return Ok(out),
            Ok(count) => out.extend_from_slice(&buffer[..count]),
            Err(errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

pub fn read_file(path: &[u8]) -> Result<Bytes> {
    let fd = open(path, Open::Read)?;
    let content = read_all(fd);
    close(fd).ok();
    content
}
