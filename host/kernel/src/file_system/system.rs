//! The system tree of an image: what every guest finds besides its mounts, and cannot change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandpiper_core::{Error, GuestPath};

use super::{Device, Entry, HostDirectory, Listed, Stat, Step};
use crate::Errno;
use crate::abi::FileKind;
use crate::fault::Attempt;

/// Time of everything in the system tree, 2024-01-01T00:00:00Z: fixed, so that runs do not differ by
/// it, and after 1980, where zip files begin.
const SYSTEM_TIME_NS: u64 = 1_704_067_200_000_000_000;

/// Number of a node of the tree.
pub(crate) type SystemId = usize;

/// The root of the tree.
pub(crate) const SYSTEM_ROOT: SystemId = 0;

/// The immutable tree of an image, built once and shared by all its sandboxes.
///
/// # Examples
/// ```
/// use sandpiper_kernel::SystemTree;
/// let system = SystemTree::builder().commands(["python3", "sh"]).build().unwrap();
/// # let _ = system;
/// ```
#[derive(Debug)]
pub struct SystemTree {
    nodes: Vec<SystemNode>,
    directories: Vec<(GuestPath, Arc<HostDirectory>)>,
}

#[derive(Debug)]
enum SystemNode {
    Directory(BTreeMap<Box<str>, SystemId>),
    File(Arc<[u8]>),
    /// A command of the image, which reads as a line that says so.
    Command {
        name: Box<str>,
        content: Arc<[u8]>,
    },
    Symlink(Box<str>),
    Device(Device),
    /// `/dev/fd`, which every process sees its own way.
    Descriptors,
}

/// Collects what a [`SystemTree`] is to hold.
#[derive(Debug)]
pub struct SystemTreeBuilder {
    nodes: Vec<SystemNode>,
    directories: Vec<(PathBuf, GuestPath)>,
}

impl SystemTree {
    /// A builder that already has `/dev`, `/etc`, `/home`, `/tmp` and `/usr/bin`.
    pub fn builder() -> SystemTreeBuilder {
        let mut builder = SystemTreeBuilder {
            nodes: vec![SystemNode::Directory(BTreeMap::new())],
            directories: Vec::new(),
        };
        let user = "user:x:1000:1000:user:/home/user:/usr/bin/sh\n";
        builder.add(&["etc", "passwd"], file(&format!("root:x:0:0:root:/root:/usr/bin/sh\n{user}")));
        builder.add(&["etc", "group"], file("root:x:0:\nuser:x:1000:\n"));
        for (name, device) in [
            ("null", Device::Null),
            ("zero", Device::Zero),
            ("full", Device::Full),
            ("random", Device::Random),
            ("urandom", Device::Random),
            ("tty", Device::Terminal),
            ("stdin", Device::Descriptor(0)),
            ("stdout", Device::Descriptor(1)),
            ("stderr", Device::Descriptor(2)),
        ] {
            builder.add(&["dev", name], SystemNode::Device(device));
        }
        builder.add(&["dev", "fd"], SystemNode::Descriptors);
        for directory in [["usr", "bin"].as_slice(), &["home"], &["tmp"]] {
            builder.add(directory, SystemNode::Directory(BTreeMap::new()));
        }
        builder.add(&["bin"], SystemNode::Symlink("usr/bin".into()));
        builder
    }

    /// The image's read-only host directories and where they are mounted.
    pub(crate) fn directories(&self) -> &[(GuestPath, Arc<HostDirectory>)] {
        &self.directories
    }

