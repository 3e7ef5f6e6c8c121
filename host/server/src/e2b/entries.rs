//! Files and directories in the words of envd.

use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_nanos;
use sandpiper_core::{FileError, FileErrorKind, FileEvent, FileEventKind, FileStat, FileType, Files};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::guest_path::{absolute, name, parent};

/// Most entries of one listing, as of a watch.
const MAX_ENTRIES: usize = 20_000;

/// What is at a clean path.
pub(super) async fn entry(files: &dyn Files, path: &str) -> Result<Value, Failure> {
    let stat = files.stat(path).await?;
    Ok(told(files, path, stat).await)
}

/// An entry whose stat is known. A symlink has its target, resolved by one step.
pub(super) async fn told(files: &dyn Files, path: &str, stat: FileStat) -> Value {
    let kind = match stat.kind {
        FileType::File => "FILE_TYPE_FILE",
        FileType::Directory => "FILE_TYPE_DIRECTORY",
        FileType::Symlink => "FILE_TYPE_SYMLINK",
        FileType::Other => "FILE_TYPE_UNSPECIFIED",
    };
    let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(stat.modified_ns);
    let mut entry = json!({
        "name": name(path),
        "type": kind,
        "path": path,
        "size": stat.size.to_string(),
        "mode": stat.mode,
        "permissions": permissions(stat),
        "owner": "user",
        "group": "user",
        "modifiedTime": format_rfc3339_nanos(modified).to_string(),
    });
    if stat.kind == FileType::Symlink
        && let Ok(link) = files.read_link(path).await
        && let Ok(target) = absolute(&link, parent(path), usize::MAX)
        && let Some(fields) = entry.as_object_mut()
    {
        fields.insert("symlinkTarget".to_owned(), json!(target));
    }
    entry
}

/// Kind and permission bits, as `ls -l` writes them.
fn permissions(stat: FileStat) -> String {
    let kind = match stat.kind {
        FileType::File => '-',
        FileType::Directory => 'd',
        FileType::Symlink => 'L',
        FileType::Other => '?',
    };
    let bits = (0..9).rev().zip("rwxrwxrwx".chars());
    let bits = bits.map(|(bit, letter)| if stat.mode >> bit & 1 == 1 { letter } else { '-' });
    std::iter::once(kind).chain(bits).collect()
}

/// What is in a directory, and below it to a depth, each directory before what is in it.
pub(super) async fn listing(files: &dyn Files, directory: &str, depth: u32) -> Result<Vec<Value>, Failure> {
    let mut found = Vec::new();
    // What is still to be told, the next one at the end.
    let mut open: Vec<(String, FileStat, u32)> = Vec::new();
    enter(files, directory, depth, &mut open).await?;
    while let Some((path, stat, depth)) = open.pop() {
        if found.len() + open.len() >= MAX_ENTRIES {
            let kind = FileErrorKind::TooMany { limit: MAX_ENTRIES };
            return Err(FileError { operation: "list", path: directory.to_owned(), kind }.into());
        }
        found.push(told(files, &path, stat).await);
        if stat.kind == FileType::Directory && depth > 1 {
            enter(files, &path, depth - 1, &mut open).await?;
        }
    }
    Ok(found)
}

async fn enter(
    files: &dyn Files,
    directory: &str,
    depth: u32,
    open: &mut Vec<(String, FileStat, u32)>,
) -> Result<(), Failure> {
    let prefix = directory.trim_end_matches('/');
    let entries = files.list(directory).await?;
    open.extend(
        entries.into_iter().rev().map(|entry| (format!("{prefix}/{}", entry.name), entry.stat, depth)),
    );
    Ok(())
}

/// A change below a watched directory, whose name is relative to it.
pub(super) fn change(directory: &str, event: &FileEvent) -> Value {
    let kind = match event.kind {
        FileEventKind::Created => "EVENT_TYPE_CREATE",
        FileEventKind::Written => "EVENT_TYPE_WRITE",
        FileEventKind::Chmod => "EVENT_TYPE_CHMOD",
        FileEventKind::Removed => "EVENT_TYPE_REMOVE",
    };
    let below = event.path.strip_prefix(directory.trim_end_matches('/')).unwrap_or(&event.path);
    json!({ "name": below.trim_start_matches('/'), "type": kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_written_as_ls_writes_them() {
        let of = |kind, mode| permissions(FileStat { kind, size: 0, mode, modified_ns: 0 });
        assert_eq!(of(FileType::File, 0o644), "-rw-r--r--");
        assert_eq!(of(FileType::Directory, 0o755), "drwxr-xr-x");
        assert_eq!(of(FileType::Symlink, 0o777), "Lrwxrwxrwx");
    }

    #[test]
    fn changes_have_names_below_their_directory() {
        let event =
            |path: &str| FileEvent { kind: FileEventKind::Created, path: path.to_owned(), stat: None };
        assert_eq!(change("/a", &event("/a/b/c")), json!({ "name": "b/c", "type": "EVENT_TYPE_CREATE" }));
        assert_eq!(change("/", &event("/b"))["name"], "b");
    }
}
