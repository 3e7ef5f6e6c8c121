//! Says what is about to be changed in mounts, and when it is done, to whoever wants to know.

use std::sync::{Arc, Mutex, PoisonError};

use sandpiper_core::ChangeObserver;

use crate::description::Description;
use crate::fault::Attempt;
use crate::file_system::{Directory, File};
use crate::namespace::{Name, Place};
use crate::{Errno, Process};

/// Who is told of changes, if anybody is.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    observer: Option<Arc<dyn ChangeObserver>>,
    /// What was told in the call that runs.
    told: Mutex<Vec<String>>,
}

impl Changes {
    /// The same for another process.
    pub(crate) fn like(&self) -> Self {
        Self { observer: self.observer.clone(), told: Mutex::default() }
    }

    /// Tells that what was told in the call is done.
    pub(crate) fn settle(&self) {
        let Some(observer) = &self.observer else { return };
        for path in self.told.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            observer.has_changed(&path);
        }
    }
}

impl Process {
    /// Has changes of the process, and of those that it starts, told before and after they are made.
    pub fn set_changes(&mut self, observer: Option<Arc<dyn ChangeObserver>>) {
        self.changes = Changes { observer, told: Mutex::default() };
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

    /// The same of an open file.
    pub(crate) fn tell_file_change(&self, description: &Description, file: &File) -> Attempt<()> {
        if file.is_of_host() { self.tell_path_change(|| description.shown()) } else { Ok(()) }
    }

    /// The same of a path in a mount.
    fn tell_path_change(&self, path: impl FnOnce() -> String) -> Attempt<()> {
        let Some(observer) = &self.changes.observer else { return Ok(()) };
        let path = path();
        observer.about_to_change(&path).map_err(|_| Errno::IO)?;
        self.changes.told.lock().unwrap_or_else(PoisonError::into_inner).push(path);
        Ok(())
    }
}
