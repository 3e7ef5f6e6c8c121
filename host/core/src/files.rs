//! The files of a sandbox, as its host works with them; no guest runs for that.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::BoxFuture;

/// What the guests of a sandbox see, by absolute guest paths, under the same mounts and limits: a read-only
/// mount is not changed, what is written counts, and what is refused is in the denials of the next command.
pub trait Files: Send + Sync {
    /// Reads a file, symlinks followed.
    ///
    /// # Errors
    /// [`FileErrorKind::TooLarge`] above `limit` bytes; [`FileError`].
    fn read(&self, path: &str, limit: u64) -> BoxFuture<'static, Result<Bytes, FileError>>;

    /// Writes a file, new or instead of what it had, and keeps its mode. It is written beside its name, and
    /// gets it when it is whole: a failure leaves the old content.
    ///
    /// # Errors
    /// [`FileError`].
    fn write(&self, path: &str, content: Bytes) -> BoxFuture<'static, Result<(), FileError>>;

    /// Replaces text in a file; all edits or none are made, each in what the one before has left.
    ///
    /// # Errors
    /// [`FileErrorKind::NoMatch`], [`FileErrorKind::Ambiguous`], [`FileErrorKind::NotText`]; [`FileError`].
    fn edit(&self, path: &str, edits: Vec<Edit>) -> BoxFuture<'static, Result<u64, FileError>>;

    /// What a path is; a symlink is itself.
    ///
    /// # Errors
    /// [`FileError`].
    fn stat(&self, path: &str) -> BoxFuture<'static, Result<FileStat, FileError>>;

    /// Where a symlink points to, as it is written; what is not UTF-8 in it is replaced.
    ///
    /// # Errors
    /// [`FileErrorKind::NotASymlink`]; [`FileError`].
    fn read_link(&self, path: &str) -> BoxFuture<'static, Result<String, FileError>>;

    /// Sets the permission bits of a file or a directory.
    ///
    /// # Errors
    /// [`FileError`].
    fn set_mode(&self, path: &str, mode: u16) -> BoxFuture<'static, Result<(), FileError>>;

    /// The entries of a directory by the order of their names; those whose names are not UTF-8 are left out.
    ///
    /// # Errors
    /// [`FileError`].
    fn list(&self, path: &str) -> BoxFuture<'static, Result<Vec<DirectoryEntry>, FileError>>;

    /// Makes a directory, and those that lead to it; one that is there is left as it is.
    ///
    /// # Errors
    /// [`FileError`].
    fn make_directory(&self, path: &str) -> BoxFuture<'static, Result<(), FileError>>;

    /// Removes a file, a symlink, or a directory: an empty one, or with all that is in it.
    ///
    /// # Errors
    /// [`FileErrorKind::NotEmpty`] for a directory without `all`; [`FileError`].
    fn remove(&self, path: &str, all: bool) -> BoxFuture<'static, Result<(), FileError>>;

    /// Gives a file or a directory another path within its mount; a file that is there is replaced (POSIX
    /// `rename`).
    ///
    /// # Errors
    /// [`FileError`].
    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, Result<(), FileError>>;

    /// Files and directories whose names match.
    ///
    /// # Errors
    /// [`FileErrorKind::Pattern`]; [`FileError`].
    fn find(&self, query: FindQuery) -> BoxFuture<'static, Result<Results<FoundFile>, FileError>>;

    /// Lines that match, of all files that are text.
    ///
    /// # Errors
    /// [`FileErrorKind::Pattern`]; [`FileError`].
    fn search(&self, query: SearchQuery) -> BoxFuture<'static, Result<Results<FoundLine>, FileError>>;
}

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    /// Its kind.
    pub kind: FileType,
    /// Its size, in bytes.
    pub size: u64,
    /// Its permission bits.
    pub mode: u16,
    /// When it was modified, in nanoseconds since 1970.
    pub modified_ns: u64,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symlink.
    Symlink,
    /// A device, a pipe or a socket.
    Other,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryEntry {
    /// The name.
    pub name: String,
    /// What it is; a symlink is itself.
    pub stat: FileStat,
}

/// A replacement in a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The text that is there.
    pub old: String,
    /// The text that comes instead.
    pub new: String,
    /// Replace it wherever it is; without this, it has to be there once.
    pub all: bool,
}

