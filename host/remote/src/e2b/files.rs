//! The files of a sandbox: envd's file service, and short commands for what it lacks.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sandpiper_core::{
    BoxFuture, DirectoryEntry, Edit, Error, Exit, FileError, FileErrorKind, FileStat, FileType, Files,
    FindQuery, FoundFile, FoundLine, Results, SearchQuery,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::NAME;
use super::connect::{Failed, ask};
use super::create::random_id;
use super::sandbox::Shared;
use super::shell::{self, Done, Place};
use super::time::nanoseconds;
use super::wire::Version;
use crate::http::{Method, Opened, Part, StatusCode, multipart};
use crate::quote::quoted;
use crate::search;

const ACTION: &str = "work with files";

/// Most bytes that a directory's list may have: some 300 an entry.
const MAX_LIST_BYTES: usize = 64 << 20;

/// The slowest line that content is read over, as what is sent is ([`Times::whole`](crate::http::Times)).
const MIN_BYTES_PER_SECOND: u64 = 128 << 10;

#[derive(Clone)]
pub(super) struct E2bFiles(Arc<Shared>);

type Kind<T> = Result<T, FileErrorKind>;

impl E2bFiles {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Does something with a path, and tells what it was when it fails.
    fn with<T, F>(
        &self,
        operation: &'static str,
        path: &str,
        work: impl FnOnce(Self, String) -> F + Send + 'static,
    ) -> BoxFuture<'static, Result<T, FileError>>
    where
        F: Future<Output = Kind<T>> + Send,
        T: Send + 'static,
    {
        let (files, path) = (self.clone(), path.to_owned());
        Box::pin(async move {
            work(files, path.clone()).await.map_err(|kind| FileError { operation, path, kind })
        })
    }

    async fn entry(&self, path: &str) -> Kind<Entry> {
        #[derive(Deserialize)]
        struct Answer {
            entry: Entry,
        }
        absolute(path)?;
        let call = self.0.envd.procedure(["filesystem.Filesystem", "Stat"], &json!({"path": path}), ACTION);
        ask::<Answer>(call.repeatable())
            .await
            .map(|answer| answer.entry)
            .map_err(|failed| self.kind_of(failed))
    }

    /// Whether a path, symlinks followed, is a directory.
    pub async fn is_directory(&self, path: &str) -> Kind<bool> {
        let path = self.followed(path).await?;
        Ok(self.entry(&path).await?.stat().kind == FileType::Directory)
    }

