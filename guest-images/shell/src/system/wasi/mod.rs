//! The system as a sandpiper sandbox has it: files by WASI preview 1, processes by `sandpiper:host/process`.
//!
//! Paths are resolved here, against a working directory that is kept here, because WASI has none.

mod diagnostics;
mod imports;
mod process;

use std::sync::Mutex;
use std::time::Duration;

pub use diagnostics::tell_absent;
pub use process::{act, fork, kill, processor_times, spawn, take_signals, wait};
use imports::{Answer, Buffer, DescriptorStatus, Event, FileStatus, Slice, Subscription};

use super::{Access, Action, Ended, Errno, FileKind, Mapping, Metadata, Open, Program, Result};
use crate::syntax::ast::Bytes;

pub mod errno {
    //! The numbers of WASI preview 1.
    use super::Errno;

    pub const NOENT: Errno = Errno(44);
    pub const NOEXEC: Errno = Errno(45);
    pub const INTR: Errno = Errno(27);
    pub const IO: Errno = Errno(29);
    pub const BADF: Errno = Errno(8);
    pub const NOTDIR: Errno = Errno(54);
    pub const EXIST: Errno = Errno(20);
    pub const AGAIN: Errno = Errno(6);
}

/// The one user of a sandbox.
const USER: u32 = 1000;

/// Links to links are followed so far.
const LINKS_MAX: u32 = 40;

const RIGHT_READ: u64 = 1 << 1;
const RIGHT_SEEK: u64 = 1 << 2;
const RIGHT_TELL: u64 = 1 << 5;
const RIGHT_WRITE: u64 = 1 << 6;
const RIGHT_READ_DIRECTORY: u64 = 1 << 14;
const RIGHT_STATUS: u64 = 1 << 21;
const OPEN_CREATE: u16 = 1;
const OPEN_DIRECTORY: u16 = 2;
const OPEN_EXCLUSIVE: u16 = 4;
const OPEN_TRUNCATE: u16 = 8;
const FLAG_APPEND: u16 = 1;
const FOLLOW: u32 = 1;

/// The working directory; a `Mutex` only because a static needs one.
static DIRECTORY: Mutex<Bytes> = Mutex::new(Bytes::new());

pub fn run(main: fn() -> u8) -> u8 {
    keep_directory(first_directory());
    main()
}

/// The directory that the shell was started in, by the name that `PWD` has for it if it is one.
fn first_directory() -> Bytes {
    let mut list = imports::List { address: std::ptr::null_mut(), length: 0 };
    // SAFETY: writes the list only, and memory that `cabi_realloc` has made for it.
    unsafe { imports::directory(&raw mut list) };
    if list.address.is_null() {
        return b"/".to_vec();
    }
    // SAFETY: `cabi_realloc` has made it by the global allocator with this length and the alignment of bytes.
    let real = unsafe { Bytes::from_raw_parts(list.address, list.length, list.length) };
    let named =
        std::env::var_os("PWD").map(|path| path.into_encoded_bytes()).filter(|path| path.starts_with(b"/"));
    let same = |named: &Bytes| {
        let identity = |path: &[u8]| super::metadata(path).map(|metadata| metadata.identity);
        identity(named).is_some_and(|it| Some(it) == identity(&real))
    };
    named.filter(same).unwrap_or(real)
}

fn keep_directory(path: Bytes) {
    if let Ok(mut directory) = DIRECTORY.lock() {
        *directory = path;
    }
}

pub fn message(error: Errno) -> Bytes {
    let text = match error.0 {
        1 => "Argument list too long",
        2 => "Permission denied",
        6 => "Resource temporarily unavailable",
        8 => "Bad file descriptor",
        10 => "Device or resource busy",
        12 => "No child processes",
        19 => "Disk quota exceeded",
        20 => "File exists",
        22 => "File too large",
        27 => "Interrupted system call",
        28 => "Invalid argument",
        29 => "Input/output error",
        31 => "Is a directory",
        32 => "Too many levels of symbolic links",
        33 => "Too many open files",
        37 => "File name too long",
        41 => "Too many open files in system",
        44 => "No such file or directory",
        45 => "Exec format error",
        48 => "Cannot allocate memory",
        51 => "No space left on device",
        52 => "Function not implemented",
        54 => "Not a directory",
        55 => "Directory not empty",
        58 => "Operation not supported",
        59 => "Inappropriate ioctl for device",
        60 => "No such device or address",
        63 => "Operation not permitted",
        64 => "Broken pipe",
        69 => "Read-only file system",
        70 => "Illegal seek",
        71 => "No such process",
        76 => "Permission denied",
        number => return format!("error {number}").into_bytes(),
    };
    text.as_bytes().to_vec()
}

