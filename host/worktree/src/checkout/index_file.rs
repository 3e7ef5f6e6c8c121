//! The bytes of a git index, version 2 or 3, with the extension TREE: gitformat-index(5).
//!
//! It is written here and not by libgit2, which would drop the extension while entries get their stat
//! data, and then the first `git status` reads all trees.

use std::fs::Metadata;

use sha1::{Digest, Sha1};

use super::listing::{Entry, Listing};
use crate::sparse::SKIP_WORKTREE;

/// What an index notes about a file, so that it need not be read to know that it is unchanged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stat {
    pub(crate) changed: (u32, u32),
    pub(crate) modified: (u32, u32),
    pub(crate) device: u32,
    pub(crate) inode: u32,
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) size: u32,
}

impl Stat {
    /// Of a file's metadata; git keeps the low 32 bits of each.
    #[cfg(unix)]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the format keeps 32 bits")]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;

        Self {
            changed: (metadata.ctime() as u32, metadata.ctime_nsec() as u32),
            modified: (metadata.mtime() as u32, metadata.mtime_nsec() as u32),
            device: metadata.dev() as u32,
            inode: metadata.ino() as u32,
            user: metadata.uid(),
            group: metadata.gid(),
            size: metadata.size() as u32,
        }
    }

    /// Of a file's metadata; git for Windows has only times and sizes too.
    #[cfg(not(unix))]
    #[expect(clippy::cast_possible_truncation, reason = "the format keeps 32 bits")]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        use std::time::{SystemTime, UNIX_EPOCH};

        let time = |time: std::io::Result<SystemTime>| {
            let since = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
            (since.as_secs() as u32, since.subsec_nanos())
        };
        Self {
            changed: time(metadata.created()),
            modified: time(metadata.modified()),
            size: metadata.len() as u32,
            ..Self::default()
        }
    }
}

/// The index of a listing's files.
pub(super) fn encode(listing: &Listing, stats: &[Stat]) -> Vec<u8> {
    const VERSION: u32 = 2;
    /// The one with entries that have more flags.
    const VERSION_WITH_FLAGS: u32 = 3;

    let mut bytes = Vec::with_capacity(listing.entries.iter().map(|entry| entry.name.len() + 72).sum());
    bytes.extend_from_slice(b"DIRC");
    put(&mut bytes, if listing.is_partial() { VERSION_WITH_FLAGS } else { VERSION });
    put(&mut bytes, count(listing.entries.len()));
    for (entry, stat) in listing.entries.iter().zip(stats) {
        put_entry(&mut bytes, entry, stat);
    }
    let mut trees = Vec::new();
    for tree in &listing.trees {
        trees.extend_from_slice(&tree.name);
        trees.push(0);
        trees.extend_from_slice(format!("{} {}\n", tree.entries, tree.directories).as_bytes());
        trees.extend_from_slice(tree.oid.as_bytes());
    }
    bytes.extend_from_slice(b"TREE");
    put(&mut bytes, count(trees.len()));
    bytes.extend_from_slice(&trees);
    let checksum = Sha1::digest(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

fn put_entry(bytes: &mut Vec<u8>, entry: &Entry, stat: &Stat) {
    /// The name's length where it fits in 12 bits; readers look for the NUL else.
    const MAX_LENGTH: usize = 0xFFF;
    const ALIGNMENT: usize = 8;
    /// Two more bytes of flags follow.
    const HAS_FLAGS: u16 = 1 << 14;

    let start = bytes.len();
    for field in [
        stat.changed.0,
        stat.changed.1,
        stat.modified.0,
        stat.modified.1,
        stat.device,
        stat.inode,
        entry.kind.mode(),
        stat.user,
        stat.group,
        stat.size,
    ] {
        put(bytes, field);
    }
    bytes.extend_from_slice(entry.oid.as_bytes());
    let length = u16::try_from(entry.name.len().min(MAX_LENGTH)).unwrap_or_default();
    if entry.is_left_out {
        bytes.extend_from_slice(&(length | HAS_FLAGS).to_be_bytes());
        bytes.extend_from_slice(&SKIP_WORKTREE.to_be_bytes());
    } else {
        bytes.extend_from_slice(&length.to_be_bytes());
    }
    bytes.extend_from_slice(&entry.name);
    // One to eight NULs: the name ends with one, and the entry at a multiple of eight.
    let length = bytes.len() - start;
    bytes.resize(start + (length / ALIGNMENT + 1) * ALIGNMENT, 0);
}

fn put(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend_from_slice(&number.to_be_bytes());
}

/// An index has no room for more; four thousand million files are not listed in memory.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
