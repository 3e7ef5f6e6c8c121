//! The files of a container, as a user of it sees them: each operation is a short script there.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use sandpiper_core::search::{MAX_TEXT_BYTES, edited};
use sandpiper_core::{
    BoxFuture, DirectoryEntry, Edit, Error, FileError, FileErrorKind, FileStat, FileType, Files, FindQuery,
    FoundFile, FoundLine, Results, SearchQuery,
};

use super::container::Container;
use super::script::{Ended, Script};
use super::search;

const READ: &str = include_str!("scripts/read.sh");
const WRITE: &str = include_str!("scripts/write.sh");
const STAT: &str = include_str!("scripts/stat.sh");
const LIST: &str = include_str!("scripts/list.sh");
const MAKE_DIRECTORY: &str = include_str!("scripts/make_directory.sh");
const REMOVE: &str = include_str!("scripts/remove.sh");
const RENAME: &str = include_str!("scripts/rename.sh");
const SET_MODE: &str = include_str!("scripts/set_mode.sh");
const READ_LINK: &str = include_str!("scripts/read_link.sh");

/// Most bytes of a listing, some 600,000 files.
const MAX_LISTING_BYTES: usize = 64 << 20;
/// Longest path of Linux, and what is said about it.
const MAX_RECORD_BYTES: usize = 8 << 10;
/// How deep a tree is looked at; deeper ones are not complete.
pub(super) const MAX_DEPTH: &str = "256";

pub(super) struct DockerFiles(Work);

/// What can be done with files; each operation has its own.
#[derive(Clone)]
pub(super) struct Work(Arc<Container>);

impl DockerFiles {
    pub(super) fn new(container: &Arc<Container>) -> Self {
        Self(Work(Arc::clone(container)))
    }

    fn with<T, F>(
        &self,
        operation: &'static str,
        path: &str,
        work: impl FnOnce(Work, String) -> F + Send + 'static,
    ) -> BoxFuture<'static, Result<T, FileError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, FileErrorKind>> + Send,
    {
        let (own, path) = (self.0.clone(), path.to_owned());
        Box::pin(async move {
            let kind = match wrong_path(&path) {
                Some(kind) => kind,
                None => match work(own, path.clone()).await {
                    Ok(done) => return Ok(done),
                    Err(kind) => kind,
                },
            };
            Err(FileError { operation, path, kind })
        })
    }
}

impl Files for DockerFiles {
    fn read(&self, path: &str, limit: u64) -> BoxFuture<'static, Result<Bytes, FileError>> {
        self.with("read", path, move |work, path| async move { work.read(&path, limit).await })
    }

    fn write(&self, path: &str, content: Bytes) -> BoxFuture<'static, Result<(), FileError>> {
        self.with("write", path, move |work, path| async move { work.write(&path, content).await })
    }

    fn edit(&self, path: &str, edits: Vec<Edit>) -> BoxFuture<'static, Result<u64, FileError>> {
        self.with("edit", path, move |work, path| async move {
            let content = work.read(&path, MAX_TEXT_BYTES).await?;
            let (text, count) = edited(content.into(), &edits)?;
            work.write(&path, text.into()).await?;
            Ok(count)
        })
    }

    fn stat(&self, path: &str) -> BoxFuture<'static, Result<FileStat, FileError>> {
        self.with("look at", path, move |work, path| async move { work.stat(&path).await })
    }

    fn read_link(&self, path: &str) -> BoxFuture<'static, Result<String, FileError>> {
        self.with("read", path, move |work, path| async move {
            let read = work.run(READ_LINK, &[&path], None, MAX_RECORD_BYTES).await?;
            Ok(String::from_utf8_lossy(&read.stdout).into_owned())
        })
    }

    fn set_mode(&self, path: &str, mode: u16) -> BoxFuture<'static, Result<(), FileError>> {
        self.with("set the mode of", path, move |work, path| async move {
            let mode = format!("{:04o}", mode & 0o7777);
            work.run(SET_MODE, &[&path, &mode], None, 0).await.map(drop)
        })
    }

    fn list(&self, path: &str) -> BoxFuture<'static, Result<Vec<DirectoryEntry>, FileError>> {
        self.with("list", path, move |work, path| async move {
            let (entries, complete) = work.entries(&path, "1").await?;
            if !complete {
                return Err(FileErrorKind::TooMany { limit: entries.len() });
            }
            let mut entries: Vec<_> =
                entries.into_iter().map(|(name, stat)| DirectoryEntry { name, stat }).collect();
            entries.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(entries)
        })
    }

    fn make_directory(&self, path: &str) -> BoxFuture<'static, Result<(), FileError>> {
        self.with("make", path, move |work, path| async move {
            work.run(MAKE_DIRECTORY, &[&path], None, 0).await.map(drop)
        })
    }

    fn remove(&self, path: &str, all: bool) -> BoxFuture<'static, Result<(), FileError>> {
        self.with("remove", path, move |work, path| async move {
            work.run(REMOVE, &[&path, if all { "all" } else { "one" }], None, 0).await.map(drop)
        })
    }

    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, Result<(), FileError>> {
        let to = to.to_owned();
        self.with("rename", from, move |work, from| async move {
            if let Some(kind) = wrong_path(&to) {
                return Err(kind);
            }
            work.run(RENAME, &[&from, &to], None, 0).await.map(drop)
        })
    }

    fn find(&self, query: FindQuery) -> BoxFuture<'static, Result<Results<FoundFile>, FileError>> {
        search::find(self.0.clone(), query)
    }

    fn search(&self, query: SearchQuery) -> BoxFuture<'static, Result<Results<FoundLine>, FileError>> {
        search::search(self.0.clone(), query)
    }
}

