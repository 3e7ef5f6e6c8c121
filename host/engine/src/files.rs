//! The files of a sandbox of this process: the kernel's, off the executor's threads, with edits and searches
//! over them.

use std::sync::Arc;

use bytes::Bytes;
use globset::{GlobBuilder, GlobMatcher};
use regex::bytes::{Regex, RegexBuilder};
use sandpiper_core::{
    BoxFuture, DirectoryEntry, Edit, FileError, FileErrorKind, FileStat, FileType, Files, FindQuery,
    FoundFile, FoundLine, Results, SearchQuery,
};
use sandpiper_kernel::World;
use tokio::sync::watch;

/// Directories below one another that are searched.
const MAX_DEPTH: usize = 256;
/// Largest file whose content is searched or edited.
const MAX_TEXT_BYTES: u64 = 64 << 20;
/// Bytes at the start of a file in which a NUL says that it is no text, as grep has it.
const BINARY_PROBE_BYTES: usize = 8 << 10;
/// Bytes of a line that are shown.
const MAX_LINE_BYTES: usize = 1000;

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
            let text = String::from_utf8(content).map_err(|_| error(FileErrorKind::NotText))?;
            let (text, count) = edited(text, &edits).map_err(error)?;
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
            let names = Names::new(&query.pattern)?;
            let mut found = Vec::new();
            let mut each = |path: &str, below: &str, stat: FileStat| {
                if !names.matches(below) {
                    return true;
                }
                if found.len() == query.limit {
                    return false;
                }
                found.push(FoundFile { path: path.to_owned(), stat });
                true
            };
            let complete = walk(files, directory, query.hidden, &mut each)?;
            Ok(Results { found, complete })
        })
    }

    fn search(&self, query: SearchQuery) -> BoxFuture<'static, Result<Results<FoundLine>, FileError>> {
        let directory = query.directory.clone();
        self.blocking("search", &directory, move |files, directory| {
            let pattern = pattern(&query)?;
            let names = query.files.as_deref().map(Names::new).transpose()?;
            let (mut found, mut unread) = (Vec::new(), false);
            let mut each = |path: &str, below: &str, stat: FileStat| {
                if stat.kind != FileType::File || names.as_ref().is_some_and(|names| !names.matches(below)) {
                    return true;
                }
                let Ok(content) = files.read(path, MAX_TEXT_BYTES) else {
                    unread = true;
                    return true;
                };
                lines(path, &content, &pattern, query.limit, &mut found)
            };
            let complete = walk(files, directory, query.hidden, &mut each)?;
            Ok(Results { found, complete: complete && !unread })
        })
    }
}

/// A text with the edits in it, and how many places were replaced.
fn edited(mut text: String, edits: &[Edit]) -> Result<(String, u64), FileErrorKind> {
    let mut replaced = 0;
    for Edit { old, new, all } in edits {
        let count = if old.is_empty() { 0 } else { text.matches(old.as_str()).count() };
        match count {
            0 => return Err(FileErrorKind::NoMatch(old.clone())),
            1 => text = text.replacen(old.as_str(), new, 1),
            _ if *all => text = text.replace(old.as_str(), new),
            count => return Err(FileErrorKind::Ambiguous { text: old.clone(), count }),
        }
        replaced += u64::try_from(count).unwrap_or(u64::MAX);
    }
    Ok((text, replaced))
}

/// A glob over a path, or over its last name.
struct Names {
    glob: GlobMatcher,
    whole: bool,
}

impl Names {
    fn new(pattern: &str) -> Result<Self, FileError> {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        let glob = glob.map_err(|err| invalid(pattern, err.to_string()))?;
        Ok(Self { glob: glob.compile_matcher(), whole: pattern.contains('/') })
    }

    fn matches(&self, below: &str) -> bool {
        let last = below.rsplit('/').next().unwrap_or(below);
        self.glob.is_match(if self.whole { below } else { last })
    }
}

