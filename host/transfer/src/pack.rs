//! Packing a directory: the archive that goes, and the manifest that stays.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, Metadata};
use sandpiper_core::is_git_directory_name;
use tar::EntryType;

use crate::limits::Budget;
use crate::look::{self, ReadFault};
use crate::platform;
use crate::writer::{Writer, Written};
use crate::{EntryKind, Keep, Manifest, ManifestEntry, PackLimits, RelativePath, State, TransferError};

/// Most entries of a directory that are looked at: each takes some 200 bytes of the manifest.
const MAX_SEEN: usize = 1_000_000;

/// Largest file held back that is hashed: more would take longer than packing does.
const MAX_HASHED_BYTES: u64 = 256 << 20;

/// Write permission of group and others does not travel: unpacking applies a umask, which nearly everywhere
/// takes it away, and then each file would come back with another mode.
pub(crate) const TRAVELLING_MODE: u32 = 0o755;

/// A directory as it goes to another machine.
#[derive(Clone, Debug)]
pub struct Packed {
    /// A tar archive with the paths below the directory.
    pub archive: Bytes,
    /// What was there; [`Changes::between`](crate::Changes::between) compares what comes back with it.
    pub manifest: Manifest,
}

/// Packs a directory, and says what was in it.
///
/// `filter` is asked for each file, directory and what else there is, with its size (0 for all but files and
/// symlinks), and what it holds back stays here, as do directories that it has [looked into](Keep::LookInto) and of which
/// nothing goes. What means `.git` on any file system is always held back,
/// and `filter` is not asked. Symlinks are packed as they are and never followed. The same files, modes and
/// times give the same archive, on each machine; owners are not in it, nor write permission of group
/// and others.
///
/// # Errors
/// When something cannot be read, changes meanwhile, is too much, or cannot be packed and is not held back.
pub fn pack(
    directory: &Path,
    filter: &mut dyn FnMut(&RelativePath, EntryKind, u64) -> Keep,
    limits: PackLimits,
) -> Result<Packed, TransferError> {
    let root = open(directory)?;
    let mut packing = Packing {
        filter,
        budget: Budget::new(limits),
        writer: Writer::default(),
        manifest: Manifest::default(),
        looked_into: Vec::new(),
    };
    packing.directory(&root, directory, None)?;
    Ok(Packed { archive: packing.writer.finish(), manifest: packing.manifest })
}

/// Opens the directory that is transferred, which may be named by a symlink.
pub(crate) fn open(directory: &Path) -> Result<Dir, TransferError> {
    Dir::open_ambient_dir(directory, cap_std::ambient_authority())
        .map_err(|source| TransferError::Directory { action: "open", path: directory.to_owned(), source })
}

struct Packing<'a> {
    filter: &'a mut dyn FnMut(&RelativePath, EntryKind, u64) -> Keep,
    budget: Budget,
    writer: Writer,
    manifest: Manifest,
    /// The directories around what is looked at that go when something in them does, the outermost first.
    looked_into: Vec<Waiting>,
}

/// A directory that may go.
struct Waiting {
    path: RelativePath,
    state: State,
    modified: u64,
}

