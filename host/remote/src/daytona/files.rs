//! The files of a sandbox: contents by the toolbox's own calls, everything else by scripts.

use bytes::Bytes;
use sandpiper_core::search::{Find, MAX_TEXT_BYTES, Search, edited};
use sandpiper_core::{
    BoxFuture, DirectoryEntry, Edit, Error, FileError, FileErrorKind, FileStat, Files, FindQuery, FoundFile,
    FoundLine, Results, SearchQuery,
};

use super::random_name;
use super::script::{self, Found, Script};
use super::toolbox::Toolbox;

/// Bytes of files that are fetched at once to be searched.
const BATCH_BYTES: u64 = 16 << 20;

/// Files that are fetched at once to be searched.
const BATCH_FILES: usize = 256;

/// How often a directory is listed anew when files come and go.
const LIST_TRIES: usize = 4;

/// The files of a sandbox.
#[derive(Clone, Debug)]
pub(super) struct DaytonaFiles {
    pub(super) toolbox: Toolbox,
}

impl DaytonaFiles {
    /// Executes a script; one that only looks may be executed twice.
    async fn execute(&self, script: &Script<'_>) -> Result<Vec<u8>, FileErrorKind> {
        let looks = matches!(
            script,
            Script::Size(_)
                | Script::Stat(_)
                | Script::ReadLink(_)
                | Script::List { .. }
                | Script::Walk { .. }
        );
        let (_, printed) = self
            .toolbox
            .execute(script.command_line(), "work with files", looks)
            .await
            .map_err(|err| kind(&err))?;
        script::answer(&printed)
    }

    async fn read_whole(&self, path: &str, limit: u64) -> Result<Bytes, FileErrorKind> {
        let answer = self.execute(&Script::Size(path)).await?;
        let size = std::str::from_utf8(&answer).ok().and_then(|text| text.trim().parse().ok());
        let size: u64 = size.ok_or_else(|| FileErrorKind::Backend("a file has no size".to_owned()))?;
        if size > limit {
            return Err(FileErrorKind::TooLarge { size, limit });
        }
        // What is made when it is read, as in /proc, has more than its size says.
        let most = limit.min(size.saturating_add(1 << 20));
        let mut files = self.toolbox.download(&[path], most).await.map_err(|err| kind(&err))?;
        let content = files.pop().flatten().ok_or(FileErrorKind::NotFound)?;
        if content.len() as u64 > limit {
            return Err(FileErrorKind::TooLarge { size: content.len() as u64, limit });
        }
        Ok(content)
    }

    async fn place(&self, path: &str, content: &[u8]) -> Result<(), FileErrorKind> {
        let name = random_name();
        let uploaded = format!("/tmp/.{name}");
        let placed = async {
            self.toolbox.upload(&uploaded, content).await.map_err(|err| kind(&err))?;
            self.execute(&Script::Place { uploaded: &uploaded, path, beside: &format!(".{name}-new") }).await
        }
        .await;
        if placed.is_err() {
            // The script removes it itself, unless it was not executed.
            let _ = self.execute(&Script::Remove { path: &uploaded, all: false }).await;
        }
        placed.map(drop)
    }

