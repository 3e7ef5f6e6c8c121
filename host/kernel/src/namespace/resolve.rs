//! The walk along a path: component by component, in chroot fashion.
//!
//! Absolute symlink targets and `..` mean what they mean in the guest's tree and stop at its root.
//! Each step opens one name below an open directory without following symlinks; symlinks are read and
//! walked here. A directory is known by the path that led to it, so `..` walks down again from the
//! nearest mount: it needs no chain of open directories, and a directory that was renamed after it
//! was opened has the parent of its old path.

use std::borrow::Cow;

use sandpiper_core::DenialReason;

use super::{Namespace, Place};
use crate::abi::FileKind;
use crate::fault::{Attempt, Failure};
use crate::file_system::{Directory, Entry, Step};
use crate::path::{MAX_PATH_BYTES, check_name};
use crate::view::View;
use crate::{Errno, reserved};

/// Most symlinks followed along one path, as Linux has it.
const MAX_LINKS: u32 = 40;

/// Most steps into directories along one path. A path of 4096 bytes has at most 2048 names; only `..`
/// and symlinks need more, and this bounds the time that they can take to some milliseconds.
const MAX_STEPS: u32 = 8192;

/// What to do with a symlink at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// Follow it.
    Follow,
    /// Stop at it; a trailing slash follows it all the same.
    Keep,
    /// Stop at it even before a trailing slash, as calls that make, remove and rename names do.
    KeepAlways,
}

/// Where a path leads.
#[derive(Debug)]
pub(crate) enum Target {
    /// A directory that was reached other than by a removable name.
    Directory { place: Place, last: Last },
    /// A name in a directory, there or not.
    Name(Name),
}

/// How a path to a directory ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    Root,
    Dot,
    DotDot,
    /// A mount point, or a directory that leads to one.
    MountPoint,
}

/// A name in a directory.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) parent: Place,
    /// The name itself.
    pub(crate) text: Box<str>,
    /// What the name is; `None` when it is not there.
    pub(crate) entry: Option<Entry>,
    /// Whether the path ended in a slash, so that only a directory will do.
    pub(crate) slash: bool,
}

impl Name {
    /// The guest path.
    pub(crate) fn path(&self) -> String {
        self.parent.join(&self.text)
    }

    /// What the name is.
    ///
    /// # Errors
    /// `NOENT`, and `NOTDIR` for anything but a directory before a trailing slash.
    pub(crate) fn existing(&self) -> Attempt<Entry> {
        let entry = self.entry.ok_or(Errno::NOENT)?;
        if self.slash && !entry.is(FileKind::Directory) {
            return Err(Errno::NOTDIR.into());
        }
        Ok(entry)
    }
}

/// Walks `path` from `start`, or from the root where it is absolute.
///
/// # Errors
/// `NOENT`, `NOTDIR`, `LOOP`, `NAMETOOLONG`, a reserved name (recorded), and the host's.
pub(crate) fn resolve(view: &View<'_>, start: &Place, path: &str, links: Links) -> Attempt<Target> {
    let namespace = view.world.namespace();
    let absolute = path.starts_with('/');
    let mut walk = Walk {
        view,
        namespace,
        place: if absolute { namespace.root() } else { start.clone() },
        rest: Cow::Borrowed(path),
        at: 0,
        links_left: MAX_LINKS,
        steps_left: MAX_STEPS,
        last: Last::Root,
        ends_above: false,
    };
    while let Some(step) = walk.next_name() {
        match step.name.as_ref() {
            "." => walk.last = Last::Dot,
            ".." => walk.up(step.is_last),
            name if step.is_last && !walk.ends_above => {
                if let Some(target) = walk.finish(name, step.slash, links)? {
                    return Ok(target);
                }
            }
            name => walk.enter(name)?,
        }
    }
    Ok(Target::Directory { place: walk.place, last: walk.last })
}

struct Walk<'v, 'p> {
    view: &'v View<'v>,
    namespace: &'v Namespace,
    place: Place,
    /// The path still to be walked is `rest` from `at` on.
    rest: Cow<'p, str>,
    at: usize,
    links_left: u32,
    steps_left: u32,
    last: Last,
    /// The path ends in `..`: what is walked again to get there is walked into to its end.
    ends_above: bool,
}

struct NextName {
    name: Box<str>,
    is_last: bool,
    slash: bool,
}

