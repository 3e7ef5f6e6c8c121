//! What a file is, as `/files` and `/files/info` tell it.

use sandpiper_core::{FileError, FileErrorKind, FileStat, FileType, Files};
use serde::Serialize;

use crate::daytona::wire::Timestamp;
use crate::guest_path;

/// Links that may lead to one another, as on Linux.
const LINKS: usize = 40;

/// Bytes of what a link points to, as on Linux.
const TARGET_BYTES: usize = 4096;

/// Who owns all files: the one user that guests have.
pub(crate) const OWNER: &str = "user";

/// A file or directory.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileInfo {
    name: String,
    path: String,
    size: u64,
    is_dir: bool,
    /// As `ls -l` has it, and as Go writes it: `L` is a symlink.
    mode: String,
    /// In octal, with four digits.
    permissions: String,
    mod_time: Timestamp,
    modified_at: Timestamp,
    owner: &'static str,
    group: &'static str,
}

impl FileInfo {
    pub(crate) fn new(path: &str, stat: FileStat) -> Self {
        let modified = Timestamp::of_nanoseconds(stat.modified_ns);
        Self {
            name: guest_path::name(path).to_owned(),
            path: path.to_owned(),
            size: stat.size,
            is_dir: stat.kind == FileType::Directory,
            mode: mode(stat),
            permissions: format!("{:04o}", stat.mode & 0o777),
            mod_time: modified,
            modified_at: modified,
            owner: OWNER,
            group: OWNER,
        }
    }
}

fn mode(stat: FileStat) -> String {
    let mut text = String::from(match stat.kind {
        FileType::File => '-',
        FileType::Directory => 'd',
        FileType::Symlink => 'L',
        FileType::Other => 'D',
    });
    for shift in [6, 3, 0] {
        for (bit, letter) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            text.push(if stat.mode >> shift & bit == 0 { '-' } else { letter });
        }
    }
    text
}

/// What a path leads to, symlinks followed.
///
/// # Errors
/// Those of [`Files::stat`].
pub(crate) async fn follow(files: &dyn Files, path: &str) -> Result<FileStat, FileError> {
    let mut at = path.to_owned();
    for _ in 0..LINKS {
        let stat = files.stat(&at).await?;
        if stat.kind != FileType::Symlink {
            return Ok(stat);
        }
        let target = files.read_link(&at).await?;
        at = guest_path::absolute(&target, guest_path::parent(&at), TARGET_BYTES).map_err(|_| FileError {
            operation: "stat",
            path: path.to_owned(),
            kind: FileErrorKind::Other("ENAMETOOLONG"),
        })?;
    }
    Err(FileError { operation: "stat", path: path.to_owned(), kind: FileErrorKind::Other("ELOOP") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_written_as_go_does() {
        let stat = |kind, mode| FileStat { kind, size: 0, mode, modified_ns: 0 };
        assert_eq!(mode(stat(FileType::File, 0o644)), "-rw-r--r--");
        assert_eq!(mode(stat(FileType::Directory, 0o755)), "drwxr-xr-x");
        assert_eq!(mode(stat(FileType::Symlink, 0o777)), "Lrwxrwxrwx");
    }

    #[test]
    fn an_info_has_the_fields_that_the_sdks_ask_for() {
        let stat = FileStat { kind: FileType::File, size: 3, mode: 0o100_600, modified_ns: 1_500_000_000 };
        insta::assert_snapshot!(serde_json::to_string(&FileInfo::new("/a/b.txt", stat)).unwrap(), @r#"{"name":"b.txt","path":"/a/b.txt","size":3,"isDir":false,"mode":"-rw-------","permissions":"0600","modTime":"1970-01-01T00:00:01.500Z","modifiedAt":"1970-01-01T00:00:01.500Z","owner":"user","group":"user"}"#);
    }
}
