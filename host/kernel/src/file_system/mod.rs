//! The kinds of file systems below a guest's paths, and what they have in common.

mod device;
mod directory;
mod file;
mod host;
mod host_file;
mod memory_file;
mod memory_nodes;
mod memory_tree;
mod platform;
mod system;

pub(crate) use device::Device;
pub(crate) use directory::{Directory, Entry, Step};
pub(crate) use file::File;
pub(crate) use host::{HostDirectory, special};
pub(crate) use memory_tree::MemoryTree;
pub(crate) use system::SYSTEM_ROOT;
pub use system::{SystemTree, SystemTreeBuilder};

use crate::abi::FileKind;

/// What is known of a file without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) kind: FileKind,
    pub(crate) ino: u64,
    /// The host's device number, 0 where there is none; the guest sees the mount's number instead.
    pub(crate) device: u64,
    pub(crate) links: u64,
    /// Permission bits, 12 of them.
    pub(crate) mode: u16,
    pub(crate) size: u64,
    pub(crate) accessed_ns: u64,
    pub(crate) modified_ns: u64,
    pub(crate) changed_ns: u64,
}

impl Stat {
    /// A file of the kernel's own, without size or times.
    pub(crate) const fn own(kind: FileKind, ino: u64) -> Self {
        let mode = match kind {
            FileKind::Directory => 0o755,
            FileKind::SymbolicLink => 0o777,
            FileKind::RegularFile => 0o644,
            _ => 0o666,
        };
        Self { kind, ino, device: 0, links: 1, mode, size: 0, accessed_ns: 0, modified_ns: 0, changed_ns: 0 }
    }
}

/// New times of a file; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NewTimes {
    pub(crate) accessed_ns: Option<u64>,
    pub(crate) modified_ns: Option<u64>,
}

/// A name in a directory, as a listing has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The name; UTF-8 except for names that a host of another mind has.
    pub(crate) name: Box<[u8]>,
    pub(crate) ino: u64,
    pub(crate) kind: FileKind,
}

/// How a file is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenMode {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
}
