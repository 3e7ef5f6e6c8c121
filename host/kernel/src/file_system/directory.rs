//! A directory of any file system, with one set of operations.

use std::sync::Arc;

use sandpiper_core::DenialReason;

use super::memory_tree::MemoryNode;
use super::system::{SystemId, timed};
use super::{Device, File, HostDirectory, Listed, NewTimes, OpenMode, Stat};
use crate::Errno;
use crate::abi::FileKind;
use crate::fault::{Attempt, Failure};
use crate::view::View;

/// Inode number of directories that no file system has: the ways to mount points, `/dev/fd`.
const OWN_INO: u64 = u64::MAX;

/// A directory.
///
/// The methods that change something do not ask whether the mount may be changed; their callers do.
/// What can never be changed refuses by itself.
#[derive(Clone, Debug)]
pub(crate) enum Directory {
    System(SystemId),
    /// A directory that is there only because a mount point is below it.
    Way,
    /// `/dev/fd`.
    Descriptors,
    Memory(MemoryNode),
    Host(Arc<HostDirectory>),
}

/// What one name leads to.
#[derive(Debug)]
pub(crate) enum Step<D> {
    Directory(D),
    /// A symlink and its target.
    Symlink(String),
}

/// What is known of a name in a directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) stat: Stat,
    pub(crate) device: Option<Device>,
}

impl Entry {
    pub(crate) fn is(&self, kind: FileKind) -> bool {
        self.stat.kind == kind
    }
}

impl Directory {
    /// Goes to the directory `name`, or says where the symlink `name` points.
    ///
    /// # Errors
    /// `NOENT`, `NOTDIR`, and the host's.
    pub(crate) fn step(&self, view: &View<'_>, name: &str) -> Attempt<Step<Self>> {
        match self {
            Self::System(id) => view.world.system().step(*id, name),
            Self::Way => Err(Errno::NOENT.into()),
            Self::Descriptors => match view.has_descriptor(name) {
                Some(_) => Err(Errno::NOTDIR.into()),
                None => Err(Errno::NOENT.into()),
            },
            Self::Memory(node) => node.step(name).map(|step| step.map(Self::Memory)),
            Self::Host(host) => {
                host.step(name).map(|step| step.map(|directory| Self::Host(Arc::new(directory))))
            }
        }
    }

    /// What `name` is; a symlink is itself.
    pub(crate) fn entry(&self, view: &View<'_>, name: &str) -> Attempt<Option<Entry>> {
        let plain = |stat: Option<Stat>| stat.map(|stat| Entry { stat, device: None });
        match self {
            Self::System(id) => Ok(view.world.system().entry(*id, name)),
            Self::Way => Ok(None),
            Self::Descriptors => Ok(view.has_descriptor(name).map(|fd| Entry {
                stat: timed(FileKind::CharacterDevice, u64::from(fd) + 1),
                device: Some(Device::Descriptor(fd)),
            })),
            Self::Memory(node) => node.entry(name).map(plain),
            Self::Host(host) => host.entry(name).map(plain),
        }
    }

    pub(crate) fn stat(&self, view: &View<'_>) -> Attempt<Stat> {
        match self {
            Self::System(id) => Ok(view.world.system().stat(*id)),
            Self::Way | Self::Descriptors => Ok(Stat { links: 2, ..timed(FileKind::Directory, OWN_INO) }),
            Self::Memory(node) => node.stat(),
            Self::Host(host) => host.stat(),
        }
    }

    pub(crate) fn read_link(&self, view: &View<'_>, name: &str) -> Attempt<String> {
        match self {
            Self::System(id) => view.world.system().read_link(*id, name),
            Self::Way | Self::Descriptors => Err(Errno::INVAL.into()),
            Self::Memory(node) => node.read_link(name),
            Self::Host(host) => host.read_link(name),
        }
    }

    /// Opens the existing regular file `name`.
    pub(crate) fn open_file(&self, view: &View<'_>, name: &str, mode: OpenMode) -> Attempt<File> {
        match self {
            Self::System(id) => {
                view.world.system().content(*id, name).map(|(content, stat)| File::System { content, stat })
            }
            Self::Way | Self::Descriptors => Err(Errno::NOENT.into()),
            Self::Memory(node) => node.open_file(name, mode).map(File::Memory),
            Self::Host(host) => host.open_file(name, mode, false).map(File::Host),
        }
    }

    /// Makes and opens the regular file `name`, which must not exist.
    pub(crate) fn create_file(&self, view: &View<'_>, name: &str, mode: OpenMode) -> Attempt<File> {
        match self {
            Self::System(_) | Self::Way | Self::Descriptors => Err(Failure::read_only()),
            Self::Memory(node) => node.create_file(name, view.now_ns()).map(File::Memory),
            Self::Host(host) => charged(view, || host.open_file(name, mode, true)).map(File::Host),
        }
    }

    pub(crate) fn create_directory(&self, view: &View<'_>, name: &str) -> Attempt<()> {
        match self {
            Self::System(_) | Self::Way | Self::Descriptors => Err(Failure::read_only()),
            Self::Memory(node) => node.create_directory(name, view.now_ns()),
            Self::Host(host) => charged(view, || host.create_directory(name)),
        }
    }

