//! A guest for tests: a process with a memory, called as a program would call it.

use std::path::Path;
use std::sync::Arc;

use sandpiper_core::{Access, Control, Denial, DenialReason, Event, Limits, Mount, Spec, Stdin, Stream};
use sandpiper_kernel::{Errno, Fault, Process, Stop, SystemTree, World};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;

pub const ROOT: u32 = 3;
pub const FOLLOW: u32 = 1;
pub const CREAT: u32 = 1;
pub const DIRECTORY: u32 = 2;
pub const EXCL: u32 = 4;
pub const TRUNC: u32 = 8;
pub const APPEND: u32 = 1;
pub const NONBLOCK: u32 = 4;

pub const FD_READ: u64 = 1 << 1;
pub const FD_SEEK: u64 = 1 << 2;
pub const FD_WRITE: u64 = 1 << 6;
pub const FD_ALLOCATE: u64 = 1 << 8;
pub const SET_SIZE: u64 = 1 << 22;
pub const ALL_RIGHTS: u64 = (1 << 30) - 1;
/// What wasi-libc asks for to open for reading, and for reading and writing.
pub const RDONLY: u64 = ALL_RIGHTS & !(1 | FD_WRITE | FD_ALLOCATE | SET_SIZE);
pub const RDWR: u64 = ALL_RIGHTS & !(1 << 14);

/// Where calls put what they need in the guest's memory.
const PATHS: u32 = 0x1000;
const OTHER_PATHS: u32 = 0x4000;
const VECTORS: u32 = 0x8000;
pub const RESULT: u32 = 0x9000;
pub const BUFFER: u32 = 0x10000;
pub const MEMORY_BYTES: usize = 4 << 20;

pub struct Guest {
    pub process: Process,
    pub memory: Vec<u8>,
    pub world: Arc<World>,
    pub events: Receiver<Event>,
    runtime: tokio::runtime::Runtime,
}

/// A file's metadata as the guest sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub device: u64,
    pub ino: u64,
    pub kind: u8,
    pub links: u64,
    pub size: u64,
    pub accessed_ns: u64,
    pub modified_ns: u64,
}

pub const KIND_DEVICE: u8 = 2;
pub const KIND_DIRECTORY: u8 = 3;
pub const KIND_FILE: u8 = 4;
pub const KIND_SYMLINK: u8 = 7;

pub fn errno<T>(errno: Errno) -> Result<T, Fault> {
    Err(Fault::Errno(errno))
}

pub fn stop<T>(stop: Stop) -> Result<T, Fault> {
    Err(Fault::Stop(stop))
}

/// A spec that mounts a host directory at `/workspace`, read-write.
pub fn spec(host: &Path) -> Spec {
    mounted(&[(host, "/workspace", Access::ReadWrite)])
}

pub fn mounted(mounts: &[(&Path, &str, Access)]) -> Spec {
    let mounts =
        mounts.iter().map(|(host, guest, access)| Mount::new(*host, guest, *access).unwrap()).collect();
    Spec { mounts, ..Spec::default() }
}

/// A host directory of its own, and a guest with it at `/workspace`.
pub fn workspace() -> (TempDir, Guest) {
    let host = TempDir::new().unwrap();
    let guest = Guest::new(&spec(host.path()));
    (host, guest)
}

pub fn limited(host: &Path, change: impl FnOnce(&mut Limits)) -> Guest {
    let mut spec = spec(host);
    change(&mut spec.limits);
    Guest::new(&spec)
}

impl Guest {
    pub fn new(spec: &Spec) -> Self {
        Self::with_stdin(spec, Stdin::Empty)
    }

    pub fn with_stdin(spec: &Spec, stdin: Stdin) -> Self {
        Self::make(spec, stdin, SystemTree::builder().commands(["python3", "sh"]).build().unwrap())
    }

    pub fn with_system(spec: &Spec, system: Arc<SystemTree>) -> Self {
        Self::make(spec, Stdin::Empty, system)
    }

