//! `path_rename` and `path_link`.

use sandpiper_core::Access;

use super::path_metadata::links;
use crate::abi::{FileKind, Rights};
use crate::fault::{Attempt, Failure};
use crate::file_system::{Directory, Stat};
use crate::namespace::{Links, Name, Place, Target, resolve};
use crate::{Errno, Fault, Process, path};

impl Process {
    /// Renames a name within one mount, replacing what is there, as POSIX has it.
    ///
    /// # Errors
    /// `BADF`, `NOTDIR`, `NOTCAPABLE`, `FAULT`, `ISDIR`, `NOTEMPTY`, `INVAL` into itself, `BUSY` for a
    /// mount point, `ROFS`, `XDEV` between mounts and for a directory too large to be looked through for
    /// symlinks, `PERM` (recorded) for a symlink that would lead out of its mount, those of a path, the
    /// host's.
    #[expect(clippy::too_many_arguments, reason = "the witx's own signature")]
    pub fn path_rename(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        old_address: u32,
        old_length: u32,
        new_fd: u32,
        new_address: u32,
        new_length: u32,
    ) -> Result<(), Fault> {
        let rename = || {
            let old = path::read(memory, old_address, old_length)?;
            let new = path::read(memory, new_address, new_length)?;
            let start = &self.descriptors.get(fd)?.directory(Rights::PATH_RENAME_SOURCE)?.place;
            let new_start = &self.descriptors.get(new_fd)?.directory(Rights::PATH_RENAME_TARGET)?.place;
            self.rename(start, old, new_start, new)
                .map_err(|failure| failure.on(|| path::join(&start.path, old)))
        };
        let result = rename();
        self.settle("path_rename", Some(fd), result)
    }

    /// Gives a file a second name within one mount. Without `SYMLINK_FOLLOW` a symlink itself gets it.
    ///
    /// # Errors
    /// `BADF`, `NOTDIR`, `NOTCAPABLE`, `FAULT`, `INVAL`, `EXIST`, `PERM` for a directory and (recorded)
    /// for a symlink that would lead out of its mount, `ROFS` also when only the old name's mount is
    /// read-only, `XDEV` between mounts, those of a path, a budget's, the host's.
    #[expect(clippy::too_many_arguments, reason = "the witx's own signature")]
    pub fn path_link(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        lookup: u32,
        old_address: u32,
        old_length: u32,
        new_fd: u32,
        new_address: u32,
        new_length: u32,
    ) -> Result<(), Fault> {
        let link = || {
            let links = links(lookup)?;
            let old = path::read(memory, old_address, old_length)?;
            let new = path::read(memory, new_address, new_length)?;
            let start = &self.descriptors.get(fd)?.directory(Rights::PATH_LINK_SOURCE)?.place;
            let new_start = &self.descriptors.get(new_fd)?.directory(Rights::PATH_LINK_TARGET)?.place;
            self.link((start, old, links), new_start, new)
                .map_err(|failure| failure.on(|| path::join(&start.path, old)))
        };
        let result = link();
        self.settle("path_link", Some(fd), result)
    }

    pub(crate) fn rename(&self, start: &Place, old: &str, new_start: &Place, new: &str) -> Attempt<()> {
        let view = self.view();
        let old = resolve(&view, start, old, Links::KeepAlways)?;
        let new = resolve(&view, new_start, new, Links::KeepAlways)?;
        let (Target::Name(old), Target::Name(new)) = (old, new) else {
            // The root, mount points, and paths that end in `.` or `..`.
            return Err(Errno::BUSY.into());
        };
        self.check_both(&old, &new)?;
        let entry = old.existing()?;
        if new.entry.is_some() {
            new.existing()?;
        } else if new.slash && !entry.is(FileKind::Directory) {
            return Err(Errno::NOTDIR.into());
        }
        // Windows only says that something is in use. What is open cannot move there, so paths are true.
        if cfg!(windows) && is_at_or_below(&new.parent.path, &old.path()) {
            return Err(Errno::INVAL.into());
        }
        if cfg!(windows) && is_at_or_below(&old.parent.path, &new.path()) {
            return Err(Errno::NOTEMPTY.into());
        }
        self.check_links_moved(&old, &entry, &new)?;
        self.tell_change(&old)?;
        self.tell_change(&new)?;
        self.move_name((&old.parent.directory, &old.text), &entry.stat, &new)
    }

    /// Renames what has been looked at, and gives back what the name had that it replaces.
    pub(crate) fn move_name(&self, old: (&Directory, &str), moved: &Stat, new: &Name) -> Attempt<()> {
        let (directory, name) = old;
        directory.rename(&self.view(), name, &new.parent.directory, &new.text)?;
        if let (Directory::Host(_), Some(replaced)) = (&new.parent.directory, new.entry) {
            // Two names of one file stay two names: then nothing was replaced.
            if (replaced.stat.device, replaced.stat.ino) != (moved.device, moved.ino) {
                self.world.budgets().files.give(1);
            }
        }
        Ok(())
    }

    fn link(&self, (start, old, links): (&Place, &str, Links), new_start: &Place, new: &str) -> Attempt<()> {
        let view = self.view();
        let Target::Name(old) = resolve(&view, start, old, links)? else {
            return Err(Errno::PERM.into());
        };
        let entry = old.existing()?;
        if entry.is(FileKind::Directory) {
            return Err(Errno::PERM.into());
        }
        let Target::Name(new) = resolve(&view, new_start, new, Links::KeepAlways)? else {
            return Err(Errno::EXIST.into());
        };
        if new.entry.is_some() {
            return Err(Errno::EXIST.into());
        }
        self.check_both(&old, &new)?;
        if new.slash {
            return Err(Errno::NOENT.into());
        }
        self.check_links_moved(&old, &entry, &new)?;
        self.tell_change(&new)?;
        old.parent.directory.link(&view, &old.text, &new.parent.directory, &new.text)
    }

    /// Checks that both names are in one mount that can be changed. That either is read-only comes
    /// first: it is the refusal that says more.
    fn check_both(&self, old: &Name, new: &Name) -> Attempt<()> {
        let namespace = self.world.namespace();
        for name in [old, new] {
            if namespace.access(&name.parent) == Access::ReadOnly {
                return Err(Failure::read_only().on(|| name.path()));
            }
        }
        if old.parent.mount == new.parent.mount { Ok(()) } else { Err(Errno::XDEV.into()) }
    }
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
