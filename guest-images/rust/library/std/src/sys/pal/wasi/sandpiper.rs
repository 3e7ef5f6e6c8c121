//! The functions of `sandpiper:host/process@0.1.0`, which give WASI preview 1 processes, pipes, duplicates of
//! descriptors and modes of files, and what a program does with them before `main`.
//!
//! They are bound in the canonical ABI: a list is an address and a length; a result comes back through an address,
//! its discriminant first and what it carries behind that, aligned.

use crate::ffi::{CStr, CString, c_char, c_int};
use crate::io;
use crate::os::fd::RawFd;
use crate::os::wasi::ffi::OsStrExt;
use crate::path::Path;

/// An address and a length.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct List {
    address: *const u8,
    length: usize,
}

impl List {
    pub fn of(bytes: &[u8]) -> List {
        List { address: bytes.as_ptr(), length: bytes.len() }
    }
}

/// A descriptor of the caller, and the number that its duplicate has in the new process.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    pub from: u32,
    pub to: u32,
}

/// What comes back through an address; nothing is bigger.
#[repr(C, align(8))]
#[derive(Default)]
struct Answer([u8; 16]);

impl Answer {
    fn half(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    /// The error, whose place is that of what the result carries when all is well.
    fn check(&self, at: usize) -> io::Result<()> {
        if self.0[0] == 0 {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(i32::from(self.half(at))))
        }
    }
}

#[link(wasm_import_module = "sandpiper:host/process@0.1.0")]
unsafe extern "C" {
    #[link_name = "root"]
    safe fn host_root() -> u32;
    #[link_name = "directory"]
    fn host_directory(answer: *mut List);
    #[link_name = "id"]
    safe fn host_id() -> u32;
    #[link_name = "spawn"]
    fn host_spawn(
        program: *const u8,
        program_length: usize,
        arguments: *const List,
        arguments_length: usize,
        environment: *const List,
        environment_length: usize,
        directory: *const u8,
        directory_length: usize,
        descriptors: *const Mapping,
        descriptors_length: usize,
        answer: *mut Answer,
    );
    #[link_name = "wait"]
    fn host_wait(has_child: u32, child: u32, block: u32, answer: *mut Answer);
    #[link_name = "kill"]
    fn host_kill(process: u32, signal: u32, answer: *mut Answer);
    #[link_name = "pipe"]
    fn host_pipe(answer: *mut Answer);
    #[link_name = "dup"]
    fn host_dup(from: u32, lowest: u32, answer: *mut Answer);
    #[link_name = "mode"]
    fn host_mode(path: *const u8, length: usize, follow: u32, answer: *mut Answer);
    #[link_name = "set-mode"]
    fn host_set_mode(path: *const u8, length: usize, mode: u32, answer: *mut Answer);
}

// These are not available yet in libc.
unsafe extern "C" {
    fn __wasilibc_register_preopened_fd(fd: c_int, prefix: *const c_char) -> c_int;
}

/// Makes the root known to wasi-libc, which looks for preopened directories only from descriptor 3 up to the first
/// that is none, and goes to the directory that the process was started in.
///
/// # Safety
///
/// To be called once, before anything opens a file.
pub unsafe fn init() {
    let root = host_root() as c_int;
    let mut directory = List { address: crate::ptr::null(), length: 0 };
    unsafe {
        if __wasilibc_register_preopened_fd(root, c"/".as_ptr()) != 0 {
            rtabort!("the root directory could not be registered");
        }
        host_directory(&mut directory);
        // The host had it allocated by `cabi_realloc`, which is what `alloc` is.
        let bytes = if directory.length == 0 {
            Vec::new()
        } else {
            Vec::from_raw_parts(directory.address.cast_mut(), directory.length, directory.length)
        };
        // A working directory that is gone is no reason not to start; names without a slash are then not found.
        if bytes != b"/"
            && let Ok(path) = CString::new(bytes)
        {
            libc::chdir(path.as_ptr());
        }
    }
}

pub fn id() -> u32 {
    host_id()
}

/// What a program is started with.
pub struct Start<'a> {
    pub program: &'a [u8],
    pub arguments: &'a [List],
    pub environment: &'a [List],
    pub directory: &'a [u8],
    pub descriptors: &'a [Mapping],
}

/// Starts a program; the new process's number.
pub fn spawn(start: &Start<'_>) -> io::Result<u32> {
    let mut answer = Answer::default();
    unsafe {
        host_spawn(
            start.program.as_ptr(),
            start.program.len(),
            start.arguments.as_ptr(),
            start.arguments.len(),
            start.environment.as_ptr(),
            start.environment.len(),
            start.directory.as_ptr(),
            start.directory.len(),
            start.descriptors.as_ptr(),
            start.descriptors.len(),
            &mut answer,
        );
    }
    answer.check(4)?;
    Ok(answer.word(4))
}

/// Waits for a child: its status as POSIX encodes it, none when it still runs and `block` is false.
pub fn wait(child: u32, block: bool) -> io::Result<Option<i32>> {
    let mut answer = Answer::default();
    loop {
        unsafe { host_wait(1, child, u32::from(block), &mut answer) };
        match answer.check(4) {
            Err(error) if error.is_interrupted() => {}
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    if answer.0[4] == 0 {
        return Ok(None);
    }
    let value = i32::from(answer.0[13]);
    Ok(Some(if answer.0[12] == 0 { value << 8 } else { value }))
}

pub fn kill(process: u32, signal: u32) -> io::Result<()> {
    let mut answer = Answer::default();
    unsafe { host_kill(process, signal, &mut answer) };
    answer.check(2)
}

/// The end to read, and the end to write.
pub fn pipe() -> io::Result<(RawFd, RawFd)> {
    let mut answer = Answer::default();
    unsafe { host_pipe(&mut answer) };
    answer.check(4)?;
    Ok((answer.word(4) as RawFd, answer.word(8) as RawFd))
}

/// A duplicate that is none of the three standard streams.
pub fn duplicate(fd: RawFd) -> io::Result<RawFd> {
    let mut answer = Answer::default();
    unsafe { host_dup(fd as u32, 3, &mut answer) };
    answer.check(4)?;
    Ok(answer.word(4) as RawFd)
}

/// The permission bits of what is at a path.
pub fn mode(path: &CStr, follow: bool) -> io::Result<libc::mode_t> {
    let path = absolute(path)?;
    let mut answer = Answer::default();
    unsafe { host_mode(path.as_ptr(), path.len(), u32::from(follow), &mut answer) };
    answer.check(2)?;
    Ok(libc::mode_t::from(answer.half(2)))
}

pub fn set_mode(path: &CStr, mode: libc::mode_t) -> io::Result<()> {
    let path = absolute(path)?;
    let mut answer = Answer::default();
    unsafe { host_set_mode(path.as_ptr(), path.len(), (mode & 0o7777) as u32, &mut answer) };
    answer.check(2)
}

/// The host knows no working directory of ours: only wasi-libc does.
fn absolute(path: &CStr) -> io::Result<Vec<u8>> {
    let bytes = path.to_bytes();
    if bytes.is_empty() {
        return Err(io::Error::from_raw_os_error(libc::ENOENT));
    }
    if bytes[0] == b'/' {
        return Ok(bytes.to_vec());
    }
    let directory = crate::env::current_dir()?;
    Ok(directory.join(Path::new(crate::ffi::OsStr::from_bytes(bytes))).into_os_string().into_encoded_bytes())
}
