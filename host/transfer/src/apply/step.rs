//! The steps by which changes come into place, each undone by what is found on disk.

use std::ffi::OsString;
use std::io;

use cap_std::fs::Dir;

use crate::look::{self, Located};
use crate::platform::Stamp;
use crate::{RelativePath, platform};

/// Where steps move things to and from: a name in each is a number, the slot.
#[derive(Debug)]
pub(crate) struct Slots {
    /// What will be in the directory.
    pub(crate) new: Dir,
    /// What was in it.
    pub(crate) old: Dir,
}

/// One step. Its path is below the directory; its slot names it in [`Slots`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Moves an entry to the old ones: a file, a symlink, or a directory that is empty by now.
    Aside { slot: usize, path: RelativePath },
    /// Puts a new file or symlink over an old one, of which nobody sees neither.
    Replace { slot: usize, path: RelativePath },
    /// Makes a directory where nothing is.
    MakeDirectory { path: RelativePath },
    /// Moves a new file or symlink to where nothing is.
    Place { slot: usize, path: RelativePath },
    /// Gives a directory that was made its permission bits.
    SetNewMode { path: RelativePath, mode: u32 },
    /// Changes permission bits.
    SetMode { path: RelativePath, before: u32, after: u32 },
}

/// Why a step was not done.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The entry is not the one that was compared with the manifest.
    Changed,
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(err: io::Error) -> Self {
        Self::Io(err)
    }
}

impl Step {
    pub(crate) fn path(&self) -> &RelativePath {
        match self {
            Self::Aside { path, .. }
            | Self::Replace { path, .. }
            | Self::MakeDirectory { path }
            | Self::Place { path, .. }
            | Self::SetNewMode { path, .. }
            | Self::SetMode { path, .. } => path,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Aside { .. } => "aside",
            Self::Replace { .. } => "replace",
            Self::MakeDirectory { .. } => "make-directory",
            Self::Place { .. } => "place",
            Self::SetNewMode { .. } => "set-new-mode",
            Self::SetMode { .. } => "set-mode",
        }
    }

    /// What an error says was tried.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Aside { .. } => "remove",
            Self::Replace { .. } => "replace",
            Self::MakeDirectory { .. } | Self::Place { .. } => "create",
            Self::SetNewMode { .. } | Self::SetMode { .. } => "set the mode of",
        }
    }

    /// Does it, if the entry still has the stamp that it was compared with the manifest at.
    pub(crate) fn perform(&self, root: &Dir, slots: &Slots, stamp: Option<&Stamp>) -> Result<(), Fault> {
        let (parent, name) = look::parent_of(root, self.path())?;
        if let Some(stamp) = stamp {
            match parent.symlink_metadata(&name) {
                Ok(metadata) if Stamp::of(&metadata) == *stamp => {}
                Ok(_) => return Err(Fault::Changed),
                Err(err) if err.kind() == io::ErrorKind::NotFound => return Err(Fault::Changed),
                Err(err) => return Err(Fault::Io(err)),
            }
        }
        match self {
            Self::Aside { slot, .. } => parent.rename(&name, &slots.old, slot_name(*slot))?,
            Self::Replace { slot, .. } => {
                let slot = slot_name(*slot);
                // Where there are no hard links, nothing is there for a moment.
                if parent.hard_link(&name, &slots.old, &slot).is_err() {
                    parent.rename(&name, &slots.old, &slot)?;
                }
                slots.new.rename(&slot, &parent, &name)?;
            }
            Self::MakeDirectory { .. } => parent.create_dir(&name)?,
            Self::Place { slot, .. } => {
                if is_there(&parent, &name)? {
                    return Err(Fault::Changed);
                }
                slots.new.rename(slot_name(*slot), &parent, &name)?;
            }
            Self::SetNewMode { mode, .. } | Self::SetMode { after: mode, .. } => {
                platform::set_mode(&parent, &name, *mode)?;
            }
        }
        Ok(())
    }

    /// Undoes it as far as it was done: not at all, half, or whole.
    pub(crate) fn undo(&self, root: &Dir, slots: &Slots) -> io::Result<()> {
        let (parent, name) = match look::locate(root, self.path())? {
            Located::Below { parent, name } => (parent, name),
            // Nothing was made in a directory that is not there, or not yet one.
            Located::Nowhere { .. } if !self.is_in(&slots.old)? => return Ok(()),
            Located::Nowhere { .. } => return Err(io::ErrorKind::NotADirectory.into()),
        };
        match self {
            Self::Aside { slot, .. } => {
                if !is_there(&slots.old, &slot_name(*slot))? {
                    return Ok(());
                }
                if is_there(&parent, &name)? {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                slots.old.rename(slot_name(*slot), &parent, &name)
            }
            Self::Replace { slot, .. } => {
                if is_there(&slots.old, &slot_name(*slot))? {
                    // Nothing happens if both are still one file.
                    slots.old.rename(slot_name(*slot), &parent, &name)?;
                }
                Ok(())
            }
            Self::MakeDirectory { .. } => match parent.remove_dir(&name) {
                Err(err)
                    if !matches!(
                        err.kind(),
                        // The second: somebody put something into it, which is not ours to remove. The third:
                        // what is to be there instead has not been moved away.
                        io::ErrorKind::NotFound
                            | io::ErrorKind::DirectoryNotEmpty
                            | io::ErrorKind::NotADirectory
                    ) =>
                {
                    Err(err)
                }
                _ => Ok(()),
            },
            Self::Place { slot, .. } => {
                let is_placed = !is_there(&slots.new, &slot_name(*slot))?;
                if is_placed && is_there(&parent, &name)? {
                    parent.rename(&name, &slots.new, slot_name(*slot))?;
                }
                Ok(())
            }
            // Its owner has to be able to empty it. What is no directory is what was there before.
            Self::SetNewMode { .. } => match parent.symlink_metadata(&name) {
                Ok(metadata) if metadata.is_dir() => platform::set_mode(&parent, &name, EMPTIABLE_MODE),
                Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
                _ => Ok(()),
            },
            Self::SetMode { before, .. } => match platform::set_mode(&parent, &name, *before) {
                Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
                done => done,
            },
        }
    }

    fn is_in(&self, old: &Dir) -> io::Result<bool> {
        match self {
            Self::Aside { slot, .. } | Self::Replace { slot, .. } => is_there(old, &slot_name(*slot)),
            _ => Ok(false),
        }
    }
}

/// What a directory has while what is in it is taken away.
const EMPTIABLE_MODE: u32 = 0o700;

fn slot_name(slot: usize) -> OsString {
    slot.to_string().into()
}

fn is_there(dir: &Dir, name: &std::ffi::OsStr) -> io::Result<bool> {
    match dir.symlink_metadata(name) {
        Ok(_) => Ok(true),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(err) => Err(err),
    }
}