    /// Lists by a script, anew while files come and go.
    async fn look(&self, path: &str, walk: Option<bool>) -> Result<Found, FileErrorKind> {
        for _ in 0..LIST_TRIES {
            let kept = format!("/tmp/.{}", random_name());
            let script = match walk {
                Some(hidden) => Script::Walk { path, hidden, kept: &kept },
                None => Script::List { path, kept: &kept },
            };
            let answer = self.execute(&script).await?;
            let found = script::found(&answer)
                .map_err(|what| FileErrorKind::Backend(format!("a list of files is broken: {what}")))?;
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Err(FileErrorKind::Backend(format!("files came and went while they were listed, {LIST_TRIES} times")))
    }

    /// All below a directory, or the one file: the path, the path below the directory, and what it is.
    async fn walk(&self, directory: &str, hidden: bool) -> Result<(Vec<Walked>, bool), FileErrorKind> {
        let start = if directory.len() > 1 { directory.trim_end_matches('/') } else { directory };
        let found = self.look(start, Some(hidden)).await?;
        let prefix = if start == "/" { "" } else { start };
        let walked = found.entries.into_iter().map(|DirectoryEntry { name, stat }| {
            if found.is_file {
                let below = name.rsplit('/').next().unwrap_or(&name).to_owned();
                Walked { path: name, below, stat }
            } else {
                Walked { path: format!("{prefix}/{name}"), below: name, stat }
            }
        });
        Ok((walked.collect(), found.complete))
    }

    async fn find_files(&self, query: &FindQuery) -> Result<Results<FoundFile>, FileError> {
        let mut find = Find::new(query)?;
        let walked = self.walk(&query.directory, query.hidden).await;
        let (walked, complete) = walked.map_err(|kind| error("search", &query.directory, kind))?;
        let all = walked.iter().all(|file| find.look(&file.path, &file.below, file.stat));
        Ok(find.results(complete && all))
    }

    async fn search_files(&self, query: &SearchQuery) -> Result<Results<FoundLine>, FileError> {
        let mut search = Search::new(query)?;
        let failed = |kind| error("search", &query.directory, kind);
        let (walked, mut complete) = self.walk(&query.directory, query.hidden).await.map_err(failed)?;
        let (files, large): (Vec<Walked>, Vec<Walked>) = walked
            .into_iter()
            .filter(|file| search.wants(&file.below, file.stat))
            .partition(|file| file.stat.size <= MAX_TEXT_BYTES);
        complete &= large.is_empty();
        for batch in batches(&files) {
            let paths: Vec<&str> = batch.iter().map(|file| file.path.as_str()).collect();
            let bytes = batch.iter().map(|file| file.stat.size.saturating_add(1 << 20)).sum();
            let contents = self.toolbox.download(&paths, bytes).await.map_err(|err| failed(kind(&err)))?;
            for (path, content) in paths.into_iter().zip(contents) {
                let Some(content) = content else {
                    complete = false;
                    continue;
                };
                if !search.look(path, &content) {
                    return Ok(search.results(false));
                }
            }
        }
        Ok(search.results(complete))
    }

    fn with<T: Send + 'static, F>(
        &self,
        operation: &'static str,
        path: &str,
        work: impl FnOnce(Self, String) -> F + Send + 'static,
    ) -> BoxFuture<'static, Result<T, FileError>>
    where
        F: Future<Output = Result<T, FileErrorKind>> + Send + 'static,
    {
        let (files, path) = (self.clone(), path.to_owned());
        Box::pin(async move {
            if !is_absolute(&path) {
                return Err(error(operation, &path, FileErrorKind::Other("INVAL")));
            }
            work(files, path.clone()).await.map_err(|kind| error(operation, &path, kind))
        })
    }
}