    async fn entries(&self, path: &str) -> Kind<Vec<Entry>> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            entries: Vec<Entry>,
        }
        absolute(path)?;
        let request = json!({"path": path, "depth": 1});
        let call = self.0.envd.procedure(["filesystem.Filesystem", "ListDir"], &request, ACTION);
        let call = call.repeatable().limit(MAX_LIST_BYTES);
        ask::<Answer>(call).await.map(|answer| answer.entries).map_err(|failed| self.kind_of(failed))
    }

    async fn change(&self, procedure: &str, request: Value, repeatable: bool) -> Result<(), Failed> {
        let call = self.0.envd.procedure(["filesystem.Filesystem", procedure], &request, ACTION);
        let call = if repeatable { call.repeatable() } else { call };
        ask::<Value>(call).await.map(drop)
    }

    /// Runs a command with paths, which come after `--`.
    async fn command(&self, command: &str, paths: &[&str]) -> Kind<Done> {
        let words: Vec<_> = paths.iter().map(|path| quoted(path)).collect();
        let line = format!("LC_ALL=C exec {command} -- {}", words.join(" "));
        let done = shell::run(&self.0, &line, &Place::root()).await.map_err(kind_of_error)?;
        if done.exit == (Exit::Code { code: 0 }) {
            return Ok(done);
        }
        Err(self.kind_of_words(&String::from_utf8_lossy(&done.stderr)))
    }

    async fn read_whole(&self, path: &str, limit: u64) -> Kind<Bytes> {
        absolute(path)?;
        let begun = Instant::now();
        let whole = self.0.envd.client.times().whole;
        let call = self.0.envd.call(Method::GET, &["files"], ACTION).query("path", path);
        let mut body = match call.header("accept-encoding", "identity").open().await.map_err(kind_of_error)? {
            Opened::Stream(body) => body,
            Opened::Refused(answer) => {
                // Why not is in words alone; what the path is says it better.
                return Err(match (answer.status, answer.error()) {
                    (StatusCode::BAD_REQUEST | StatusCode::INTERNAL_SERVER_ERROR, err) => {
                        match self.entry(path).await?.stat().kind {
                            FileType::Directory => FileErrorKind::IsADirectory,
                            FileType::Other => FileErrorKind::NotAFile,
                            _ => kind_of_error(err),
                        }
                    }
                    (StatusCode::NOT_FOUND, _) => FileErrorKind::NotFound,
                    (_, err) => kind_of_error(err),
                });
            }
        };
        let told = body.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        if let Some(size) = told.filter(|size| *size > limit) {
            return Err(FileErrorKind::TooLarge { size, limit });
        }
        let mut content = BytesMut::new();
        loop {
            // More time for what has come alone: a byte now and then would be enough to be never silent.
            let after = whole + Duration::from_secs(content.len() as u64 / MIN_BYTES_PER_SECOND);
            let slow = |_| Error::Slow { backend: NAME.to_owned(), action: ACTION, after };
            let chunk = timeout_at(begun + after, body.chunk()).await.map_err(slow).flatten();
            let Some(chunk) = chunk.map_err(kind_of_error)? else { break };
            content.extend_from_slice(&chunk);
            if content.len() as u64 > limit {
                drop(body);
                let size = self.entry(path).await.map_or(0, |entry| entry.stat().size);
                return Err(FileErrorKind::TooLarge { size: size.max(content.len() as u64), limit });
            }
        }
        Ok(content.freeze())
    }

    /// Writes beside the name and renames, so that the old content is there until the new one is.
    async fn write_whole(&self, path: &str, content: Bytes) -> Kind<()> {
        let path = self.followed(path).await?;
        let old = match self.entry(&path).await {
            Ok(entry) => Some(entry.stat()),
            Err(FileErrorKind::NotFound) => None,
            Err(kind) => return Err(kind),
        };
        match old.map(|stat| stat.kind) {
            None | Some(FileType::File) => {}
            Some(FileType::Directory) => return Err(FileErrorKind::IsADirectory),
            Some(_) => return Err(FileErrorKind::NotAFile),
        }
        if old.is_none() {
            self.expect_directory(parent(&path)).await?;
        }
        let unique = random_id().map_err(kind_of_error)?;
        let beside = format!("{}/.sandpiper-{unique}", parent(&path).trim_end_matches('/'));
        let written = async {
            self.upload(&beside, content).await?;
            if let Some(old) = old
                && self.entry(&beside).await?.stat().mode != old.mode
            {
                self.set_permissions(&beside, old.mode).await?;
            }
            self.move_to(&beside, &path).await
        }
        .await;
        if written.is_err() {
            // The failure is what counts; without a connection it cannot be removed either.
            let _ = self.change("Remove", json!({"path": beside}), true).await;
        }
        written
    }

    async fn upload(&self, path: &str, content: Bytes) -> Kind<()> {
        let call = self.0.envd.call(Method::POST, &["files"], ACTION).query("path", path).repeatable();
        let call = if self.0.version >= Version::OCTET_STREAM {
            call.body("application/octet-stream", content)
        } else {
            let (content_type, body) =
                multipart(&[Part { name: "file", file: Some(path), content: &content }]);
            call.body(&content_type, body)
        };
        let answer = call.send().await.map_err(kind_of_error)?;
        match answer.status {
            StatusCode::INSUFFICIENT_STORAGE => Err(FileErrorKind::Quota),
            _ => answer.checked().map(drop).map_err(kind_of_error),
        }
    }

    fn kind_of(&self, failed: Failed) -> FileErrorKind {
        match failed {
            Failed::Broken(err) => kind_of_error(err),
            Failed::Said(said) => match said.code.as_str() {
                "not_found" => FileErrorKind::NotFound,
                "already_exists" => FileErrorKind::AlreadyExists,
                _ => self.kind_of_words(&said.message),
            },
        }
    }

    fn kind_of_words(&self, words: &str) -> FileErrorKind {
        of_words(words).unwrap_or_else(|| FileErrorKind::Backend(self.0.envd.repeated(words)))
    }

    async fn set_permissions(&self, path: &str, mode: u16) -> Kind<()> {
        self.command(&format!("chmod {:04o}", mode & 0o7777), &[path]).await.map(drop)
    }

    async fn move_to(&self, from: &str, to: &str) -> Kind<()> {
        // Twice is not once: the second finds nothing to move.
        self.change("Move", json!({"source": from, "destination": to}), false)
            .await
            .map_err(|failed| self.kind_of(failed))
    }

    async fn expect_directory(&self, path: &str) -> Kind<()> {
        if self.is_directory(path).await? { Ok(()) } else { Err(FileErrorKind::NotADirectory) }
    }

    /// The path that a symlink at the end of a path leads to.
    async fn followed(&self, path: &str) -> Kind<String> {
        absolute(path)?;
        match self.entry(path).await {
            Ok(entry) if entry.stat().kind == FileType::Symlink => {
                let done = self.command("readlink -f -n", &[path]).await?;
                String::from_utf8(done.stdout).map_err(|_| FileErrorKind::Other("EILSEQ"))
            }
            Ok(_) | Err(FileErrorKind::NotFound) => Ok(path.to_owned()),
            Err(kind) => Err(kind),
        }
    }
}

