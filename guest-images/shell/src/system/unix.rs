//! The system as Linux has it.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Access, Action, Ended, Errno, FileKind, Mapping, Metadata, Open, Program, Result};
use crate::syntax::ast::Bytes;

pub mod errno {
    use super::Errno;

    pub const NOENT: Errno = Errno(libc::ENOENT);
    pub const NOEXEC: Errno = Errno(libc::ENOEXEC);
    pub const INTR: Errno = Errno(libc::EINTR);
    pub const IO: Errno = Errno(libc::EIO);
    pub const BADF: Errno = Errno(libc::EBADF);
    pub const NOTDIR: Errno = Errno(libc::ENOTDIR);
    pub const EXIST: Errno = Errno(libc::EEXIST);
    pub const AGAIN: Errno = Errno(libc::EAGAIN);
}

/// Nobody is told.
pub fn tell_absent(_command: &[u8]) {}

/// The signals that came, bit n-1 for signal n.
static NOTED: AtomicU64 = AtomicU64::new(0);

/// So deep that the shell's own bound on nesting is reached first.
const STACK_BYTES: usize = 1 << 29;

/// Runs the shell with enough stack.
pub fn run(main: fn() -> u8) -> u8 {
    // SAFETY: sets the default action, which Rust's runtime had changed.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    // Signals are for the thread of the shell, whose calls they interrupt; this one only waits.
    let mask = |how| {
        // SAFETY: a set of signals on the stack, filled before it is used.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(how, &raw const all, std::ptr::null_mut());
        }
    };
    mask(libc::SIG_BLOCK);
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        mask(libc::SIG_UNBLOCK);
        main()
    });
    thread.ok().and_then(|thread| thread.join().ok()).unwrap_or(255)
}

pub fn message(error: Errno) -> Bytes {
    // SAFETY: `strerror` gives a string that lives until the next call; it is copied at once.
    unsafe { CStr::from_ptr(libc::strerror(error.0)) }.to_bytes().to_vec()
}

fn last() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(-1)
}

fn check(value: i32) -> Result<u32> {
    u32::try_from(value).map_err(|_| last())
}

fn string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| Errno(libc::EINVAL))
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

pub fn exit(status: u8) -> ! {
    // SAFETY: ends the process; nothing is buffered.
    unsafe { libc::_exit(i32::from(status)) }
}

pub fn id() -> u32 {
    std::process::id()
}

pub fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

pub fn user() -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() }
}

pub fn group() -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::getegid() }
}

pub fn host_name() -> Bytes {
    std::fs::read("/proc/sys/kernel/hostname").map(|name| name.trim_ascii().to_vec()).unwrap_or_default()
}

/// The home of a user; of the caller for an empty name.
pub fn home(name: &[u8]) -> Option<Bytes> {
    let users = std::fs::read("/etc/passwd").ok()?;
    users.split(|&byte| byte == b'\n').find_map(|line| {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
        let (login, id, home) = (fields.first()?, fields.get(2)?, fields.get(5)?);
        let wanted = if name.is_empty() { *id == user().to_string().as_bytes() } else { *login == name };
        wanted.then(|| home.to_vec())
    })
}

/// The path of this very program.
pub fn program() -> Bytes {
    std::env::current_exe().map(|path| path.as_os_str().as_bytes().to_vec()).unwrap_or_default()
}

pub fn directory() -> Bytes {
    std::env::current_dir().map(|path| path.as_os_str().as_bytes().to_vec()).unwrap_or_default()
}

pub fn change_directory(to: &[u8]) -> Result<()> {
    std::env::set_current_dir(path(to)).map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EIO)))
}

pub fn open(file: &[u8], how: Open) -> Result<u32> {
    let flags = match how {
        Open::Read => libc::O_RDONLY,
        Open::Write => libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC,
        Open::Append => libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND,
        Open::ReadWrite => libc::O_RDWR | libc::O_CREAT,
        Open::New => libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL,
    };
    let file = string(file)?;
    // SAFETY: the path ends with NUL.
    check(unsafe { libc::open(file.as_ptr(), flags | libc::O_CLOEXEC, 0o666) })
}

pub fn remove(file: &[u8]) -> Result<()> {
    std::fs::remove_file(path(file)).map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EIO)))
}

pub fn close(fd: u32) -> Result<()> {
    // SAFETY: the descriptor is the shell's own.
    check(unsafe { libc::close(number(fd)) }).map(drop)
}

pub fn is_open(fd: u32) -> bool {
    // SAFETY: only asks.
    unsafe { libc::fcntl(number(fd), libc::F_GETFD) >= 0 }
}

pub fn dup(from: u32, lowest: u32) -> Result<u32> {
    // SAFETY: makes a descriptor, touches no other.
    check(unsafe { libc::fcntl(number(from), libc::F_DUPFD_CLOEXEC, number(lowest)) })
}

pub fn dup_to(from: u32, to: u32) -> Result<()> {
    // SAFETY: what `to` was is given up by the caller.
    check(unsafe { libc::dup2(number(from), number(to)) }).map(drop)
}

