//! What changed on the other machine, told from the manifest and the archive that came back.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;

use crate::archive::{self, Node, Tree};
use crate::pack::TRAVELLING_MODE;
use crate::{
    Digest, EntryKind, Keep, Manifest, PackLimits, Packed, RelativePath, State, TransferError, look,
};

/// What changed in a directory while it was on another machine. Making it writes nothing;
/// [`apply`](Self::apply) does.
///
/// ```
/// use std::fs;
/// use sandpiper_transfer::{ChangeKind, Changes, EntryKind, Keep, PackLimits, pack};
///
/// # let here = tempfile::tempdir()?;
/// # let there = tempfile::tempdir()?;
/// # let (here, there) = (here.path().join("work"), there.path());
/// # fs::create_dir(&here)?;
/// let limits = PackLimits { max_bytes: 1 << 30, max_files: 100_000 };
/// fs::write(here.join("main.py"), "print(1)\n")?;
/// fs::write(here.join(".env"), "TOKEN=swordfish\n")?;
/// let mut filter = |path: &sandpiper_transfer::RelativePath, _kind: EntryKind, _size: u64| {
///     if path.name() == b".env" { Keep::HoldBack } else { Keep::Pack }
/// };
/// let packed = pack(&here, &mut filter, limits)?;
///
/// // Elsewhere: unpacked, changed, and packed again.
/// fs::write(there.join("main.py"), "print(2)\n")?;
/// fs::write(there.join("new.txt"), "new\n")?;
/// let back = pack(there, &mut |_, _, _| Keep::Pack, limits)?.archive;
///
/// let changes = Changes::between(&packed.manifest, &back, limits)?;
/// let kinds: Vec<_> = changes.iter().map(|change| (change.path.name(), change.kind())).collect();
/// assert_eq!(kinds, [
///     (b"main.py".as_slice(), ChangeKind::Modified(EntryKind::File)),
///     (b"new.txt".as_slice(), ChangeKind::Created(EntryKind::File)),
/// ]);
/// let applied = changes.apply(&here, &packed.manifest)?;
/// assert_eq!(applied.changes.len(), 2);
/// assert_eq!(fs::read(here.join("main.py"))?, b"print(2)\n");
/// assert!(here.join(".env").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Changes {
    pub(crate) planned: Vec<Planned>,
    kept: Vec<RelativePath>,
    left_out: Vec<LeftOut>,
}

/// Something of the other machine that does not come back; what is there here stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it is, as far as it can be shown.
    pub path: String,
    /// Why.
    pub why: WhyLeftOut,
}

/// Why something does not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyLeftOut {
    /// It is neither file, directory nor symlink.
    Special(EntryKind),
    /// It means `.git`.
    GitDirectory,
    /// Something was held back there, which is not known on the other machine.
    HeldBack,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match self.why {
            WhyLeftOut::Special(kind) => write!(f, "{path} (a {kind})"),
            WhyLeftOut::GitDirectory => write!(f, "{path} (git's own)"),
            WhyLeftOut::HeldBack => write!(f, "{path} (held back here)"),
        }
    }
}

/// One entry that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it is.
    pub path: RelativePath,
    /// What it was, unless there was nothing.
    pub before: Option<State>,
    /// What it is, unless it is gone.
    pub after: Option<State>,
}

/// What happened to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// There was nothing.
    Created(EntryKind),
    /// A file's content, or a symlink's target, is another; the mode may be, too.
    Modified(EntryKind),
    /// Only the permission bits are others.
    ModeChanged(EntryKind),
    /// There is nothing any more.
    Deleted(EntryKind),
    /// It is something else.
    KindChanged {
        /// What it was.
        from: EntryKind,
        /// What it is.
        to: EntryKind,
    },
}

