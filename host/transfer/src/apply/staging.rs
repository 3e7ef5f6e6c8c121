//! The directory beside the target in which everything is written first, and what one that is left over says.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use crate::apply::step::{Slots, Step};
use crate::{Digest, RelativePath, TransferError, pack, platform};

/// The file by which a process shows that it is still at work.
const LOCK: &str = "lock";
/// The list of steps: there as long as they have to be undone if nobody is at work.
const PLAN: &str = "plan";
/// The plan while it is written.
const DRAFT: &str = "plan.draft";
const NEW: &str = "new";
const OLD: &str = "old";

/// The first line of a plan.
const FORMAT: &[u8] = b"sandpiper-transfer plan 2\n";
/// Its last, without which it is not whole.
const END: &[u8] = b"end\n";

/// What [`recover`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Interrupted applies that were undone.
    pub undone: u64,
    /// Left-over directories that were removed and had nothing to undo.
    pub removed: u64,
}

/// Undoes what an apply that was killed has done to the directory, and removes what it left beside it.
///
/// [`Changes::apply`](crate::Changes::apply) does this first, too. Whoever reads the directory after a crash
/// calls it before. What was written meanwhile to files that the apply had brought is kept: a new one stays, and
/// one that had replaced another is an error until it is moved away.
///
/// # Errors
/// [`TransferError::InUse`] while an apply is running; those of files.
pub fn recover(directory: &Path) -> Result<Recovered, TransferError> {
    let place = Place::of(directory)?;
    let own = Staging::create(&place)?;
    let recovered = place.undo_left(&own);
    own.remove();
    recovered
}

/// The directory, without symlinks on the way to it, and where its staging directories are.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    parent: PathBuf,
    /// How all names of its staging directories begin.
    prefix: String,
}

impl Place {
    pub(crate) fn of(directory: &Path) -> Result<Self, TransferError> {
        let trouble =
            |action, source| TransferError::Directory { action, path: directory.to_owned(), source };
        let directory = fs::canonicalize(directory).map_err(|source| trouble("open", source))?;
        let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
            return Err(trouble("write beside", io::ErrorKind::InvalidInput.into()));
        };
        let digest = Digest::of(name.as_encoded_bytes()).to_string();
        let prefix = format!(".sandpiper-transfer-{}-", digest.get(..16).unwrap_or_default());
        Ok(Self { parent: parent.to_owned(), prefix, directory: directory.clone() })
    }

    /// Undoes and removes what others have left.
    pub(crate) fn undo_left(&self, own: &Staging) -> Result<Recovered, TransferError> {
        let trouble = |source| TransferError::Directory { action: "read", path: self.parent.clone(), source };
        let mut recovered = Recovered::default();
        for entry in fs::read_dir(&self.parent).map_err(trouble)? {
            let entry = entry.map_err(trouble)?;
            let path = entry.path();
            if path == own.path || !entry.file_name().as_encoded_bytes().starts_with(self.prefix.as_bytes()) {
                continue;
            }
            // What another user has put there would tell this one what to do.
            let ours = fs::symlink_metadata(&own.path).map_err(trouble)?;
            match fs::symlink_metadata(&path) {
                Ok(theirs) if theirs.is_dir() && platform::is_same_owner(&ours, &theirs) => {}
                Ok(_) => continue,
                Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
                Err(err) => return Err(trouble(err)),
            }
            let Some(left) = Staging::reopen(self, &path)? else { continue };
            if left.undo(self)? {
                recovered.undone += 1;
                left.remove();
            } else {
                recovered.removed += u64::from(left.remove());
            }
        }
        Ok(recovered)
    }
}

/// A staging directory that this process has the lock of.
pub(crate) struct Staging {
    path: PathBuf,
    pub(crate) slots: Slots,
    /// Held as long as this is.
    lock: File,
}

