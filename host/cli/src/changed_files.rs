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

/// The longest file whose content is read for its digest: the guest waits meanwhile.
const MAX_READ_BYTES: u64 = 64 << 20;

/// The most paths that are remembered to the end. Of those beyond it is known that they changed, and not how.
const MAX_PATHS: usize = 100_000;

/// A journal that is written by the host, and by a guest's changes.
pub(crate) type Shared = Arc<Mutex<Option<Writer>>>;

/// Writes changes down.
#[derive(Debug)]
pub(crate) struct ChangedFiles {
    journal: Shared,
    /// Whether nothing may change that cannot be written down.
    is_required: bool,
    /// Guest and host paths of mounts, the deepest guest path first.
    mounts: Vec<(String, PathBuf)>,
    before: Mutex<BTreeMap<String, Seen>>,
}

/// What is at a path.
#[derive(Debug)]
enum Seen {
    Nothing,
    Something { content: Option<Digest>, modified: Option<SystemTime>, permissions: Permissions },
}

impl ChangedFiles {
    pub(crate) fn new(journal: Shared, is_required: bool, mounts: &[Mount]) -> Self {
        let mut mounts: Vec<_> =
            mounts.iter().map(|mount| (mount.guest.to_string(), mount.host.clone())).collect();
        mounts.sort_by_key(|(guest, _)| std::cmp::Reverse(guest.len()));
        Self { journal, is_required, mounts, before: Mutex::default() }
    }

    /// What became of what was to be changed.
    pub(crate) fn at_end(&self) -> Vec<Record> {
        let before = std::mem::take(&mut *self.before.lock().unwrap_or_else(PoisonError::into_inner));
        before.into_iter().map(|(path, before)| change(&path, &before, Some(&self.look(&path)))).collect()
    }

    fn look(&self, path: &str) -> Seen {
        let host = self.mounts.iter().find_map(|(guest, host)| {
            let rest = path.strip_prefix(guest.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| host.join(rest.trim_start_matches('/')))
        });
        host.as_deref().map_or(Seen::Nothing, look)
    }
}

impl ChangeObserver for ChangedFiles {
    fn about_to_change(&self, path: &str) -> Result<(), BoxError> {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        if before.contains_key(path) {
            return Ok(());
        }
        let seen = self.look(path);
        let record = change(path, &seen, None);
        if before.len() < MAX_PATHS {
            before.insert(path.to_owned(), seen);
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

fn look(path: &Path) -> Seen {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Seen::Nothing };
    let content = match () {
        () if metadata.is_symlink() => {
            fs::read_link(path).ok().map(|target| Digest::of(target.as_os_str().as_encoded_bytes()))
        }
        () if metadata.is_file() && metadata.len() <= MAX_READ_BYTES => {
            File::open(path).ok().and_then(|file| Digest::of_reader(&mut file.take(MAX_READ_BYTES)).ok())
        }
        () => None,
    };
    Seen::Something { content, modified: metadata.modified().ok(), permissions: metadata.permissions() }
}
