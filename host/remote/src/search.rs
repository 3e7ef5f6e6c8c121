//! Edits and searches over the files of a backend that has none of its own: files are listed, read and
//! written, so that patterns mean the same everywhere.

use bytes::Bytes;
use globset::{GlobBuilder, GlobMatcher};
use regex::bytes::{Regex, RegexBuilder};
use sandpiper_core::{
    Edit, FileError, FileErrorKind, FileStat, FileType, Files, FindQuery, FoundFile, FoundLine, Results,
    SearchQuery,
};

/// Directories below one another that are searched.
const MAX_DEPTH: usize = 256;
/// Largest file whose content is searched or edited.
pub(crate) const MAX_TEXT_BYTES: u64 = 64 << 20;
/// Bytes at the start of a file in which a NUL says that it is no text, as grep has it.
const BINARY_PROBE_BYTES: usize = 8 << 10;
/// Bytes of a line that are shown.
const MAX_LINE_BYTES: usize = 1000;

/// [`Files::edit`] by [`Files::read`] and [`Files::write`].
pub(crate) async fn edit(files: &dyn Files, path: &str, edits: &[Edit]) -> Result<u64, FileError> {
    let error = |kind| FileError { operation: "edit", path: path.to_owned(), kind };
    let content = files.read(path, MAX_TEXT_BYTES).await.map_err(|err| error(err.kind))?;
    let text = String::from_utf8(content.into()).map_err(|_| error(FileErrorKind::NotText))?;
    let (text, count) = edited(text, edits).map_err(error)?;
    files.write(path, Bytes::from(text)).await.map_err(|err| error(err.kind))?;
    Ok(count)
}

/// [`Files::find`] by [`Files::list`].
pub(crate) async fn find(files: &dyn Files, query: &FindQuery) -> Result<Results<FoundFile>, FileError> {
    let names = Names::new(&query.pattern)?;
    let mut walk = Walk::begin(files, &query.directory, query.hidden).await?;
    let mut found = Vec::new();
    while let Some(entry) = walk.next().await? {
        if !names.matches(&entry.below) {
            continue;
        }
        if found.len() == query.limit {
            return Ok(Results { found, complete: false });
        }
        found.push(FoundFile { path: entry.path, stat: entry.stat });
    }
    Ok(Results { found, complete: walk.complete })
}

/// [`Files::search`] by [`Files::list`] and [`Files::read`].
pub(crate) async fn search(files: &dyn Files, query: &SearchQuery) -> Result<Results<FoundLine>, FileError> {
    let pattern = pattern(query)?;
    let names = query.files.as_deref().map(Names::new).transpose()?;
    let mut walk = Walk::begin(files, &query.directory, query.hidden).await?;
    let (mut found, mut unread) = (Vec::new(), false);
    while let Some(entry) = walk.next().await? {
        let named = names.as_ref().is_none_or(|names| names.matches(&entry.below));
        if entry.stat.kind != FileType::File || !named {
            continue;
        }
        match files.read(&entry.path, MAX_TEXT_BYTES).await {
            Ok(content) => {
                if !lines(&entry.path, &content, &pattern, query.limit, &mut found) {
                    return Ok(Results { found, complete: false });
                }
            }
            Err(err) if is_of_backend(&err) => return Err(err),
            Err(_) => unread = true,
        }
    }
    Ok(Results { found, complete: walk.complete && !unread })
}

/// Whether all other files cannot be looked at either.
fn is_of_backend(err: &FileError) -> bool {
    matches!(err.kind, FileErrorKind::Gone | FileErrorKind::Unreachable(_))
}

/// A text with the edits in it, and how many places were replaced.
pub(crate) fn edited(mut text: String, edits: &[Edit]) -> Result<(String, u64), FileErrorKind> {
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
pub(crate) struct Names {
    glob: GlobMatcher,
    whole: bool,
}

impl Names {
    pub(crate) fn new(pattern: &str) -> Result<Self, FileError> {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        let glob = glob.map_err(|err| invalid(pattern, err.to_string()))?;
        Ok(Self { glob: glob.compile_matcher(), whole: pattern.contains('/') })
    }

    pub(crate) fn matches(&self, below: &str) -> bool {
        let last = below.rsplit('/').next().unwrap_or(below);
        self.glob.is_match(if self.whole { below } else { last })
    }
}

pub(crate) fn pattern(query: &SearchQuery) -> Result<Regex, FileError> {
    let pattern = if query.literal { regex::escape(&query.pattern) } else { query.pattern.clone() };
    let mut builder = RegexBuilder::new(&pattern);
    builder.multi_line(true).crlf(true).case_insensitive(query.ignore_case);
    builder.build().map_err(|err| invalid(&query.pattern, err.to_string()))
}

fn invalid(pattern: &str, reason: String) -> FileError {
    FileError { operation: "search for", path: pattern.to_owned(), kind: FileErrorKind::Pattern(reason) }
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

/// Adds the lines of a text that match; false where the limit cut them off.
pub(crate) fn lines(
    path: &str,
    content: &[u8],
    pattern: &Regex,
    limit: usize,
    found: &mut Vec<FoundLine>,
) -> bool {
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
    }
}