impl Staging {
    /// Makes a new one, which only this user may enter.
    pub(crate) fn create(place: &Place) -> Result<Self, TransferError> {
        let made = tempfile::Builder::new().prefix(&place.prefix).tempdir_in(&place.parent);
        let made = made.map_err(|source| TransferError::Directory {
            action: "write beside",
            path: place.directory.clone(),
            source,
        })?;
        // From here on, what is in it may be what a directory lacks.
        let path = made.keep();
        let trouble = |source| TransferError::Directory { action: "write", path: path.clone(), source };
        let lock = File::create_new(path.join(LOCK)).map_err(trouble)?;
        lock_now(&lock, place).map_err(|err| err.unwrap_or_else(&trouble))?;
        for name in [NEW, OLD] {
            fs::create_dir(path.join(name)).map_err(trouble)?;
        }
        Self::open(path.clone(), lock).map_err(trouble)
    }

    /// Opens one that another process has left; nothing if that has just gone, or had not begun.
    fn reopen(place: &Place, path: &Path) -> Result<Option<Self>, TransferError> {
        let trouble = |source| TransferError::Directory { action: "read", path: path.to_owned(), source };
        let lock = match File::open(path.join(LOCK)) {
            Ok(lock) => lock,
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                // Nothing is in it but what comes after the lock.
                let _ = fs::remove_dir(path);
                return Ok(None);
            }
            Err(err) => return Err(trouble(err)),
        };
        lock_now(&lock, place).map_err(|err| err.unwrap_or_else(&trouble))?;
        for name in [NEW, OLD] {
            match fs::create_dir(path.join(name)) {
                Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(err) if err.kind() != io::ErrorKind::AlreadyExists => return Err(trouble(err)),
                _ => {}
            }
        }
        Self::open(path.to_owned(), lock).map(Some).map_err(trouble)
    }

    fn open(path: PathBuf, lock: File) -> io::Result<Self> {
        let open = |name| Dir::open_ambient_dir(path.join(name), cap_std::ambient_authority());
        let slots = Slots { new: open(NEW)?, old: open(OLD)? };
        Ok(Self { path, slots, lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn trouble(&self, action: &'static str, source: io::Error) -> TransferError {
        TransferError::Directory { action, path: self.path.clone(), source }
    }

    /// Renames work within a file system only.
    pub(crate) fn check_file_system(&self, root: &Dir, place: &Place) -> Result<(), TransferError> {
        let metadata = |dir: &Dir| dir.dir_metadata().map_err(|source| self.trouble("read", source));
        if platform::is_same_file_system(&metadata(root)?, &metadata(&self.slots.new)?) {
            return Ok(());
        }
        Err(TransferError::OtherFileSystem { path: place.directory.clone() })
    }

    /// Notes the steps, whole or not at all. From here on a crash is undone.
    pub(crate) fn write_plan(&self, steps: &[Step]) -> io::Result<()> {
        let draft = self.path.join(DRAFT);
        fs::write(&draft, encode(steps))?;
        fs::rename(draft, self.path.join(PLAN))
    }

    /// From here on nothing is undone.
    pub(crate) fn commit(&self) -> io::Result<()> {
        fs::remove_file(self.path.join(PLAN))
    }

    /// Undoes what the plan says, if there is one; whether there was.
    fn undo(&self, place: &Place) -> Result<bool, TransferError> {
        let path = self.path.join(PLAN);
        let plan = match fs::read(&path) {
            Ok(plan) => plan,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(err) => return Err(self.trouble("read", err)),
        };
        let steps = decode(&plan).map_err(|reason| TransferError::Plan { path, reason })?;
        let root = pack::open(&place.directory)?;
        super::undo(&steps, &root, &self.slots, &mut |_| Ok(()))
            .map_err(|(path, source)| TransferError::File { action: "put back", path, source })?;
        self.commit().map_err(|source| self.trouble("write", source))?;
        Ok(true)
    }

    /// Removes it with all that is in it, and says whether it is gone; what cannot be removed now is removed by
    /// the next one. The plan goes first: without what is to be put back, it must not be followed.
    pub(crate) fn remove(self) -> bool {
        let plan = self.path.join(PLAN);
        if fs::remove_file(&plan).is_err() && plan.exists() {
            return false;
        }
        // Windows removes no directory that is open.
        let Self { path, slots, lock } = self;
        drop(slots);
        let is_emptied = [NEW, OLD].map(|name| remove_slots(&path.join(name))) == [true; 2];
        if !is_emptied {
            return false;
        }
        let _ = fs::remove_file(path.join(DRAFT));
        // The lock goes last, for without it nobody looks at what else there is.
        let is_gone = fs::remove_file(path.join(LOCK)).and_then(|()| fs::remove_dir(&path)).is_ok();
        drop(lock);
        // Windows, where a name stays as long as its file is open.
        is_gone || {
            let _ = fs::remove_file(path.join(LOCK));
            fs::remove_dir(path).is_ok()
        }
    }
}

/// Removes what is in the slots. Directories there were empty when it was decided that all stays as it is; what a
/// process that has one of them open has written into it since is not ours to remove.
fn remove_slots(slots: &Path) -> bool {
    for entry in fs::read_dir(slots).into_iter().flatten().flatten() {
        let _ = fs::remove_file(entry.path()).or_else(|_| fs::remove_dir(entry.path()));
    }
    fs::remove_dir(slots).is_ok() || !slots.exists()
}

fn lock_now(lock: &File, place: &Place) -> Result<(), Result<TransferError, io::Error>> {
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Ok(TransferError::InUse { path: place.directory.clone() })),
        Err(TryLockError::Error(err)) => Err(Err(err)),
    }
}