fn check(number: u16) -> Result<()> {
    if number == 0 { Ok(()) } else { Err(Errno(i32::from(number))) }
}

/// A result whose error, and nothing else of two bytes, stands behind its discriminant.
fn short(answer: &Answer) -> Result<u16> {
    if answer.failed() { Err(Errno(i32::from(answer.half(2)))) } else { Ok(answer.half(2)) }
}

fn long(answer: &Answer) -> Result<u32> {
    if answer.failed() { Err(Errno(i32::from(answer.half(4)))) } else { Ok(answer.word(4)) }
}

fn root() -> u32 {
    // SAFETY: takes and touches no memory.
    unsafe { imports::root() }
}

/// The absolute path.
fn absolute(path: &[u8]) -> Bytes {
    if path.starts_with(b"/") { path.to_vec() } else { [directory().as_slice(), b"/", path].concat() }
}

/// The path as seen from the root directory; an empty one leads nowhere (POSIX, 4.16 Pathname Resolution).
fn from_root(path: &[u8]) -> Result<Bytes> {
    if path.is_empty() {
        return Err(errno::NOENT);
    }
    let mut full = absolute(path);
    let slashes = full.iter().take_while(|&&byte| byte == b'/').count();
    full.drain(..slashes);
    Ok(if full.is_empty() { b".".to_vec() } else { full })
}

pub fn exit(status: u8) -> ! {
    // SAFETY: ends the process.
    unsafe { imports::proc_exit(u32::from(status)) }
}

pub fn id() -> u32 {
    // SAFETY: takes and touches no memory.
    unsafe { imports::id() }
}

pub fn parent() -> u32 {
    // SAFETY: takes and touches no memory.
    unsafe { imports::parent() }
}

pub fn user() -> u32 {
    USER
}

pub fn group() -> u32 {
    USER
}

pub fn host_name() -> Bytes {
    super::read_file(b"/etc/hostname")
        .map_or_else(|_| b"sandpiper".to_vec(), |name| name.trim_ascii().to_vec())
}

pub fn home(name: &[u8]) -> Option<Bytes> {
    if name.is_empty() {
        return Some(b"/home/user".to_vec());
    }
    let users = super::read_file(b"/etc/passwd").ok()?;
    users.split(|&byte| byte == b'\n').find_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        (fields.next()? == name).then(|| fields.nth(4).map(<[u8]>::to_vec))?
    })
}

pub fn program() -> Bytes {
    b"/usr/bin/bash".to_vec()
}

pub fn directory() -> Bytes {
    DIRECTORY.lock().map(|directory| directory.clone()).unwrap_or_default()
}

pub fn change_directory(to: &[u8]) -> Result<()> {
    let real = real_path(&absolute(to))?;
    if !super::is_directory(&real) {
        return Err(errno::NOTDIR);
    }
    keep_directory(real);
    Ok(())
}

/// The path without links, `.` and `..`.
fn real_path(path: &[u8]) -> Result<Bytes> {
    let mut pending: Vec<Bytes> = path.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec).collect();
    let mut real = Bytes::new();
    let mut links = 0;
    while let Some(part) = pending.pop() {
        match part.as_slice() {
            b"" | b"." => continue,
            b".." => {
                let end = real.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                real.truncate(end);
                continue;
            }
            _ => {}
        }
        let next = [real.as_slice(), b"/", &part].concat();
        let found = link_metadata(&next).ok_or(errno::NOENT)?;
        if found.kind != FileKind::Link {
            real = next;
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(Errno(32));
        }
        let target = read_link(&next)?;
        if target.starts_with(b"/") {
            real.clear();
        }
        pending.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
    }
    Ok(if real.is_empty() { b"/".to_vec() } else { real })
}

fn read_link(path: &[u8]) -> Result<Bytes> {
    let relative = from_root(path)?;
    let mut buffer = vec![0; 4096];
    let mut used = 0;
    // SAFETY: writes into `buffer` and `used` only.
    check(unsafe {
        imports::path_readlink(
            root(),
            relative.as_ptr(),
            relative.len(),
            buffer.as_mut_ptr(),
            buffer.len(),
            &raw mut used,
        )
    })?;
    buffer.truncate(used);
    Ok(buffer)
}