    pub(super) fn step(&self, id: SystemId, name: &str) -> Attempt<Step<super::Directory>> {
        let child = self.child(id, name).ok_or(Errno::NOENT)?;
        match self.nodes.get(child) {
            Some(SystemNode::Directory(_)) => Ok(Step::Directory(super::Directory::System(child))),
            Some(SystemNode::Descriptors) => Ok(Step::Directory(super::Directory::Descriptors)),
            Some(SystemNode::Symlink(target)) => Ok(Step::Symlink(target.to_string())),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    pub(super) fn entry(&self, id: SystemId, name: &str) -> Option<Entry> {
        let child = self.child(id, name)?;
        let device = match self.nodes.get(child)? {
            SystemNode::Device(device) => Some(*device),
            _ => None,
        };
        Some(Entry { stat: self.stat(child), device })
    }

    pub(super) fn read_link(&self, id: SystemId, name: &str) -> Attempt<String> {
        match self.child(id, name).map(|child| self.nodes.get(child)) {
            Some(Some(SystemNode::Symlink(target))) => Ok(target.to_string()),
            Some(_) => Err(Errno::INVAL.into()),
            None => Err(Errno::NOENT.into()),
        }
    }

    /// The content of the file `name`.
    pub(super) fn content(&self, id: SystemId, name: &str) -> Attempt<(Arc<[u8]>, Stat)> {
        let child = self.child(id, name).ok_or(Errno::NOENT)?;
        match self.nodes.get(child) {
            Some(SystemNode::File(content) | SystemNode::Command { content, .. }) => {
                Ok((Arc::clone(content), self.stat(child)))
            }
            Some(SystemNode::Directory(_) | SystemNode::Descriptors) => Err(Errno::ISDIR.into()),
            _ => Err(Errno::NXIO.into()),
        }
    }

    /// The command that the file `name` is.
    pub(crate) fn command(&self, id: SystemId, name: &str) -> Option<&str> {
        match self.nodes.get(self.child(id, name)?)? {
            SystemNode::Command { name, .. } => Some(name),
            _ => None,
        }
    }

    pub(super) fn stat(&self, id: SystemId) -> Stat {
        let mut executable = false;
        let (kind, size, links) = match self.nodes.get(id) {
            Some(SystemNode::Directory(_) | SystemNode::Descriptors) => (FileKind::Directory, 0, 2),
            Some(SystemNode::File(content)) => (FileKind::RegularFile, content.len(), 1),
            Some(SystemNode::Command { content, .. }) => {
                executable = true;
                (FileKind::RegularFile, content.len(), 1)
            }
            Some(SystemNode::Symlink(target)) => (FileKind::SymbolicLink, target.len(), 1),
            Some(SystemNode::Device(_)) => (FileKind::CharacterDevice, 0, 1),
            None => (FileKind::Unknown, 0, 0),
        };
        let ino = u64::try_from(id).unwrap_or(u64::MAX).saturating_add(1);
        let stat = timed(kind, ino);
        let mode = if executable { 0o755 } else { stat.mode };
        Stat { links, mode, size: u64::try_from(size).unwrap_or(u64::MAX), ..stat }
    }

    pub(super) fn list(&self, id: SystemId, each: &mut dyn FnMut(Listed) -> Attempt<()>) -> Attempt<()> {
        if let Some(SystemNode::Directory(entries)) = self.nodes.get(id) {
            for (name, child) in entries {
                let stat = self.stat(*child);
                each(Listed { name: name.as_bytes().into(), ino: stat.ino, kind: stat.kind })?;
            }
        }
        Ok(())
    }

    fn child(&self, id: SystemId, name: &str) -> Option<SystemId> {
        match self.nodes.get(id)? {
            SystemNode::Directory(entries) => entries.get(name).copied(),
            _ => None,
        }
    }
}

impl SystemTreeBuilder {
    /// Adds commands: executable files in `/usr/bin`, which can be listed and looked up. A name that
    /// is no plain file name is ignored.
    #[must_use]
    pub fn commands<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        for name in names {
            let name = name.as_ref();
            if !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != ".." {
                let content = format!("sandpiper command {name}\n").into_bytes().into();
                self.add(&["usr", "bin", name], SystemNode::Command { name: name.into(), content });
            }
        }
        self
    }

    /// Adds a file with this content, replacing what is there.
    #[must_use]
    pub fn file(mut self, guest: &GuestPath, content: &[u8]) -> Self {
        let components: Vec<_> = guest.components().collect();
        self.add(&components, SystemNode::File(content.into()));
        self
    }

    /// Shows a directory of the host, read-only.
    #[must_use]
    pub fn read_only_dir(mut self, host: &Path, guest: &GuestPath) -> Self {
        self.directories.push((host.to_owned(), guest.clone()));
        self
    }

    /// Opens the directories and makes the tree.
    ///
    /// # Errors
    /// [`Error::Mount`] for a directory that cannot be opened.
    pub fn build(self) -> Result<Arc<SystemTree>, Error> {
        let mut directories = Vec::with_capacity(self.directories.len());
        for (host, guest) in self.directories {
            let directory = HostDirectory::open_ambient(&host).map_err(|source| Error::Mount {
                host: host.display().to_string(),
                guest: guest.to_string(),
                source,
            })?;
            directories.push((guest, Arc::new(directory)));
        }
        Ok(Arc::new(SystemTree { nodes: self.nodes, directories }))
    }

    /// Adds a node, with the directories above it.
    fn add(&mut self, path: &[&str], node: SystemNode) {
        let Some((name, above)) = path.split_last() else { return };
        let mut at = SYSTEM_ROOT;
        for component in above {
            at = self.directory(at, component);
        }
        let id = self.nodes.len();
        self.nodes.push(node);
        if let Some(SystemNode::Directory(entries)) = self.nodes.get_mut(at) {
            entries.insert((*name).into(), id);
        }
    }

    fn directory(&mut self, at: SystemId, name: &str) -> SystemId {
        let next = self.nodes.len();
        let existing = match self.nodes.get(at) {
            Some(SystemNode::Directory(entries)) => entries.get(name).copied(),
            _ => None,
        };
        if let Some(id) = existing.filter(|id| matches!(self.nodes.get(*id), Some(SystemNode::Directory(_))))
        {
            return id;
        }
        self.nodes.push(SystemNode::Directory(BTreeMap::new()));
        if let Some(SystemNode::Directory(entries)) = self.nodes.get_mut(at) {
            entries.insert(name.into(), next);
        }
        next
    }
}

/// A stat of something of the system's own, with its fixed times.
pub(crate) fn timed(kind: FileKind, ino: u64) -> Stat {
    Stat {
        accessed_ns: SYSTEM_TIME_NS,
        modified_ns: SYSTEM_TIME_NS,
        changed_ns: SYSTEM_TIME_NS,
        ..Stat::own(kind, ino)
    }
}

fn file(content: &str) -> SystemNode {
    SystemNode::File(content.as_bytes().into())
}