impl Walk<'_, '_> {
    fn next_name(&mut self) -> Option<NextName> {
        let rest = self.rest.get(self.at..)?;
        let trimmed = rest.trim_start_matches('/');
        let name = trimmed.split('/').next().filter(|name| !name.is_empty())?;
        let after = trimmed.get(name.len()..).unwrap_or_default();
        let is_last = after.bytes().all(|byte| byte == b'/');
        let next = NextName { name: name.into(), is_last, slash: is_last && !after.is_empty() };
        self.at = self.rest.len() - after.len();
        Some(next)
    }

    /// Goes to the parent directory; the root's is the root.
    fn up(&mut self, is_last: bool) {
        self.last = Last::DotDot;
        self.ends_above |= is_last;
        let path = std::mem::take(&mut self.place.path);
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let (place, below) = self.namespace.nearest(parent);
        self.place = place;
        if !below.is_empty() {
            let rest = self.rest.get(self.at..).unwrap_or_default();
            self.rest = Cow::Owned(format!("{below}{rest}"));
            self.at = 0;
        }
    }

    /// Goes into the directory `name`.
    fn enter(&mut self, name: &str) -> Attempt<()> {
        self.steps_left = self.steps_left.checked_sub(1).ok_or(Errno::LOOP)?;
        check_name(name)?;
        if let Some(place) = self.namespace.covered(self.view, &self.place, name) {
            self.place = place;
            return Ok(());
        }
        self.check_reserved(name)?;
        match self.place.directory.step(self.view, name)? {
            Step::Symlink(target) => self.follow(&target),
            Step::Directory(directory) => {
                let mut pinned = None;
                if self.namespace.has_pins(&self.place) {
                    pinned = self.namespace.pinned(self.view, &self.place, &directory.stat(self.view)?);
                }
                self.place = match pinned {
                    Some(place) => place,
                    None => Namespace::below(&self.place, name, directory)?,
                };
                Ok(())
            }
        }
    }

    /// Looks at the last name; `None` when it was a symlink to be followed.
    fn finish(&mut self, name: &str, slash: bool, links: Links) -> Attempt<Option<Target>> {
        self.steps_left = self.steps_left.checked_sub(1).ok_or(Errno::LOOP)?;
        check_name(name)?;
        let covered = self.namespace.covered(self.view, &self.place, name);
        if let Some(place) = covered {
            return Ok(Some(Target::Directory { place, last: Last::MountPoint }));
        }
        self.check_reserved(name)?;
        let entry = self.place.directory.entry(self.view, name)?;
        if entry.is_some_and(|entry| entry.is(FileKind::SymbolicLink)) {
            let follow = match links {
                Links::Follow => true,
                Links::Keep => slash,
                Links::KeepAlways => false,
            };
            if follow {
                let target = self.place.directory.read_link(self.view, name)?;
                self.follow(&target)?;
                return Ok(None);
            }
        }
        if let Some(entry) = entry.filter(|entry| entry.is(FileKind::Directory))
            && self.namespace.has_pins(&self.place)
            && let Some(place) = self.namespace.pinned(self.view, &self.place, &entry.stat)
        {
            return Ok(Some(Target::Directory { place, last: Last::MountPoint }));
        }
        let parent = self.place.clone();
        Ok(Some(Target::Name(Name { parent, text: name.into(), entry, slash })))
    }

    /// Puts a symlink's target in front of the rest of the path.
    fn follow(&mut self, target: &str) -> Attempt<()> {
        self.links_left = self.links_left.checked_sub(1).ok_or(Errno::LOOP)?;
        if target.is_empty() {
            return Err(Errno::NOENT.into());
        }
        if u32::try_from(target.len()).map_or(true, |length| length > MAX_PATH_BYTES) {
            return Err(Errno::NAMETOOLONG.into());
        }
        if target.starts_with('/') {
            self.place = self.namespace.root();
            self.last = Last::Root;
        }
        let rest = self.rest.get(self.at..).unwrap_or_default();
        self.rest = Cow::Owned(format!("{target}{rest}"));
        self.at = 0;
        Ok(())
    }

    fn check_reserved(&self, name: &str) -> Attempt<()> {
        // Some spellings of `.git` are reserved on Windows too; the answer is the same everywhere.
        if self.namespace.hides(&self.place, name.as_bytes()) {
            let path = self.place.join(name);
            return Err(Failure::denied(Errno::PERM, DenialReason::GitDirectory).on(|| path));
        }
        let on_host = matches!(self.place.directory, Directory::Host(_));
        if on_host && reserved::refused_here(name) {
            let path = self.place.join(name);
            return Err(Failure::denied(Errno::INVAL, DenialReason::ReservedName).on(|| path));
        }
        Ok(())
    }
}
