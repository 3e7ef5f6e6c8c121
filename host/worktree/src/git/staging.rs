//! The index of a linked worktree: read and written through libgit2 without a repository behind it,
//! so that libgit2 never looks at the guest's files.

use super::failure::{Failure, Result};
use super::path::is_valid;
use super::pathspec::is_below;
use super::work_tree::{Stat, os_path, split};
use git2::{Index, IndexEntry, IndexTime, Oid, Repository};
use std::collections::BTreeMap;
use std::path::Path;

/// The bit of an entry whose file a sparse checkout leaves out.
const SKIP_WORK_TREE: u16 = 1 << 14;
/// The bit of an entry of which the user said that it does not change.
const ASSUME_UNCHANGED: u16 = 1 << 15;

/// What an entry of a tree takes beside its name: mode and id.
const TREE_ENTRY_BYTES: usize = 28;

/// The index.
pub(super) struct Staging {
    index: Index,
    entries: BTreeMap<Vec<u8>, IndexEntry>,
    conflicts: BTreeMap<Vec<u8>, [Option<IndexEntry>; 3]>,
    /// When the file was written: an entry not older than this may have changed unseen.
    written: (i64, i64),
    changed: bool,
}

impl Staging {
    /// Reads the index of a git directory; a missing one is empty.
    pub(super) fn load(git_directory: &Path) -> Result<Self> {
        let path = git_directory.join("index");
        let written = std::fs::metadata(&path).ok().map_or((0, 0), |metadata| modified(&metadata));
        let index = Index::open(&path)?;
        let mut entries = BTreeMap::new();
        let mut conflicts: BTreeMap<Vec<u8>, [Option<IndexEntry>; 3]> = BTreeMap::new();
        for entry in index.iter() {
            match (entry.flags >> 12) & 3 {
                0 => {
                    entries.insert(entry.path.clone(), entry);
                }
                stage => {
                    let slot = conflicts.entry(entry.path.clone()).or_default();
                    if let Some(slot) = slot.get_mut(usize::from(stage) - 1) {
                        *slot = Some(entry);
                    }
                }
            }
        }
        Ok(Self { index, entries, conflicts, written, changed: false })
    }

    /// An index that is in memory only, to make trees of.
    pub(super) fn empty() -> Result<Self> {
        Ok(Self {
            index: Index::new()?,
            entries: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            written: (0, 0),
            changed: false,
        })
    }

    /// The entries without a conflict in the order of paths.
    pub(super) fn entries(&self) -> impl Iterator<Item = &IndexEntry> {
        self.entries.values()
    }

    pub(super) fn get(&self, path: &[u8]) -> Option<&IndexEntry> {
        self.entries.get(path)
    }

    /// The paths in conflict with their stages 1 (base), 2 (ours) and 3 (theirs).
    pub(super) fn conflicts(&self) -> &BTreeMap<Vec<u8>, [Option<IndexEntry>; 3]> {
        &self.conflicts
    }