impl Work {
    /// Runs a script that has to end well, and explains why it has not.
    pub(super) async fn run(
        &self,
        text: &'static str,
        arguments: &[&str],
        stdin: Option<Bytes>,
        limit: usize,
    ) -> Result<Ended, FileErrorKind> {
        let ended = self.run_at_all(text, arguments, stdin, limit).await?;
        if ended.code == 0 { Ok(ended) } else { Err(meaning(&ended)) }
    }

    pub(super) async fn run_at_all(
        &self,
        text: &'static str,
        arguments: &[&str],
        stdin: Option<Bytes>,
        limit: usize,
    ) -> Result<Ended, FileErrorKind> {
        let script = Script::new(&self.0.user, text, arguments);
        self.0.script("work with files", script, stdin, limit).await.map_err(|err| match err {
            Error::Gone { .. } => FileErrorKind::Gone,
            Error::Unreachable { .. } | Error::Slow { .. } => FileErrorKind::Unreachable(err.to_string()),
            err => FileErrorKind::Backend(err.to_string()),
        })
    }

    async fn read(&self, path: &str, limit: u64) -> Result<Bytes, FileErrorKind> {
        let limit = limit.min(i64::MAX.unsigned_abs() - 1);
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let arguments = [path, &limit.to_string(), &(limit + 1).to_string()];
        let read = self.run_at_all(READ, &arguments, None, most).await?;
        let too_large = |size| FileErrorKind::TooLarge { size, limit };
        match read.code {
            // What the kernel makes as it is read has no size before.
            0 if read.cut => Err(too_large(limit + 1)),
            0 => Ok(read.stdout.into()),
            63 => {
                let size = String::from_utf8_lossy(&read.stdout).trim().parse();
                Err(too_large(size.unwrap_or(limit + 1)))
            }
            _ => Err(meaning(&read)),
        }
    }

    async fn write(&self, path: &str, content: Bytes) -> Result<(), FileErrorKind> {
        let arguments =
            [path, &content.len().to_string(), &format!("{:016x}", RandomState::new().hash_one(()))];
        self.run(WRITE, &arguments, Some(content), 0).await.map(drop)
    }

    pub(super) async fn stat(&self, path: &str) -> Result<FileStat, FileErrorKind> {
        let told = self.run(STAT, &[path], None, MAX_RECORD_BYTES).await?;
        let record = told.stdout.strip_suffix(b"//\n").and_then(record);
        let (_, stat) = record.ok_or_else(|| not_understood(&told.stdout))?;
        Ok(stat)
    }

    /// The entries of a directory, and of those in it to a depth, by their paths below it; and whether these are
    /// all. Those whose names are not UTF-8 are left out.
    pub(super) async fn entries(
        &self,
        path: &str,
        depth: &str,
    ) -> Result<(Vec<(String, FileStat)>, bool), FileErrorKind> {
        let listed = self.run_at_all(LIST, &[path, depth], None, MAX_LISTING_BYTES).await?;
        // From 60 on it is the script that ends; below, it is `find`, which goes on over what it cannot read.
        if listed.code >= 60 || (listed.code != 0 && listed.stdout.is_empty()) {
            return Err(meaning(&listed));
        }
        let mut entries = Vec::new();
        let mut records = listed.stdout.as_slice();
        while let Some(end) = find(records, b"//\n") {
            let (text, rest) = (records.get(..end).unwrap_or_default(), records.get(end + 3..));
            records = rest.unwrap_or_default();
            let (name, stat) = record(text).ok_or_else(|| not_understood(text))?;
            if let Ok(name) = std::str::from_utf8(name) {
                entries.push((name.strip_prefix("./").unwrap_or(name).to_owned(), stat));
            }
        }
        // A file that is removed while it is listed is no reason to call a list of one directory incomplete.
        Ok((entries, !listed.cut && (listed.code == 0 || depth == "1")))
    }
}

/// What no script is asked.
pub(super) fn wrong_path(path: &str) -> Option<FileErrorKind> {
    if path.contains('\0') {
        return Some(FileErrorKind::Other("INVAL"));
    }
    (!path.starts_with('/')).then_some(FileErrorKind::NotFound)
}

