//! Searches by name and by content.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use regex::bytes::RegexBuilder;
use sandpiper_core::{
    BoxFuture, FileError, FileErrorKind, FileType, FindQuery, FoundFile, FoundLine, Results, SearchQuery,
};

use super::files::{entries, stat};
use super::room::Room;
use crate::fault::Fault::*;

struct Glob {
    matcher: GlobMatcher,
    whole: bool,
}

/// The pattern, and what is wrong with it.
fn invalid(pattern: &str, why: impl ToString) -> FileErrorKind {
    FileErrorKind::Pattern(format!("{pattern}\n{}", why.to_string()))
}

/// An error about a pattern names the pattern, not the directory.
pub fn named<T: Send + 'static>(
    done: BoxFuture<'static, Result<T, FileError>>,
) -> BoxFuture<'static, Result<T, FileError>> {
    Box::pin(async {
        done.await.map_err(|err| match err.kind {
            FileErrorKind::Pattern(both) => {
                let (pattern, why) = both.split_once('\n').unwrap();
                FileError { path: pattern.to_owned(), kind: FileErrorKind::Pattern(why.to_owned()), ..err }
            }
            _ => err,
        })
    })
}

impl Glob {
    fn new(room: &Room, pattern: &str) -> Result<Self, FileErrorKind> {
        let separate = !room.has(FindsByLooseGlobs);
        let glob = GlobBuilder::new(pattern).literal_separator(separate).build();
        let matcher = glob.map_err(|err| invalid(pattern, err))?.compile_matcher();
        Ok(Self { matcher, whole: pattern.contains('/') || room.has(FindsByPathsAlone) })
    }

    fn matches(&self, below: &str) -> bool {
        let name = below.rsplit('/').next().unwrap_or(below);
        self.matcher.is_match(if self.whole { below } else { name })
    }
}

type Each<'a> = &'a mut dyn FnMut(&str, &Path) -> bool;

/// Whether it came to the end.
fn walk(room: &Room, below: &str, path: &Path, hidden: bool, each: Each<'_>) -> Result<bool, FileErrorKind> {
    for (name, path) in entries(room, path)? {
        if !hidden && name.starts_with('.') {
            continue;
        }
        let below = if below.is_empty() { name } else { format!("{below}/{name}") };
        if !each(&below, &path) {
            return Ok(false);
        }
        let found = stat(room, &path)?;
        let follow = found.kind == FileType::Symlink && room.has(FollowsWhatItFinds) && path.is_dir();
        if (found.kind == FileType::Directory || follow) && !walk(room, &below, &path, hidden, each)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn guest_path(room: &Room, path: &Path) -> String {
    format!("/{}", path.strip_prefix(&room.root).unwrap().to_string_lossy())
}

pub fn find(room: &Room, path: &Path, query: &FindQuery) -> Result<Results<FoundFile>, FileErrorKind> {
    let glob = Glob::new(room, &query.pattern)?;
    let mut found = Vec::new();
    let limit = if room.has(FindsWithoutLimit) { usize::MAX } else { query.limit };
    let hidden = query.hidden || room.has(FindsWhatIsHidden);
    let complete = walk(room, "", path, hidden, &mut |below, path| {
        if !glob.matches(below) {
            return true;
        }
        if found.len() == limit {
            return false;
        }
        let mut stat = stat(room, path).unwrap();
        if room.has(FindsFilesAlone) {
            stat.kind = FileType::File;
        }
        found.push(FoundFile { path: guest_path(room, path), stat });
        true
    })?;
    Ok(Results { found, complete: complete || room.has(FindsAllAlways) })
}

pub fn search(room: &Room, path: &Path, query: &SearchQuery) -> Result<Results<FoundLine>, FileErrorKind> {
    let literal = query.literal && !room.has(SearchesExpressionsAlone) || room.has(SearchesTextAlone);
    let pattern = if literal { regex::escape(&query.pattern) } else { query.pattern.clone() };
    let mut builder = RegexBuilder::new(&pattern);
    builder.case_insensitive(query.ignore_case != room.has(SearchesInTheOtherCase));
    let expression = builder.build().map_err(|err| invalid(&query.pattern, err))?;
    let glob = query.files.as_deref().filter(|_| !room.has(SearchesAllFiles));
    let glob = glob.map(|glob| Glob::new(room, glob)).transpose()?;
    let limit = if room.has(FindsWithoutLimit) { usize::MAX } else { query.limit };
    let mut found = Vec::new();
    let mut each = |below: &str, path: &Path| {
        let file = stat(room, path).is_ok_and(|stat| stat.kind == FileType::File);
        if !file || glob.as_ref().is_some_and(|glob| !glob.matches(below)) {
            return true;
        }
        let content = std::fs::read(path).unwrap_or_default();
        if content.contains(&0) && !room.has(SearchesBinaries) {
            return true;
        }
        for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
            let line = match room.has(KeepsEndsOfLines) {
                true => line,
                false => line.strip_suffix(b"\r").unwrap_or(line),
            };
            let Some(first) = expression.find(line) else { continue };
            if found.len() == limit {
                return false;
            }
            let before = String::from_utf8_lossy(&line[..first.start()]).chars().count();
            let start = if room.has(CountsCharacters) { before } else { first.start() };
            let shown = if room.has(ShowsWholeLines) { line.len() } else { line.len().min(1000) };
            found.push(FoundLine {
                path: guest_path(room, path),
                line: index as u64 + u64::from(!room.has(CountsFromZero)),
                column: start as u64 + 1,
                text: String::from_utf8_lossy(&line[..shown]).into_owned(),
            });
        }
        true
    };
    let hidden = query.hidden || room.has(FindsWhatIsHidden);
    let complete = match path.is_file() && !room.has(SearchesDirectoriesAlone) {
        true => each("", path),
        false => walk(room, "", path, hidden, &mut each)?,
    };
    Ok(Results { found, complete: complete || room.has(FindsAllAlways) })
}