fn open_with(path: &[u8], flags: u16, rights: u64, descriptor_flags: u16) -> Result<u32> {
    let relative = from_root(path)?;
    let mut fd = 0;
    // SAFETY: reads the path and writes `fd` only.
    check(unsafe {
        imports::path_open(
            root(),
            FOLLOW,
            relative.as_ptr(),
            relative.len(),
            flags,
            rights,
            rights,
            descriptor_flags,
            &raw mut fd,
        )
    })?;
    Ok(fd)
}

pub fn open(path: &[u8], how: Open) -> Result<u32> {
    let reads = RIGHT_READ | RIGHT_SEEK | RIGHT_TELL | RIGHT_STATUS;
    let writes = RIGHT_WRITE | RIGHT_SEEK | RIGHT_TELL | RIGHT_STATUS;
    match how {
        Open::Read => open_with(path, 0, reads, 0),
        Open::Write => open_with(path, OPEN_CREATE | OPEN_TRUNCATE, writes, 0),
        Open::Append => open_with(path, OPEN_CREATE, writes, FLAG_APPEND),
        Open::ReadWrite => open_with(path, OPEN_CREATE, reads | writes, 0),
        Open::New => open_with(path, OPEN_CREATE | OPEN_EXCLUSIVE, writes, 0),
    }
}

pub fn remove(path: &[u8]) -> Result<()> {
    let relative = from_root(path)?;
    // SAFETY: reads the path only.
    check(unsafe { imports::path_unlink_file(root(), relative.as_ptr(), relative.len()) })
}

pub fn close(fd: u32) -> Result<()> {
    // SAFETY: the descriptor is the shell's own.
    check(unsafe { imports::fd_close(fd) })
}

fn descriptor_status(fd: u32) -> Result<DescriptorStatus> {
    let mut status = DescriptorStatus::default();
    // SAFETY: writes `status` only.
    check(unsafe { imports::fd_fdstat_get(fd, &raw mut status) })?;
    Ok(status)
}

pub fn is_open(fd: u32) -> bool {
    fd != root() && descriptor_status(fd).is_ok()
}

pub fn is_terminal(fd: u32) -> bool {
    descriptor_status(fd)
        .is_ok_and(|status| status.kind == 2 && status.rights & (RIGHT_SEEK | RIGHT_TELL) == 0)
}

pub fn dup(from: u32, lowest: u32) -> Result<u32> {
    let mut answer = Answer::default();
    // SAFETY: writes the answer only.
    unsafe { imports::dup(from, lowest, &raw mut answer) };
    long(&answer)
}

pub fn dup_to(from: u32, to: u32) -> Result<()> {
    let mut answer = Answer::default();
    // SAFETY: writes the answer only.
    unsafe { imports::dup_to(from, to, &raw mut answer) };
    short(&answer).map(drop)
}

pub fn pipe() -> Result<(u32, u32)> {
    let mut answer = Answer::default();
    // SAFETY: writes the answer only.
    unsafe { imports::pipe(&raw mut answer) };
    long(&answer).map(|reading| (reading, answer.word(8)))
}

pub fn read(fd: u32, buffer: &mut [u8]) -> Result<usize> {
    let mut count = 0;
    let target = Buffer { address: buffer.as_mut_ptr(), length: buffer.len() };
    // SAFETY: writes into `buffer` and `count` only.
    check(unsafe { imports::fd_read(fd, &raw const target, 1, &raw mut count) })?;
    Ok(count)
}

pub fn write(fd: u32, bytes: &[u8]) -> Result<usize> {
    let mut count = 0;
    let source = Buffer { address: bytes.as_ptr().cast_mut(), length: bytes.len() };
    // SAFETY: reads from `bytes` and writes `count` only.
    check(unsafe { imports::fd_write(fd, &raw const source, 1, &raw mut count) })?;
    Ok(count)
}

pub fn seek_back(fd: u32, count: usize) -> bool {
    let mut place = 0;
    let offset = -i64::try_from(count).unwrap_or(0);
    // SAFETY: writes `place` only. 1 is from the current place.
    unsafe { imports::fd_seek(fd, offset, 1, &raw mut place) == 0 }
}