    /// Makes the symlink `name`. What it leads to is `Unknown` where it leads nowhere.
    pub(crate) fn create_symlink(
        &self,
        view: &View<'_>,
        (target, leads_to): (&str, FileKind),
        name: &str,
    ) -> Attempt<()> {
        match self {
            Self::System(_) | Self::Way | Self::Descriptors => Err(Failure::read_only()),
            Self::Memory(node) => node.create_symlink(target, name, view.now_ns()),
            Self::Host(host) => charged(view, || host.create_symlink(target, leads_to, name)),
        }
    }

    pub(crate) fn unlink(&self, view: &View<'_>, name: &str) -> Attempt<()> {
        match self {
            Self::System(_) | Self::Way | Self::Descriptors => Err(Failure::read_only()),
            Self::Memory(node) => node.unlink(name, view.now_ns()),
            Self::Host(host) => host.unlink(name).map(|()| view.world.budgets().files.give(1)),
        }
    }

    pub(crate) fn remove_directory(&self, view: &View<'_>, name: &str) -> Attempt<()> {
        match self {
            Self::System(_) | Self::Way | Self::Descriptors => Err(Failure::read_only()),
            Self::Memory(node) => node.remove_directory(name, view.now_ns()),
            Self::Host(host) => host.remove_directory(name).map(|()| view.world.budgets().files.give(1)),
        }
    }

    /// Renames within one mount.
    pub(crate) fn rename(&self, view: &View<'_>, name: &str, to: &Self, to_name: &str) -> Attempt<()> {
        match (self, to) {
            (Self::Memory(from), Self::Memory(to)) => from.rename(name, to, to_name, view.now_ns()),
            (Self::Host(from), Self::Host(to)) => from.rename(name, to, to_name),
            _ => Err(Failure::read_only()),
        }
    }

    /// Gives a file a second name within one mount.
    pub(crate) fn link(&self, view: &View<'_>, name: &str, to: &Self, to_name: &str) -> Attempt<()> {
        match (self, to) {
            (Self::Memory(from), Self::Memory(to)) => from.link(name, to, to_name, view.now_ns()),
            (Self::Host(from), Self::Host(to)) => charged(view, || from.link(name, to, to_name)),
            _ => Err(Failure::read_only()),
        }
    }

    pub(crate) fn set_entry_times(&self, view: &View<'_>, name: &str, times: NewTimes) -> Attempt<()> {
        match self {
            Self::System(_) | Self::Way | Self::Descriptors => Err(Failure::read_only()),
            Self::Memory(node) => node.set_entry_times(name, times, view.now_ns()),
            Self::Host(host) => host.set_entry_times(name, times),
        }
    }

    pub(crate) fn set_times(&self, view: &View<'_>, times: NewTimes) -> Attempt<()> {
        match self {
            Self::System(_) | Self::Way | Self::Descriptors => Err(Failure::read_only()),
            Self::Memory(node) => node.set_times(times, view.now_ns()),
            Self::Host(host) => host.set_times(times),
        }
    }

    pub(crate) fn set_mode(&self, view: &View<'_>, mode: u16) -> Attempt<()> {
        match self {
            Self::System(_) | Self::Way | Self::Descriptors => Err(Failure::read_only()),
            Self::Memory(node) => node.set_mode(mode, view.now_ns()),
            Self::Host(host) => host.set_mode(mode),
        }
    }

    /// Sets the permission bits of the file or directory `name`.
    pub(crate) fn set_entry_mode(&self, view: &View<'_>, name: &str, mode: u16) -> Attempt<()> {
        match self {
            Self::System(_) | Self::Way | Self::Descriptors => Err(Failure::read_only()),
            Self::Memory(node) => node.set_entry_mode(name, mode, view.now_ns()),
            Self::Host(host) => host.set_entry_mode(name, mode),
        }
    }

    /// Gives every name to `each`, without `.` and `..`.
    pub(crate) fn list(&self, view: &View<'_>, each: &mut dyn FnMut(Listed) -> Attempt<()>) -> Attempt<()> {
        match self {
            Self::System(id) => view.world.system().list(*id, each),
            Self::Way => Ok(()),
            Self::Descriptors => view.list_descriptors(each),
            Self::Memory(node) => node.list(each),
            Self::Host(host) => host.list(each),
        }
    }
}

impl<D> Step<D> {
    fn map<E>(self, make: impl FnOnce(D) -> E) -> Step<E> {
        match self {
            Self::Directory(directory) => Step::Directory(make(directory)),
            Self::Symlink(target) => Step::Symlink(target),
        }
    }
}

/// Makes a new name in a mount, if the sandbox may have one more.
fn charged<T>(view: &View<'_>, make: impl FnOnce() -> Attempt<T>) -> Attempt<T> {
    let files = &view.world.budgets().files;
    if !files.take(1) {
        return Err(Failure::denied(Errno::DQUOT, DenialReason::FileLimit));
    }
    let made = make();
    if made.is_err() {
        files.give(1);
    }
    made
}
