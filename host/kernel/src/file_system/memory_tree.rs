//! The in-memory file system behind `/tmp` and the home directory: names and structure.
//!
//! One lock guards the whole tree; it is held for one operation at a time and never while waiting.
//! Sizes are charged in full, holes included, and names are counted; see [`Budgets`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sandpiper_core::DenialReason;

use super::memory_nodes::{Content, NodeId, Nodes, READ, SEARCH, WRITE};
use super::{Listed, NewTimes, OpenMode, Stat, Step};
use crate::Errno;
use crate::budget::Budgets;
use crate::fault::{Attempt, Failure};

/// An in-memory file system.
#[derive(Debug)]
pub(crate) struct MemoryTree {
    nodes: Mutex<Nodes>,
    budgets: Arc<Budgets>,
}

/// A handle to a node; the node lives while it is held.
#[derive(Debug)]
pub(crate) struct MemoryNode {
    tree: Arc<MemoryTree>,
    id: NodeId,
}

impl MemoryTree {
    pub(crate) fn new(budgets: Arc<Budgets>) -> Arc<Self> {
        Arc::new(Self { nodes: Mutex::default(), budgets })
    }

    /// Makes a root directory. A tree may have several; they are apart, and never removed.
    pub(crate) fn root(self: &Arc<Self>, now_ns: u64) -> MemoryNode {
        let mut nodes = self.lock();
        let id = nodes.insert(Content::Directory { entries: BTreeMap::new(), parent: None }, now_ns);
        if let Ok(node) = nodes.get_mut(id) {
            node.links = 2;
        }
        self.handle(&mut nodes, id)
    }

    fn lock(&self) -> MutexGuard<'_, Nodes> {
        // Nothing panics under the lock; if it ever did, the tree stays consistent enough to go on.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(self: &Arc<Self>, nodes: &mut Nodes, id: NodeId) -> MemoryNode {
        if let Ok(node) = nodes.get_mut(id) {
            node.handles += 1;
        }
        MemoryNode { tree: Arc::clone(self), id }
    }

    fn release(&self, nodes: &mut Nodes, id: NodeId) {
        self.budgets.memory_bytes.give(nodes.release(id));
    }
}

impl Clone for MemoryNode {
    fn clone(&self) -> Self {
        self.tree.handle(&mut self.tree.lock(), self.id)
    }
}

impl Drop for MemoryNode {
    fn drop(&mut self) {
        let mut nodes = self.tree.lock();
        if let Ok(node) = nodes.get_mut(self.id) {
            node.handles = node.handles.saturating_sub(1);
        }
        self.tree.release(&mut nodes, self.id);
    }
}

impl MemoryNode {
    pub(crate) fn stat(&self) -> Attempt<Stat> {
        Ok(self.tree.lock().get(self.id)?.stat())
    }

    pub(super) fn set_times(&self, times: NewTimes, now_ns: u64) -> Attempt<()> {
        set_times(&mut self.tree.lock(), self.id, times, now_ns)
    }

    pub(super) fn set_mode(&self, mode: u16, now_ns: u64) -> Attempt<()> {
        let mut nodes = self.tree.lock();
        let node = nodes.get_mut(self.id)?;
        node.mode = mode;
        node.changed_ns = now_ns;
        Ok(())
    }

    /// Sets the permission bits of the file or directory `name`.
    pub(super) fn set_entry_mode(&self, name: &str, mode: u16, now_ns: u64) -> Attempt<()> {
        let mut nodes = self.tree.lock();
        let id = nodes.child(self.id, name)?;
        let node = nodes.get_mut(id)?;
        node.mode = mode;
        node.changed_ns = now_ns;
        Ok(())
    }

    pub(super) fn step(&self, name: &str) -> Attempt<Step<Self>> {
        let mut nodes = self.tree.lock();
        let id = nodes.child(self.id, name)?;
        match &nodes.get(id)?.content {
            Content::Directory { .. } => Ok(Step::Directory(self.tree.handle(&mut nodes, id))),
            Content::Symlink(target) => Ok(Step::Symlink(target.to_string())),
            Content::File(_) => Err(Errno::NOTDIR.into()),
        }
    }

