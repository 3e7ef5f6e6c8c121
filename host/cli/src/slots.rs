//! How many sandboxes elsewhere this user has at one time: a file for each, locked by the process whose run it is, so that
//! one that is killed lets go, or with the name and the end of one that outlives its process.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use sandpiper::policy::{Backend, Resolved};

use crate::report::Hinted;
use crate::surroundings;

/// Locked by who looks for a slot, for that moment: so that two do not take the last one.
const GATE: &str = "gate";

/// Room for one sandbox elsewhere, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot(File);

/// Takes room for a sandbox of a backend; none where it is no other machine's.
///
/// # Errors
/// Where there are as many as the policy lets be.
pub(crate) fn take(policy: &Resolved, backend: Backend) -> Result<Option<Slot>> {
    if !backend.is_remote() {
        return Ok(None);
    }
    let (directory, most) = (surroundings::slots()?, policy.remote().max_sandboxes);
    let slot = take_in(&directory, most, SystemTime::now())
        .with_context(|| format!("cannot count sandboxes in {}", directory.display()))?;
    if slot.is_none() {
        let hint = "wait for the end of one, or close one that is kept (sandpiper sandbox close); or write how many there \
                    may be into sandpiper.toml: [remote] max_sandboxes = ";
        return Err(Hinted {
            message: format!("`remote.max_sandboxes` is {most}, and as many sandboxes are on other machines"),
            hint: format!("{hint}{}", most.saturating_add(1)),
        }
        .into());
    }
    Ok(slot)
}

/// Frees the room of a sandbox that outlived its process.
///
/// # Errors
/// Where the files cannot be read or written.
pub(crate) fn free(reference: &str) -> Result<()> {
    let directory = surroundings::slots()?;
    free_in(&directory, reference).with_context(|| format!("cannot free a slot in {}", directory.display()))
}

impl Slot {
    /// Keeps the room for a sandbox that outlives this process, for its life at most.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub(crate) fn keep(self, reference: &str, lifetime: Duration) -> io::Result<()> {
        self.note(reference, SystemTime::now() + lifetime)
    }

    fn note(&self, reference: &str, end: SystemTime) -> io::Result<()> {
        let seconds = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.clear()?;
        write!(&self.0, "{seconds} {reference}")
    }

    /// The sandbox that it is kept for, and until when.
    fn kept_for(&self) -> io::Result<Option<(String, SystemTime)>> {
        let mut text = String::new();
        (&self.0).rewind()?;
        (&self.0).read_to_string(&mut text)?;
        let kept = text.split_once(' ').and_then(|(seconds, reference)| {
            let end = UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))?;
            Some((reference.to_owned(), end))
        });
        Ok(kept)
    }

    fn clear(&self) -> io::Result<()> {
        (&self.0).rewind()?;
        self.0.set_len(0)
    }
}

fn take_in(directory: &Path, most: u32, now: SystemTime) -> io::Result<Option<Slot>> {
    let _gate = gate(directory)?;
    let (mut taken, mut number) = (0_u32, 0_u32);
    let mut free = None;
    // They are numbered without gaps, and the first that is not there ends them.
    loop {
        let path = directory.join(number.to_string());
        if !path.exists() {
            break;
        }
        match locked(&path)? {
            Some(slot) if slot.kept_for()?.is_none_or(|(_, end)| end <= now) => {
                free.get_or_insert(slot);
            }
            _ => taken = taken.saturating_add(1),
        }
        number = number.saturating_add(1);
    }
    if taken >= most {
        return Ok(None);
    }
    let slot = match free {
        Some(slot) => slot,
        None => match locked(&directory.join(number.to_string()))? {
            Some(slot) => slot,
            None => return Ok(None),
        },
    };
    // Of one whose life is over.
    slot.clear()?;
    Ok(Some(slot))
}

fn free_in(directory: &Path, reference: &str) -> io::Result<()> {
    let _gate = gate(directory)?;
    for number in 0_u32.. {
        let path = directory.join(number.to_string());
        if !path.exists() {
            break;
        }
        if let Some(slot) = locked(&path)?
            && slot.kept_for()?.is_some_and(|(kept, _)| kept == reference)
        {
            slot.clear()?;
        }
    }
    Ok(())
}

fn gate(directory: &Path) -> io::Result<File> {
    std::fs::create_dir_all(directory)?;
    let gate = open(&directory.join(GATE))?;
    gate.lock()?;
    Ok(gate)
}

/// A slot's file, locked; none where another process has it.
fn locked(path: &Path) -> io::Result<Option<Slot>> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Slot(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(err)) => Err(err),
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(directory: &Path, most: u32) -> Option<Slot> {
        take_in(directory, most, UNIX_EPOCH).unwrap()
    }

    #[test]
    fn there_are_as_many_at_once_as_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(take(folder, 0).is_none());
        let (first, second) = (take(folder, 2).unwrap(), take(folder, 2).unwrap());
        assert!(take(folder, 2).is_none());
        let third = take(folder, 3).unwrap();
        drop(first);
        // Two are left, whichever they are.
        assert!(take(folder, 2).is_none());
        drop(second);
        assert!(take(folder, 2).is_some());
        drop(third);
        assert!(take(folder, 1).is_some());
    }

    #[test]
    fn a_sandbox_that_outlives_its_process_counts_until_it_is_closed_or_its_life_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        take(folder, 1).unwrap().note("e2b:a", after(60)).unwrap();
        assert!(take_in(folder, 1, after(59)).unwrap().is_none());
        assert!(take_in(folder, 1, after(60)).unwrap().is_some());
        take(folder, 1).unwrap().note("e2b:a", after(60)).unwrap();
        free_in(folder, "e2b:b").unwrap();
        assert!(take(folder, 1).is_none());
        free_in(folder, "e2b:a").unwrap();
        assert!(take(folder, 1).is_some());
    }
}
