//! Edits and searches over the files of a backend that has none of its own: files are listed, read and
//! written, so that patterns mean the same everywhere.

use bytes::Bytes;
use sandpiper_core::search::{Find, MAX_TEXT_BYTES, Search, edited};
use sandpiper_core::{
    Edit, FileError, FileErrorKind, FileStat, FileType, Files, FindQuery, FoundFile, FoundLine, Results,
    SearchQuery,
};

/// Directories below one another that are searched.
const MAX_DEPTH: usize = 256;

/// [`Files::edit`] by [`Files::read`] and [`Files::write`].
pub(crate) async fn edit(files: &dyn Files, path: &str, edits: &[Edit]) -> Result<u64, FileError> {
    let error = |kind| FileError { operation: "edit", path: path.to_owned(), kind };
    let content = files.read(path, MAX_TEXT_BYTES).await.map_err(|err| error(err.kind))?;
    let (text, count) = edited(content.into(), edits).map_err(error)?;
    files.write(path, Bytes::from(text)).await.map_err(|err| error(err.kind))?;
    Ok(count)
}

/// [`Files::find`] by [`Files::list`].
pub(crate) async fn find(files: &dyn Files, query: &FindQuery) -> Result<Results<FoundFile>, FileError> {
    let mut find = Find::new(query)?;
    let mut walk = Walk::begin(files, &query.directory, query.hidden).await?;
    while let Some(entry) = walk.next().await? {
        if !find.look(&entry.path, &entry.below, entry.stat) {
            return Ok(find.results(false));
        }
    }
    Ok(find.results(walk.complete))
}

/// [`Files::search`] by [`Files::list`] and [`Files::read`].
pub(crate) async fn search(files: &dyn Files, query: &SearchQuery) -> Result<Results<FoundLine>, FileError> {
    let mut search = Search::new(query)?;
    let mut walk = Walk::begin(files, &query.directory, query.hidden).await?;
    let mut unread = false;
    while let Some(entry) = walk.next().await? {
        if !search.wants(&entry.below, entry.stat) {
            continue;
        }
        match files.read(&entry.path, MAX_TEXT_BYTES).await {
            Ok(content) if search.look(&entry.path, &content) => {}
            Ok(_) => return Ok(search.results(false)),
            Err(err) if is_of_backend(&err) => return Err(err),
            Err(_) => unread = true,
        }
    }
    Ok(search.results(walk.complete && !unread))
}

/// Whether all other files cannot be looked at either.
fn is_of_backend(err: &FileError) -> bool {
    matches!(err.kind, FileErrorKind::Gone | FileErrorKind::Unreachable(_))
}

/// All below a directory, or the one file, by the order of names.
struct Walk<'a> {
    files: &'a dyn Files,
    prefix: String,
    hidden: bool,
    /// What is still to come of each directory that leads to where the walk is, the innermost last.
    open: Vec<(String, std::vec::IntoIter<sandpiper_core::DirectoryEntry>)>,
    /// A directory that is entered before the walk goes on.
    enter: Option<Walked>,
    alone: Option<Walked>,
    complete: bool,
}

#[derive(Clone)]
struct Walked {
    path: String,
    below: String,
    stat: FileStat,
}

impl<'a> Walk<'a> {
    async fn begin(files: &'a dyn Files, start: &str, hidden: bool) -> Result<Self, FileError> {
        let error = |err: FileError| FileError { operation: "search", ..err };
        let start = if start.len() > 1 { start.trim_end_matches('/') } else { start };
        let prefix = if start == "/" { String::new() } else { start.to_owned() };
        let mut walk =
            Self { files, prefix, hidden, open: Vec::new(), enter: None, alone: None, complete: true };
        match files.list(start).await {
            Ok(entries) => walk.open.push((String::new(), entries.into_iter())),
            Err(FileError { kind: FileErrorKind::NotADirectory, .. }) => {
                let stat = files.stat(start).await.map_err(error)?;
                let below = start.rsplit('/').next().unwrap_or(start).to_owned();
                walk.alone = Some(Walked { path: start.to_owned(), below, stat });
            }
            Err(err) => return Err(error(err)),
        }
        Ok(walk)
    }

    async fn next(&mut self) -> Result<Option<Walked>, FileError> {
        if let Some(alone) = self.alone.take() {
            return Ok(Some(alone));
        }
        if let Some(directory) = self.enter.take() {
            match self.files.list(&directory.path).await {
                Ok(entries) if self.open.len() < MAX_DEPTH => {
                    self.open.push((directory.below, entries.into_iter()));
                }
                Err(err) if is_of_backend(&err) => return Err(err),
                _ => self.complete = false,
            }
        }
        while let Some((below, entries)) = self.open.last_mut() {
            let Some(entry) = entries.next() else {
                self.open.pop();
                continue;
            };
            if !self.hidden && entry.name.starts_with('.') {
                continue;
            }
            let below = if below.is_empty() { entry.name } else { format!("{below}/{}", entry.name) };
            let walked = Walked { path: format!("{}/{below}", self.prefix), below, stat: entry.stat };
            self.enter = (entry.stat.kind == FileType::Directory).then(|| walked.clone());
            return Ok(Some(walked));
        }
        Ok(None)
    }
}
