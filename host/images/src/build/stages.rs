//! Folders of finished work, each named by the digest of all that it depends on, so that a changed
//! recipe redoes what depends on the change and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::ImageError;
use crate::recipe::digest_of;

/// Digits of the key in a folder's name.
const KEY_DIGITS: usize = 12;
/// Written last; a folder without it is of a build that did not end.
const DONE: &str = ".done";

pub(super) struct Stages {
    work: PathBuf,
    used: Mutex<Vec<PathBuf>>,
}

/// A folder of finished work.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    pub(super) folder: PathBuf,
    /// Stands for the folder's content in the keys of what depends on it.
    pub(super) key: String,
}

impl Stages {
    pub(super) fn new(work: &Path) -> Self {
        Self { work: work.to_owned(), used: Mutex::default() }
    }

    /// The finished work of `name` for what it depends on, made by `make` where it is missing. It
    /// is made where it stays, because build trees hold their own path.
    pub(super) fn get<'a>(
        &self,
        name: &str,
        depends_on: impl IntoIterator<Item = &'a str>,
        make: impl FnOnce(&Path) -> Result<(), ImageError>,
    ) -> Result<Finished, ImageError> {
        let key = digest_of(depends_on);
        let folder = self.work.join(format!("{name}-{}", key.get(..KEY_DIGITS).unwrap_or(&key)));
        self.used.lock().unwrap_or_else(PoisonError::into_inner).push(folder.clone());
        let done = folder.join(DONE);
        if !done.exists() {
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(ImageError::io("remove", &folder))?;
            }
            fs::create_dir_all(&folder).map_err(ImageError::io("create", &folder))?;
            make(&folder)?;
            fs::write(&done, "").map_err(ImageError::io("write", &done))?;
        }
        Ok(Finished { folder, key })
    }

    /// Removes other work of the names that this build used: of earlier recipes.
    pub(super) fn remove_unused(&self) {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(entries) = fs::read_dir(&self.work) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_replaced = used.iter().any(|current| *current != path && name(current) == name(&path));
            if path.join(DONE).exists() && is_replaced && !used.contains(&path) {
                // Left for the next build to remove when it cannot be now.
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

/// The name in a folder's name, before its key.
fn name(folder: &Path) -> Option<&str> {
    folder.file_name()?.to_str()?.rsplit_once('-').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_work_is_not_redone() {
        let work = tempfile::tempdir().unwrap();
        let stages = Stages::new(work.path());
        let mut runs = 0;
        for _ in 0..2 {
            stages
                .get("stage", ["a"], |_| {
                    runs += 1;
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(runs, 1);
    }

    #[test]
    fn work_that_did_not_end_is_redone_from_nothing() {
        let work = tempfile::tempdir().unwrap();
        let stages = Stages::new(work.path());
        let failed = stages.get("stage", ["a"], |folder| {
            fs::write(folder.join("half"), "").unwrap();
            Err(ImageError::Toolchain { reason: "stop".to_owned() })
        });
        assert!(failed.is_err());
        let finished = stages.get("stage", ["a"], |_| Ok(())).unwrap();
        assert!(!finished.folder.join("half").exists());
    }

    #[test]
    fn work_for_an_earlier_recipe_is_removed() {
        let work = tempfile::tempdir().unwrap();
        let earlier = Stages::new(work.path()).get("stage", ["a"], |_| Ok(())).unwrap();
        let stages = Stages::new(work.path());
        let current = stages.get("stage", ["b"], |_| Ok(())).unwrap();
        let other = Stages::new(work.path()).get("stage-of-another", ["a"], |_| Ok(())).unwrap();
        stages.remove_unused();
        assert!(!earlier.folder.exists());
        assert!(current.folder.exists());
        assert!(other.folder.exists());
    }
}
