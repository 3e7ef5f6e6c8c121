//! Symlinks that would lead the host out of a mount.
//!
//! The guest's own walk never leaves its tree. But a symlink in a mount outlives the sandbox, and
//! what follows it then is the host. So no call may make one that leads out, or move one to where it
//! does: a target is relative, and goes up by no more names than its directory is below the mount's
//! root. Links that the host made are its own business, and may stay as they are.

use sandpiper_core::DenialReason;

use crate::abi::FileKind;
use crate::fault::{Attempt, Failure};
use crate::file_system::{Directory, Entry, Step};
use crate::namespace::{Links, Name, Place, Target, resolve};
use crate::{Errno, Process};

/// Names looked at, and directories deep, when a directory moves up. A larger one is `XDEV`, for which
/// `mv` copies, name by name and each symlink with its check.
const MAX_MOVED_NAMES: usize = 10_000;
const MAX_MOVED_DEPTH: usize = 64;

impl Process {
    /// Checks a symlink that is to be made in a directory.
    ///
    /// # Errors
    /// `PERM`, to be recorded.
    pub(super) fn check_link_made(&self, target: &str, parent: &Place) -> Attempt<()> {
        if !matches!(parent.directory, Directory::Host(_)) {
            return Ok(());
        }
        let depth = || self.depth(parent).unwrap_or(0);
        if ups(target).is_some_and(|ups| ups == 0 || ups <= depth()) { Ok(()) } else { Err(refused()) }
    }

    /// Checks a name that is to move, or to get a second name: that no symlink which is it or below it
    /// leads out there and did not before.
    ///
    /// # Errors
    /// `PERM`, to be recorded; `XDEV` where there is too much to look at; the host's.
    pub(super) fn check_links_moved(&self, old: &Name, entry: &Entry, new: &Name) -> Attempt<()> {
        let moves = entry.is(FileKind::SymbolicLink) || entry.is(FileKind::Directory);
        if !moves || !matches!(old.parent.directory, Directory::Host(_)) {
            return Ok(());
        }
        let identity = |place: &Place| place.directory.stat(&self.view()).map(|stat| (stat.device, stat.ino));
        if identity(&old.parent)? == identity(&new.parent)? {
            return Ok(());
        }
        let from = self.depth(&old.parent).unwrap_or(usize::MAX);
        let to = self.depth(&new.parent).unwrap_or(0);
        if to >= from {
            return Ok(());
        }
        let leads = Shift { from, to };
        let parent = &old.parent.directory;
        if entry.is(FileKind::SymbolicLink) {
            return leads.check(&parent.read_link(&self.view(), &old.text)?, 0);
        }
        match parent.step(&self.view(), &old.text)? {
            Step::Directory(directory) => self.check_below(directory, &leads),
            // Swapped by the host meanwhile.
            Step::Symlink(target) => leads.check(&target, 0),
        }
    }

    fn check_below(&self, directory: Directory, leads: &Shift) -> Attempt<()> {
        let view = self.view();
        let mut seen = 0;
        let mut read = |directory: &Directory| {
            let mut names = Vec::new();
            directory.list(&view, &mut |listed| {
                seen += 1;
                if seen > MAX_MOVED_NAMES {
                    return Err(Errno::XDEV.into());
                }
                // What the host does not know without looking counts as both.
                if !matches!(listed.kind, FileKind::RegularFile) {
                    names.push(String::from_utf8(listed.name.into()).map_err(|_| Errno::ILSEQ)?);
                }
                Ok(())
            })?;
            Attempt::Ok(names)
        };
        let names = read(&directory)?;
        let mut open = vec![(directory, names)];
        while let Some((directory, names)) = open.last_mut() {
            let Some(name) = names.pop() else {
                open.pop();
                continue;
            };
            match directory.step(&view, &name) {
                Ok(Step::Symlink(target)) => leads.check(&target, open.len())?,
                Ok(Step::Directory(below)) if open.len() < MAX_MOVED_DEPTH => {
                    let names = read(&below)?;
                    open.push((below, names));
                }
                Ok(Step::Directory(_)) => return Err(Errno::XDEV.into()),
                Err(Failure::Errno(Errno::NOENT | Errno::NOTDIR)) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// How many names a directory is below its mount's root; `None` where it is no longer at the path
    /// by which it was opened, so that nobody knows.
    fn depth(&self, place: &Place) -> Option<usize> {
        let view = self.view();
        let root = self.world.namespace().root();
        let found = match resolve(&view, &root, &place.shown(), Links::KeepAlways).ok()? {
            Target::Directory { place: found, .. } if found.path == place.path => found.directory.stat(&view),
            // Not through a symlink, which would make a path of another length.
            Target::Name(name) if name.path() == place.path => Ok(name.entry?.stat),
            _ => return None,
        };
        let (found, here) = (found.ok()?, place.directory.stat(&view).ok()?);
        let same = (found.device, found.ino) == (here.device, here.ino);
        same.then(|| self.world.namespace().depth(place))
    }
}

/// A move from a directory that is `from` names below the mount's root to one that is `to` below it.
struct Shift {
    from: usize,
    to: usize,
}

impl Shift {
    /// Checks the target of a symlink that is so many names below what moves.
    fn check(&self, target: &str, below: usize) -> Attempt<()> {
        let leads_out = |depth: usize| ups(target).is_none_or(|ups| ups > depth.saturating_add(below));
        if leads_out(self.to) && !leads_out(self.from) { Err(refused()) } else { Ok(()) }
    }
}

/// By how many directories a symlink's target goes up. `None` for one of which that cannot be said: an
/// absolute one, and one with `..` behind a name, for the name may be a symlink itself.
fn ups(target: &str) -> Option<usize> {
    if target.starts_with('/') || (cfg!(windows) && target.contains(['\\', ':'])) {
        return None;
    }
    let (mut ups, mut named) = (0, false);
    for component in target.split('/') {
        match component {
            "" | "." => {}
            ".." if named => return None,
            ".." => ups += 1,
            _ => named = true,
        }
    }
    Some(ups)
}

fn refused() -> Failure {
    Failure::denied(Errno::PERM, DenialReason::Escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_goes_up_by_the_dots_at_its_start() {
        for (target, expected) in [
            ("a", Some(0)),
            ("./a//b/", Some(0)),
            ("..", Some(1)),
            ("./.././../a", Some(2)),
            ("../mount/a", Some(1)),
            ("a/..", None),
            ("a/../b", None),
            ("../a/..", None),
            ("/a", None),
            ("..a/...", Some(0)),
        ] {
            assert_eq!(ups(target), expected, "{target}");
        }
    }
}
