//! Directories for tests: made from a list, looked at without this crate, archived by another writer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use sandpiper_transfer::{EntryKind, Keep, PackLimits, Packed, RelativePath, TransferError, pack};
use tempfile::TempDir;

pub(crate) const PLENTY: PackLimits = PackLimits { max_bytes: 1 << 30, max_files: 100_000 };

/// A directory in a directory of its own, so that what is left beside it is seen.
pub(crate) struct Workspace {
    pub(crate) above: TempDir,
}

impl Workspace {
    /// Files by name; a name that ends with `/` is a directory, a content that begins with `->` a symlink.
    pub(crate) fn of(entries: &[(&str, &str)]) -> Self {
        let above = tempfile::tempdir().unwrap();
        fs::create_dir(above.path().join("work")).unwrap();
        let workspace = Self { above };
        for (name, content) in entries {
            workspace.put(name, content);
        }
        workspace
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.above.path().join("work")
    }

    pub(crate) fn put(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else if let Some(target) = content.strip_prefix("->") {
            #[cfg(unix)]
            std::os::unix::fs::symlink(target, path).unwrap();
            #[cfg(not(unix))]
            panic!("{target}: no symlinks here");
        } else {
            fs::write(path, content).unwrap();
        }
    }

    pub(crate) fn remove(&self, name: &str) {
        let path = self.path().join(name);
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    #[cfg(unix)]
    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;

        fs::set_permissions(self.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn pack(&self) -> Packed {
        pack(&self.path(), &mut |_, _, _| Keep::Pack, PLENTY).unwrap()
    }

    /// Packs all but what has one of these names.
    pub(crate) fn pack_without(&self, held: &[&str]) -> Packed {
        let mut filter = |path: &RelativePath, _: EntryKind, _: u64| {
            let is_held = held.iter().any(|held| held.as_bytes() == path.name());
            if is_held { Keep::HoldBack } else { Keep::Pack }
        };
        pack(&self.path(), &mut filter, PLENTY).unwrap()
    }

    /// Packs what has one of these names, and the directories around it.
    pub(crate) fn pack_only(&self, names: &[&str]) -> Packed {
        let mut filter = |path: &RelativePath, kind: EntryKind, _: u64| match kind {
            _ if names.iter().any(|name| name.as_bytes() == path.name()) => Keep::Pack,
            EntryKind::Directory => Keep::LookInto,
            _ => Keep::HoldBack,
        };
        pack(&self.path(), &mut filter, PLENTY).unwrap()
    }

    /// A new directory with what an archive has, as another program unpacks it.
    pub(crate) fn unpacked(archive: &Bytes) -> Self {
        let workspace = Self::of(&[]);
        let mut archive = tar::Archive::new(&archive[..]);
        archive.set_preserve_permissions(true);
        archive.unpack(workspace.path()).unwrap();
        workspace
    }

    /// All of it, as another program packs it.
    pub(crate) fn archive(&self) -> Bytes {
        let mut builder = tar::Builder::new(Vec::new());
        builder.follow_symlinks(false);
        builder.append_dir_all(".", self.path()).unwrap();
        builder.into_inner().unwrap().into()
    }

    pub(crate) fn look(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        look(&self.path(), "", &mut found);
        found
    }

    /// What is beside the workspace.
    pub(crate) fn beside(&self) -> usize {
        fs::read_dir(self.above.path()).unwrap().count() - 1
    }
}

fn look(directory: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let metadata = fs::symlink_metadata(entry.path()).unwrap();
        let mode = mode(&metadata);
        if metadata.is_symlink() {
            found.insert(name, format!("->{}", fs::read_link(entry.path()).unwrap().display()));
        } else if metadata.is_dir() {
            found.insert(format!("{name}/"), mode);
            look(&entry.path(), &format!("{name}/"), found);
        } else {
            let content = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
            found.insert(name, format!("{mode} {content}"));
        }
    }
}

/// The part of a mode that travels.
#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> String {
    use std::os::unix::fs::PermissionsExt;

    format!("{:o}", metadata.permissions().mode() & 0o7755)
}

#[cfg(not(unix))]
fn mode(_metadata: &fs::Metadata) -> String {
    String::new()
}

pub(crate) fn path(text: &str) -> RelativePath {
    RelativePath::parse(text.as_bytes()).unwrap()
}

/// An error with all that is in it, for comparing.
pub(crate) fn shown<T: std::fmt::Debug>(result: Result<T, TransferError>) -> String {
    format!("{:?}", result.unwrap_err())
}
