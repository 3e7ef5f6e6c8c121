//! Which files of granted directories a run changes: each is written down before its first change, so that it is known
//! whatever happens then, and once more at the end, with what became of it.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use sandpiper::journal::{Change, Digest, FileChange, Record, Writer};
use sandpiper::{BoxError, ChangeObserver, Mount};

/// The longest file whose content is read for its digest: the guest waits meanwhile, and its deadline with it.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// The most that is read of all files, before their changes and once more at the end.
const MAX_READ_BYTES: u64 = 1 << 30;

/// The most bytes of paths that are remembered to the end. Of those beyond it is known that they changed, and not how.
const MAX_PATH_BYTES: usize = 16 << 20;

/// A journal that is written by the host, and by a guest's changes.
pub(crate) type Shared = Arc<Mutex<Option<Writer>>>;

/// Writes changes down.
#[derive(Debug)]
pub(crate) struct ChangedFiles {
    journal: Shared,
    /// Whether nothing may change that cannot be written down.
    is_required: bool,
    mounts: Vec<Mount>,
    /// The directory whose changes are told by who looks after it.
    besides: Option<PathBuf>,
    known: Mutex<Known>,
}

/// What is known of the paths that were told.
#[derive(Debug, Default)]
struct Known {
    before: BTreeMap<String, Seen>,
    path_bytes: usize,
    read_bytes: u64,
}

/// What is at a path.
#[derive(Debug)]
enum Seen {
    Nothing,
    Something { content: Option<Digest>, modified: Option<SystemTime>, permissions: Permissions },
}

impl ChangedFiles {
    pub(crate) fn new(journal: Shared, is_required: bool, mounts: &[Mount], besides: Option<&Path>) -> Self {
        let besides = besides.map(Path::to_owned);
        Self { journal, is_required, mounts: mounts.to_vec(), besides, known: Mutex::default() }
    }

    /// What became of what was to be changed.
    pub(crate) fn at_end(&self) -> Vec<Record> {
        let known = std::mem::take(&mut *self.known.lock().unwrap_or_else(PoisonError::into_inner));
        let mut read_bytes = 0;
        let became =
            |(path, before): (String, Seen)| change(&path, &before, Some(&self.look(&path, &mut read_bytes)));
        known.before.into_iter().map(became).collect()
    }

    fn look(&self, path: &str, read_bytes: &mut u64) -> Seen {
        let found = Mount::find(&self.mounts, path);
        found.map_or(Seen::Nothing, |(mount, rest)| look(&mount.host.join(rest), read_bytes))
    }
}

impl ChangeObserver for ChangedFiles {
    fn about_to_change(&self, path: &str) -> Result<(), BoxError> {
        let mount = Mount::find(&self.mounts, path).map(|(mount, _)| mount.host.as_path());
        if mount.is_none() || mount == self.besides.as_deref() {
            return Ok(());
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.before.contains_key(path) {
            return Ok(());
        }
        let seen = self.look(path, &mut known.read_bytes);
        let record = change(path, &seen, None);
        if known.path_bytes < MAX_PATH_BYTES {
            known.path_bytes += path.len();
            known.before.insert(path.to_owned(), seen);
        }
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        match journal.as_mut().map(|journal| journal.append(&record)) {
            Some(Err(err)) if self.is_required => Err(err.into()),
            // That the journal cannot be written is said at its end.
            _ => Ok(()),
        }
    }
}

/// A change between two looks; without the second it is still to come.
fn change(path: &str, before: &Seen, after: Option<&Seen>) -> Record {
    let content = |seen: &Seen| match seen {
        Seen::Something { content, .. } => *content,
        Seen::Nothing => None,
    };
    let kind = match (before, after) {
        (_, Some(Seen::Nothing)) => Change::Removed,
        (Seen::Nothing, _) => Change::Created,
        (
            Seen::Something { content: Some(old), modified, permissions },
            Some(Seen::Something {
                content: Some(new),
                modified: modified_now,
                permissions: permissions_now,
            }),
        ) if old == new && (modified, permissions) != (modified_now, permissions_now) => Change::Attributes,
        (Seen::Something { .. }, _) => Change::Modified,
    };
    Record::FileChanged(FileChange {
        path: path.into(),
        change: kind,
        moved_from: None,
        before: content(before),
        after: after.and_then(content),
    })
}

fn look(path: &Path, read_bytes: &mut u64) -> Seen {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Seen::Nothing };
    let room = MAX_FILE_BYTES.min(MAX_READ_BYTES.saturating_sub(*read_bytes));
    let content = match () {
        () if metadata.is_symlink() => {
            fs::read_link(path).ok().map(|target| Digest::of(target.as_os_str().as_encoded_bytes()))
        }
        () if metadata.is_file() && metadata.len() <= room => {
            *read_bytes += metadata.len();
            File::open(path).ok().and_then(|file| Digest::of_reader(&mut file.take(room)).ok())
        }
        () => None,
    };
    Seen::Something { content, modified: metadata.modified().ok(), permissions: metadata.permissions() }
}

#[cfg(test)]
mod tests {
    use sandpiper::Access;

    use super::*;

    /// An observer of a folder at `/w`, without a journal.
    fn observer(folder: &Path) -> ChangedFiles {
        let mount = Mount::new(folder, "/w", Access::ReadWrite).unwrap();
        ChangedFiles::new(Shared::default(), false, &[mount], None)
    }

    fn changes(observer: &ChangedFiles) -> Vec<FileChange> {
        let change = |record| match record {
            Record::FileChanged(change) => change,
            other => panic!("{other:?}"),
        };
        observer.at_end().into_iter().map(change).collect()
    }

    #[test]
    fn what_is_too_long_to_be_read_has_no_digest_and_counts_as_changed() {
        let folder = tempfile::tempdir().unwrap();
        let long = File::create(folder.path().join("long")).unwrap();
        long.set_len(MAX_FILE_BYTES + 1).unwrap();
        fs::write(folder.path().join("short"), "short").unwrap();
        let observer = observer(folder.path());
        observer.about_to_change("/w/long").unwrap();
        observer.about_to_change("/w/short").unwrap();
        let seen: Vec<_> = changes(&observer)
            .into_iter()
            .map(|change| (change.change, change.before, change.after))
            .collect();
        let short = Some(Digest::of(b"short"));
        assert_eq!(seen, [(Change::Modified, None, None), (Change::Modified, short, short)]);
    }

    #[test]
    fn what_is_read_and_remembered_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f"), "f").unwrap();
        let observer = observer(folder.path());
        observer.known.lock().unwrap().read_bytes = MAX_READ_BYTES;
        observer.about_to_change("/w/f").unwrap();
        observer.known.lock().unwrap().path_bytes = MAX_PATH_BYTES;
        observer.about_to_change("/w/g").unwrap();
        let changes = changes(&observer);
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!((changes[0].before, changes[0].after), (None, Some(Digest::of(b"f"))));
    }
}