    /// All paths, those in conflict too.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.entries.keys().chain(self.conflicts.keys())
    }

    /// Tells whether something is tracked at `path`.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        self.entries.contains_key(path) || self.conflicts.contains_key(path)
    }

    /// Tells whether something is tracked below the directory `path`.
    pub(super) fn has_below(&self, path: &[u8]) -> bool {
        if path.is_empty() {
            return !self.entries.is_empty() || !self.conflicts.is_empty();
        }
        let from = [path, b"/"].concat();
        let first = self.entries.range(from.clone()..).next().map(|(path, _)| path);
        let conflict = self.conflicts.range(from..).next().map(|(path, _)| path);
        first.is_some_and(|found| is_below(found, path))
            || conflict.is_some_and(|found| is_below(found, path))
    }

    /// Puts an entry in the place of what is at its path, of conflicts there, and of entries that
    /// cannot stand beside it (a file where it needs a directory, or below it).
    pub(super) fn set(&mut self, path: &[u8], mode: u32, id: Oid, stat: Option<&Stat>) -> Result<()> {
        if !is_valid(path) {
            return Err(invalid(path));
        }
        let parents = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let mut displaced: Vec<Vec<u8>> = parents
            .filter_map(|at| path.get(..at))
            .filter(|parent| self.has(parent))
            .map(<[u8]>::to_vec)
            .collect();
        let below = [path, b"/"].concat();
        displaced.extend(
            self.entries
                .range(below.clone()..)
                .map(|(found, _)| found)
                .take_while(|found| found.starts_with(&below))
                .cloned(),
        );
        for path in displaced {
            self.remove(&path)?;
        }
        if self.conflicts.contains_key(path) {
            self.remove(path)?;
        }
        let entry = entry(path, mode, id, stat);
        self.index.add(&entry)?;
        self.entries.insert(path.to_vec(), entry);
        self.changed = true;
        Ok(())
    }

    /// Takes a path out, with all stages of a conflict.
    pub(super) fn remove(&mut self, path: &[u8]) -> Result<()> {
        let os_path = os_path(path)?;
        if self.entries.remove(path).is_some() {
            self.index.remove(os_path, 0)?;
            self.changed = true;
        }
        if let Some(stages) = self.conflicts.remove(path) {
            for (stage, _) in (1..).zip(stages).filter(|(_, entry)| entry.is_some()) {
                self.index.remove(os_path, stage)?;
            }
            self.changed = true;
        }
        Ok(())
    }

    /// Keeps what `lstat` told of a file whose content was found to be that of its entry.
    pub(super) fn refresh(&mut self, path: &[u8], stat: &Stat) -> Result<()> {
        let Some(old) = self.entries.get(path) else { return Ok(()) };
        let mut fresh = entry(path, old.mode, old.id, Some(stat));
        fresh.flags = old.flags;
        fresh.flags_extended = old.flags_extended;
        self.index.add(&fresh)?;
        self.entries.insert(path.to_vec(), fresh);
        self.changed = true;
        Ok(())
    }

    /// Tells whether `lstat` alone proves that the file is as its entry says.
    pub(super) fn is_fresh(&self, entry: &IndexEntry, stat: &Stat) -> bool {
        entry.flags & ASSUME_UNCHANGED != 0 || self.is_as_written(entry, stat)
    }

    /// The same, whatever the user said of the file.
    pub(super) fn is_as_written(&self, entry: &IndexEntry, stat: &Stat) -> bool {
        let known = self::entry(&entry.path, entry.mode, entry.id, Some(stat));
        let same = known.mtime == entry.mtime
            && known.ctime == entry.ctime
            && known.ino == entry.ino
            && known.file_size == entry.file_size;
        same && stat.mtime != (0, 0) && stat.mtime < self.written
    }

    /// Tells whether the file of an entry is left out of the working tree on purpose.
    pub(super) fn is_skipped(entry: &IndexEntry) -> bool {
        entry.flags_extended & SKIP_WORK_TREE != 0
    }

    /// Tells whether a file may have changed just as the index was written: its entry must not be
    /// written again as it is without a look at the content.
    pub(super) fn is_racy(&self, entry: &IndexEntry) -> bool {
        (i64::from(entry.mtime.seconds()), i64::from(entry.mtime.nanoseconds())) >= self.written
    }

    /// Makes the entry of a file that did change one that is looked at again.
    pub(super) fn distrust(&mut self, path: &[u8]) -> Result<()> {
        if let Some(entry) = self.entries.get_mut(path) {
            entry.file_size = 0;
            entry.mtime = IndexTime::new(0, 0);
            self.index.add(entry)?;
        }
        Ok(())
    }

    pub(super) fn is_changed(&self) -> bool {
        self.changed
    }

    /// Writes the index file if something has changed.
    pub(super) fn write(&mut self) -> Result<()> {
        if self.changed {
            self.index.write().map_err(|error| match error.code() {
                git2::ErrorCode::Locked => Failure::fatal("Unable to create '.git/index.lock': File exists.")
                    .hint("another git command works in this worktree, or one ended badly: then the user removes the file"),
                _ => error.into(),
            })?;
            self.changed = false;
        }
        Ok(())
    }

    /// How large the trees of all entries are, at least.
    pub(super) fn tree_bytes(&self) -> usize {
        self.entries.keys().map(|path| split(path).1.len() + TREE_ENTRY_BYTES).sum()
    }

    /// Writes the trees of all entries and returns the root.
    pub(super) fn write_tree(&mut self, repository: &Repository) -> Result<Oid> {
        Ok(self.index.write_tree_to(repository)?)
    }
}

fn invalid(path: &[u8]) -> Failure {
    let mut text = b"invalid path '".to_vec();
    text.extend_from_slice(path);
    text.push(b'\'');
    Failure { code: 128, ..Failure::error(text) }
}

fn entry(path: &[u8], mode: u32, id: Oid, stat: Option<&Stat>) -> IndexEntry {
    let time = |(seconds, nanoseconds): (i64, i64)| {
        IndexTime::new(i32::try_from(seconds).unwrap_or(0), u32::try_from(nanoseconds).unwrap_or(0))
    };
    // The index keeps the low 32 bits of each number.
    let low = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0);
    let (mtime, ctime) = stat.map_or(((0, 0), (0, 0)), |stat| (stat.mtime, stat.ctime));
    IndexEntry {
        ctime: time(ctime),
        mtime: time(mtime),
        dev: stat.map_or(0, |stat| low(stat.device)),
        ino: stat.map_or(0, |stat| low(stat.inode)),
        mode,
        uid: stat.map_or(0, |stat| stat.user),
        gid: stat.map_or(0, |stat| stat.group),
        file_size: stat.map_or(0, |stat| low(stat.size)),
        id,
        flags: 0,
        flags_extended: 0,
        path: path.to_vec(),
    }
}

fn modified(metadata: &std::fs::Metadata) -> (i64, i64) {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or((0, 0), |since| {
        (i64::try_from(since.as_secs()).unwrap_or(0), i64::from(since.subsec_nanos()))
    })
}
