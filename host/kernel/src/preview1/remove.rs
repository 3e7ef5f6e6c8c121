//! `path_unlink_file` and `path_remove_directory`.

use crate::abi::{FileKind, Rights};
use crate::fault::Attempt;
use crate::namespace::{Last, Links, Place, Target, resolve};
use crate::{Errno, Fault, Process, path};

impl Process {
    /// Removes a name that is no directory's.
    ///
    /// # Errors
    /// `BADF`, `NOTDIR`, `NOTCAPABLE`, `FAULT`, `ISDIR`, `BUSY` for a mount point, `ROFS`, those of a
    /// path, the host's.
    pub fn path_unlink_file(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        path_address: u32,
        path_length: u32,
    ) -> Result<(), Fault> {
        let unlink = || {
            let path = path::read(memory, path_address, path_length)?;
            let start = &self.descriptors.get(fd)?.directory(Rights::PATH_UNLINK_FILE)?.place;
            self.unlink(start, path).map_err(|failure| failure.on(|| path::join(&start.path, path)))
        };
        let result = unlink();
        self.settle("path_unlink_file", Some(fd), result)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `BADF`, `NOTDIR`, `NOTCAPABLE`, `FAULT`, `NOTEMPTY`, `BUSY` for a mount point and the root,
    /// `INVAL` for a path that ends in `.`, `ROFS`, those of a path, the host's.
    pub fn path_remove_directory(
        &mut self,
        memory: &mut [u8],
        fd: u32,
        path_address: u32,
        path_length: u32,
    ) -> Result<(), Fault> {
        let remove = || {
            let path = path::read(memory, path_address, path_length)?;
            let start = &self.descriptors.get(fd)?.directory(Rights::PATH_REMOVE_DIRECTORY)?.place;
            self.remove_directory(start, path).map_err(|failure| failure.on(|| path::join(&start.path, path)))
        };
        let result = remove();
        self.settle("path_remove_directory", Some(fd), result)
    }

    pub(crate) fn unlink(&self, start: &Place, path: &str) -> Attempt<()> {
        match resolve(&self.view(), start, path, Links::KeepAlways)? {
            Target::Directory { last: Last::MountPoint, .. } => Err(Errno::BUSY.into()),
            Target::Directory { .. } => Err(Errno::ISDIR.into()),
            Target::Name(name) => {
                self.world.namespace().check_writable(&name.parent)?;
                if name.existing()?.is(FileKind::Directory) {
                    return Err(Errno::ISDIR.into());
                }
                self.tell_change(&name)?;
                name.parent.directory.unlink(&self.view(), &name.text)
            }
        }
    }

    pub(crate) fn remove_directory(&self, start: &Place, path: &str) -> Attempt<()> {
        match resolve(&self.view(), start, path, Links::KeepAlways)? {
            Target::Directory { last: Last::MountPoint | Last::Root, .. } => Err(Errno::BUSY.into()),
            Target::Directory { last: Last::Dot, .. } => Err(Errno::INVAL.into()),
            Target::Directory { last: Last::DotDot, .. } => Err(Errno::NOTEMPTY.into()),
            Target::Name(name) => {
                self.world.namespace().check_writable(&name.parent)?;
                if !name.existing()?.is(FileKind::Directory) {
                    return Err(Errno::NOTDIR.into());
                }
                self.tell_change(&name)?;
                name.parent.directory.remove_directory(&self.view(), &name.text)
            }
        }
    }
}