/// A line of numbers, the digest and the path's length, then the path, for each step.
fn encode(steps: &[Step]) -> Vec<u8> {
    let mut text = FORMAT.to_vec();
    for step in steps {
        let (one, other) = match step {
            Step::Aside { slot, .. } | Step::Replace { slot, .. } | Step::Place { slot, .. } => (*slot, 0),
            Step::MakeDirectory { .. } => (0, 0),
            Step::SetNewMode { mode, .. } => (0, usize::try_from(*mode).unwrap_or_default()),
            Step::SetMode { before, after, .. } => {
                (usize::try_from(*before).unwrap_or_default(), usize::try_from(*after).unwrap_or_default())
            }
        };
        let path = step.path().as_bytes();
        let digest = match step {
            Step::Replace { digest, .. } | Step::Place { digest, .. } => digest.to_string(),
            _ => "-".to_owned(),
        };
        text.extend_from_slice(format!("{} {one} {other} {digest} {}\n", step.name(), path.len()).as_bytes());
        text.extend_from_slice(path);
        text.push(b'\n');
    }
    text.extend_from_slice(END);
    text
}

fn decode(plan: &[u8]) -> Result<Vec<Step>, &'static str> {
    const CUT: &str = "it is cut off";
    const UNKNOWN: &str = "it has a line that is not known";
    let mut rest = plan.strip_prefix(FORMAT).ok_or("it is of another version")?;
    let mut steps = Vec::new();
    while rest != END {
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or(CUT)?;
        let (line, after) = rest.split_at_checked(end).ok_or(CUT)?;
        let line = std::str::from_utf8(line).map_err(|_| UNKNOWN)?;
        let [name, one, other, digest, length] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(if line == "end" { "something is behind its end" } else { UNKNOWN });
        };
        let number = |text: &str| text.parse::<usize>().map_err(|_| UNKNOWN);
        let digest = || Digest::parse(digest).ok_or(UNKNOWN);
        let mode = |text: &str| text.parse::<u32>().map_err(|_| UNKNOWN);
        let (path, after) =
            after.get(1..).and_then(|after| after.split_at_checked(number(length).ok()?)).ok_or(CUT)?;
        let path = RelativePath::parse(path).map_err(|_| "it has a path that leads elsewhere")?;
        steps.push(match name {
            "aside" => Step::Aside { slot: number(one)?, path },
            "replace" => Step::Replace { slot: number(one)?, digest: digest()?, path },
            "make-directory" => Step::MakeDirectory { path },
            "place" => Step::Place { slot: number(one)?, digest: digest()?, path },
            "set-new-mode" => Step::SetNewMode { path, mode: mode(other)? },
            "set-mode" => Step::SetMode { path, before: mode(one)?, after: mode(other)? },
            _ => return Err(UNKNOWN),
        });
        rest = after.strip_prefix(b"\n").ok_or(CUT)?;
    }
    Ok(steps)
}