/// A search by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindQuery {
    /// The directory that is searched, with all below it. Symlinks are not followed.
    pub directory: String,
    /// A glob over the path below the directory, where `*` and `?` do not match `/` and `**` does; without
    /// `/`, over the name alone.
    pub pattern: String,
    /// Search what begins with a dot too.
    pub hidden: bool,
    /// The most results.
    pub limit: usize,
}

/// A search by content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchQuery {
    /// The directory that is searched, with all below it, or the one file. Symlinks are not followed.
    pub directory: String,
    /// A regular expression of the crate `regex`, over single lines.
    pub pattern: String,
    /// The pattern is the text itself.
    pub literal: bool,
    /// Upper and lower case are the same.
    pub ignore_case: bool,
    /// Only files that this glob matches, as [`FindQuery::pattern`].
    pub files: Option<String>,
    /// Search what begins with a dot too.
    pub hidden: bool,
    /// The most results.
    pub limit: usize,
}

/// What a search has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results<T> {
    /// What was found, by the order of paths.
    pub found: Vec<T>,
    /// Whether that is all: nothing was left out by a limit, and all could be read.
    pub complete: bool,
}

/// A file that was found by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundFile {
    /// Its guest path.
    pub path: String,
    /// What it is.
    pub stat: FileStat,
}

/// A line that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundLine {
    /// The guest path of its file.
    pub path: String,
    /// Its number, from 1.
    pub line: u64,
    /// Where the first match in it begins, in bytes from 1.
    pub column: u64,
    /// The line, without its end, and not more than 1000 bytes of it. What is not UTF-8 is replaced.
    pub text: String,
}

/// Why something could not be done with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {operation} {path}: {kind}")]
pub struct FileError {
    /// What was to be done, such as `read`.
    pub operation: &'static str,
    /// The guest path, or the pattern.
    pub path: String,
    /// Why not.
    pub kind: FileErrorKind,
}

/// The kinds of [`FileError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileErrorKind {
    /// Nothing is there, or a directory that leads to it is not.
    #[error("there is no such file or directory")]
    NotFound,
    /// Something is there already.
    #[error("it is there already")]
    AlreadyExists,
    /// A part of the path is no directory.
    #[error("it is, or leads through, what is no directory")]
    NotADirectory,
    /// It is a directory.
    #[error("it is a directory")]
    IsADirectory,
    /// A directory has entries.
    #[error("the directory is not empty; remove it with all that is in it")]
    NotEmpty,
    /// The mount is read-only, or belongs to the image.
    #[error("it is read-only in this sandbox")]
    ReadOnly,
    /// The sandbox's policy refuses it; the denial is recorded.
    #[error("the sandbox refuses it")]
    Refused,
    /// A limit of the sandbox on bytes or files is reached.
    #[error("a limit on what the sandbox may write is reached")]
    Quota,
    /// It is larger than asked for.
    #[error("it has {size} bytes, more than the {limit} asked for")]
    TooLarge {
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// It is no regular file.
    #[error("it is no regular file")]
    NotAFile,
    /// It is no symlink.
    #[error("it is no symlink")]
    NotASymlink,
    /// It has more entries than can be looked at.
    #[error("it has more than {limit} files")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// It is not UTF-8, or holds a NUL.
    #[error("it is not text")]
    NotText,
    /// The text to be replaced is empty, or is not there.
    #[error("the text to be replaced is not in it: {0:?}")]
    NoMatch(String),
    /// The text to be replaced is there more than once.
    #[error("the text to be replaced is in it {count} times, so say more of what is around it: {text:?}")]
    Ambiguous {
        /// The text.
        text: String,
        /// How often it is there.
        count: usize,
    },
    /// A pattern is none.
    #[error("the pattern is not valid: {0}")]
    Pattern(String),
    /// The two paths are in different mounts.
    #[error("the paths are in different mounts; copy it and remove the old one")]
    OtherMount,
    /// The sandbox has ended.
    #[error("the sandbox is gone")]
    Gone,
    /// The backend cannot be reached, or does not answer.
    #[error("the backend cannot be reached: {0}")]
    Unreachable(String),
    /// The backend refuses it, or failed at it.
    #[error("the backend says: {0}")]
    Backend(String),
    /// Anything else, by its name in POSIX.
    #[error("the system says {0}")]
    Other(&'static str),
}