/// Is there something to read, or the end, before the time is over?
pub fn readable(fd: u32, within: Duration) -> bool {
    let clock = Subscription {
        user_data: 1,
        subject: 1,
        timeout: u64::try_from(within.as_nanos()).unwrap_or(u64::MAX),
        ..Subscription::default()
    };
    let reading = Subscription { tag: 1, subject: fd, ..Subscription::default() };
    let subscriptions = [reading, clock];
    let mut events = [Event::default(), Event::default()];
    let mut got = 0;
    // SAFETY: reads the subscriptions and writes the events and their number only.
    let result =
        unsafe { imports::poll_oneoff(subscriptions.as_ptr(), events.as_mut_ptr(), 2, &raw mut got) };
    result == 0 && events.iter().take(got).any(|event| event.user_data == 0 && event.error == 0)
}

fn status_of(path: &[u8], follow: bool) -> Option<Metadata> {
    let relative = from_root(path).ok()?;
    let mut status = FileStatus::default();
    // SAFETY: reads the path and writes `status` only.
    check(unsafe {
        imports::path_filestat_get(
            root(),
            u32::from(follow),
            relative.as_ptr(),
            relative.len(),
            &raw mut status,
        )
    })
    .ok()?;
    let kind = match status.kind {
        1 => FileKind::Block,
        2 => FileKind::Character,
        3 => FileKind::Directory,
        5 | 6 => FileKind::Socket,
        7 => FileKind::Link,
        0 => FileKind::Pipe,
        _ => FileKind::Regular,
    };
    let time = |nanoseconds: u64| {
        let seconds = i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(0);
        (seconds, u32::try_from(nanoseconds % 1_000_000_000).unwrap_or(0))
    };
    Some(Metadata {
        kind,
        mode: mode(path, follow).unwrap_or(0),
        size: status.size,
        modified: time(status.modified),
        accessed: time(status.accessed),
        identity: (status.device, status.inode),
        owner: (USER, USER),
    })
}

pub fn metadata(path: &[u8]) -> Option<Metadata> {
    status_of(path, true)
}

pub fn link_metadata(path: &[u8]) -> Option<Metadata> {
    status_of(path, false)
}

fn mode(path: &[u8], follow: bool) -> Result<u32> {
    if path.is_empty() {
        return Err(errno::NOENT);
    }
    let full = absolute(path);
    let mut answer = Answer::default();
    // SAFETY: reads the path and writes the answer only.
    unsafe { imports::mode(full.as_ptr(), full.len(), u32::from(follow), &raw mut answer) };
    short(&answer).map(u32::from)
}

pub fn may(path: &[u8], access: Access) -> bool {
    let bit = match access {
        Access::Read => 0o400,
        Access::Write => 0o200,
        Access::Execute => 0o100,
    };
    mode(path, true).is_ok_and(|mode| mode & bit != 0)
}

/// The names in a directory, in no order.
pub fn directory_names(directory: &[u8]) -> Vec<Bytes> {
    let rights = RIGHT_READ_DIRECTORY | RIGHT_STATUS;
    let Ok(fd) = open_with(directory, OPEN_DIRECTORY, rights, 0) else { return Vec::new() };
    let names = names_of(fd);
    close(fd).ok();
    names
}

/// An entry begins with 24 bytes: the next cookie, the inode, the length of the name, the kind.
fn names_of(fd: u32) -> Vec<Bytes> {
    const HEAD: usize = 24;
    let mut names = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    let mut cookie = 0;
    loop {
        let mut used = 0;
        // SAFETY: writes into `buffer` and `used` only.
        let result =
            unsafe { imports::fd_readdir(fd, buffer.as_mut_ptr(), buffer.len(), cookie, &raw mut used) };
        if result != 0 {
            return names;
        }
        let mut rest = &buffer[..used.min(buffer.len())];
        while let (Some(next), Some(length)) = (rest.first_chunk::<8>(), rest.get(16..20)) {
            let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
            let Some(name) = rest.get(HEAD..HEAD + length) else { break };
            cookie = u64::from_le_bytes(*next);
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
            rest = &rest[HEAD + length..];
        }
        if used < buffer.len() {
            return names;
        }
    }
}

pub fn mode_of_new(mask: u32) -> u32 {
    // SAFETY: takes and touches no memory.
    unsafe { imports::umask(mask) }
}