impl Change {
    /// What happened.
    pub fn kind(&self) -> ChangeKind {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) if before.kind != after.kind => {
                ChangeKind::KindChanged { from: before.kind, to: after.kind }
            }
            (Some(before), Some(after)) if before.digest != after.digest => ChangeKind::Modified(after.kind),
            (Some(_), Some(after)) => ChangeKind::ModeChanged(after.kind),
            (Some(before), None) => ChangeKind::Deleted(before.kind),
            (None, after) => ChangeKind::Created(after.map_or(EntryKind::File, |after| after.kind)),
        }
    }

    /// SHA-256 of the content or target before, if it had one.
    pub fn digest_before(&self) -> Option<Digest> {
        self.before.and_then(|state| state.digest)
    }

    /// SHA-256 of the content or target after, if it has one.
    pub fn digest_after(&self) -> Option<Digest> {
        self.after.and_then(|state| state.digest)
    }
}

/// A change, and what is written for it: the content of a file or the target of a symlink.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) change: Change,
    pub(crate) content: Bytes,
}

impl Changes {
    /// Compares what was packed with an archive of the directory as it is afterwards: a tar of all of it,
    /// as `tar -C DIRECTORY -cf - .` makes it.
    ///
    /// What was held back is in no archive, and so is never taken for deleted. What the archive has in its place,
    /// what means `.git`, and what is neither file, directory nor symlink, is left out, and what is there here stays
    /// as it is. Nothing is written. Modes are
    /// compared but for write permission of group and others, which does not travel; set-user, set-group and
    /// sticky bits are left out.
    ///
    /// # Errors
    /// When the archive is not whole, has anything that could lead out of the directory or be read in two ways,
    /// or is more than the limits.
    pub fn between(manifest: &Manifest, archive: &Bytes, limits: PackLimits) -> Result<Self, TransferError> {
        let mut tree = archive::read(archive, limits)?;
        if tree.nodes.is_empty() && !tree.has_root && !manifest.is_empty() {
            return Err(TransferError::Empty);
        }
        let (left_out, stays) = leave_out(manifest, &mut tree);
        let is_left =
            |path: &RelativePath| stays.contains(path) || path.ancestors().any(|path| stays.contains(&path));
        let mut planned = Vec::new();
        let mut kept = Vec::new();
        for (path, entry) in manifest.entries().filter(|(_, entry)| entry.keep == Keep::Pack) {
            let before = Some(entry.state);
            let Some(node) = tree.nodes.get(path) else {
                if is_left(path) {
                    continue;
                }
                if manifest.held_back_below(path).is_some() {
                    kept.push(path.clone());
                } else {
                    let change = Change { path: path.clone(), before, after: None };
                    planned.push(Planned { change, content: Bytes::new() });
                }
                continue;
            };
            let (after, content) = state_of(node, before.as_ref());
            if after != entry.state {
                planned.push(Planned {
                    change: Change { path: path.clone(), before, after: Some(after) },
                    content,
                });
            }
        }
        for (path, node) in tree.nodes.iter().filter(|(path, _)| manifest.get(path).is_none()) {
            let (after, content) = state_of(node, None);
            let change = Change { path: path.clone(), before: None, after: Some(after) };
            planned.push(Planned { change, content });
        }
        planned.sort_by(|one, other| one.change.path.cmp(&other.change.path));
        Ok(Self { planned, kept, left_out })
    }

