//! Says what is about to be changed in mounts, to whoever wants to know.

use std::sync::Arc;

use sandpiper_core::ChangeObserver;

use crate::fault::Attempt;
use crate::file_system::Directory;
use crate::namespace::{Name, Place};
use crate::{Errno, Process};

impl Process {
    /// Has changes of the process, and of those that it starts, told before they are made.
    pub fn set_changes(&mut self, observer: Option<Arc<dyn ChangeObserver>>) {
        self.changes = observer;
    }

    /// Tells that what a name is, or will be, is about to be changed.
    ///
    /// # Errors
    /// `IO` when it is not to be.
    pub(crate) fn tell_change(&self, name: &Name) -> Attempt<()> {
        match name.parent.directory {
            Directory::Host(_) => self.tell_path_change(|| name.path()),
            _ => Ok(()),
        }
    }

    /// The same of a directory.
    pub(crate) fn tell_place_change(&self, place: &Place) -> Attempt<()> {
        match place.directory {
            Directory::Host(_) => self.tell_path_change(|| place.shown()),
            _ => Ok(()),
        }
    }

    /// The same of a path in a mount.
    pub(crate) fn tell_path_change(&self, path: impl FnOnce() -> String) -> Attempt<()> {
        match &self.changes {
            Some(observer) => observer.about_to_change(&path()).map_err(|_| Errno::IO.into()),
            None => Ok(()),
        }
    }
}
