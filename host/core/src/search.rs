//! What edits and searches mean, for every backend the same: a backend brings the files, and what is looked for is
//! decided here.

use globset::{GlobBuilder, GlobMatcher};
use regex::bytes::{Regex, RegexBuilder};

use crate::{
    Edit, FileError, FileErrorKind, FileStat, FileType, FindQuery, FoundFile, FoundLine, Results, SearchQuery,
};

/// Largest file whose content is searched or edited, in bytes.
pub const MAX_TEXT_BYTES: u64 = 64 << 20;
/// Bytes at the start of a file in which a NUL says that it is no text, as grep has it.
const BINARY_PROBE_BYTES: usize = 8 << 10;
/// Bytes of a line that are shown.
const MAX_LINE_BYTES: usize = 1000;

/// A file's content with the edits in it, and how many places were replaced: what [`Files::edit`](crate::Files::edit)
/// writes.
///
/// # Errors
/// [`FileErrorKind::NotText`], [`FileErrorKind::NoMatch`], [`FileErrorKind::Ambiguous`].
pub fn edited(content: Vec<u8>, edits: &[Edit]) -> Result<(String, u64), FileErrorKind> {
    let text = String::from_utf8(content).ok().filter(|text| !text.contains('\0'));
    let mut text = text.ok_or(FileErrorKind::NotText)?;
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

/// A search by name, while it goes over the files.
#[derive(Debug)]
pub struct Find {
    names: Names,
    limit: usize,
    found: Vec<FoundFile>,
}

impl Find {
    /// Begins a search.
    ///
    /// # Errors
    /// [`FileErrorKind::Pattern`].
    pub fn new(query: &FindQuery) -> Result<Self, FileError> {
        Ok(Self { names: Names::new(&query.pattern)?, limit: query.limit, found: Vec::new() })
    }

    /// Looks at a file, by its path and its path below the directory that is searched; false where the limit leaves
    /// it out, and with it all that is to come.
    pub fn look(&mut self, path: &str, below: &str, stat: FileStat) -> bool {
        if !self.names.matches(below) {
            return true;
        }
        let room = self.found.len() < self.limit;
        if room {
            self.found.push(FoundFile { path: path.to_owned(), stat });
        }
        room
    }

    /// Ends the search; `complete` says whether all files were looked at.
    pub fn results(self, complete: bool) -> Results<FoundFile> {
        Results { found: self.found, complete }
    }
}

/// A search by content, while it goes over the files.
#[derive(Debug)]
pub struct Search {
    pattern: Regex,
    names: Option<Names>,
    limit: usize,
    found: Vec<FoundLine>,
}

impl Search {
    /// Begins a search.
    ///
    /// # Errors
    /// [`FileErrorKind::Pattern`].
    pub fn new(query: &SearchQuery) -> Result<Self, FileError> {
        let pattern = if query.literal { regex::escape(&query.pattern) } else { query.pattern.clone() };
        let mut builder = RegexBuilder::new(&pattern);
        builder.multi_line(true).crlf(true).case_insensitive(query.ignore_case);
        let pattern = builder.build().map_err(|err| invalid(&query.pattern, err.to_string()))?;
        let names = query.files.as_deref().map(Names::new).transpose()?;
        Ok(Self { pattern, names, limit: query.limit, found: Vec::new() })
    }

    /// Whether the content of a file is searched, by its path below the directory that is.
    pub fn wants(&self, below: &str, stat: FileStat) -> bool {
        stat.kind == FileType::File && self.names.as_ref().is_none_or(|names| names.matches(below))
    }

    /// Looks through the content of a file; false where the limit leaves a line out, and with it all that is to come.
    pub fn look(&mut self, path: &str, content: &[u8]) -> bool {
        if content.iter().take(BINARY_PROBE_BYTES).any(|byte| *byte == 0) {
            return true;
        }
        let (mut at, mut counted, mut line) = (0, 0, 1);
        while at < content.len()
            && let Some(somewhere) = self.pattern.find_at(content, at)
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
            if let Some(within) = self.pattern.find(text) {
                if self.found.len() == self.limit {
                    return false;
                }
                self.found.push(FoundLine {
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

    /// Ends the search; `complete` says whether all files were looked through.
    pub fn results(self, complete: bool) -> Results<FoundLine> {
        Results { found: self.found, complete }
    }
}

/// A glob over a path, or over its last name.
#[derive(Debug)]
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

fn invalid(pattern: &str, reason: String) -> FileError {
    FileError { operation: "search for", path: pattern.to_owned(), kind: FileErrorKind::Pattern(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pattern: &str, limit: usize) -> SearchQuery {
        SearchQuery {
            directory: "/".to_owned(),
            pattern: pattern.to_owned(),
            literal: false,
            ignore_case: false,
            files: None,
            hidden: false,
            limit,
        }
    }

    fn found(content: &str, pattern: &str) -> Vec<(u64, u64, String)> {
        let mut search = Search::new(&query(pattern, 10)).unwrap();
        assert!(search.look("/a", content.as_bytes()));
        search.results(true).found.into_iter().map(|line| (line.line, line.column, line.text)).collect()
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
    fn a_limit_says_that_there_is_more() {
        let mut search = Search::new(&query("b", 1)).unwrap();
        assert!(search.look("/a", b"b\na"));
        assert!(!search.look("/b", b"b"));
        assert_eq!(search.results(true).found.len(), 1);
    }

    #[test]
    fn all_edits_are_made_or_none() {
        let edit = |old: &str, new: &str, all| Edit { old: old.to_owned(), new: new.to_owned(), all };
        let of = |edits: &[Edit]| edited(b"a b a".to_vec(), edits);
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
    fn what_is_no_text_is_not_edited() {
        for content in [&b"a\0"[..], b"a\xff"] {
            assert_eq!(edited(content.to_vec(), &[]), Err(FileErrorKind::NotText));
        }
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
