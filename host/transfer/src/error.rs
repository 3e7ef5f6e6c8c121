//! What can go wrong with transfers.

use std::io;
use std::path::PathBuf;

use crate::{EntryKind, PathFault, RelativePath};

/// A directory cannot be packed, or changes cannot be read or applied.
///
/// Where [`Changes::apply`](crate::Changes::apply) gives an error, the directory is as it was before, but for
/// [`TransferError::NotUndone`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The directory cannot be opened, or nothing can be made beside it.
    #[error("cannot {action} {}", .path.display())]
    Directory {
        /// What was tried.
        action: &'static str,
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An entry cannot be read or written.
    #[error("cannot {action} {path:?}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The entry.
        path: RelativePath,
        /// Why not.
        source: io::Error,
    },
    /// An entry of the directory has a name that cannot be transferred.
    #[error("{name:?} in the directory cannot be packed: {fault}; rename it, or hold back what it is in")]
    Name {
        /// Where it is, as far as it can be shown.
        name: String,
        /// Why not.
        fault: PathFault,
    },
    /// An entry is neither file, directory nor symlink.
    #[error("{path:?} is a {kind}, which no other machine can have; hold it back")]
    Special {
        /// The entry.
        path: RelativePath,
        /// What it is.
        kind: EntryKind,
    },
    /// Something else wrote the entry while it was read.
    #[error("{path:?} changed while it was packed; pack again when nothing writes it, or hold it back")]
    Changed {
        /// The entry.
        path: RelativePath,
    },
    /// The directory has more entries than are looked at.
    #[error(
        "the directory has more than {limit} entries, held back ones counted; hold back whole directories"
    )]
    TooManySeen {
        /// The most.
        limit: usize,
    },
    /// There would be more entries than the limit allows.
    #[error(
        "{path:?} would be more than the {limit} entries that may be transferred; raise the limit, or hold more back"
    )]
    TooManyFiles {
        /// The first that is too many.
        path: RelativePath,
        /// The most.
        limit: u64,
    },
    /// There would be more bytes than the limit allows.
    #[error(
        "{path:?} with its {size} bytes would be more than the {limit} bytes that may be transferred; raise the \
         limit, or hold more back"
    )]
    TooLarge {
        /// The first that is too large.
        path: RelativePath,
        /// Its size.
        size: u64,
        /// The most, for all.
        limit: u64,
    },
    /// An entry of the archive is refused, and so is all of it.
    #[error("the archive is refused: entry {entry:?}: {fault}")]
    Archive {
        /// Its name there, as far as it can be shown.
        entry: String,
        /// Why.
        fault: ArchiveFault,
    },
    /// The archive ends too early.
    #[error("the archive is cut off: after {length} bytes its end is missing; fetch it again")]
    Truncated {
        /// Bytes that there are.
        length: u64,
    },
    /// Something is behind the archive's end.
    #[error("the archive goes on behind its end at byte {offset}; two archives in one are not read")]
    Trailing {
        /// Where the end is.
        offset: u64,
    },
    /// The archive has nothing in it, not even the directory itself, but the manifest has.
    #[error("the archive has no entry at all, not even \"./\", so it is not taken for an emptied directory")]
    Empty,
    /// What would be changed is not as it was when it was packed; nothing was written.
    #[error("changed here since it was packed: {paths:?}; nothing was written")]
    Conflicts {
        /// All that differ.
        paths: Vec<RelativePath>,
    },
    /// The manifest is not the one that the changes were made with.
    #[error("the manifest given has another {path:?} than the one that the changes were told by")]
    OtherManifest {
        /// The first that differs.
        path: RelativePath,
    },
    /// A symlink cannot be made on this system.
    #[error("{path:?} is a symlink to {target:?}, which is not made on this system; have it be a file there")]
    Symlink {
        /// Where it would be.
        path: RelativePath,
        /// Where it would point to.
        target: String,
    },
    /// What is written beside the directory could not be renamed into it.
    #[error("{} is on another file system than its parent, so nothing can be renamed into it", .path.display())]
    OtherFileSystem {
        /// The directory.
        path: PathBuf,
    },
    /// Changes are being applied to the same directory, by this process or another.
    #[error("changes are being applied to {} right now; try again when that is done", .path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Applying failed, and so did putting back; [`recover`](crate::recover) tries again.
    #[error(
        "{failed}, and {path:?} could not be put back ({source}); what was there is in {}, and recovering puts it back",
        .kept.display()
    )]
    NotUndone {
        /// What failed first.
        failed: Box<TransferError>,
        /// What could not be put back.
        path: RelativePath,
        /// Where all that was moved away is.
        kept: PathBuf,
        /// Why it could not be put back.
        source: io::Error,
    },
    /// What an interrupted apply left is not readable.
    #[error("{} was left by an interrupted apply and cannot be understood: {reason}", .path.display())]
    Plan {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Why an entry of an archive is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveFault {
    /// Its path does not stay below the directory, or cannot be a path here.
    #[error("{0}")]
    Path(#[from] PathFault),
    /// One of its names means `.git`.
    #[error("one of its names means \".git\" on some file system; leave it out when the archive is made")]
    GitDirectory,
    /// It is a file with holes, whose form is not read.
    #[error("it is a sparse file; make the archive without --sparse")]
    Sparse,
    /// Its type is not known.
    #[error("its type {0:?} is not known")]
    Type(char),
    /// The path is there twice.
    #[error("it is there twice")]
    Duplicate,
    /// Something that it is below is no directory.
    #[error("it is below {parent:?}, which is a {kind}")]
    BelowNoDirectory {
        /// What it is below.
        parent: RelativePath,
        /// What that is.
        kind: EntryKind,
    },
    /// It is a hard link to something that is not a file before it in the archive.
    #[error("it is a hard link to {target:?}, which is no file before it in the archive")]
    HardLink {
        /// What it links to, as far as it can be shown.
        target: String,
    },
    /// Its header or extended header makes no sense.
    #[error("{0}")]
    Header(&'static str),
}
