//! Searches through the files of a container: many are brought here at a time, and what is looked for is decided here.

use bytes::Bytes;
use sandpiper_core::search::{Find, MAX_TEXT_BYTES, Search};
use sandpiper_core::{
    BoxFuture, FileError, FileErrorKind, FileStat, FindQuery, FoundFile, FoundLine, Results, SearchQuery,
};

use super::files::{MAX_DEPTH, Work, wrong_path};

const READ_MANY: &str = include_str!("scripts/read_many.sh");

/// Bytes of files that are brought here at a time, where one alone has no more.
const BATCH_BYTES: u64 = 16 << 20;
/// Files that are brought here at a time.
const BATCH_FILES: usize = 500;
/// What a file in a batch takes besides its content.
const LENGTH_BYTES: usize = 24;

pub(super) fn find(
    work: Work,
    query: FindQuery,
) -> BoxFuture<'static, Result<Results<FoundFile>, FileError>> {
    Box::pin(async move {
        let mut find = Find::new(&query)?;
        let (entries, complete) = walk(&work, &query.directory, query.hidden).await?;
        let all = entries.iter().all(|entry| find.look(&entry.path, &entry.below, entry.stat));
        Ok(find.results(complete && all))
    })
}

pub(super) fn search(
    work: Work,
    query: SearchQuery,
) -> BoxFuture<'static, Result<Results<FoundLine>, FileError>> {
    Box::pin(async move {
        let mut search = Search::new(&query)?;
        let (entries, mut complete) = walk(&work, &query.directory, query.hidden).await?;
        let wanted: Vec<_> =
            entries.into_iter().filter(|entry| search.wants(&entry.below, entry.stat)).collect();
        let mut entries = wanted.into_iter().peekable();
        while entries.peek().is_some() {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while let Some(entry) = entries.next_if(|entry| {
                batch.is_empty() || (bytes + entry.stat.size <= BATCH_BYTES && batch.len() < BATCH_FILES)
            }) {
                bytes += entry.stat.size;
                batch.push(entry.path);
            }
            let contents = read_many(&work, &batch).await.map_err(|kind| FileError {
                operation: "search",
                path: query.directory.clone(),
                kind,
            })?;
            for (path, content) in batch.iter().zip(contents) {
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
    })
}

/// The contents of files, `None` for those that cannot be read.
async fn read_many(work: &Work, paths: &[String]) -> Result<Vec<Option<Bytes>>, FileErrorKind> {
    let names: Vec<u8> = paths.iter().flat_map(|path| path.bytes().chain([0])).collect();
    let most = MAX_TEXT_BYTES.to_string();
    // Files may have grown since they were listed.
    let limit =
        usize::try_from(MAX_TEXT_BYTES + BATCH_BYTES).unwrap_or(usize::MAX) + paths.len() * LENGTH_BYTES;
    let length = names.len().to_string();
    let read = work.run(READ_MANY, &[&most, &length], Some(names.into()), limit).await?;
    let mut rest = Bytes::from(read.stdout);
    let mut contents = Vec::new();
    for _ in paths {
        contents.push(match frame(&mut rest) {
            Some(content) => content,
            // They have grown beyond what is taken.
            None if read.cut => None,
            None => return Err(FileErrorKind::Backend("files were not brought as a whole".to_owned())),
        });
    }
    Ok(contents)
}

/// Takes one file off what [`READ_MANY`] gives; `None` where that is not whole.
#[expect(clippy::option_option, reason = "what cannot be read is a file too")]
fn frame(rest: &mut Bytes) -> Option<Option<Bytes>> {
    let end = rest.iter().take(LENGTH_BYTES).position(|byte| *byte == b'\n')?;
    let length = rest.split_to(end);
    let _end = rest.split_to(1);
    if length.as_ref() == b"-" {
        return Some(None);
    }
    let length: usize = std::str::from_utf8(&length).ok()?.parse().ok()?;
    (length <= rest.len()).then(|| Some(rest.split_to(length)))
}

/// A file below a directory.
struct Entry {
    path: String,
    below: String,
    stat: FileStat,
}

/// All below a directory, or the one file, by the order of names; and whether that is all.
async fn walk(work: &Work, directory: &str, hidden: bool) -> Result<(Vec<Entry>, bool), FileError> {
    let error = |kind| FileError { operation: "search", path: directory.to_owned(), kind };
    if let Some(kind) = wrong_path(directory) {
        return Err(error(kind));
    }
    let start = directory.trim_end_matches('/');
    let (entries, complete) = match work.entries(directory, MAX_DEPTH).await {
        Ok(entries) => entries,
        Err(FileErrorKind::NotADirectory) => {
            let stat = work.stat(start).await.map_err(error)?;
            let below = start.rsplit('/').next().unwrap_or(start).to_owned();
            return Ok((vec![Entry { path: start.to_owned(), below, stat }], true));
        }
        Err(kind) => return Err(error(kind)),
    };
    let shown = |below: &str| hidden || !below.split('/').any(|name| name.starts_with('.'));
    let mut entries: Vec<_> = entries
        .into_iter()
        .filter(|(below, _)| shown(below))
        .map(|(below, stat)| Entry { path: format!("{start}/{below}"), below, stat })
        .collect();
    // By components: what is in a directory comes right behind it.
    entries.sort_by(|one, other| one.below.split('/').cmp(other.below.split('/')));
    Ok((entries, complete))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_batch_are_taken_apart() {
        let mut rest = Bytes::from_static(b"3\na\nb-\n0\n2\nx");
        assert_eq!(frame(&mut rest), Some(Some(Bytes::from_static(b"a\nb"))));
        assert_eq!(frame(&mut rest), Some(None));
        assert_eq!(frame(&mut rest), Some(Some(Bytes::new())));
        assert_eq!(frame(&mut rest), None);
    }

    #[test]
    fn a_batch_that_is_cut_in_a_length_is_not_whole() {
        assert_eq!(frame(&mut Bytes::from_static(b"12")), None);
        assert_eq!(frame(&mut Bytes::from_static(b"")), None);
        assert_eq!(frame(&mut Bytes::from_static(b"x\n")), None);
    }
}
