//! The directories of one sandbox that are watched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sandpiper_core::{FileEvent, Files, Watch};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::failure::Failure;
use crate::random;

/// How often a directory is looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// Characters of a watcher's id.
const ID_LENGTH: usize = 16;

/// Watches that wait for who asks, by id; and room for those that a connection holds.
#[derive(Debug)]
pub(crate) struct Watchers {
    limit: usize,
    places: Arc<Semaphore>,
    asked: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Placed>>>>,
}

/// A watch that has a place among those of its sandbox.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) watch: Watch,
    directory: String,
    _place: OwnedSemaphorePermit,
}

impl Watchers {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, places: Arc::new(Semaphore::new(limit)), asked: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<tokio::sync::Mutex<Placed>>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a watch that its holder asks for changes.
    pub(crate) async fn begin(
        &self,
        files: Arc<dyn Files>,
        directory: &str,
        recursive: bool,
    ) -> Result<Placed, Failure> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let limit = self.limit;
            Failure::Limit(format!("{limit} directories of the sandbox are watched, and no more may be"))
        })?;
        let watch = Watch::begin(files, directory, recursive, INTERVAL).await?;
        Ok(Placed { watch, directory: directory.to_owned(), _place: place })
    }

    /// Keeps a watch for [`Watchers::take`].
    pub(crate) fn keep(&self, placed: Placed) -> Result<String, Failure> {
        let id = random::name(ID_LENGTH)?;
        self.lock().insert(id.clone(), Arc::new(tokio::sync::Mutex::new(placed)));
        Ok(id)
    }

    /// The directory that is watched, and what has changed in it since it was asked last.
    pub(crate) async fn take(&self, id: &str) -> Result<(String, Vec<FileEvent>), Failure> {
        let placed = self.lock().get(id).cloned().ok_or_else(|| no_watcher(id))?;
        let mut placed = placed.lock().await;
        let events = placed.watch.take().await?;
        Ok((placed.directory.clone(), events))
    }

    /// Ends a watch.
    pub(crate) fn remove(&self, id: &str) -> Result<(), Failure> {
        self.lock().remove(id).map(drop).ok_or_else(|| no_watcher(id))
    }

    /// Ends those that are asked; those of connections end with these.
    pub(crate) fn end_all(&self) {
        self.lock().clear();
    }
}

fn no_watcher(id: &str) -> Failure {
    Failure::NotFound(format!("watcher {id:?} not found"))
}