impl Files for E2bFiles {
    fn read(&self, path: &str, limit: u64) -> BoxFuture<'static, Result<Bytes, FileError>> {
        self.with("read", path, move |files, path| async move { files.read_whole(&path, limit).await })
    }

    fn write(&self, path: &str, content: Bytes) -> BoxFuture<'static, Result<(), FileError>> {
        self.with("write", path, move |files, path| async move {
            // A task of its own: when the caller goes away, no half of it is left beside the name.
            let task = tokio::spawn(async move { files.write_whole(&path, content).await });
            task.await.map_err(|_| FileErrorKind::Other("EINTR"))?
        })
    }

    fn edit(&self, path: &str, edits: Vec<Edit>) -> BoxFuture<'static, Result<u64, FileError>> {
        let (files, path) = (self.clone(), path.to_owned());
        Box::pin(async move { search::edit(&files, &path, &edits).await })
    }

    fn stat(&self, path: &str) -> BoxFuture<'static, Result<FileStat, FileError>> {
        self.with(
            "look at",
            path,
            |files, path| async move { files.entry(&path).await.map(|entry| entry.stat()) },
        )
    }

    fn read_link(&self, path: &str) -> BoxFuture<'static, Result<String, FileError>> {
        self.with("read the link", path, |files, path| async move {
            if files.entry(&path).await?.stat().kind != FileType::Symlink {
                return Err(FileErrorKind::NotASymlink);
            }
            let done = files.command("readlink -n", &[&path]).await?;
            Ok(String::from_utf8_lossy(&done.stdout).into_owned())
        })
    }

    fn set_mode(&self, path: &str, mode: u16) -> BoxFuture<'static, Result<(), FileError>> {
        self.with("set the mode of", path, move |files, path| async move {
            absolute(&path)?;
            files.set_permissions(&path, mode).await
        })
    }

    fn list(&self, path: &str) -> BoxFuture<'static, Result<Vec<DirectoryEntry>, FileError>> {
        self.with("list", path, |files, path| async move {
            let entries = files.entries(&path).await?;
            let mut entries: Vec<_> = entries
                .into_iter()
                .map(|entry| DirectoryEntry { stat: entry.stat(), name: entry.name })
                .collect();
            entries.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(entries)
        })
    }

    fn make_directory(&self, path: &str) -> BoxFuture<'static, Result<(), FileError>> {
        self.with("make", path, |files, path| async move {
            absolute(&path)?;
            match files.change("MakeDir", json!({"path": path}), true).await {
                Ok(()) => Ok(()),
                Err(Failed::Said(said))
                    if matches!(said.code.as_str(), "already_exists" | "invalid_argument") =>
                {
                    files.expect_directory(&path).await
                }
                Err(failed) => Err(files.kind_of(failed)),
            }
        })
    }

    fn remove(&self, path: &str, all: bool) -> BoxFuture<'static, Result<(), FileError>> {
        self.with("remove", path, move |files, path| async move {
            let stat = files.entry(&path).await?.stat();
            if stat.kind == FileType::Directory && !all {
                // Envd removes what is in it too; `rmdir` does not, whatever happens meanwhile.
                return files.command("rmdir", &[&path]).await.map(drop);
            }
            files.change("Remove", json!({"path": path}), true).await.map_err(|failed| files.kind_of(failed))
        })
    }

    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, Result<(), FileError>> {
        let to = to.to_owned();
        self.with("rename", from, move |files, from| async move {
            absolute(&to)?;
            let old = files.entry(&from).await?.stat();
            // Envd would make it.
            files.expect_directory(parent(&to)).await?;
            let new = match files.entry(&to).await {
                Ok(entry) => Some(entry.stat().kind),
                Err(FileErrorKind::NotFound) => None,
                Err(kind) => return Err(kind),
            };
            match (old.kind, new) {
                // Envd replaces no directory, POSIX an empty one.
                (FileType::Directory, Some(FileType::Directory)) => {
                    files.command("mv -T", &[&from, &to]).await.map(drop)
                }
                (_, Some(FileType::Directory)) => Err(FileErrorKind::IsADirectory),
                _ => files.move_to(&from, &to).await,
            }
        })
    }

    fn find(&self, query: FindQuery) -> BoxFuture<'static, Result<Results<FoundFile>, FileError>> {
        let files = self.clone();
        Box::pin(async move { search::find(&files, &query).await })
    }

    fn search(&self, query: SearchQuery) -> BoxFuture<'static, Result<Results<FoundLine>, FileError>> {
        let files = self.clone();
        Box::pin(async move { search::search(&files, &query).await })
    }
}