pub fn pipe() -> Result<(u32, u32)> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    Ok((ends[0].cast_unsigned(), ends[1].cast_unsigned()))
}

pub fn read(fd: u32, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: writes into `buffer` only.
    let count = unsafe { libc::read(number(fd), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(count).map_err(|_| last())
}

pub fn write(fd: u32, bytes: &[u8]) -> Result<usize> {
    // SAFETY: reads from `bytes` only.
    let count = unsafe { libc::write(number(fd), bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(count).map_err(|_| last())
}

/// Puts back bytes that were read too far; says whether that was possible.
pub fn seek_back(fd: u32, count: usize) -> bool {
    let count = i64::try_from(count).unwrap_or(0);
    // SAFETY: moves the place in the file only.
    unsafe { libc::lseek(number(fd), -count, libc::SEEK_CUR) >= 0 }
}

/// Is there something to read, or the end, before the time is over?
pub fn readable(fd: u32, within: std::time::Duration) -> bool {
    let milliseconds = i32::try_from(within.as_millis()).unwrap_or(i32::MAX);
    let mut wanted = libc::pollfd { fd: number(fd), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid structure.
    unsafe { libc::poll(&raw mut wanted, 1, milliseconds) > 0 }
}

pub fn is_terminal(fd: u32) -> bool {
    // SAFETY: only asks.
    unsafe { libc::isatty(number(fd)) == 1 }
}

fn converted(metadata: &std::fs::Metadata) -> Metadata {
    let kind = match metadata.mode() & libc::S_IFMT {
        libc::S_IFDIR => FileKind::Directory,
        libc::S_IFLNK => FileKind::Link,
        libc::S_IFIFO => FileKind::Pipe,
        libc::S_IFSOCK => FileKind::Socket,
        libc::S_IFCHR => FileKind::Character,
        libc::S_IFBLK => FileKind::Block,
        _ => FileKind::Regular,
    };
    let nanoseconds = |value: i64| u32::try_from(value).unwrap_or(0);
    Metadata {
        kind,
        mode: metadata.mode() & 0o7777,
        size: metadata.size(),
        modified: (metadata.mtime(), nanoseconds(metadata.mtime_nsec())),
        accessed: (metadata.atime(), nanoseconds(metadata.atime_nsec())),
        identity: (metadata.dev(), metadata.ino()),
        owner: (metadata.uid(), metadata.gid()),
    }
}

pub fn metadata(file: &[u8]) -> Option<Metadata> {
    std::fs::metadata(path(file)).ok().map(|metadata| converted(&metadata))
}

pub fn link_metadata(file: &[u8]) -> Option<Metadata> {
    std::fs::symlink_metadata(path(file)).ok().map(|metadata| converted(&metadata))
}

pub fn may(file: &[u8], access: Access) -> bool {
    let mode = match access {
        Access::Read => libc::R_OK,
        Access::Write => libc::W_OK,
        Access::Execute => libc::X_OK,
    };
    // SAFETY: the path ends with NUL.
    string(file).is_ok_and(|file| unsafe {
        libc::faccessat(libc::AT_FDCWD, file.as_ptr(), mode, libc::AT_EACCESS) == 0
    })
}

/// The names in a directory, in no order.
pub fn directory_names(directory: &[u8]) -> Vec<Bytes> {
    let Ok(entries) = std::fs::read_dir(path(directory)) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().as_bytes().to_vec()).collect()
}

/// Sets the permissions that new files do not get; gives what they were.
pub fn mode_of_new(mask: u32) -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::umask(mask) }
}

/// In a child: exactly the mapped descriptors, and no other.
///
/// # Safety
/// All other descriptors of the process are closed, so nothing may use them again.
unsafe fn adopt(descriptors: &[Mapping]) {
    // First to numbers that are no target of any, so that none is overwritten before it was duplicated.
    let above = descriptors.iter().map(|mapping| mapping.to + 1).max().unwrap_or(0).max(128);
    let mut moved = [(0, 0); 64];
    let mut count = 0;
    for mapping in descriptors.iter().take(moved.len()) {
        // SAFETY: see above.
        let copy = unsafe { libc::fcntl(number(mapping.from), libc::F_DUPFD, number(above)) };
        moved[count] = (copy, number(mapping.to));
        count += 1;
    }
    // SAFETY: see above.
    unsafe { libc::close_range(0, above - 1, 0) };
    for &(from, to) in &moved[..count] {
        if from >= 0 {
            // SAFETY: see above.
            unsafe { libc::dup2(from, to) };
        }
    }
    // SAFETY: see above.
    unsafe { libc::close_range(above, u32::MAX, 0) };
}

pub fn fork(descriptors: &[Mapping], child: &mut dyn FnMut() -> u8) -> Result<u32> {
    // SAFETY: the shell is one thread but for the first, which only waits; the child goes on with a copy of everything.
    let pid = check(unsafe { libc::fork() })?;
    if pid != 0 {
        return Ok(pid);
    }
    // SAFETY: the child uses only what was mapped.
    unsafe { adopt(descriptors) };
    exit(child())
}

pub fn spawn(program: &Program) -> Result<u32> {
    let file = string(program.path)?;
    let strings = |list: &[Bytes]| list.iter().map(|text| string(text)).collect::<Result<Vec<_>>>();
    let arguments = strings(program.arguments)?;
    let environment = strings(program.environment)?;
    let pointers = |list: &[CString]| {
        let mut pointers: Vec<_> = list.iter().map(|text| text.as_ptr()).collect();
        pointers.push(std::ptr::null());
        pointers
    };
    let (arguments, environment) = (pointers(&arguments), pointers(&environment));
    // The error of `execve` comes back through a pipe that a success closes.
    let (reading, writing) = pipe()?;
    let mut descriptors = program.descriptors.to_vec();
    let highest = descriptors.iter().map(|mapping| mapping.to).max().unwrap_or(0).max(62) + 1;
    descriptors.push(Mapping { from: writing, to: highest });
    // SAFETY: between `fork` and `execve` only calls that need no lock.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: as above; the strings live in this copy of the memory.
        unsafe {
            for signal in 1..65 {
                let mut old: libc::sigaction = std::mem::zeroed();
                if libc::sigaction(signal, std::ptr::null(), &raw mut old) == 0
                    && old.sa_sigaction != libc::SIG_IGN
                    && old.sa_sigaction != libc::SIG_DFL
                {
                    libc::signal(signal, libc::SIG_DFL);
                }
            }
            adopt(&descriptors);
            libc::fcntl(number(highest), libc::F_SETFD, libc::FD_CLOEXEC);
            libc::execve(file.as_ptr(), arguments.as_ptr(), environment.as_ptr());
            let error = last().0.to_ne_bytes();
            libc::write(number(highest), error.as_ptr().cast(), error.len());
            libc::_exit(127)
        }
    }
    close(writing).ok();
    let pid = check(pid)?;
    let mut error = [0; 4];
    let read = loop {
        match read(reading, &mut error) {
            Err(errno::INTR) => {}
            other => break other,
        }
    };
    close(reading).ok();
    if read == Ok(4) {
        while wait(Some(pid), true) == Err(errno::INTR) {}
        return Err(Errno(i32::from_ne_bytes(error)));
    }
    Ok(pid)
}

pub fn wait(child: Option<u32>, block: bool) -> Result<Option<(u32, Ended)>> {
    let mut status = 0;
    let options = if block { 0 } else { libc::WNOHANG };
    // SAFETY: writes to `status` only.
    let pid = check(unsafe { libc::waitpid(child.map_or(-1, number), &raw mut status, options) })?;
    if pid == 0 {
        return Ok(None);
    }
    let narrow = |value: i32| u8::try_from(value & 0xff).unwrap_or(255);
    let ended = if libc::WIFSIGNALED(status) {
        Ended::Signaled(narrow(libc::WTERMSIG(status)))
    } else {
        Ended::Exited(narrow(libc::WEXITSTATUS(status)))
    };
    Ok(Some((pid, ended)))
}

pub fn kill(process: i64, signal: u8) -> Result<()> {
    let process = i32::try_from(process).map_err(|_| Errno(libc::ESRCH))?;
    // SAFETY: touches no memory.
    check(unsafe { libc::kill(process, i32::from(signal)) }).map(drop)
}

extern "C" fn note(signal: libc::c_int) {
    NOTED.fetch_or(1 << (signal - 1), Ordering::Relaxed);
}

pub fn act(signal: u8, action: Action) -> Result<Action> {
    let number = i32::from(signal);
    // SAFETY: the handler only sets a bit; the structures are valid for the calls.
    unsafe {
        let mut new: libc::sigaction = std::mem::zeroed();
        let mut old: libc::sigaction = std::mem::zeroed();
        new.sa_sigaction = match action {
            Action::Default => libc::SIG_DFL,
            Action::Ignore => libc::SIG_IGN,
            Action::Note => note as extern "C" fn(libc::c_int) as usize,
        };
        check(libc::sigaction(number, &raw const new, &raw mut old))?;
        Ok(match old.sa_sigaction {
            libc::SIG_DFL => Action::Default,
            libc::SIG_IGN => Action::Ignore,
            _ => Action::Note,
        })
    }
}

pub fn take_signals() -> u64 {
    NOTED.swap(0, Ordering::Relaxed)
}

/// Processor time in nanoseconds: the shell's own in user and system mode, that of its children likewise.
pub fn processor_times() -> [u64; 4] {
    let nanoseconds = |time: libc::timeval| {
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
            + u64::try_from(time.tv_usec).unwrap_or(0) * 1000
    };
    let mut times = [0; 4];
    for (at, who) in [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN].into_iter().enumerate() {
        // SAFETY: writes to `usage` only, for which zeros are a value.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(who, &raw mut usage);
            usage
        };
        times[2 * at] = nanoseconds(usage.ru_utime);
        times[2 * at + 1] = nanoseconds(usage.ru_stime);
    }
    times
}