/// What `stat` says of a file: mode in hexadecimal, size, seconds, the time in words, and the path.
fn record(text: &[u8]) -> Option<(&[u8], FileStat)> {
    let mut fields = text.splitn(7, |byte| *byte == b' ');
    let mut field = || std::str::from_utf8(fields.next()?).ok();
    let mode = u32::from_str_radix(field()?, 16).ok()?;
    let size = field()?.parse().ok()?;
    let seconds: u64 = field()?.parse::<i64>().ok()?.try_into().unwrap_or(0);
    let (_date, time, _zone) = (field()?, field()?, field()?);
    let fraction = time.split_once('.').map_or("0", |(_, fraction)| fraction);
    let nanoseconds: u64 = format!("{fraction:0<9}").parse().ok()?;
    let kind = match mode & 0o170_000 {
        0o100_000 => FileType::File,
        0o040_000 => FileType::Directory,
        0o120_000 => FileType::Symlink,
        _ => FileType::Other,
    };
    let mode = u16::try_from(mode & 0o7777).ok()?;
    let modified_ns = seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)?;
    Some((fields.next()?, FileStat { kind, size, mode, modified_ns }))
}

/// Why a script ended as it did: by its own code, or by the system's words at the end of a command's.
fn meaning(ended: &Ended) -> FileErrorKind {
    match ended.code {
        61 => return FileErrorKind::IsADirectory,
        62 => return FileErrorKind::NotAFile,
        64 => return FileErrorKind::NotFound,
        65 => return FileErrorKind::Unreachable("the content did not arrive as a whole".to_owned()),
        66 => return FileErrorKind::NotADirectory,
        67 => return FileErrorKind::Other("ACCES"),
        68 => return FileErrorKind::OtherMount,
        69 => return FileErrorKind::NotASymlink,
        _ => {}
    }
    let last = ended.stderr.lines().last().unwrap_or_default();
    match last.rsplit(": ").next().unwrap_or_default() {
        "No such file or directory" => FileErrorKind::NotFound,
        "Not a directory" => FileErrorKind::NotADirectory,
        "Is a directory" => FileErrorKind::IsADirectory,
        "File exists" => FileErrorKind::AlreadyExists,
        "Directory not empty" => FileErrorKind::NotEmpty,
        "Read-only file system" => FileErrorKind::ReadOnly,
        "No space left on device" | "Disk quota exceeded" => FileErrorKind::Quota,
        "Permission denied" => FileErrorKind::Other("ACCES"),
        "Operation not permitted" => FileErrorKind::Other("PERM"),
        "Device or resource busy" | "Resource busy" => FileErrorKind::Other("BUSY"),
        "File name too long" | "Filename too long" => FileErrorKind::Other("NAMETOOLONG"),
        "Too many levels of symbolic links" | "Symbolic link loop" => FileErrorKind::Other("LOOP"),
        "Cross-device link" | "Invalid cross-device link" => FileErrorKind::OtherMount,
        _ => FileErrorKind::Backend(format!("{last} (exit code {})", ended.code)),
    }
}

fn not_understood(text: &[u8]) -> FileErrorKind {
    FileErrorKind::Backend(format!("its `stat` says what is not understood: {}", text.escape_ascii()))
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_stat_is_read() {
        let text = b"81a4 5 1795326822 2026-11-22 05:53:42.108165424 +0000 ./a b";
        let stat =
            FileStat { kind: FileType::File, size: 5, mode: 0o644, modified_ns: 1_795_326_822_108_165_424 };
        assert_eq!(record(text), Some((b"./a b".as_slice(), stat)));
        for (mode, kind) in
            [("41ed", FileType::Directory), ("a1ff", FileType::Symlink), ("2190", FileType::Other)]
        {
            let text = format!("{mode} 0 0 1970-01-01 00:00:00.5 +0000 x");
            let (_, stat) = record(text.as_bytes()).unwrap();
            assert_eq!((stat.kind, stat.modified_ns), (kind, 500_000_000));
        }
        for text in ["", "x", "81a4 5 1 a b", "81a4 5 1 a b.x c d", "81a4 -5 1 a b c d"] {
            assert_eq!(record(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn an_end_means_what_the_system_has_said() {
        let of = |code, stderr: &str| {
            meaning(&Ended { code, stdout: Vec::new(), cut: false, stderr: stderr.to_owned() })
        };
        assert_eq!(of(1, "stat: cannot statx '/a: b': No such file or directory"), FileErrorKind::NotFound);
        assert_eq!(of(1, "dd: failed to open '/etc/x': Read-only file system"), FileErrorKind::ReadOnly);
        assert_eq!(of(1, "a\nrmdir: '/w/a': Directory not empty"), FileErrorKind::NotEmpty);
        assert_eq!(of(61, ""), FileErrorKind::IsADirectory);
        assert_eq!(of(2, "odd"), FileErrorKind::Backend("odd (exit code 2)".to_owned()));
    }
}
