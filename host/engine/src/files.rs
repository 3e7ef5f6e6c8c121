//! The files of a sandbox of this process: the kernel's, off the executor's threads, with edits and searches
//! over them.

use std::sync::Arc;

use bytes::Bytes;
use sandpiper_core::search::{Find, MAX_TEXT_BYTES, Search, edited};
use sandpiper_core::{
    BoxFuture, DirectoryEntry, Edit, FileError, FileErrorKind, FileStat, FileType, Files, FindQuery,
    FoundFile, FoundLine, Results, SearchQuery,
};
use sandpiper_kernel::World;
use tokio::sync::watch;

/// Directories below one another that are searched.
const MAX_DEPTH: usize = 256;
/// None of a sandbox that was closed before; what was opened is closed when the sender of the receiver is
/// gone.
pub(crate) struct LocalFiles(Option<(Arc<sandpiper_kernel::Files>, watch::Receiver<()>)>);

impl LocalFiles {
    pub(crate) fn new(open: Option<(Arc<World>, watch::Receiver<()>)>) -> Self {
        Self(open.map(|(world, life)| (Arc::new(sandpiper_kernel::Files::new(world)), life)))
    }

    fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        path: &str,
        work: impl FnOnce(&sandpiper_kernel::Files, &str) -> Result<T, FileError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, FileError>> {
        let path = path.to_owned();
        let alive = self.0.as_ref().filter(|(_, life)| life.has_changed().is_ok());
        let Some(files) = alive.map(|(files, _)| Arc::clone(files)) else {
            return Box::pin(std::future::ready(Err(FileError {
                operation,
                path,
                kind: FileErrorKind::Gone,
            })));
        };
        Box::pin(async move {
            let given = path.clone();
            let task = tokio::task::spawn_blocking(move || work(&files, &given));
            // Only a runtime that shuts down cuts it short.
            let cut = |_| FileError { operation, path, kind: FileErrorKind::Other("INTR") };
            task.await.map_err(cut)?
        })
    }
}

impl Files for LocalFiles {
    fn read(&self, path: &str, limit: u64) -> BoxFuture<'static, Result<Bytes, FileError>> {
        self.blocking("read", path, move |files, path| files.read(path, limit).map(Bytes::from))
    }

    fn write(&self, path: &str, content: Bytes) -> BoxFuture<'static, Result<(), FileError>> {
        self.blocking("write", path, move |files, path| files.write(path, &content))
    }

    fn edit(&self, path: &str, edits: Vec<Edit>) -> BoxFuture<'static, Result<u64, FileError>> {
        self.blocking("edit", path, move |files, path| {
            let error = |kind| FileError { operation: "edit", path: path.to_owned(), kind };
            let content = files.read(path, MAX_TEXT_BYTES).map_err(|err| error(err.kind))?;
            let (text, count) = edited(content, &edits).map_err(error)?;
            files.write(path, text.as_bytes()).map_err(|err| error(err.kind))?;
            Ok(count)
        })
    }

    fn stat(&self, path: &str) -> BoxFuture<'static, Result<FileStat, FileError>> {
        self.blocking("look at", path, sandpiper_kernel::Files::stat)
    }

    fn read_link(&self, path: &str) -> BoxFuture<'static, Result<String, FileError>> {
        self.blocking("read the link", path, sandpiper_kernel::Files::read_link)
    }

    fn set_mode(&self, path: &str, mode: u16) -> BoxFuture<'static, Result<(), FileError>> {
        self.blocking("set the mode of", path, move |files, path| files.set_mode(path, mode))
    }

    fn list(&self, path: &str) -> BoxFuture<'static, Result<Vec<DirectoryEntry>, FileError>> {
        self.blocking("list", path, sandpiper_kernel::Files::list)
    }

    fn make_directory(&self, path: &str) -> BoxFuture<'static, Result<(), FileError>> {
        self.blocking("make", path, sandpiper_kernel::Files::make_directory)
    }

    fn remove(&self, path: &str, all: bool) -> BoxFuture<'static, Result<(), FileError>> {
        self.blocking("remove", path, move |files, path| files.remove(path, all))
    }

    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, Result<(), FileError>> {
        let to = to.to_owned();
        self.blocking("rename", from, move |files, from| files.rename(from, &to))
    }

    fn find(&self, query: FindQuery) -> BoxFuture<'static, Result<Results<FoundFile>, FileError>> {
        let directory = query.directory.clone();
        self.blocking("search", &directory, move |files, directory| {
            let mut find = Find::new(&query)?;
            let complete =
                walk(files, directory, query.hidden, &mut |path, below, stat| find.look(path, below, stat))?;
            Ok(find.results(complete))
        })
    }

    fn search(&self, query: SearchQuery) -> BoxFuture<'static, Result<Results<FoundLine>, FileError>> {
        let directory = query.directory.clone();
        self.blocking("search", &directory, move |files, directory| {
            let mut search = Search::new(&query)?;
            let mut unread = false;
            let complete = walk(files, directory, query.hidden, &mut |path, below, stat| {
                if !search.wants(below, stat) {
                    return true;
                }
                let Ok(content) = files.read(path, MAX_TEXT_BYTES) else {
                    unread = true;
                    return true;
                };
                search.look(path, &content)
            })?;
            Ok(search.results(complete && !unread))
        })
    }
}

/// Gives all below a directory, or the one file, to `each`, with its path and the path below the directory,
/// by the order of names, until it says false. Whether it came to the end and could look at everything.
fn walk(
    files: &sandpiper_kernel::Files,
    start: &str,
    hidden: bool,
    each: &mut dyn FnMut(&str, &str, FileStat) -> bool,
) -> Result<bool, FileError> {
    let start = if start.len() > 1 { start.trim_end_matches('/') } else { start };
    let entries = match files.list(start) {
        Ok(entries) => entries,
        Err(FileError { kind: FileErrorKind::NotADirectory, .. }) => {
            let stat = files.stat(start)?;
            let name = start.rsplit('/').next().unwrap_or(start);
            return Ok(each(start, name, stat));
        }
        Err(err) => return Err(err),
    };
    let prefix = if start == "/" { String::new() } else { start.to_owned() };
    let mut complete = true;
    let mut open = vec![(String::new(), entries.into_iter())];
    while let Some((below, entries)) = open.last_mut() {
        let Some(entry) = entries.next() else {
            open.pop();
            continue;
        };
        if !hidden && entry.name.starts_with('.') {
            continue;
        }
        let below = if below.is_empty() { entry.name } else { format!("{below}/{}", entry.name) };
        let path = format!("{prefix}/{below}");
        if !each(&path, &below, entry.stat) {
            return Ok(false);
        }
        if entry.stat.kind == FileType::Directory {
            match files.list(&path) {
                Ok(entries) if open.len() < MAX_DEPTH => open.push((below, entries.into_iter())),
                _ => complete = false,
            }
        }
    }
    Ok(complete)
}
