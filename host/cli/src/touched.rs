//! What a watched run itself changes in its workspace, told apart from what anybody else changes there meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sandpiper::transfer::Mark;
use sandpiper::{BoxError, ChangeObserver};
use serde::{Deserialize, Serialize};

use crate::elsewhere::some_of;
use crate::run::WORKSPACE;

/// The most bytes of paths that are remembered.
const MAX_PATH_BYTES: usize = 16 << 20;

/// What the run has changed, by paths in the workspace.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Own(pub(crate) BTreeMap<String, Marks>);

/// The marks of an entry before the run changed it first, and as the run left it last.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Marks {
    pub(crate) before: Option<String>,
    pub(crate) left: Option<String>,
}

/// Notes each change, and passes it on.
#[derive(Debug)]
pub(crate) struct Touched {
    directory: PathBuf,
    next: Option<Arc<dyn ChangeObserver>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    paths: BTreeMap<String, Seen>,
    path_bytes: usize,
    /// Why it cannot be undone.
    trouble: Option<String>,
}

#[derive(Debug)]
struct Seen {
    before: Option<Mark>,
    left: Option<Mark>,
    /// Whether it was a directory with something in it.
    is_full: bool,
}

impl Touched {
    pub(crate) fn new(directory: PathBuf, next: Option<Arc<dyn ChangeObserver>>) -> Self {
        Self { directory, next, known: Mutex::default() }
    }

    /// What the run has changed so far, or why that cannot be undone.
    pub(crate) fn take(&self) -> Result<Own, String> {
        let known = std::mem::take(&mut *self.known.lock().unwrap_or_else(PoisonError::into_inner));
        let text = |mark: Option<Mark>| mark.map(|mark| mark.to_string());
        match known.trouble {
            Some(trouble) => Err(trouble),
            None => Ok(Own(known
                .paths
                .into_iter()
                .map(|(path, seen)| (path, Marks { before: text(seen.before), left: text(seen.left) }))
                .collect())),
        }
    }

    fn note(&self, path: &str, is_done: bool) {
        // The workspace itself can only get other times.
        let Some(path) = path.strip_prefix(WORKSPACE).and_then(|path| path.strip_prefix('/')) else { return };
        let place = self.directory.join(path);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = match Mark::at(&place) {
            Ok(now) if is_done => known.done(path, now),
            Ok(now) => {
                let is_full = now.as_ref().is_some_and(Mark::is_directory)
                    && fs::read_dir(&place).is_ok_and(|mut entries| entries.next().is_some());
                known.begun(path, now, is_full)
            }
            Err(err) => Err(format!("{path} cannot be looked at: {err}")),
        };
        if let Err(trouble) = noted {
            known.trouble.get_or_insert(trouble);
        }
    }
}

impl ChangeObserver for Touched {
    fn about_to_change(&self, path: &str) -> Result<(), BoxError> {
        if let Some(next) = &self.next {
            next.about_to_change(path)?;
        }
        self.note(path, false);
        Ok(())
    }

    fn has_changed(&self, path: &str) {
        self.note(path, true);
        if let Some(next) = &self.next {
            next.has_changed(path);
        }
    }
}

impl Known {
    /// What is at a path now, where the run is about to change it.
    fn begun(&mut self, path: &str, now: Option<Mark>, is_full: bool) -> Result<(), String> {
        if now.as_ref().is_some_and(Mark::has_other_names) {
            return Err(format!("it has changed {path}, which has other names"));
        }
        if let Some(seen) = self.paths.get_mut(path) {
            seen.is_full = is_full;
            return if seen.left == now { Ok(()) } else { Err(changed_by_others(&[path.to_owned()])) };
        }
        self.path_bytes += path.len();
        if self.path_bytes > MAX_PATH_BYTES {
            return Err("it has changed more files than are remembered".to_owned());
        }
        self.paths.insert(path.to_owned(), Seen { before: now.clone(), left: now, is_full });
        Ok(())
    }

    /// The same, where it has changed it.
    fn done(&mut self, path: &str, now: Option<Mark>) -> Result<(), String> {
        let Some(seen) = self.paths.get_mut(path) else { return Ok(()) };
        // What is in it has moved with it, and was not told by itself.
        let is_moved = seen.is_full && !now.as_ref().is_some_and(Mark::is_directory);
        seen.left = now;
        if is_moved { Err(format!("it has moved the directory {path}")) } else { Ok(()) }
    }
}

/// That files were changed by the run and by somebody else.
pub(crate) fn changed_by_others(paths: &[String]) -> String {
    format!("it has changed {}, and somebody else has meanwhile", some_of(paths))
}
