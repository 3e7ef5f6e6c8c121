//! The imports, in the canonical ABI: what a function returns comes back through an address, its discriminant in the
//! first byte, and the error's number behind it.

use std::io;
use std::path::Path;

use crate::{Action, GitEvent, OsStrExt as _, Process};

#[repr(C, align(8))]
#[derive(Default)]
struct Answer([u8; 16]);

impl Answer {
    fn check(&self) -> io::Result<()> {
        if self.0[0] == 0 {
            return Ok(());
        }
        Err(io::Error::from_raw_os_error(i32::from(u16::from_le_bytes([self.0[2], self.0[3]]))))
    }
}

/// A list that the host gives, in memory of `cabi_realloc`.
#[repr(C)]
struct List {
    address: *mut u8,
    length: usize,
}

#[link(wasm_import_module = "sandpiper:host/process@0.1.0")]
unsafe extern "C" {
    #[link_name = "command"]
    fn host_command(list: *mut List);
    #[link_name = "list"]
    fn host_list(list: *mut List);
    #[link_name = "set-mode"]
    fn host_set_mode(path: *const u8, length: usize, mode: u32, answer: *mut Answer);
    #[link_name = "mode"]
    fn host_mode(path: *const u8, length: usize, follow: u32, answer: *mut Answer);
    #[link_name = "access"]
    fn host_access(path: *const u8, length: usize, kinds: u32, answer: *mut Answer);
    #[link_name = "umask"]
    safe fn host_umask(mask: u32) -> u32;
    #[link_name = "kill"]
    fn host_kill(process: u32, signal: u32, answer: *mut Answer);
    #[link_name = "act"]
    fn host_act(signal: u32, action: u32, answer: *mut Answer);
    #[link_name = "parent"]
    safe fn host_parent() -> u32;
}

#[link(wasm_import_module = "sandpiper:host/diagnostics@0.1.0")]
unsafe extern "C" {
    #[link_name = "unsupported"]
    fn host_unsupported(feature: *const u8, feature_length: usize, detail: *const u8, detail_length: usize);
}

#[link(wasm_import_module = "sandpiper:host/git@0.1.0")]
unsafe extern "C" {
    #[link_name = "start"]
    fn host_git_start(input: *const u8, length: usize, answer: *mut Answer);
    #[link_name = "next"]
    fn host_git_next(event: *mut Event);
}

/// What `next` gives: whether it is an error, which case it is, and that case's value.
#[repr(C)]
struct Event {
    failed: u8,
    case: Case,
    list: List,
}

/// The case of an event, or the number of an error.
#[repr(C, align(4))]
struct Case([u8; 4]);

/// The host knows no working directory of ours.
fn absolute(path: &Path) -> io::Result<Vec<u8>> {
    if path.as_os_str().is_empty() {
        return Err(io::Error::from_raw_os_error(libc::ENOENT));
    }
    if path.is_absolute() {
        return Ok(path.as_os_str().as_bytes().to_vec());
    }
    Ok(std::env::current_dir()?.join(path).into_os_string().into_encoded_bytes())
}

impl List {
    const NONE: Self = Self { address: std::ptr::null_mut(), length: 0 };

    /// The bytes of a `list<u8>`.
    fn into_bytes(self) -> Vec<u8> {
        if self.length == 0 {
            return Vec::new();
        }
        // SAFETY: `cabi_realloc` has made it by the global allocator with this length and the alignment of bytes.
        unsafe { Vec::from_raw_parts(self.address, self.length, self.length) }
    }
}

/// A record of `list`.
#[repr(C)]
struct Listed {
    pid: u32,
    parent: u32,
    ended: u8,
    arguments: List,
}

pub fn command() -> Option<String> {
    let mut list = List::NONE;
    // SAFETY: writes the list only, and memory that `cabi_realloc` has made for it.
    unsafe { host_command(&raw mut list) };
    String::from_utf8(list.into_bytes()).ok().filter(|command| !command.is_empty())
}

pub fn processes() -> Vec<Process> {
    let mut list = List::NONE;
    // SAFETY: as for `command`.
    unsafe { host_list(&raw mut list) };
    if list.length == 0 {
        return Vec::new();
    }
    // SAFETY: `cabi_realloc` has made it by the global allocator with so many records, and their alignment.
    let listed = unsafe { Vec::from_raw_parts(list.address.cast::<Listed>(), list.length, list.length) };
    listed
        .into_iter()
        .map(|Listed { pid, parent, ended, arguments }| Process {
            pid,
            parent,
            ended: ended != 0,
            arguments: arguments.into_bytes(),
        })
        .collect()
}

pub fn start() {}

pub fn mode(path: &Path, follow: bool) -> io::Result<u32> {
    let path = absolute(path)?;
    let mut answer = Answer::default();
    // SAFETY: the addresses are those of live values of these lengths.
    unsafe { host_mode(path.as_ptr(), path.len(), u32::from(follow), &mut answer) };
    answer.check()?;
    Ok(u32::from(u16::from_le_bytes([answer.0[2], answer.0[3]])))
}

pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let path = absolute(path)?;
    let mut answer = Answer::default();
    // SAFETY: the addresses are those of live values of these lengths.
    unsafe { host_set_mode(path.as_ptr(), path.len(), mode & 0o7777, &mut answer) };
    answer.check()
}

pub fn access(path: &Path, kinds: u32) -> io::Result<()> {
    let path = absolute(path)?;
    let mut answer = Answer::default();
    // SAFETY: the addresses are those of live values of these lengths.
    unsafe { host_access(path.as_ptr(), path.len(), kinds, &mut answer) };
    answer.check()
}

pub fn umask(mask: u32) -> u32 {
    host_umask(mask)
}

pub fn kill(process: u32, signal: u8) -> io::Result<()> {
    let mut answer = Answer::default();
    // SAFETY: the address is that of a live value.
    unsafe { host_kill(process, u32::from(signal), &mut answer) };
    answer.check()
}

pub fn act(signal: u8, action: Action) -> io::Result<()> {
    let mut answer = Answer::default();
    let action = match action {
        Action::Default => 0,
        Action::Ignore => 1,
    };
    // SAFETY: the address is that of a live value.
    unsafe { host_act(u32::from(signal), action, &mut answer) };
    answer.check()
}

pub fn git_start(input: &[u8]) -> io::Result<()> {
    let mut answer = Answer::default();
    // SAFETY: the addresses are those of live values of these lengths.
    unsafe { host_git_start(input.as_ptr(), input.len(), &mut answer) };
    answer.check()
}

pub fn git_next() -> io::Result<GitEvent> {
    let mut event = Event { failed: 0, case: Case([0; 4]), list: List::NONE };
    // SAFETY: writes the event only, and memory that `cabi_realloc` has made for its list.
    unsafe { host_git_next(&raw mut event) };
    let [case, high, ..] = event.case.0;
    if event.failed != 0 {
        return Err(io::Error::from_raw_os_error(i32::from(u16::from_le_bytes([case, high]))));
    }
    Ok(match case {
        0 => GitEvent::Stdout(event.list.into_bytes()),
        1 => GitEvent::Stderr(event.list.into_bytes()),
        // The exit code is the first byte of where the list's address would be.
        _ => GitEvent::Ended((event.list.address.addr() & 0xff) as u8),
    })
}

pub fn tell_absent(command: &[u8]) {
    let feature = b"command";
    // SAFETY: the host reads both texts and keeps neither.
    unsafe { host_unsupported(feature.as_ptr(), feature.len(), command.as_ptr(), command.len()) };
}

pub fn parent() -> u32 {
    host_parent()
}
