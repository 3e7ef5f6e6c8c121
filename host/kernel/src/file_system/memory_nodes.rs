//! The nodes of an in-memory file system: a table of files, directories and symlinks.

use std::collections::BTreeMap;

use super::Stat;
use crate::Errno;
use crate::abi::FileKind;

/// Number of a node in the table.
pub(super) type NodeId = usize;

/// What the owner's permission bits allow: all processes of a sandbox are the owner's.
pub(super) const READ: u16 = 0o400;
pub(super) const WRITE: u16 = 0o200;
pub(super) const SEARCH: u16 = 0o100;

/// The table.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    slots: Vec<Option<Node>>,
    free: Vec<NodeId>,
    made: u64,
}

/// A file, directory or symlink.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) ino: u64,
    /// Names in directories; a directory counts as POSIX has it, and has 0 when it was removed.
    pub(super) links: u64,
    /// Handles held; a node lives while it has links or handles.
    pub(super) handles: u64,
    /// Permission bits.
    pub(super) mode: u16,
    pub(super) accessed_ns: u64,
    pub(super) modified_ns: u64,
    pub(super) changed_ns: u64,
    pub(super) content: Content,
}

/// What a node holds.
#[derive(Debug)]
pub(super) enum Content {
    File(Vec<u8>),
    Directory { entries: BTreeMap<Box<str>, NodeId>, parent: Option<NodeId> },
    Symlink(Box<str>),
}

impl Nodes {
    /// Adds a node without names.
    pub(super) fn insert(&mut self, content: Content, now_ns: u64) -> NodeId {
        self.made += 1;
        let mode = match content {
            Content::File(_) => 0o644,
            Content::Directory { .. } => 0o755,
            Content::Symlink(_) => 0o777,
        };
        let node = Node {
            ino: self.made,
            links: 0,
            handles: 0,
            mode,
            accessed_ns: now_ns,
            modified_ns: now_ns,
            changed_ns: now_ns,
            content,
        };
        if let Some(id) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(id)
        {
            *slot = Some(node);
            return id;
        }
        self.slots.push(Some(node));
        self.slots.len() - 1
    }

    /// The node of an id that a handle or a directory holds.
    ///
    /// # Errors
    /// `STALE` when there is none, which would be the kernel's own mistake.
    pub(super) fn get(&self, id: NodeId) -> Result<&Node, Errno> {
        self.slots.get(id).and_then(Option::as_ref).ok_or(Errno::STALE)
    }

    /// As [`Nodes::get`], to change it.
    pub(super) fn get_mut(&mut self, id: NodeId) -> Result<&mut Node, Errno> {
        self.slots.get_mut(id).and_then(Option::as_mut).ok_or(Errno::STALE)
    }

    /// Frees a node that has neither links nor handles, and gives the bytes that it held.
    pub(super) fn release(&mut self, id: NodeId) -> u64 {
        let Some(slot) = self.slots.get_mut(id) else { return 0 };
        match slot {
            Some(node) if node.links == 0 && node.handles == 0 => {
                let bytes = node.charged_bytes();
                *slot = None;
                self.free.push(id);
                bytes
            }
            _ => 0,
        }
    }

    /// The entries of a directory that was not removed.
    ///
    /// # Errors
    /// `NOTDIR`, and `NOENT` for a removed directory.
    pub(super) fn entries(&self, id: NodeId) -> Result<&BTreeMap<Box<str>, NodeId>, Errno> {
        let node = self.get(id)?;
        match &node.content {
            Content::Directory { .. } if node.links == 0 => Err(Errno::NOENT),
            Content::Directory { entries, .. } => Ok(entries),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// Whether a node's permission bits allow something.
    ///
    /// # Errors
    /// `ACCES`.
    pub(super) fn check(&self, id: NodeId, wanted: u16) -> Result<(), Errno> {
        if self.get(id)?.mode & wanted == wanted { Ok(()) } else { Err(Errno::ACCES) }
    }

    /// The node of a name.
    ///
    /// # Errors
    /// As [`Nodes::entries`], `ACCES`, and `NOENT` for a name that is not there.
    pub(super) fn child(&self, id: NodeId, name: &str) -> Result<NodeId, Errno> {
        let entries = self.entries(id)?;
        self.check(id, SEARCH)?;
        entries.get(name).copied().ok_or(Errno::NOENT)
    }

    /// Adds or replaces a name of a directory.
    ///
    /// # Errors
    /// As [`Nodes::entries`].
    pub(super) fn set_child(
        &mut self,
        id: NodeId,
        name: &str,
        child: NodeId,
        now_ns: u64,
    ) -> Result<(), Errno> {
        self.entries(id)?;
        let node = self.get_mut(id)?;
        node.touch(now_ns);
        if let Content::Directory { entries, .. } = &mut node.content {
            entries.insert(name.into(), child);
        }
        Ok(())
    }

    /// Removes a name of a directory.
    ///
    /// # Errors
    /// As [`Nodes::entries`].
    pub(super) fn remove_child(&mut self, id: NodeId, name: &str, now_ns: u64) -> Result<(), Errno> {
        self.entries(id)?;
        let node = self.get_mut(id)?;
        node.touch(now_ns);
        if let Content::Directory { entries, .. } = &mut node.content {
            entries.remove(name);
        }
        Ok(())
    }

    /// Whether `id` is `ancestor` or below it.
    pub(super) fn is_within(&self, id: NodeId, ancestor: NodeId) -> bool {
        let mut at = Some(id);
        while let Some(id) = at {
            if id == ancestor {
                return true;
            }
            at = match self.get(id).map(|node| &node.content) {
                Ok(Content::Directory { parent, .. }) => *parent,
                _ => None,
            };
        }
        false
    }
}

impl Node {
    pub(super) fn is_directory(&self) -> bool {
        matches!(self.content, Content::Directory { .. })
    }

    /// Marks the content as changed now.
    pub(super) fn touch(&mut self, now_ns: u64) {
        self.modified_ns = now_ns;
        self.changed_ns = now_ns;
    }

    pub(super) fn stat(&self) -> Stat {
        let kind = match &self.content {
            Content::File(_) => FileKind::RegularFile,
            Content::Directory { .. } => FileKind::Directory,
            Content::Symlink(_) => FileKind::SymbolicLink,
        };
        Stat {
            kind,
            ino: self.ino,
            device: 0,
            links: self.links,
            mode: self.mode,
            size: self.charged_bytes(),
            accessed_ns: self.accessed_ns,
            modified_ns: self.modified_ns,
            changed_ns: self.changed_ns,
        }
    }

    /// The size of the content, which is what it is charged.
    fn charged_bytes(&self) -> u64 {
        let bytes = match &self.content {
            Content::File(bytes) => bytes.len(),
            Content::Symlink(target) => target.len(),
            Content::Directory { .. } => 0,
        };
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}