    /// What makes of a directory, as it is `now`, what it was when it was packed on this machine: of the paths that
    /// `is_ours` says, with all their permission bits. Nothing is written.
    ///
    /// # Errors
    /// When the archive is not the manifest's.
    pub fn back_to(
        start: &Packed,
        now: &Manifest,
        is_ours: impl Fn(&RelativePath) -> bool,
    ) -> Result<Self, TransferError> {
        let unbounded = PackLimits { max_bytes: u64::MAX, max_files: u64::MAX };
        let mut tree = archive::read(&start.archive, unbounded)?;
        let state = |manifest: &Manifest, path: &RelativePath| {
            manifest.get(path).filter(|entry| entry.keep == Keep::Pack).map(|entry| entry.state)
        };
        let paths: BTreeSet<_> =
            start.manifest.entries().chain(now.entries()).map(|(path, _)| path).collect();
        let mut planned = Vec::new();
        for path in paths.into_iter().filter(|path| is_ours(path)) {
            let (before, after) = (state(now, path), state(&start.manifest, path));
            if before == after {
                continue;
            }
            let content = match (after, tree.nodes.remove(path)) {
                (None, _) | (_, Some(Node::Directory { .. })) => Bytes::new(),
                (_, Some(Node::File { content, .. })) => content,
                (_, Some(Node::Symlink { target })) => target,
                (Some(_), None) => return Err(TransferError::OtherManifest { path: path.clone() }),
            };
            planned.push(Planned { change: Change { path: path.clone(), before, after }, content });
        }
        Ok(Self { planned, kept: Vec::new(), left_out: Vec::new() })
    }

    /// The changes, in the order of their paths' bytes.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.planned.iter().map(|planned| &planned.change)
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.planned.len()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.planned.is_empty()
    }

    /// Directories that are gone there and stay here, because something in them was held back.
    pub fn kept(&self) -> &[RelativePath] {
        &self.kept
    }

    /// What of the archive does not come back.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }
}

/// Takes out of the tree what does not come back; where entries of here stay, with all below them.
fn leave_out(manifest: &Manifest, tree: &mut Tree) -> (Vec<LeftOut>, BTreeSet<RelativePath>) {
    let mut held = BTreeSet::new();
    let mut stays: BTreeSet<RelativePath> = tree.special.keys().cloned().collect();
    tree.nodes.retain(|path, node| {
        if let Some(by) = manifest.held_back_by(path) {
            held.insert(by);
            return false;
        }
        // Nor may anything take the place of a directory of which something stayed here.
        let stayed = || manifest.get(path).is_some_and(|entry| entry.keep == Keep::LookInto);
        let is_taken =
            node.kind() != EntryKind::Directory && (manifest.held_back_below(path).is_some() || stayed());
        if is_taken {
            held.insert(path.clone());
            stays.insert(path.clone());
        }
        !is_taken
    });
    let shown = |path: &RelativePath| String::from_utf8_lossy(path.as_bytes()).into_owned();
    let mut left_out: Vec<LeftOut> = tree
        .special
        .iter()
        .map(|(path, kind)| LeftOut { path: shown(path), why: WhyLeftOut::Special(*kind) })
        .chain(held.iter().map(|path| LeftOut { path: shown(path), why: WhyLeftOut::HeldBack }))
        .chain(tree.git.iter().map(|path| LeftOut { path: path.clone(), why: WhyLeftOut::GitDirectory }))
        .collect();
    left_out.sort_by(|one, other| one.path.cmp(&other.path));
    (left_out, stays)
}

/// The state that a node of the archive has here. What does not travel of a mode is as before.
fn state_of(node: &Node, before: Option<&State>) -> (State, Bytes) {
    let kind = node.kind();
    let before = before.filter(|before| before.kind == kind);
    let mode_of = |mode: Option<u32>| match (before, mode) {
        _ if cfg!(windows) => None,
        (Some(before), None) => before.mode,
        (Some(State { mode: Some(before), .. }), Some(mode))
            if mode == before & TRAVELLING_MODE || mode == *before =>
        {
            Some(*before)
        }
        (_, mode) => mode,
    };
    match node {
        Node::File { content, mode } => {
            let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
            let digest = Some(Digest::of(content));
            (State { kind, mode: mode_of(Some(*mode)), size, digest }, content.clone())
        }
        Node::Directory { mode } => {
            (State { kind, mode: mode_of(*mode), size: 0, digest: None }, Bytes::new())
        }
        Node::Symlink { target } => (look::of_target(target), target.clone()),
    }
}
