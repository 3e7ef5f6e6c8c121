//! What programs inside a sandpiper sandbox ask of the host beyond WASI: modes of files, access, signals.
//!
//! `wasi` binds `sandpiper:host/process@0.1.0`; `unix` is the same over the C library, for tests on the machine that
//! builds.

#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(target_os = "wasi")]
#[path = "wasi.rs"]
mod system;
#[cfg(target_os = "wasi")]
mod threads;

pub mod status;
pub mod users;

#[cfg(unix)]
pub use std::os::unix::ffi::{OsStrExt, OsStringExt};
#[cfg(unix)]
pub use std::os::unix::process::ExitStatusExt;
#[cfg(target_os = "wasi")]
pub use std::os::wasi::ffi::{OsStrExt, OsStringExt};
#[cfg(target_os = "wasi")]
pub use std::os::wasi::process::ExitStatusExt;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

pub use status::Status;

/// What `access` asks for; combined by `|`.
pub const EXECUTE: u32 = 1;
pub const WRITE: u32 = 2;
pub const READ: u32 = 4;

/// What a signal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Default,
    Ignore,
}

/// What a command of git that the host carries out does next.
#[derive(Debug)]
pub enum GitEvent {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    /// With this exit code.
    Ended(u8),
}

/// A process of the sandbox.
#[derive(Debug, Clone)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    /// It has ended, and its parent has not asked how.
    pub ended: bool,
    /// Each with a zero behind it, as far as they are told.
    pub arguments: Vec<u8>,
}

/// The processes of the sandbox.
pub fn processes() -> Vec<Process> {
    system::processes()
}

/// Prepares a program: a closed pipe ends it, as POSIX has it and the sandbox does by itself.
pub fn start() {
    system::start();
}

/// The image's command that this process runs, whatever its first argument says; none outside of a sandbox.
pub fn command() -> Option<String> {
    system::command()
}

/// Sets the permission bits of what is at a path, behind symbolic links.
///
/// # Errors
///
/// As `chmod` has them.
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    system::set_mode(path, mode)
}

/// Whether this process may do all of `kinds` with what is at a path.
///
/// # Errors
///
/// As `access` has them.
pub fn access(path: &Path, kinds: u32) -> io::Result<()> {
    system::access(path, kinds)
}

/// The permission bits that new files do not get.
pub fn umask() -> u32 {
    let mask = system::umask(0o077);
    system::umask(mask);
    mask
}

/// Sets the permission bits that new files do not get.
pub fn set_umask(mask: u32) {
    system::umask(mask);
}

/// Sends a signal to a process; 0 only asks whether there is one.
///
/// # Errors
///
/// As `kill` has them.
pub fn kill(process: u32, signal: u8) -> io::Result<()> {
    system::kill(process, signal)
}

/// Sets what a signal does, for this process and those that it starts.
///
/// # Errors
///
/// When there is no such signal.
pub fn act(signal: u8, action: Action) -> io::Result<()> {
    system::act(signal, action)
}

/// Tells the host of a command that the sandbox has not.
pub fn tell_absent(command: &[u8]) {
    system::tell_absent(command);
}

/// Has the host carry out this process's arguments as a command line of git, with this standard input.
///
/// # Errors
///
/// `Unsupported` when the sandbox has no repository.
pub fn git_start(input: &[u8]) -> io::Result<()> {
    system::git_start(input)
}

/// Waits for what that command does next.
///
/// # Errors
///
/// When nobody is there to carry it out.
pub fn git_next() -> io::Result<GitEvent> {
    system::git_next()
}

/// The number of the process that started this one.
pub fn parent() -> u32 {
    system::parent()
}

/// Ends this process as a signal does, or with the status that a shell gives to that.
pub fn end_by_signal(signal: u8) -> ! {
    let _ = act(signal, Action::Default);
    let _ = kill(std::process::id(), signal);
    std::process::exit(128 + i32::from(signal))
}

/// A name of a file as the bytes that it is.
pub fn bytes(text: &OsStr) -> &[u8] {
    text.as_bytes()
}

/// Standard output without a buffer of lines.
///
/// # Errors
///
/// When it is closed.
pub fn stdout() -> io::Result<std::fs::File> {
    use std::os::fd::AsFd as _;
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

/// The bytes of a name of a file as such.
pub fn os(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}