    pub(super) fn entry(&self, name: &str) -> Attempt<Option<Stat>> {
        let nodes = self.tree.lock();
        match nodes.child(self.id, name) {
            Ok(id) => Ok(Some(nodes.get(id)?.stat())),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    pub(super) fn read_link(&self, name: &str) -> Attempt<String> {
        let nodes = self.tree.lock();
        let id = nodes.child(self.id, name)?;
        match &nodes.get(id)?.content {
            Content::Symlink(target) => Ok(target.to_string()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    /// A handle to the regular file `name`.
    pub(super) fn open_file(&self, name: &str, mode: OpenMode) -> Attempt<Self> {
        let mut nodes = self.tree.lock();
        let id = nodes.child(self.id, name)?;
        match nodes.get(id)?.content {
            Content::File(_) => {
                let wanted = if mode.read { READ } else { 0 } | if mode.write { WRITE } else { 0 };
                nodes.check(id, wanted)?;
                Ok(self.tree.handle(&mut nodes, id))
            }
            Content::Directory { .. } => Err(Errno::ISDIR.into()),
            Content::Symlink(_) => Err(Errno::LOOP.into()),
        }
    }

    /// Makes an empty regular file and gives a handle to it.
    pub(super) fn create_file(&self, name: &str, now_ns: u64) -> Attempt<Self> {
        let mut nodes = self.tree.lock();
        let id = self.create(&mut nodes, name, Content::File(Vec::new()), now_ns)?;
        Ok(self.tree.handle(&mut nodes, id))
    }

    pub(super) fn create_directory(&self, name: &str, now_ns: u64) -> Attempt<()> {
        let mut nodes = self.tree.lock();
        let content = Content::Directory { entries: BTreeMap::new(), parent: Some(self.id) };
        let id = self.create(&mut nodes, name, content, now_ns)?;
        nodes.get_mut(id)?.links = 2;
        nodes.get_mut(self.id)?.links += 1;
        Ok(())
    }

    pub(super) fn create_symlink(&self, target: &str, name: &str, now_ns: u64) -> Attempt<()> {
        let mut nodes = self.tree.lock();
        let bytes = u64::try_from(target.len()).unwrap_or(u64::MAX);
        if !self.tree.budgets.memory_bytes.take(bytes) {
            return Err(Failure::denied(Errno::NOSPC, DenialReason::TmpLimit));
        }
        let made = self.create(&mut nodes, name, Content::Symlink(target.into()), now_ns);
        if made.is_err() {
            self.tree.budgets.memory_bytes.give(bytes);
        }
        made.map(|_| ())
    }

    /// Gives the file or symlink `name` a second name.
    pub(super) fn link(&self, name: &str, to: &Self, to_name: &str, now_ns: u64) -> Attempt<()> {
        let mut nodes = self.tree.lock();
        let id = nodes.child(self.id, name)?;
        if nodes.get(id)?.is_directory() {
            return Err(Errno::PERM.into());
        }
        to.check_free(&nodes, to_name)?;
        self.charge_name()?;
        nodes.set_child(to.id, to_name, id, now_ns)?;
        let node = nodes.get_mut(id)?;
        node.links += 1;
        node.changed_ns = now_ns;
        Ok(())
    }

    pub(super) fn unlink(&self, name: &str, now_ns: u64) -> Attempt<()> {
        let mut nodes = self.tree.lock();
        let id = nodes.child(self.id, name)?;
        nodes.check(self.id, WRITE)?;
        if nodes.get(id)?.is_directory() {
            return Err(Errno::ISDIR.into());
        }
        nodes.remove_child(self.id, name, now_ns)?;
        self.forget(&mut nodes, id, now_ns)
    }

    pub(super) fn remove_directory(&self, name: &str, now_ns: u64) -> Attempt<()> {
        let mut nodes = self.tree.lock();
        let id = nodes.child(self.id, name)?;
        nodes.check(self.id, WRITE)?;
        if !nodes.entries(id)?.is_empty() {
            return Err(Errno::NOTEMPTY.into());
        }
        nodes.remove_child(self.id, name, now_ns)?;
        nodes.get_mut(self.id)?.links -= 1;
        self.forget(&mut nodes, id, now_ns)
    }

    /// Renames as POSIX says: an existing target of the same kind is replaced.
    pub(super) fn rename(&self, name: &str, to: &Self, to_name: &str, now_ns: u64) -> Attempt<()> {
        let mut nodes = self.tree.lock();
        let id = nodes.child(self.id, name)?;
        let is_directory = nodes.get(id)?.is_directory();
        nodes.check(self.id, WRITE)?;
        nodes.check(to.id, WRITE | SEARCH)?;
        if is_directory && to.id != self.id {
            // Its `..` is written.
            nodes.check(id, WRITE)?;
        }
        if is_directory && nodes.is_within(to.id, id) {
            return Err(Errno::INVAL.into());
        }
        let replaced = nodes.entries(to.id)?.get(to_name).copied();
        if let Some(replaced) = replaced {
            if replaced == id {
                return Ok(());
            }
            match (is_directory, nodes.get(replaced)?.is_directory()) {
                (true, false) => return Err(Errno::NOTDIR.into()),
                (false, true) => return Err(Errno::ISDIR.into()),
                (true, true) if !nodes.entries(replaced)?.is_empty() => return Err(Errno::NOTEMPTY.into()),
                _ => {}
            }
        }
        nodes.remove_child(self.id, name, now_ns)?;
        nodes.set_child(to.id, to_name, id, now_ns)?;
        nodes.get_mut(id)?.changed_ns = now_ns;
        if is_directory {
            if let Content::Directory { parent, .. } = &mut nodes.get_mut(id)?.content {
                *parent = Some(to.id);
            }
            nodes.get_mut(self.id)?.links -= 1;
            nodes.get_mut(to.id)?.links += 1;
        }
        if let Some(replaced) = replaced {
            if is_directory {
                nodes.get_mut(to.id)?.links -= 1;
            }
            self.forget(&mut nodes, replaced, now_ns)?;
        }
        Ok(())
    }

    pub(super) fn set_entry_times(&self, name: &str, times: NewTimes, now_ns: u64) -> Attempt<()> {
        let mut nodes = self.tree.lock();
        let id = nodes.child(self.id, name)?;
        set_times(&mut nodes, id, times, now_ns)
    }

    pub(super) fn list(&self, each: &mut dyn FnMut(Listed) -> Attempt<()>) -> Attempt<()> {
        let nodes = self.tree.lock();
        nodes.check(self.id, READ)?;
        for (name, id) in nodes.entries(self.id)? {
            let stat = nodes.get(*id)?.stat();
            each(Listed { name: name.as_bytes().into(), ino: stat.ino, kind: stat.kind })?;
        }
        Ok(())
    }

    /// Works on the bytes of a regular file.
    pub(super) fn with_file<T>(&self, work: impl FnOnce(&mut Vec<u8>, &Budgets) -> Attempt<T>) -> Attempt<T> {
        match &mut self.tree.lock().get_mut(self.id)?.content {
            Content::File(bytes) => work(bytes, &self.tree.budgets),
            Content::Directory { .. } => Err(Errno::ISDIR.into()),
            Content::Symlink(_) => Err(Errno::INVAL.into()),
        }
    }

    /// Marks the file as changed now.
    pub(super) fn touch(&self, now_ns: u64) {
        if let Ok(node) = self.tree.lock().get_mut(self.id) {
            node.touch(now_ns);
        }
    }

    fn create(&self, nodes: &mut Nodes, name: &str, content: Content, now_ns: u64) -> Attempt<NodeId> {
        self.check_free(nodes, name)?;
        self.charge_name()?;
        let id = nodes.insert(content, now_ns);
        nodes.set_child(self.id, name, id, now_ns)?;
        nodes.get_mut(id)?.links = 1;
        Ok(id)
    }

    /// Checks that a name can be made: that it is not there, and the directory may be written.
    fn check_free(&self, nodes: &Nodes, name: &str) -> Attempt<()> {
        match nodes.child(self.id, name) {
            Ok(_) => Err(Errno::EXIST.into()),
            Err(Errno::NOENT) => {
                // Of a directory that was removed, there are no entries.
                nodes.entries(self.id)?;
                Ok(nodes.check(self.id, WRITE)?)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn charge_name(&self) -> Attempt<()> {
        if self.tree.budgets.files.take(1) {
            return Ok(());
        }
        Err(Failure::denied(Errno::NOSPC, DenialReason::FileLimit))
    }

    /// Takes away a name that a node had.
    fn forget(&self, nodes: &mut Nodes, id: NodeId, now_ns: u64) -> Attempt<()> {
        let node = nodes.get_mut(id)?;
        node.links = if node.is_directory() { 0 } else { node.links.saturating_sub(1) };
        node.changed_ns = now_ns;
        self.tree.budgets.files.give(1);
        self.tree.release(nodes, id);
        Ok(())
    }
}

fn set_times(nodes: &mut Nodes, id: NodeId, times: NewTimes, now_ns: u64) -> Attempt<()> {
    let node = nodes.get_mut(id)?;
    node.accessed_ns = times.accessed_ns.unwrap_or(node.accessed_ns);
    node.modified_ns = times.modified_ns.unwrap_or(node.modified_ns);
    node.changed_ns = now_ns;
    Ok(())
}