impl Packing<'_> {
    /// Packs what a directory holds. It is as deep in itself as paths may be.
    fn directory(
        &mut self,
        dir: &Dir,
        directory: &Path,
        path: Option<&RelativePath>,
    ) -> Result<(), TransferError> {
        let trouble = |source: std::io::Error| match path {
            Some(path) => trouble(path, ReadFault::from(source)),
            None => TransferError::Directory { action: "read", path: directory.to_owned(), source },
        };
        let mut names = Vec::new();
        for entry in dir.entries().map_err(trouble)? {
            names.push(entry.map_err(trouble)?.file_name());
            if self.manifest.len() + names.len() > MAX_SEEN {
                return Err(TransferError::TooManySeen { limit: MAX_SEEN });
            }
        }
        names.sort();
        for name in names {
            let unnamed = |fault| {
                let inside = path.map(|path| format!("{}/", String::from_utf8_lossy(path.as_bytes())));
                let name = format!("{}{}", inside.unwrap_or_default(), name.to_string_lossy());
                TransferError::Name { name, fault }
            };
            let bytes = platform::name_bytes(&name).ok_or(crate::PathFault::NotUnicode).map_err(unnamed)?;
            let child = RelativePath::of_child(path, &bytes).map_err(unnamed)?;
            self.entry(dir, directory, &child)?;
        }
        Ok(())
    }

    fn entry(&mut self, dir: &Dir, directory: &Path, path: &RelativePath) -> Result<(), TransferError> {
        let name = platform::os_name(path.name());
        let metadata = dir.symlink_metadata(&name).map_err(|err| trouble(path, err.into()))?;
        let kind = look::kind(&metadata);
        let target = match kind {
            EntryKind::Symlink => Some(look::read_target(dir, &name).map_err(|fault| trouble(path, fault))?),
            _ => None,
        };
        let mode = platform::mode(&metadata);
        let mut state = match &target {
            Some(target) => look::of_target(target),
            None if kind == EntryKind::File => State { kind, mode, size: metadata.len(), digest: None },
            None => State { kind, mode, size: 0, digest: None },
        };
        let keep = match () {
            () if is_git_directory_name(path.name()) => Keep::HoldBack,
            () => (self.filter)(path, kind, state.size),
        };
        if keep == Keep::HoldBack || (keep == Keep::LookInto && kind != EntryKind::Directory) {
            if kind == EntryKind::File && state.size <= MAX_HASHED_BYTES {
                state.digest = look::read_file(dir, &name, &metadata, &mut |_| {}).ok();
            }
            self.manifest.insert(path.clone(), ManifestEntry { state, keep: Keep::HoldBack });
            return Ok(());
        }
        if !matches!(kind, EntryKind::File | EntryKind::Directory | EntryKind::Symlink) {
            return Err(TransferError::Special { path: path.clone(), kind });
        }
        let modified = modified(&metadata);
        if kind == EntryKind::Directory {
            self.looked_into.push(Waiting { path: path.clone(), state, modified });
            if keep == Keep::Pack {
                self.pack_around()?;
            }
            let below = dir.open_dir_nofollow(&name).map_err(|err| trouble(path, err.into()))?;
            self.directory(&below, directory, Some(path))?;
            // Still there: nothing in it goes, nor does it.
            if let Some(Waiting { path, state, .. }) = self.looked_into.pop_if(|last| last.path == *path) {
                self.manifest.insert(path, ManifestEntry { state, keep: Keep::LookInto });
            }
            return Ok(());
        }
        self.pack_around()?;
        self.budget.take(path, state.size)?;
        let entry = Written {
            kind: if kind == EntryKind::Symlink { EntryType::Symlink } else { EntryType::Regular },
            name: path.as_bytes(),
            target: target.as_deref().unwrap_or_default(),
            mode: match (kind, mode) {
                (EntryKind::Symlink, _) => 0o777,
                (_, Some(mode)) => mode & TRAVELLING_MODE,
                (_, None) => 0o644,
            },
            size: if kind == EntryKind::File { state.size } else { 0 },
            modified,
        };
        if kind == EntryKind::File {
            let read = self.writer.add(&entry, |sink| look::read_file(dir, &name, &metadata, sink));
            state.digest = Some(read.map_err(|fault| trouble(path, fault))?);
        } else {
            self.writer.add_empty(&entry);
        }
        self.manifest.insert(path.clone(), ManifestEntry { state, keep: Keep::Pack });
        Ok(())
    }

    /// Packs the directories that wait for something in them that goes.
    fn pack_around(&mut self) -> Result<(), TransferError> {
        for Waiting { path, state, modified } in self.looked_into.drain(..) {
            self.budget.take(&path, 0)?;
            self.writer.add_empty(&Written {
                kind: EntryType::Directory,
                name: &[path.as_bytes(), b"/"].concat(),
                target: &[],
                mode: state.mode.map_or(0o755, |mode| mode & TRAVELLING_MODE),
                size: 0,
                modified,
            });
            self.manifest.insert(path, ManifestEntry { state, keep: Keep::Pack });
        }
        Ok(())
    }
}

/// Whole seconds since 1970, as ustar has them.
fn modified(metadata: &Metadata) -> u64 {
    let modified = metadata.modified().map_or(UNIX_EPOCH, cap_std::time::SystemTime::into_std);
    modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn trouble(path: &RelativePath, fault: ReadFault) -> TransferError {
    match fault {
        ReadFault::Changed => TransferError::Changed { path: path.clone() },
        ReadFault::Io(source) => TransferError::File { action: "read", path: path.clone(), source },
    }
}
