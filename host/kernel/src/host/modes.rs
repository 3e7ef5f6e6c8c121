//! `mode`, `set-mode`, `access` and `umask`: permission bits, which WASI preview 1 does not have.

use sandpiper_core::Access;

use super::canonical::{List, check, result_u16, store};
use super::text;
use crate::abi::FileKind;
use crate::fault::Attempt;
use crate::namespace::{Last, Links, Name, Target, resolve};
use crate::process::UMASK;
use crate::{Errno, Fault, Process};

/// The bits that there are.
const ALL: u32 = 0o7777;
/// The bits by which a program runs as another user, or a directory passes on its group: there are no
/// other users in here, and on the host they would be a way out.
const SPECIAL: u32 = 0o6000;
/// The bits that a mask can take away.
const PERMISSIONS: u32 = 0o777;

impl Process {
    /// `mode`: the permission bits of what is at an absolute path, or behind the symlink there.
    ///
    /// # Errors
    /// In the result: those of a path, the host's. [`Stop::BadAddress`](crate::Stop::BadAddress).
    pub fn process_mode(
        &mut self,
        memory: &mut [u8],
        path: u32,
        path_length: u32,
        follow: u32,
        result: u32,
    ) -> Result<(), Fault> {
        check(memory, result, 4)?;
        let links = if follow == 0 { Links::Keep } else { Links::Follow };
        let mode = self.mode(memory, List { address: path, length: path_length }, links);
        let mode = self.answered("mode", None, mode)?;
        store(memory, result, &result_u16(mode))
    }

    /// `set-mode`: sets the permission bits of what is at an absolute path, symlinks followed.
    ///
    /// # Errors
    /// In the result: `ROFS`, `INVAL` for bits that there are none of, `PERM` for set-user-id and
    /// set-group-id, those of a path, the host's. [`Stop::BadAddress`](crate::Stop::BadAddress).
    pub fn process_set_mode(
        &mut self,
        memory: &mut [u8],
        path: u32,
        path_length: u32,
        mode: u32,
        result: u32,
    ) -> Result<(), Fault> {
        check(memory, result, 4)?;
        let done = self.set_mode(memory, List { address: path, length: path_length }, mode);
        let done = self.answered("set-mode", None, done)?;
        store(memory, result, &result_u16(done.map(|()| 0)))
    }

    /// `access`: whether all of this may be done with what is at an absolute path, symlinks followed.
    ///
    /// # Errors
    /// In the result: `ACCES`, `ROFS`, `INVAL` for bits that there are none of, those of a path, the
    /// host's. [`Stop::BadAddress`](crate::Stop::BadAddress).
    pub fn process_access(
        &mut self,
        memory: &mut [u8],
        path: u32,
        path_length: u32,
        kinds: u32,
        result: u32,
    ) -> Result<(), Fault> {
        check(memory, result, 4)?;
        let allowed = self.allowed(memory, List { address: path, length: path_length }, kinds);
        let allowed = self.answered("access", None, allowed)?;
        store(memory, result, &result_u16(allowed.map(|()| 0)))
    }

    /// `umask`: sets the permission bits that what the process makes does not get; gives what they were.
    pub fn process_umask(&mut self, mask: u32) -> u32 {
        let mask = u16::try_from(mask & PERMISSIONS).unwrap_or(UMASK);
        std::mem::replace(&mut self.umask, mask).into()
    }

    /// Gives a new file or directory the permission bits that the process's mask leaves of all.
    pub(crate) fn apply_umask(&self, name: &Name, all: u16) -> Attempt<()> {
        if self.umask == UMASK {
            return Ok(());
        }
        name.parent.directory.set_entry_mode(&self.view(), &name.text, all & !self.umask)
    }

    fn allowed(&self, memory: &[u8], path: List, kinds: u32) -> Attempt<()> {
        const EXECUTE: u32 = 1;
        const WRITE: u32 = 2;
        const READ: u32 = 4;
        if kinds & !(EXECUTE | WRITE | READ) != 0 {
            return Err(Errno::INVAL.into());
        }
        let path = text(path.bytes(memory)?)?;
        let view = self.view();
        let (place, stat) = match resolve(&view, &view.world.namespace().root(), path, Links::Follow)? {
            Target::Directory { place, .. } => {
                let stat = place.directory.stat(&view)?;
                (place, stat)
            }
            Target::Name(name) => {
                let stat = name.existing()?.stat;
                (name.parent, stat)
            }
        };
        // There is one user, who owns all.
        if u32::from(stat.mode >> 6) & kinds != kinds {
            return Err(Errno::ACCES.into());
        }
        let device = stat.kind == FileKind::CharacterDevice;
        if kinds & WRITE != 0 && !device && view.world.namespace().access(&place) == Access::ReadOnly {
            return Err(Errno::ROFS.into());
        }
        Ok(())
    }

    fn mode(&self, memory: &[u8], path: List, links: Links) -> Attempt<u16> {
        let path = text(path.bytes(memory)?)?;
        let view = self.view();
        Ok(match resolve(&view, &view.world.namespace().root(), path, links)? {
            Target::Directory { place, .. } => place.directory.stat(&view)?.mode,
            Target::Name(name) => name.existing()?.stat.mode,
        })
    }

    fn set_mode(&self, memory: &[u8], path: List, mode: u32) -> Attempt<()> {
        self.change_mode(text(path.bytes(memory)?)?, mode)
    }

    /// Sets the permission bits of what is at an absolute path, symlinks followed.
    pub(crate) fn change_mode(&self, path: &str, mode: u32) -> Attempt<()> {
        let bits = u16::try_from(mode).ok().filter(|_| mode & !ALL == 0).ok_or(Errno::INVAL)?;
        if mode & SPECIAL != 0 {
            return Err(Errno::PERM.into());
        }
        let view = self.view();
        let namespace = view.world.namespace();
        match resolve(&view, &namespace.root(), path, Links::Follow)? {
            Target::Directory { place, last } => {
                namespace.check_writable(&place)?;
                if last == Last::MountPoint || last == Last::Root {
                    // The directory that was granted is the host's own.
                    return Err(Errno::PERM.into());
                }
                self.tell_place_change(&place)?;
                place.directory.set_mode(&view, bits)
            }
            Target::Name(name) => {
                let entry = name.existing()?;
                namespace.check_writable(&name.parent)?;
                if !entry.is(FileKind::RegularFile) && !entry.is(FileKind::Directory) {
                    return Err(Errno::PERM.into());
                }
                self.tell_change(&name)?;
                name.parent.directory.set_entry_mode(&view, &name.text, bits)
            }
        }
    }
}
