//! Doing here what happened there: all of it, or nothing.
//!
//! Everything is written into a staging directory beside the directory first. Then a list of renames, which
//! is on disk before the first of them, brings it into place; what is replaced moves into the staging
//! directory. Whatever fails, or kills the process, the list is gone through backwards
//! (here, or by [`recover`]), and each step is undone by what is found: no step needs to be known as done.

mod check;
mod rename;
mod staging;
mod step;

#[cfg(test)]
mod meanwhile;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use cap_std::fs::{Dir, OpenOptions};

use crate::changes::Planned;
use crate::{Change, ChangeKind, Changes, EntryKind, Manifest, RelativePath, TransferError, pack, platform};

use check::Stamps;
use staging::{Place, Staging};
use step::{Fault, Slots, Step};

pub use staging::{Recovered, recover};

/// How long an apply waits for another to be done: they take seconds, unless a disk is very slow.
const PATIENCE: Duration = Duration::from_mins(1);

/// What was done in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// All that changed, in the order of the paths' bytes, with the digests before and after.
    pub changes: Vec<Change>,
    /// Directories that are gone there and stay here, because something in them was held back.
    pub kept: Vec<RelativePath>,
}

/// What is asked before each step, and between its parts; an error is as if what comes next failed.
type Watch<'a> = &'a mut dyn FnMut(&'static str) -> io::Result<()>;

impl Changes {
    /// Makes the directory what it is on the other machine, but for what was held back.
    ///
    /// First all that would be touched is compared with the manifest. Then everything is written into a
    /// directory beside it, and renamed from there. Symlinks are made as they are and never followed. When
    /// something fails, what was done is undone; when the process is killed, the next `apply` or [`recover`]
    /// does that. A machine that loses its power is not covered: nothing is forced to disk. Another apply to the
    /// same directory is waited for, a minute long.
    ///
    /// What others write to the directory meanwhile is a conflict or stays. What they write after the end into a
    /// directory that is gone, and that they had open, is left beside the directory.
    ///
    /// # Errors
    /// [`TransferError::Conflicts`] with all paths that changed here meanwhile; [`TransferError::InUse`]; those
    /// of files. The directory is then as it was before, but for [`TransferError::NotUndone`].
    pub fn apply(self, directory: &Path, manifest: &Manifest) -> Result<Applied, TransferError> {
        let begun = Instant::now();
        loop {
            match self.apply_watched(directory, manifest, &mut |_| Ok(())) {
                Err(TransferError::InUse { .. }) if begun.elapsed() < PATIENCE => std::thread::sleep(pause()),
                Ok(()) => break,
                Err(err) => return Err(err),
            }
        }
        let kept = self.kept().to_vec();
        Ok(Applied { changes: self.planned.into_iter().map(|planned| planned.change).collect(), kept })
    }

    fn apply_watched(
        &self,
        directory: &Path,
        manifest: &Manifest,
        watch: Watch,
    ) -> Result<(), TransferError> {
        refuse_symlinks(&self.planned)?;
        let place = Place::of(directory)?;
        let staging = Staging::create(&place)?;
        match self.staged(&place, &staging, manifest, watch) {
            // It keeps what could not be put back.
            Err(err @ TransferError::NotUndone { .. }) => Err(err),
            done => {
                staging.remove();
                done
            }
        }
    }

    fn staged(
        &self,
        place: &Place,
        staging: &Staging,
        manifest: &Manifest,
        watch: Watch,
    ) -> Result<(), TransferError> {
        place.undo_left(staging)?;
        let root = pack::open(&place.directory)?;
        staging.check_file_system(&root, place)?;
        let stamps = check::check(&root, &self.planned, manifest)?;
        for (slot, planned) in self.planned.iter().enumerate().filter(|(_, planned)| is_written(planned)) {
            watch("stage")
                .and_then(|()| stage(staging, slot, planned))
                .map_err(|source| failed("write", &planned.change.path, source))?;
        }
        let steps = steps(&self.planned);
        let trouble = |source| staging.trouble("write", source);
        watch("plan").and_then(|()| staging.write_plan(&steps)).map_err(trouble)?;
        let mut done = 0;
        let all = perform(&steps, &root, staging, &stamps, &mut done, watch)
            .and_then(|()| watch("commit").map_err(trouble))
            .and_then(|()| confirm(&steps, staging, &stamps))
            .and_then(|()| staging.commit().map_err(trouble));
        let Err(failure) = all else { return Ok(()) };
        Err(match undo(steps.get(..done).unwrap_or_default(), &root, &staging.slots, watch) {
            Ok(()) => failure,
            Err((path, source)) => {
                let kept = staging.path().to_owned();
                TransferError::NotUndone { failed: Box::new(failure), path, kept, source }
            }
        })
    }
}

/// Between two tries, not the same for two who each find the other.
fn pause() -> Duration {
    use std::hash::{BuildHasher, RandomState};

    Duration::from_millis(20 + RandomState::new().hash_one(()) % 80)
}

/// Does the steps in their order; `done` is how many have to be undone.
fn perform(
    steps: &[Step],
    root: &Dir,
    staging: &Staging,
    stamps: &Stamps,
    done: &mut usize,
    watch: Watch,
) -> Result<(), TransferError> {
    for step in steps {
        watch(step.name()).map_err(|source| failed(step.verb(), step.path(), source))?;
        // A directory is made or not; what fails otherwise may be half done.
        let is_whole = matches!(step, Step::MakeDirectory { .. });
        *done += usize::from(!is_whole);
        let stamp = step.stamp(stamps);
        step.compare(root, stamp)
            .and_then(|()| Ok(watch("compared")?))
            .and_then(|()| step.perform(root, &staging.slots, stamp, watch))
            .map_err(|fault| faulty(step, fault))?;
        *done += usize::from(is_whole);
    }
    Ok(())
}

/// Whether all that was moved away is still what was compared: who had it open may have written to it since.
fn confirm(steps: &[Step], staging: &Staging, stamps: &Stamps) -> Result<(), TransferError> {
    steps.iter().try_for_each(|step| {
        step.confirm(&staging.slots, step.stamp(stamps)).map_err(|fault| faulty(step, fault))
    })
}

fn faulty(step: &Step, fault: Fault) -> TransferError {
    match fault {
        Fault::Changed => TransferError::Conflicts { paths: vec![step.path().clone()] },
        Fault::Io(source) => failed(step.verb(), step.path(), source),
    }
}

/// Undoes steps, from the last; of those that cannot be undone, the first is told.
fn undo(steps: &[Step], root: &Dir, slots: &Slots, watch: Watch) -> Result<(), (RelativePath, io::Error)> {
    let mut undone = Ok(());
    for step in steps.iter().rev() {
        let done = watch("undo").and_then(|()| step.undo(root, slots));
        undone = undone.and(done.map_err(|source| (step.path().clone(), source)));
    }
    undone
}

/// The order: what goes is moved away, the deepest first; directories are made, the outermost first; files
/// and links come into place; directories get their modes last, for those may forbid writing.
fn steps(planned: &[Planned]) -> Vec<Step> {
    let mut away = Vec::new();
    let mut made = Vec::new();
    let mut placed = Vec::new();
    let mut modes = Vec::new();
    for (slot, Planned { change, .. }) in planned.iter().enumerate() {
        let path = change.path.clone();
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        let is_directory =
            |state: Option<&crate::State>| state.is_some_and(|state| state.kind == EntryKind::Directory);
        let mode = after.and_then(|state| state.mode);
        match change.kind() {
            ChangeKind::ModeChanged(_) => {
                let modes_of = before.and_then(|state| state.mode).zip(mode);
                modes.extend(modes_of.map(|(before, after)| Step::SetMode { path, before, after }));
            }
            ChangeKind::Deleted(_) => away.push(Step::Aside { slot, path }),
            ChangeKind::Created(_) | ChangeKind::Modified(_) | ChangeKind::KindChanged { .. } => {
                let is_replaced = before.is_some() && !is_directory(before) && !is_directory(after);
                if before.is_some() && !is_replaced {
                    away.push(Step::Aside { slot, path: path.clone() });
                }
                if is_directory(after) {
                    made.push(Step::MakeDirectory { path: path.clone() });
                    modes.extend(mode.map(|mode| Step::SetNewMode { path, mode }));
                } else if let Some(digest) = change.digest_after() {
                    placed.push(if is_replaced {
                        Step::Replace { slot, path, digest }
                    } else {
                        Step::Place { slot, path, digest }
                    });
                }
            }
        }
    }
    away.into_iter().rev().chain(made).chain(placed).chain(modes.into_iter().rev()).collect()
}

fn is_written(Planned { change, .. }: &Planned) -> bool {
    change.after.is_some_and(|after| after.kind != EntryKind::Directory)
        && !matches!(change.kind(), ChangeKind::ModeChanged(_))
}

/// Writes what will be renamed.
fn stage(staging: &Staging, slot: usize, planned: &Planned) -> io::Result<()> {
    let name = slot.to_string();
    let new = &staging.slots.new;
    match planned.change.after {
        Some(after) if after.kind == EntryKind::Symlink => {
            platform::make_symlink(&planned.content, new, name.as_ref())
        }
        after => {
            let mut file = new.open_with(&name, OpenOptions::new().write(true).create_new(true))?;
            file.write_all(&planned.content)?;
            drop(file);
            match after.and_then(|after| after.mode) {
                Some(mode) => platform::set_mode(new, name.as_ref(), mode),
                None => Ok(()),
            }
        }
    }
}

fn refuse_symlinks(planned: &[Planned]) -> Result<(), TransferError> {
    let is_symlink =
        |planned: &&Planned| planned.change.after.is_some_and(|after| after.kind == EntryKind::Symlink);
    match planned.iter().find(is_symlink) {
        Some(planned) if !platform::MAKES_SYMLINKS => Err(TransferError::Symlink {
            path: planned.change.path.clone(),
            target: String::from_utf8_lossy(&planned.content).into_owned(),
        }),
        _ => Ok(()),
    }
}

fn failed(action: &'static str, path: &RelativePath, source: io::Error) -> TransferError {
    TransferError::File { action, path: path.clone(), source }
}
