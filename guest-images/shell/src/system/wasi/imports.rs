//! The functions of the host: WASI preview 1, and `sandpiper:host/process` in the canonical ABI.
//!
//! In that ABI a list is an address and a length, and what does not fit one value comes back through an address: for a
//! result, its discriminant in the first byte, and what it carries behind that, aligned.

/// An address and a length.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    pub address: *const u8,
    pub length: usize,
}

impl Slice {
    pub fn of(bytes: &[u8]) -> Self {
        Slice { address: bytes.as_ptr(), length: bytes.len() }
    }
}

/// A list that the host gives, in memory of `cabi_realloc`.
#[repr(C)]
#[derive(Debug)]
pub struct List {
    pub address: *mut u8,
    pub length: usize,
}

/// What a function returns through an address; no result is bigger.
#[repr(C, align(8))]
#[derive(Debug, Default)]
pub struct Answer(pub [u8; 16]);

impl Answer {
    pub fn failed(&self) -> bool {
        self.0[0] != 0
    }

    pub fn half(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    pub fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }
}

#[link(wasm_import_module = "sandpiper:host/process@0.1.0")]
unsafe extern "C" {
    #[link_name = "root"]
    pub fn root() -> u32;
    #[link_name = "directory"]
    pub fn directory(answer: *mut List);
    #[link_name = "id"]
    pub fn id() -> u32;
    #[link_name = "parent"]
    pub fn parent() -> u32;
    #[link_name = "spawn"]
    pub fn spawn(
        program: *const u8,
        program_length: usize,
        arguments: *const Slice,
        arguments_length: usize,
        environment: *const Slice,
        environment_length: usize,
        directory: *const u8,
        directory_length: usize,
        descriptors: *const super::Mapping,
        descriptors_length: usize,
        answer: *mut Answer,
    );
    #[link_name = "fork-call"]
    pub fn fork_call(
        argument: usize,
        descriptors: *const super::Mapping,
        descriptors_length: usize,
        answer: *mut Answer,
    );
    #[link_name = "wait"]
    pub fn wait(has_child: u32, child: u32, block: u32, answer: *mut Answer);
    #[link_name = "kill"]
    pub fn kill(process: u32, signal: u32, answer: *mut Answer);
    #[link_name = "act"]
    pub fn act(signal: u32, action: u32, answer: *mut Answer);
    #[link_name = "take-signals"]
    pub fn take_signals() -> u64;
    #[link_name = "pipe"]
    pub fn pipe(answer: *mut Answer);
    #[link_name = "dup"]
    pub fn dup(from: u32, lowest: u32, answer: *mut Answer);
    #[link_name = "dup-to"]
    pub fn dup_to(from: u32, to: u32, answer: *mut Answer);
    #[link_name = "mode"]
    pub fn mode(path: *const u8, length: usize, follow: u32, answer: *mut Answer);
    #[link_name = "umask"]
    pub fn umask(mask: u32) -> u32;
}

/// A piece of memory to read into or write from.
#[repr(C)]
#[derive(Debug)]
pub struct Buffer {
    pub address: *mut u8,
    pub length: usize,
}

#[repr(C)]
#[derive(Debug, Default)]
pub struct FileStatus {
    pub device: u64,
    pub inode: u64,
    pub kind: u8,
    pub links: u64,
    pub size: u64,
    pub accessed: u64,
    pub modified: u64,
    pub changed: u64,
}

#[repr(C)]
#[derive(Debug, Default)]
pub struct DescriptorStatus {
    pub kind: u8,
    pub flags: u16,
    pub rights: u64,
    pub inheriting: u64,
}

/// A subscription of `poll_oneoff`: `tag` 0 is a clock, 1 is reading.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Subscription {
    pub user_data: u64,
    /// With a number of eight bytes' alignment behind it, whatever the tag.
    pub tag: u64,
    /// A clock's number, or a descriptor.
    pub subject: u32,
    pub timeout: u64,
    pub precision: u64,
    pub flags: u16,
}

#[repr(C)]
#[derive(Debug, Default)]
pub struct Event {
    pub user_data: u64,
    pub error: u16,
    pub kind: u8,
    pub bytes: u64,
    pub flags: u16,
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    pub fn proc_exit(status: u32) -> !;
    pub fn fd_close(fd: u32) -> u16;
    pub fn fd_read(fd: u32, buffers: *const Buffer, count: usize, read: *mut usize) -> u16;
    pub fn fd_write(fd: u32, buffers: *const Buffer, count: usize, written: *mut usize) -> u16;
    pub fn fd_seek(fd: u32, offset: i64, whence: u8, place: *mut u64) -> u16;
    pub fn fd_fdstat_get(fd: u32, status: *mut DescriptorStatus) -> u16;
    pub fn fd_readdir(fd: u32, buffer: *mut u8, length: usize, cookie: u64, used: *mut usize) -> u16;
    #[allow(clippy::too_many_arguments)]
    pub fn path_open(
        directory: u32,
        follow: u32,
        path: *const u8,
        length: usize,
        flags: u16,
        rights: u64,
        inheriting: u64,
        descriptor_flags: u16,
        fd: *mut u32,
    ) -> u16;
    pub fn path_filestat_get(
        directory: u32,
        follow: u32,
        path: *const u8,
        length: usize,
        status: *mut FileStatus,
    ) -> u16;
    pub fn path_readlink(
        directory: u32,
        path: *const u8,
        length: usize,
        buffer: *mut u8,
        size: usize,
        used: *mut usize,
    ) -> u16;
    pub fn path_unlink_file(directory: u32, path: *const u8, length: usize) -> u16;
    pub fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u16;
    pub fn poll_oneoff(
        subscriptions: *const Subscription,
        events: *mut Event,
        count: usize,
        got: *mut usize,
    ) -> u16;
}