    fn make(spec: &Spec, stdin: Stdin, system: Arc<SystemTree>) -> Self {
        let world = World::new(spec, system).unwrap();
        let (sender, events) = tokio::sync::mpsc::channel(64);
        let argv = ["python3".to_owned(), "-c".to_owned()];
        let environ = [("HOME".to_owned(), "/home/user".to_owned())];
        let process =
            Process::new(Arc::clone(&world), &argv, &environ, stdin, sender, Control::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { process, memory: vec![0; MEMORY_BYTES], world, events, runtime }
    }

    pub fn put(&mut self, at: u32, bytes: &[u8]) -> (u32, u32) {
        let start = usize::try_from(at).unwrap();
        self.memory[start..start + bytes.len()].copy_from_slice(bytes);
        (at, u32::try_from(bytes.len()).unwrap())
    }

    pub fn u32_at(&self, at: u32) -> u32 {
        let at = usize::try_from(at).unwrap();
        u32::from_le_bytes(self.memory[at..at + 4].try_into().unwrap())
    }

    pub fn u64_at(&self, at: u32) -> u64 {
        let at = usize::try_from(at).unwrap();
        u64::from_le_bytes(self.memory[at..at + 8].try_into().unwrap())
    }

    pub fn bytes_at(&self, at: u32, count: u32) -> Vec<u8> {
        let at = usize::try_from(at).unwrap();
        self.memory[at..at + usize::try_from(count).unwrap()].to_vec()
    }

    pub fn open_at(
        &mut self,
        fd: u32,
        path: &str,
        lookup: u32,
        open: u32,
        base: u64,
        flags: u32,
    ) -> Result<u32, Fault> {
        let (at, length) = self.put(PATHS, path.as_bytes());
        let inheriting = ALL_RIGHTS;
        self.process
            .path_open(&mut self.memory, fd, lookup, at, length, open, base, inheriting, flags, RESULT)
            .map(|()| self.u32_at(RESULT))
    }

    pub fn open(&mut self, path: &str, open: u32, base: u64) -> Result<u32, Fault> {
        self.open_at(ROOT, path, FOLLOW, open, base, 0)
    }

    pub fn close(&mut self, fd: u32) -> Result<(), Fault> {
        self.process.fd_close(fd)
    }

    fn vector(&mut self, at: u32, length: usize) {
        let mut vector = at.to_le_bytes().to_vec();
        vector.extend_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        self.put(VECTORS, &vector);
    }

    pub fn write(&mut self, fd: u32, bytes: &[u8]) -> Result<usize, Fault> {
        self.put(BUFFER, bytes);
        self.vector(BUFFER, bytes.len());
        let call = self.process.fd_write(&mut self.memory, fd, VECTORS, 1, RESULT);
        self.runtime.block_on(call).map(|()| usize::try_from(self.u32_at(RESULT)).unwrap())
    }

    pub fn pwrite(&mut self, fd: u32, bytes: &[u8], offset: u64) -> Result<usize, Fault> {
        self.put(BUFFER, bytes);
        self.vector(BUFFER, bytes.len());
        let call = self.process.fd_pwrite(&mut self.memory, fd, VECTORS, 1, offset, RESULT);
        self.runtime.block_on(call).map(|()| usize::try_from(self.u32_at(RESULT)).unwrap())
    }

    pub fn read(&mut self, fd: u32, count: usize) -> Result<Vec<u8>, Fault> {
        self.vector(BUFFER, count);
        let call = self.process.fd_read(&mut self.memory, fd, VECTORS, 1, RESULT);
        self.runtime.block_on(call).map(|()| self.bytes_at(BUFFER, self.u32_at(RESULT)))
    }

    pub fn pread(&mut self, fd: u32, count: usize, offset: u64) -> Result<Vec<u8>, Fault> {
        self.vector(BUFFER, count);
        let call = self.process.fd_pread(&mut self.memory, fd, VECTORS, 1, offset, RESULT);
        self.runtime.block_on(call).map(|()| self.bytes_at(BUFFER, self.u32_at(RESULT)))
    }

    pub fn seek(&mut self, fd: u32, offset: i64, whence: u32) -> Result<u64, Fault> {
        self.process
            .fd_seek(&mut self.memory, fd, offset.cast_unsigned(), whence, RESULT)
            .map(|()| self.u64_at(RESULT))
    }

    fn stat_record(&self) -> Stat {
        Stat {
            device: self.u64_at(RESULT),
            ino: self.u64_at(RESULT + 8),
            kind: self.bytes_at(RESULT + 16, 1)[0],
            links: self.u64_at(RESULT + 24),
            size: self.u64_at(RESULT + 32),
            accessed_ns: self.u64_at(RESULT + 40),
            modified_ns: self.u64_at(RESULT + 48),
        }
    }

    pub fn stat_at(&mut self, fd: u32, path: &str, lookup: u32) -> Result<Stat, Fault> {
        let (at, length) = self.put(PATHS, path.as_bytes());
        self.process
            .path_filestat_get(&mut self.memory, fd, lookup, at, length, RESULT)
            .map(|()| self.stat_record())
    }

    pub fn stat(&mut self, path: &str) -> Result<Stat, Fault> {
        self.stat_at(ROOT, path, FOLLOW)
    }

    pub fn lstat(&mut self, path: &str) -> Result<Stat, Fault> {
        self.stat_at(ROOT, path, 0)
    }

    pub fn fstat(&mut self, fd: u32) -> Result<Stat, Fault> {
        self.process.fd_filestat_get(&mut self.memory, fd, RESULT).map(|()| self.stat_record())
    }

    pub fn mkdir(&mut self, path: &str) -> Result<(), Fault> {
        self.mkdir_at(ROOT, path)
    }

    pub fn mkdir_at(&mut self, fd: u32, path: &str) -> Result<(), Fault> {
        let (at, length) = self.put(PATHS, path.as_bytes());
        self.process.path_create_directory(&mut self.memory, fd, at, length)
    }

    pub fn rmdir(&mut self, path: &str) -> Result<(), Fault> {
        self.rmdir_at(ROOT, path)
    }

    pub fn rmdir_at(&mut self, fd: u32, path: &str) -> Result<(), Fault> {
        let (at, length) = self.put(PATHS, path.as_bytes());
        self.process.path_remove_directory(&mut self.memory, fd, at, length)
    }

    pub fn unlink(&mut self, path: &str) -> Result<(), Fault> {
        self.unlink_at(ROOT, path)
    }

    pub fn unlink_at(&mut self, fd: u32, path: &str) -> Result<(), Fault> {
        let (at, length) = self.put(PATHS, path.as_bytes());
        self.process.path_unlink_file(&mut self.memory, fd, at, length)
    }

    pub fn symlink(&mut self, target: &str, path: &str) -> Result<(), Fault> {
        self.symlink_at(target, ROOT, path)
    }

    pub fn symlink_at(&mut self, target: &str, fd: u32, path: &str) -> Result<(), Fault> {
        let (target_at, target_length) = self.put(OTHER_PATHS, target.as_bytes());
        let (at, length) = self.put(PATHS, path.as_bytes());
        self.process.path_symlink(&mut self.memory, target_at, target_length, fd, at, length)
    }

    pub fn readlink(&mut self, path: &str) -> Result<String, Fault> {
        self.readlink_at(ROOT, path)
    }

    pub fn readlink_at(&mut self, fd: u32, path: &str) -> Result<String, Fault> {
        let (at, length) = self.put(PATHS, path.as_bytes());
        self.process
            .path_readlink(&mut self.memory, fd, at, length, BUFFER, 5000, RESULT)
            .map(|()| String::from_utf8(self.bytes_at(BUFFER, self.u32_at(RESULT))).unwrap())
    }

    pub fn rename(&mut self, old: &str, new: &str) -> Result<(), Fault> {
        self.rename_at(ROOT, old, ROOT, new)
    }

    pub fn rename_at(&mut self, fd: u32, old: &str, new_fd: u32, new: &str) -> Result<(), Fault> {
        let (new_at, new_length) = self.put(OTHER_PATHS, new.as_bytes());
        let (at, length) = self.put(PATHS, old.as_bytes());
        self.process.path_rename(&mut self.memory, fd, at, length, new_fd, new_at, new_length)
    }

    pub fn link(&mut self, old: &str, new: &str, lookup: u32) -> Result<(), Fault> {
        let (new_at, new_length) = self.put(OTHER_PATHS, new.as_bytes());
        let (at, length) = self.put(PATHS, old.as_bytes());
        self.process.path_link(&mut self.memory, ROOT, lookup, at, length, ROOT, new_at, new_length)
    }

    pub fn set_times(&mut self, path: &str, lookup: u32, times: (u64, u64), flags: u32) -> Result<(), Fault> {
        let (at, length) = self.put(PATHS, path.as_bytes());
        let (accessed, modified) = times;
        self.process.path_filestat_set_times(
            &mut self.memory,
            ROOT,
            lookup,
            at,
            length,
            accessed,
            modified,
            flags,
        )
    }

    /// One call of `fd_readdir`: the entries that are whole, as cookie and name, and the bytes used.
    pub fn readdir(&mut self, fd: u32, cookie: u64, length: u32) -> Result<(Vec<(u64, String)>, u32), Fault> {
        self.process.fd_readdir(&mut self.memory, fd, BUFFER, length, cookie, RESULT)?;
        let used = self.u32_at(RESULT);
        let mut entries = Vec::new();
        let mut at = 0;
        while at + 24 <= used {
            let cookie = self.u64_at(BUFFER + at);
            let name_length = self.u32_at(BUFFER + at + 16);
            if at + 24 + name_length > used {
                break;
            }
            let name = String::from_utf8(self.bytes_at(BUFFER + at + 24, name_length)).unwrap();
            entries.push((cookie, name));
            at += 24 + name_length;
        }
        Ok((entries, used))
    }

    /// The names of a directory, without `.` and `..`.
    pub fn list(&mut self, path: &str) -> Result<Vec<String>, Fault> {
        let fd = self.open(path, DIRECTORY, RDONLY)?;
        let (entries, _) = self.readdir(fd, 0, 1 << 20)?;
        self.close(fd)?;
        Ok(entries.into_iter().map(|(_, name)| name).filter(|name| name != "." && name != "..").collect())
    }

    /// Makes a file with this content.
    pub fn create(&mut self, path: &str, content: &[u8]) -> Result<(), Fault> {
        let fd = self.open(path, CREAT | TRUNC, RDWR)?;
        let written = self.write(fd, content);
        self.close(fd)?;
        assert_eq!(written?, content.len());
        Ok(())
    }

    /// The content of a file.
    pub fn content(&mut self, path: &str) -> Result<Vec<u8>, Fault> {
        let fd = self.open(path, 0, RDONLY)?;
        let content = self.read(fd, 1 << 20);
        self.close(fd)?;
        content
    }

    pub fn poll(&mut self, subscriptions: &[[u8; 48]]) -> Result<Vec<[u8; 32]>, Fault> {
        self.put(BUFFER, subscriptions.as_flattened());
        let count = u32::try_from(subscriptions.len()).unwrap();
        let events = BUFFER + 0x10_0000;
        let call = self.process.poll_oneoff(&mut self.memory, BUFFER, events, count, RESULT);
        self.runtime.block_on(call)?;
        let stored = self.u32_at(RESULT);
        Ok((0..stored).map(|index| self.bytes_at(events + index * 32, 32).try_into().unwrap()).collect())
    }

    pub fn block_on<T>(&mut self, work: impl AsyncFnOnce(&mut Process, &mut [u8]) -> T) -> T {
        self.runtime.block_on(work(&mut self.process, &mut self.memory))
    }

    /// A descriptor's kind, flags, rights and inheriting rights.
    pub fn fdstat(&mut self, fd: u32) -> Result<(u8, u32, u64, u64), Fault> {
        self.process.fd_fdstat_get(&mut self.memory, fd, RESULT)?;
        let flags = u32::from(self.bytes_at(RESULT + 2, 1)[0]);
        Ok((self.bytes_at(RESULT, 1)[0], flags, self.u64_at(RESULT + 8), self.u64_at(RESULT + 16)))
    }

    pub fn tell(&mut self, fd: u32) -> Result<u64, Fault> {
        self.process.fd_tell(&mut self.memory, fd, RESULT).map(|()| self.u64_at(RESULT))
    }

    /// The output so far, in order.
    pub fn output(&mut self) -> Vec<(Stream, Vec<u8>)> {
        let mut output = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let Event::Output { stream, bytes } = event {
                output.push((stream, bytes.to_vec()));
            }
        }
        output
    }

    /// What was refused since the last time, as operation, subject and reason.
    pub fn denials(&mut self) -> Vec<(String, String, DenialReason)> {
        let denials: Vec<Denial> = self.world.take_denials();
        denials.into_iter().map(|denial| (denial.operation, denial.subject, denial.reason)).collect()
    }

    /// As [`Guest::assert_denied`], where other refusals of the same table came before.
    pub fn assert_denied_once(&mut self, operation: &str, subject: &str, reason: DenialReason) {
        let denials = self.world.take_denials();
        for denial in &denials {
            self.world.deny(&denial.operation, &denial.subject, denial.reason);
        }
        let same = denials.iter().filter(|denial| {
            (denial.operation.as_str(), denial.subject.as_str(), denial.reason)
                == (operation, subject, reason)
        });
        assert_eq!(same.map(|denial| denial.count).sum::<u64>(), 1, "{denials:?}");
    }

    pub fn assert_denied(&mut self, operation: &str, subject: &str, reason: DenialReason) {
        assert_eq!(self.denials(), [(operation.to_owned(), subject.to_owned(), reason)]);
    }
}