/// What envd says of a path.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    name: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    size: Size,
    #[serde(default)]
    mode: u32,
    modified_time: Option<String>,
    symlink_target: Option<String>,
}

/// 64-bit numbers are texts in JSON of protocol buffers, and numbers with some servers.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Size {
    Number(u64),
    Text(String),
}

impl Default for Size {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Entry {
    fn stat(&self) -> FileStat {
        let kind = match self.kind.as_str() {
            // Older ones tell what a symlink leads to.
            _ if self.symlink_target.is_some() => FileType::Symlink,
            "FILE_TYPE_FILE" => FileType::File,
            "FILE_TYPE_DIRECTORY" => FileType::Directory,
            "FILE_TYPE_SYMLINK" => FileType::Symlink,
            _ => FileType::Other,
        };
        let size = match &self.size {
            Size::Number(size) => *size,
            Size::Text(text) => text.parse().unwrap_or_default(),
        };
        FileStat {
            kind,
            size,
            mode: u16::try_from(self.mode & 0o7777).unwrap_or_default(),
            modified_ns: self.modified_time.as_deref().and_then(nanoseconds).unwrap_or_default(),
        }
    }
}

/// Envd takes others as below the user's home.
fn absolute(path: &str) -> Kind<()> {
    if path.starts_with('/') && !path.contains('\0') { Ok(()) } else { Err(FileErrorKind::Other("EINVAL")) }
}

fn parent(path: &str) -> &str {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

fn kind_of_error(err: Error) -> FileErrorKind {
    match err {
        Error::Gone { .. } => FileErrorKind::Gone,
        Error::File(err) => err.kind,
        Error::Unreachable { source, .. } => FileErrorKind::Unreachable(source.to_string()),
        Error::Slow { .. } => FileErrorKind::Unreachable(err.to_string()),
        Error::Backend { message, .. } => of_words(&message).unwrap_or(FileErrorKind::Backend(message)),
        err => FileErrorKind::Backend(err.to_string()),
    }
}

/// Errors of the system come as the words that C and Go have for them, and in no other way.
fn of_words(words: &str) -> Option<FileErrorKind> {
    let lower = words.to_ascii_lowercase();
    let known = [
        ("no such file or directory", FileErrorKind::NotFound),
        ("not a directory", FileErrorKind::NotADirectory),
        ("directory not empty", FileErrorKind::NotEmpty),
        ("is a directory", FileErrorKind::IsADirectory),
        ("file exists", FileErrorKind::AlreadyExists),
        ("read-only file system", FileErrorKind::ReadOnly),
        ("no space left on device", FileErrorKind::Quota),
        ("disk quota exceeded", FileErrorKind::Quota),
        ("permission denied", FileErrorKind::Other("EACCES")),
        ("operation not permitted", FileErrorKind::Other("EPERM")),
        ("too many levels of symbolic links", FileErrorKind::Other("ELOOP")),
        ("file name too long", FileErrorKind::Other("ENAMETOOLONG")),
        ("device or resource busy", FileErrorKind::Other("EBUSY")),
        ("invalid cross-device link", FileErrorKind::OtherMount),
    ];
    known.into_iter().find(|(text, _)| lower.contains(text)).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_what_envd_says() {
        let of = |value: Value| serde_json::from_value::<Entry>(value).unwrap().stat();
        let file = of(json!({"name": "a", "type": "FILE_TYPE_FILE", "path": "/a", "size": "5", "mode": 420,
            "modifiedTime": "1970-01-01T00:00:01.000000002Z"}));
        let expected = FileStat { kind: FileType::File, size: 5, mode: 0o644, modified_ns: 1_000_000_002 };
        assert_eq!(file, expected);
        let link = of(json!({"name": "a", "type": "FILE_TYPE_DIRECTORY", "symlinkTarget": "/b", "size": 1}));
        assert_eq!((link.kind, link.size), (FileType::Symlink, 1));
        assert_eq!(of(json!({})).kind, FileType::Other);
    }

    #[test]
    fn a_parent_is_the_path_before_the_last_name() {
        assert_eq!([parent("/a/b"), parent("/a/b/"), parent("/a"), parent("/")], ["/a", "/a", "/", "/"]);
    }

    #[test]
    fn words_of_the_system_are_kinds() {
        assert_eq!(of_words("rmdir: failed: Directory not empty"), Some(FileErrorKind::NotEmpty));
        assert_eq!(of_words("stat /a/b: not a directory"), Some(FileErrorKind::NotADirectory));
        assert_eq!(of_words(" odd\n"), None);
    }
}