impl Files for DaytonaFiles {
    fn read(&self, path: &str, limit: u64) -> BoxFuture<'static, Result<Bytes, FileError>> {
        self.with("read", path, move |files, path| async move { files.read_whole(&path, limit).await })
    }

    fn write(&self, path: &str, content: Bytes) -> BoxFuture<'static, Result<(), FileError>> {
        self.with("write", path, move |files, path| async move { files.place(&path, &content).await })
    }

    fn edit(&self, path: &str, edits: Vec<Edit>) -> BoxFuture<'static, Result<u64, FileError>> {
        self.with("edit", path, move |files, path| async move {
            let content = files.read_whole(&path, MAX_TEXT_BYTES).await?;
            let (text, count) = edited(content.into(), &edits)?;
            files.place(&path, text.as_bytes()).await?;
            Ok(count)
        })
    }

    fn stat(&self, path: &str) -> BoxFuture<'static, Result<FileStat, FileError>> {
        self.with("look at", path, |files, path| async move {
            let answer = files.execute(&Script::Stat(&path)).await?;
            script::stat(&answer).map_err(FileErrorKind::Backend)
        })
    }

    fn read_link(&self, path: &str) -> BoxFuture<'static, Result<String, FileError>> {
        self.with("read the link", path, |files, path| async move {
            let answer = files.execute(&Script::ReadLink(&path)).await?;
            Ok(String::from_utf8_lossy(answer.strip_suffix(b"\n").unwrap_or(&answer)).into_owned())
        })
    }

    fn set_mode(&self, path: &str, mode: u16) -> BoxFuture<'static, Result<(), FileError>> {
        self.with("set the mode of", path, move |files, path| async move {
            files.execute(&Script::SetMode(&path, mode & 0o7777)).await.map(drop)
        })
    }

    fn list(&self, path: &str) -> BoxFuture<'static, Result<Vec<DirectoryEntry>, FileError>> {
        self.with("list", path, |files, path| async move { Ok(files.look(&path, None).await?.entries) })
    }

    fn make_directory(&self, path: &str) -> BoxFuture<'static, Result<(), FileError>> {
        self.with("make", path, |files, path| async move {
            files.execute(&Script::MakeDirectory(&path)).await.map(drop)
        })
    }

    fn remove(&self, path: &str, all: bool) -> BoxFuture<'static, Result<(), FileError>> {
        self.with("remove", path, move |files, path| async move {
            if path.trim_end_matches('/').is_empty() {
                return Err(FileErrorKind::Other("BUSY"));
            }
            files.execute(&Script::Remove { path: &path, all }).await.map(drop)
        })
    }

    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, Result<(), FileError>> {
        let to = to.to_owned();
        self.with("rename", from, move |files, from| async move {
            if !is_absolute(&to) {
                return Err(FileErrorKind::Other("INVAL"));
            }
            files.execute(&Script::Rename { from: &from, to: &to }).await.map(drop)
        })
    }

    fn find(&self, query: FindQuery) -> BoxFuture<'static, Result<Results<FoundFile>, FileError>> {
        let files = self.clone();
        Box::pin(async move { files.find_files(&query).await })
    }

    fn search(&self, query: SearchQuery) -> BoxFuture<'static, Result<Results<FoundLine>, FileError>> {
        let files = self.clone();
        Box::pin(async move { files.search_files(&query).await })
    }
}

/// What a walk comes by.
struct Walked {
    path: String,
    /// The path below the directory that is walked.
    below: String,
    stat: FileStat,
}

/// Files that are fetched at once.
fn batches(files: &[Walked]) -> Vec<&[Walked]> {
    let (mut batches, mut start, mut bytes) = (Vec::new(), 0, 0_u64);
    for (index, file) in files.iter().enumerate() {
        let full = index - start == BATCH_FILES || bytes.saturating_add(file.stat.size) > BATCH_BYTES;
        if index > start && full {
            batches.extend(files.get(start..index));
            (start, bytes) = (index, 0);
        }
        bytes = bytes.saturating_add(file.stat.size);
    }
    batches.extend(files.get(start..).filter(|rest| !rest.is_empty()));
    batches
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') && !path.contains('\0')
}

fn error(operation: &'static str, path: &str, kind: FileErrorKind) -> FileError {
    FileError { operation, path: path.to_owned(), kind }
}

/// What a failed call means for a file.
fn kind(err: &Error) -> FileErrorKind {
    match err {
        Error::Gone { .. } => FileErrorKind::Gone,
        Error::Unreachable { source, .. } => FileErrorKind::Unreachable(format!("{err}: {source}")),
        Error::Slow { .. } | Error::RateLimited { .. } => FileErrorKind::Unreachable(err.to_string()),
        Error::Backend { message, .. } => FileErrorKind::Backend(message.clone()),
        _ => FileErrorKind::Backend(err.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use sandpiper_core::FileType;

    use super::*;

    fn file(size: u64) -> Walked {
        let stat = FileStat { kind: FileType::File, size, mode: 0, modified_ns: 0 };
        Walked { path: String::new(), below: String::new(), stat }
    }

    #[test]
    fn a_batch_is_bounded_in_bytes_and_files() {
        let sizes = |files: &[Walked]| batches(files).iter().map(|batch| batch.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&[]), Vec::<usize>::new());
        assert_eq!(sizes(&[file(BATCH_BYTES * 2), file(1), file(BATCH_BYTES), file(0)]), [1, 1, 2]);
        let many: Vec<_> = (0..300).map(|_| file(1)).collect();
        assert_eq!(sizes(&many), [256, 44]);
    }
}
