//! What is known of a file, as POSIX `stat` has it.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

use crate::OsStrExt as _;

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Link,
    Pipe,
    Socket,
    Character,
    Block,
}

impl Kind {
    /// Its letter in `ls -l`.
    pub fn letter(self) -> char {
        match self {
            Kind::File => '-',
            Kind::Directory => 'd',
            Kind::Link => 'l',
            Kind::Pipe => 'p',
            Kind::Socket => 's',
            Kind::Character => 'c',
            Kind::Block => 'b',
        }
    }

    /// Its bits in a mode.
    pub fn bits(self) -> u32 {
        match self {
            Kind::File => 0o100_000,
            Kind::Directory => 0o040_000,
            Kind::Link => 0o120_000,
            Kind::Pipe => 0o010_000,
            Kind::Socket => 0o140_000,
            Kind::Character => 0o020_000,
            Kind::Block => 0o060_000,
        }
    }
}

/// A time: seconds since 1970, and nanoseconds.
pub type Time = (i64, u32);

/// What is known of a file.
#[derive(Debug, Clone)]
pub struct Status {
    pub device: u64,
    pub inode: u64,
    pub kind: Kind,
    /// Permission bits alone.
    pub mode: u32,
    pub links: u64,
    pub user: u32,
    pub group: u32,
    pub size: u64,
    /// Of 512 bytes.
    pub blocks: u64,
    pub special: u64,
    pub accessed: Time,
    pub modified: Time,
    pub changed: Time,
}

impl Status {
    /// Of what is at a path, or behind the symbolic link there.
    ///
    /// # Errors
    ///
    /// As `stat` has them.
    pub fn of(path: &Path, follow: bool) -> io::Result<Status> {
        let text = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
        let mut found = MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: the path ends with a zero, and a stat of zeros is one.
        let found = unsafe {
            let failed = if follow {
                libc::stat(text.as_ptr(), found.as_mut_ptr())
            } else {
                libc::lstat(text.as_ptr(), found.as_mut_ptr())
            };
            if failed != 0 {
                return Err(io::Error::last_os_error());
            }
            found.assume_init()
        };
        Status::from(path, follow, &found)
    }

    #[cfg(unix)]
    fn from(_path: &Path, _follow: bool, found: &libc::stat) -> io::Result<Status> {
        let time = |seconds: i64, nanoseconds: i64| (seconds, u32::try_from(nanoseconds).unwrap_or(0));
        Ok(Status {
            device: found.st_dev,
            inode: found.st_ino,
            kind: kind(found.st_mode),
            mode: found.st_mode & 0o7777,
            links: found.st_nlink,
            user: found.st_uid,
            group: found.st_gid,
            size: u64::try_from(found.st_size).unwrap_or(0),
            blocks: u64::try_from(found.st_blocks).unwrap_or(0),
            special: found.st_rdev,
            accessed: time(found.st_atime, found.st_atime_nsec),
            modified: time(found.st_mtime, found.st_mtime_nsec),
            changed: time(found.st_ctime, found.st_ctime_nsec),
        })
    }

    /// WASI knows no permission bits, no users and no blocks.
    #[cfg(target_os = "wasi")]
    fn from(path: &Path, follow: bool, found: &libc::stat) -> io::Result<Status> {
        let time = |at: &libc::timespec| (at.tv_sec, u32::try_from(at.tv_nsec).unwrap_or(0));
        let kind = kind(found.st_mode);
        let size = u64::try_from(found.st_size).unwrap_or(0);
        Ok(Status {
            device: found.st_dev,
            inode: found.st_ino,
            kind,
            mode: crate::system::mode(path, follow)?,
            links: found.st_nlink,
            user: crate::users::USER,
            group: crate::users::USER,
            size,
            // Where a link leads is kept with its name.
            blocks: if kind == Kind::Link { 0 } else { size.div_ceil(4096) * 8 },
            special: 0,
            accessed: time(&found.st_atim),
            modified: time(&found.st_mtim),
            changed: time(&found.st_ctim),
        })
    }
}

fn kind(mode: libc::mode_t) -> Kind {
    match mode & libc::S_IFMT {
        libc::S_IFDIR => Kind::Directory,
        libc::S_IFLNK => Kind::Link,
        // WASI has no number for pipes: wasi-libc makes 0 of its unknown kind.
        libc::S_IFIFO | 0 => Kind::Pipe,
        libc::S_IFCHR => Kind::Character,
        libc::S_IFBLK => Kind::Block,
        mode if mode == libc::S_IFSOCK => Kind::Socket,
        _ => Kind::File,
    }
}
