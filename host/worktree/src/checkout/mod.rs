//! Writing the files of a commit into a new directory, by several threads, with the index that goes
//! with them.

mod index_file;
mod listing;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use git2::{Oid, Repository};

use crate::WorktreeError;
use crate::error::{At, Trying};

pub(crate) use index_file::Stat;
pub(crate) use listing::{Entry, Kind, Listing};

/// More threads than this wait for the file system only.
const MAX_THREADS: usize = 16;
/// Files that a thread takes at once.
const BATCH: usize = 64;
/// Git reads again what was changed in the second in which the index was written, as it could have been
/// changed after it (git's Documentation/technical/racy-git.txt). So files say that they are older than
/// that, by the coarsest time of a file system.
const OLDER_THAN_INDEX: Duration = Duration::from_secs(2);

/// How far the writing of files has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Files that are written.
    pub done: usize,
    /// Files in all.
    pub total: usize,
}

/// Writes all files of a listing below `root`, an empty directory, and returns their stat data in
/// the listing's order.
///
/// Contents are written as they are in the repository; whether that is right is
/// [`conversion::needed`](super::conversion)'s to say.
pub(crate) fn write_files(
    repository: &Path,
    listing: &Listing,
    root: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Stat>, WorktreeError> {
    for directory in &listing.directories {
        let path = root.join(directory);
        fs::create_dir(&path).at("create", &path)?;
    }
    let entries = &listing.entries;
    let work = Work {
        repository,
        entries,
        root,
        modified: SystemTime::now() - OLDER_THAN_INDEX,
        next: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
        failure: Mutex::new(None),
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_THREADS)
        .min(entries.len().div_ceil(BATCH))
        .max(1);
    let mut parts: Vec<(usize, Vec<Stat>)> = Vec::new();
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| work.run(&mut |_| {}))).collect();
        parts.extend(work.run(progress));
        for other in others {
            match other.join() {
                Ok(more) => parts.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    if let Some(err) = work.failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        return Err(err);
    }
    parts.sort_unstable_by_key(|(start, _)| *start);
    Ok(parts.into_iter().flat_map(|(_, stats)| stats).collect())
}

/// Writes the index of the files, whole or not at all.
pub(crate) fn write_index(listing: &Listing, stats: &[Stat], path: &Path) -> Result<(), WorktreeError> {
    let bytes = index_file::encode(listing, stats);
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).at("write", path)?;
    file.write_all(&bytes).at("write", path)?;
    crate::platform::make_readable(file.as_file()).at("write", path)?;
    file.persist(path).map_err(|err| err.error).at("write", path)?;
    Ok(())
}

struct Work<'a> {
    repository: &'a Path,
    entries: &'a [Entry],
    root: &'a Path,
    /// When the files were changed last, as their times say.
    modified: SystemTime,
    next: AtomicUsize,
    done: AtomicUsize,
    stopped: AtomicBool,
    failure: Mutex<Option<WorktreeError>>,
}

impl Work<'_> {
    /// Takes batches until there are none. Returns each with where it starts.
    fn run(&self, progress: &mut dyn FnMut(Progress)) -> Vec<(usize, Vec<Stat>)> {
        let mut parts = Vec::new();
        match self.try_run(&mut parts, progress) {
            Ok(()) => {}
            Err(err) => {
                self.stopped.store(true, Ordering::Relaxed);
                let mut failure = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                failure.get_or_insert(err);
            }
        }
        parts
    }

    fn try_run(
        &self,
        parts: &mut Vec<(usize, Vec<Stat>)>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), WorktreeError> {
        // A repository of libgit2 is for one thread.
        let repository = Repository::open(self.repository).trying("open the repository")?;
        let objects = repository.odb().trying("read the objects")?;
        while !self.stopped.load(Ordering::Relaxed) {
            let start = self.next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(rest) = self.entries.get(start..).filter(|rest| !rest.is_empty()) else { break };
            let batch = &rest[..BATCH.min(rest.len())];
            let mut stats = Vec::with_capacity(batch.len());
            for entry in batch {
                let path = self.root.join(entry.path());
                if entry.is_left_out {
                    stats.push(Stat::default());
                    continue;
                }
                stats.push(match entry.kind {
                    Kind::File | Kind::Executable => {
                        let blob = objects.read(entry.oid).trying("read a file's content")?;
                        let file = crate::platform::create_file(&path, entry.kind == Kind::Executable)
                            .at("create", &path)?;
                        write_whole(&file, blob.data()).at("write", &path)?;
                        file.set_modified(self.modified).at("set the time of", &path)?;
                        Stat::of(&file.metadata().at("read", &path)?)
                    }
                    Kind::Link => {
                        let blob = objects.read(entry.oid).trying("read a symbolic link")?;
                        crate::platform::create_link(blob.data(), &path).at("create", &path)?;
                        Stat::of(&fs::symlink_metadata(&path).at("read", &path)?)
                    }
                    Kind::Submodule => {
                        fs::create_dir(&path).at("create", &path)?;
                        Stat::of(&fs::symlink_metadata(&path).at("read", &path)?)
                    }
                });
            }
            parts.push((start, stats));
            let done = self.done.fetch_add(batch.len(), Ordering::Relaxed) + batch.len();
            progress(Progress { done, total: self.entries.len() });
        }
        Ok(())
    }
}

fn write_whole(mut file: &File, data: &[u8]) -> std::io::Result<()> {
    file.write_all(data)
}

/// The content of the `.gitattributes` files of a listing.
pub(crate) fn attribute_files(
    repository: &Repository,
    listing: &Listing,
) -> Result<Vec<Vec<u8>>, WorktreeError> {
    let mut files = Vec::new();
    for entry in &listing.entries {
        if entry.kind != Kind::Link
            && entry.name.rsplit(|byte| *byte == b'/').next() == Some(b".gitattributes")
        {
            let blob = repository.find_blob(entry.oid).trying("read .gitattributes")?;
            files.push(blob.content().to_vec());
        }
    }
    Ok(files)
}

/// The hash of nothing at all.
pub(crate) fn empty_tree(repository: &Repository) -> Result<Oid, WorktreeError> {
    repository.treebuilder(None).and_then(|builder| builder.write()).trying("write the empty tree")
}