fn pattern(query: &SearchQuery) -> Result<Regex, FileError> {
    let pattern = if query.literal { regex::escape(&query.pattern) } else { query.pattern.clone() };
    let mut builder = RegexBuilder::new(&pattern);
    builder.multi_line(true).crlf(true).case_insensitive(query.ignore_case);
    builder.build().map_err(|err| invalid(&query.pattern, err.to_string()))
}

fn invalid(pattern: &str, reason: String) -> FileError {
    FileError { operation: "search for", path: pattern.to_owned(), kind: FileErrorKind::Pattern(reason) }
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

/// Adds the lines of a text that match; false where the limit cut them off.
fn lines(path: &str, content: &[u8], pattern: &Regex, limit: usize, found: &mut Vec<FoundLine>) -> bool {
    if content.iter().take(BINARY_PROBE_BYTES).any(|byte| *byte == 0) {
        return true;
    }
    let (mut at, mut counted, mut line) = (0, 0, 1);
    while at < content.len()
        && let Some(somewhere) = pattern.find_at(content, at)
    {
        let before = content.get(..somewhere.start()).unwrap_or_default();
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let rest = content.get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let between = content.get(counted..start).unwrap_or_default();
        line += between.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        counted = start;
        // What was found may go over the end of the line.
        if let Some(within) = pattern.find(text) {
            if found.len() == limit {
                return false;
            }
            found.push(FoundLine {
                path: path.to_owned(),
                line,
                column: u64::try_from(within.start()).unwrap_or(u64::MAX) + 1,
                text: String::from_utf8_lossy(text.get(..MAX_LINE_BYTES).unwrap_or(text)).into_owned(),
            });
        }
        at = start + length + 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content: &str, expression: &str) -> Vec<(u64, u64, String)> {
        let query = SearchQuery {
            directory: "/".to_owned(),
            pattern: expression.to_owned(),
            literal: false,
            ignore_case: false,
            files: None,
            hidden: false,
            limit: 10,
        };
        let mut found = Vec::new();
        assert!(lines("/a", content.as_bytes(), &pattern(&query).unwrap(), 10, &mut found));
        found.into_iter().map(|line| (line.line, line.column, line.text)).collect()
    }

    #[test]
    fn lines_are_found_by_number_and_column() {
        let line = |line, column, text: &str| (line, column, text.to_owned());
        assert_eq!(found("ab\ncab\n\nb", "b"), [line(1, 2, "ab"), line(2, 3, "cab"), line(4, 1, "b")]);
        assert_eq!(found("a\r\nb\r\n", "^b$"), [line(2, 1, "b")]);
        assert_eq!(found("a\nb\nb", r"a\s*b|b"), [line(2, 1, "b"), line(3, 1, "b")]);
        assert_eq!(found("", "^"), []);
        assert_eq!(found("a\n", "x*"), [line(1, 1, "a")]);
        assert_eq!(found("a\0b", "b"), []);
    }

    #[test]
    fn all_edits_are_made_or_none() {
        let edit = |old: &str, new: &str, all| Edit { old: old.to_owned(), new: new.to_owned(), all };
        let of = |edits: &[Edit]| edited("a b a".to_owned(), edits);
        assert_eq!(of(&[edit("b", "a", false), edit("a", "c", true)]), Ok(("c c c".to_owned(), 4)));
        assert_eq!(
            of(&[edit("a", "c", false)]),
            Err(FileErrorKind::Ambiguous { text: "a".to_owned(), count: 2 })
        );
        assert_eq!(of(&[edit("", "c", true)]), Err(FileErrorKind::NoMatch(String::new())));
        assert_eq!(
            of(&[edit("b", "", false), edit("b", "", false)]),
            Err(FileErrorKind::NoMatch("b".to_owned()))
        );
    }

    #[test]
    fn a_glob_without_a_slash_is_for_the_name() {
        let matches = |pattern: &str, path: &str| Names::new(pattern).unwrap().matches(path);
        assert!(matches("*.rs", "a/b/c.rs"));
        assert!(!matches("a/*.rs", "a/b/c.rs"));
        assert!(matches("a/**/*.rs", "a/b/c.rs"));
        assert!(Names::new("[").is_err());
    }
}
