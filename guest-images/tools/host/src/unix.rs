//! The C library's calls.

use std::ffi::CString;
use std::io;
use std::path::Path;

use crate::{Action, EXECUTE, GitEvent, OsStrExt as _, Process, READ, WRITE};

fn text(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

pub fn command() -> Option<String> {
    None
}

/// This process alone: what else runs on the machine is not the tools' to tell of.
pub fn processes() -> Vec<Process> {
    let arguments = std::env::args_os().flat_map(|argument| [argument.as_bytes(), b"\0"].concat()).collect();
    vec![Process { pid: std::process::id(), parent: std::os::unix::process::parent_id(), ended: false, arguments }]
}

pub fn start() {
    // SAFETY: no handler of ours is involved.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let path = text(path)?;
    // SAFETY: the path ends with a zero.
    check(unsafe { libc::chmod(path.as_ptr(), mode) })
}

pub fn access(path: &Path, kinds: u32) -> io::Result<()> {
    let path = text(path)?;
    let mut asked = libc::F_OK;
    for (kind, bit) in [(EXECUTE, libc::X_OK), (WRITE, libc::W_OK), (READ, libc::R_OK)] {
        if kinds & kind != 0 {
            asked |= bit;
        }
    }
    // SAFETY: the path ends with a zero.
    check(unsafe { libc::access(path.as_ptr(), asked) })
}

/// There is no host that would carry it out.
pub fn git_start(_: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub fn git_next() -> io::Result<GitEvent> {
    Err(io::ErrorKind::Unsupported.into())
}

pub fn umask(mask: u32) -> u32 {
    // SAFETY: this cannot fail.
    unsafe { libc::umask(mask) }
}

pub fn kill(process: u32, signal: u8) -> io::Result<()> {
    let process = libc::pid_t::try_from(process).map_err(io::Error::other)?;
    // SAFETY: numbers only.
    check(unsafe { libc::kill(process, libc::c_int::from(signal)) })
}

pub fn act(signal: u8, action: Action) -> io::Result<()> {
    let handler = match action {
        Action::Default => libc::SIG_DFL,
        Action::Ignore => libc::SIG_IGN,
    };
    // SAFETY: no handler of ours is involved.
    if unsafe { libc::signal(libc::c_int::from(signal), handler) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

pub fn tell_absent(_command: &[u8]) {}

pub fn parent() -> u32 {
    std::os::unix::process::parent_id()
}
