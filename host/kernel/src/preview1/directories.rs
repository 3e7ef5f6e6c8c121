//! `path_create_directory` and `path_symlink`.

use crate::abi::{FileKind, Rights};
use crate::fault::{Attempt, Failure};
use crate::namespace::{Links, Name, Place, Target, resolve};
use crate::{Errno, Fault, Process, path};

impl Process {
    /// Makes a directory.
    ///
    /// # Errors
    /// `BADF`, `NOTDIR`, `NOTCAPABLE`, `FAULT`, `EXIST`, `ROFS`, those of a path, a budget's, the host's.
    pub fn path_create_directory(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        path_address: u32,
        path_length: u32,
    ) -> Result<(), Fault> {
        let create = || {
            let path = path::read(memory, path_address, path_length)?;
            let start = &self.descriptors.get(fd)?.directory(Rights::PATH_CREATE_DIRECTORY)?.place;
            let create = || {
                let name = self.free_name(start, path)?;
                self.tell_change(&name)?;
                name.parent.directory.create_directory(&self.view(), &name.text)?;
                self.apply_umask(&name, 0o777)
            };
            create().map_err(|failure: Failure| failure.on(|| path::join(&start.path, path)))
        };
        let result = create();
        self.settle("path_create_directory", Some(fd), result)
    }

    /// Makes a symlink.
    ///
    /// In a mount, the target has to be relative and stay in the mount, with `..` at its start alone:
    /// the link outlives the sandbox, and the host would follow it.
    ///
    /// # Errors
    /// `BADF`, `NOTDIR`, `NOTCAPABLE`, `FAULT`, `EXIST`, `ROFS`, `PERM` (recorded) for a target that
    /// leads out of a mount, those of a path, a budget's, the host's.
    pub fn path_symlink(
        &mut self,
        memory: &mut [u8],
        target_address: u32,
        target_length: u32,
        fd: u32,
        path_address: u32,
        path_length: u32,
    ) -> Result<(), Fault> {
        let create = || {
            let target = path::read(memory, target_address, target_length)?;
            let path = path::read(memory, path_address, path_length)?;
            let start = &self.descriptors.get(fd)?.directory(Rights::PATH_SYMLINK)?.place;
            let create = || {
                let name = self.free_name(start, path)?;
                if name.slash {
                    return Err(Errno::NOENT.into());
                }
                self.check_link_made(target, &name.parent)?;
                self.tell_change(&name)?;
                let leads_to = self.kind_behind(&name.parent, target);
                name.parent.directory.create_symlink(&self.view(), (target, leads_to), &name.text)
            };
            create().map_err(|failure: Failure| failure.on(|| path::join(&start.path, path)))
        };
        let result = create();
        self.settle("path_symlink", Some(fd), result)
    }

    /// What a symlink is going to lead to, as Windows wants to know; others are not asked.
    fn kind_behind(&self, parent: &Place, target: &str) -> FileKind {
        if cfg!(not(windows)) {
            return FileKind::Unknown;
        }
        match resolve(&self.view(), parent, target, Links::Follow) {
            Ok(Target::Directory { .. }) => FileKind::Directory,
            Ok(Target::Name(name)) => name.entry.map_or(FileKind::Unknown, |entry| entry.stat.kind),
            Err(_) => FileKind::Unknown,
        }
    }

    /// A name that is not there yet, in a directory that can be changed.
    ///
    /// # Errors
    /// `EXIST`, `ROFS`, those of a path.
    pub(crate) fn free_name(&self, start: &Place, path: &str) -> Attempt<Name> {
        match resolve(&self.view(), start, path, Links::KeepAlways)? {
            Target::Name(name) if name.entry.is_none() => {
                self.world.namespace().check_writable(&name.parent)?;
                Ok(name)
            }
            _ => Err(Errno::EXIST.into()),
        }
    }
}
