//! The steps by which changes come into place, each undone by what is found on disk.

use std::ffi::{OsStr, OsString};
use std::io;

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;

use crate::apply::Watch;
use crate::apply::check::Stamps;
use crate::apply::rename::{is_there, rename_new};
use crate::look::{self, Located, ReadFault};
use crate::platform::Stamp;
use crate::{Digest, RelativePath, platform};

/// Where steps move things to and from: a name in each is a number, the slot.
#[derive(Debug)]
pub(crate) struct Slots {
    /// What will be in the directory.
    pub(crate) new: Dir,
    /// What was in it.
    pub(crate) old: Dir,
}

/// One step. Its path is below the directory; its slot names it in [`Slots`]; its digest is what it brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Moves an entry to the old ones: a file, a symlink, or a directory that is empty by now.
    Aside { slot: usize, path: RelativePath },
    /// Puts a new file or symlink in the place of an old one; where files can be exchanged, nobody sees neither.
    Replace { slot: usize, path: RelativePath, digest: Digest },
    /// Makes a directory where nothing is.
    MakeDirectory { path: RelativePath },
    /// Moves a new file or symlink to where nothing is.
    Place { slot: usize, path: RelativePath, digest: Digest },
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

    /// The stamp of what it moves away or gives another mode; what the others meet, earlier steps have made.
    pub(crate) fn stamp<'a>(&self, stamps: &'a Stamps) -> Option<&'a Stamp> {
        match self {
            Self::Aside { path, .. } | Self::Replace { path, .. } | Self::SetMode { path, .. } => {
                stamps.get(path)
            }
            Self::MakeDirectory { .. } | Self::Place { .. } | Self::SetNewMode { .. } => None,
        }
    }

    /// Whether the entry still has the stamp that it was compared with the manifest at.
    pub(crate) fn compare(&self, root: &Dir, stamp: Option<&Stamp>) -> Result<(), Fault> {
        let Some(stamp) = stamp else { return Ok(()) };
        let (parent, name) = look::parent_of(root, self.path())?;
        match parent.symlink_metadata(&name) {
            Ok(metadata) if Stamp::of(&metadata) == *stamp => Ok(()),
            Ok(_) => Err(Fault::Changed),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Err(Fault::Changed),
            Err(err) => Err(Fault::Io(err)),
        }
    }

    /// Does it. What somebody else writes while it does is neither moved away nor written over.
    pub(crate) fn perform(
        &self,
        root: &Dir,
        slots: &Slots,
        stamp: Option<&Stamp>,
        watch: Watch,
    ) -> Result<(), Fault> {
        let (parent, name) = look::parent_of(root, self.path())?;
        match self {
            Self::Aside { slot, .. } => {
                parent.rename(&name, &slots.old, slot_name(*slot))?;
                self.confirm(slots, stamp)?;
            }
            Self::Replace { slot, .. } => {
                self.replace((&parent, &name), &slot_name(*slot), slots, stamp, watch)?;
            }
            Self::MakeDirectory { .. } => parent.create_dir(&name).map_err(there_is_changed)?,
            Self::Place { slot, .. } => {
                rename_new((&slots.new, &slot_name(*slot)), (&parent, &name)).map_err(there_is_changed)?;
            }
            Self::SetNewMode { mode, .. } | Self::SetMode { after: mode, .. } => {
                platform::set_mode(&parent, &name, *mode)?;
            }
        }
        Ok(())
    }

    /// Whether what was moved away is what was compared, and nobody has written to it or into it since.
    pub(crate) fn confirm(&self, slots: &Slots, stamp: Option<&Stamp>) -> Result<(), Fault> {
        let (Self::Aside { slot, .. } | Self::Replace { slot, .. }) = self else { return Ok(()) };
        let slot = slot_name(*slot);
        let metadata = slots.old.symlink_metadata(&slot)?;
        let is_as_compared = match stamp {
            Some(stamp) => Stamp::of(&metadata).is_same_content(stamp),
            None => metadata.is_dir() && slots.old.open_dir_nofollow(&slot)?.entries()?.next().is_none(),
        };
        if is_as_compared { Ok(()) } else { Err(Fault::Changed) }
    }

    fn replace(
        &self,
        place: (&Dir, &OsStr),
        slot: &OsStr,
        slots: &Slots,
        stamp: Option<&Stamp>,
        watch: Watch,
    ) -> Result<(), Fault> {
        // The link tells what the exchange brings out: the same, or what came there in between.
        if place.0.hard_link(place.1, &slots.old, slot).is_ok() {
            self.confirm(slots, stamp)?;
            match watch("exchange").and_then(|()| platform::exchange((&slots.new, slot), place)) {
                Ok(()) => {
                    watch("exchanged")?;
                    // What else came out goes back when this is undone.
                    let is_as_compared = is_one_file((&slots.new, slot), (&slots.old, slot))?;
                    return if is_as_compared { Ok(()) } else { Err(Fault::Changed) };
                }
                Err(err) if err.kind() == io::ErrorKind::Unsupported => slots.old.remove_file(slot)?,
                Err(err) => return Err(err.into()),
            }
        }
        // Where that cannot be, nothing is there for a moment.
        place.0.rename(place.1, &slots.old, slot)?;
        self.confirm(slots, stamp)?;
        watch("gap")?;
        rename_new((&slots.new, slot), place).map_err(there_is_changed)
    }

    /// Undoes it as far as it was done: not at all, half, or whole. What somebody else has written meanwhile
    /// stays; where something is to be put back there, that fails.
    pub(crate) fn undo(&self, root: &Dir, slots: &Slots) -> io::Result<()> {
        let (parent, name) = match look::locate(root, self.path())? {
            Located::Below { parent, name } => (parent, name),
            // Nothing was made in a directory that is not there, or not yet one.
            Located::Nowhere { .. } if !self.is_in(&slots.old)? => return Ok(()),
            Located::Nowhere { .. } => return Err(io::ErrorKind::NotADirectory.into()),
        };
        let place = (&parent, name.as_os_str());
        match self {
            Self::Aside { slot, .. } => {
                let slot = slot_name(*slot);
                if is_there(&slots.old, &slot)? { rename_new((&slots.old, &slot), place) } else { Ok(()) }
            }
            Self::Replace { slot, digest, .. } => unreplace(place, &slot_name(*slot), slots, *digest),
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
            Self::Place { slot, digest, .. } => {
                let slot = slot_name(*slot);
                if !is_there(&slots.new, &slot)? {
                    if holds(place, *digest)? { parent.rename(&name, &slots.new, slot) } else { Ok(()) }
                } else if is_one_file((&slots.new, &slot), place)? {
                    // Where a link came first, and the other name was to go.
                    parent.remove_file(&name)
                } else {
                    Ok(())
                }
            }
            // Its owner has to be able to empty it. What is no directory is what was there before.
            Self::SetNewMode { .. } => match parent.symlink_metadata(&name) {
                Ok(metadata) if metadata.is_dir() => platform::set_mode(&parent, &name, EMPTIABLE_MODE),
                Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
                _ => Ok(()),
            },
            Self::SetMode { before, after, .. } => match parent.symlink_metadata(&name) {
                Ok(metadata) if platform::mode(&metadata) == Some(*after) && !metadata.is_symlink() => {
                    platform::set_mode(&parent, &name, *before)
                }
                Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
                _ => Ok(()),
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

/// Undoes the replacing of a file. What is in the slots tells how far it came.
fn unreplace(place: (&Dir, &OsStr), slot: &OsStr, slots: &Slots, digest: Digest) -> io::Result<()> {
    let (old, new) = ((&slots.old, slot), (&slots.new, slot));
    if !is_there(old.0, slot)? {
        return Ok(());
    }
    // Else what is there came out by an exchange.
    let is_placed = is_one_file(new, old)? || !holds(new, digest)?;
    if is_there(place.0, place.1)? {
        if !is_placed {
            return Ok(());
        }
        if !holds(place, digest)? {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "it was written meanwhile, and what it was before cannot be put over that",
            ));
        }
        if is_there(new.0, slot)? {
            return platform::exchange(new, place);
        }
        place.0.rename(place.1, new.0, slot)?;
    }
    rename_new(old, place)
}

/// Where nothing was when it was compared, something is.
fn there_is_changed(err: io::Error) -> Fault {
    if err.kind() == io::ErrorKind::AlreadyExists { Fault::Changed } else { Fault::Io(err) }
}

/// Whether it is there and holds what the digest is of.
fn holds((dir, name): (&Dir, &OsStr), digest: Digest) -> io::Result<bool> {
    match look::state(dir, name) {
        Ok(state) => Ok(state.is_some_and(|(state, _)| state.digest == Some(digest))),
        Err(ReadFault::Changed) => Ok(false),
        Err(ReadFault::Io(err)) => Err(err),
    }
}

/// Whether both are there and are one file.
fn is_one_file(one: (&Dir, &OsStr), other: (&Dir, &OsStr)) -> io::Result<bool> {
    let stamp = |(dir, name): (&Dir, &OsStr)| match dir.symlink_metadata(name) {
        Ok(metadata) => Ok(Some(Stamp::of(&metadata))),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err),
    };
    Ok(stamp(one)?.zip(stamp(other)?).is_some_and(|(one, other)| one.is_same_content(&other)))
}
