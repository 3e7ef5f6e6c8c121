//! Comparing what will be touched with the manifest, before anything is.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;

use crate::changes::Planned;
use crate::look::{self, Located, ReadFault};
use crate::platform::{self, Stamp};
use crate::{EntryKind, Keep, Manifest, RelativePath, TransferError};

/// The stamps of what was compared, by which each step tells whether it is still the same. Directories have
/// none, for the steps change them.
pub(crate) type Stamps = BTreeMap<RelativePath, Stamp>;

/// Compares each entry that will be touched, all directories that it is in, and what directories that go
/// hold, with the manifest.
pub(crate) fn check(root: &Dir, planned: &[Planned], manifest: &Manifest) -> Result<Stamps, TransferError> {
    let touched: BTreeSet<&RelativePath> = planned.iter().map(|planned| &planned.change.path).collect();
    let mut conflicts = BTreeSet::new();
    let mut stamps = Stamps::new();
    for change in planned.iter().map(|planned| &planned.change) {
        let path = &change.path;
        let known = manifest.get(path).filter(|entry| entry.keep == Keep::Pack).map(|entry| entry.state);
        if known != change.before || manifest.held_back_by(path).is_some() {
            return Err(TransferError::OtherManifest { path: path.clone() });
        }
        let failed = |source| TransferError::File { action: "read", path: path.clone(), source };
        let found = match look::locate(root, path).map_err(failed)? {
            Located::Below { parent, name } => match look::state(&parent, &name) {
                Ok(Some((state, stamp))) => {
                    if Some(state) == change.before && state.kind == EntryKind::Directory {
                        let goes = change.after.is_none_or(|after| after.kind != EntryKind::Directory);
                        if goes {
                            conflicts.extend(strangers(&parent, &name, path, &touched).map_err(failed)?);
                        }
                    } else {
                        stamps.insert(path.clone(), stamp);
                    }
                    Some(state)
                }
                Ok(None) => None,
                Err(ReadFault::Changed) => {
                    conflicts.insert(path.clone());
                    continue;
                }
                Err(ReadFault::Io(source)) => return Err(failed(source)),
            },
            Located::Nowhere { missing } => {
                if manifest.get(&missing).is_some_and(|entry| entry.state.kind == EntryKind::Directory) {
                    conflicts.insert(missing);
                    continue;
                }
                None
            }
        };
        if found != change.before {
            conflicts.insert(path.clone());
        }
    }
    if conflicts.is_empty() {
        return Ok(stamps);
    }
    Err(TransferError::Conflicts { paths: conflicts.into_iter().collect() })
}

/// What a directory that goes holds, and was not there when it was packed.
fn strangers(
    parent: &Dir,
    name: &std::ffi::OsStr,
    path: &RelativePath,
    touched: &BTreeSet<&RelativePath>,
) -> io::Result<Vec<RelativePath>> {
    let mut found = Vec::new();
    for entry in parent.open_dir_nofollow(name)?.entries()? {
        let child = platform::name_bytes(&entry?.file_name())
            .and_then(|name| RelativePath::of_child(Some(path), &name).ok());
        // One that has no path can be in no manifest.
        let Some(child) = child else {
            found.push(path.clone());
            continue;
        };
        if !touched.contains(&child) {
            found.push(child);
        }
    }
    Ok(found)
}
