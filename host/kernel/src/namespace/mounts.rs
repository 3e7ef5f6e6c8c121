//! The mount table: mounts, mounts inside mounts, and the directories that lead to them.

use std::fs::File;
use std::io;

use sandpiper_core::{Access, GitDirectory, GuestPath, is_git_directory_name};

use crate::Errno;
use crate::fault::{Attempt, Failure};
use crate::file_system::{Directory, Stat, Step};
use crate::path::MAX_PATH_BYTES;
use crate::view::View;

/// Number of a mount in the table.
pub(crate) type MountId = usize;

/// Number of a mount point, or of a directory on the way to one.
pub(crate) type PointId = usize;

const ROOT_POINT: PointId = 0;
const ROOT_MOUNT: MountId = 0;

/// The mount table of a sandbox.
#[derive(Debug)]
pub(crate) struct Namespace {
    mounts: Vec<Mount>,
    points: Vec<Point>,
}

/// A file system at a guest path.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(crate) access: Access,
    git: GitDirectory,
    root: Directory,
    point: PointId,
    /// Directories of this mount that other mounts cover, and those above them: known by identity,
    /// so that on a host whose names have aliases (case, normalisation) none leads below a mount.
    pins: Vec<Pin>,
}

#[derive(Debug)]
struct Pin {
    device: u64,
    ino: u64,
    point: PointId,
}

#[derive(Debug)]
struct Point {
    /// The guest path, empty for the root.
    path: String,
    mount: Option<MountId>,
    children: Vec<(Box<str>, PointId)>,
}

/// A directory and where in the namespace it is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) directory: Directory,
    pub(crate) mount: MountId,
    point: Option<PointId>,
    /// The guest path, empty for the root: how the place was reached, for `..` and for messages.
    pub(crate) path: String,
}

impl Place {
    /// The guest path of a name in this directory.
    pub(crate) fn join(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// The guest path.
    pub(crate) fn shown(&self) -> String {
        if self.path.is_empty() { "/".to_owned() } else { self.path.clone() }
    }
}

impl Namespace {
    /// A table with `root` at `/`, read-only.
    pub(crate) fn new(root: Directory) -> Self {
        let mount = Mount {
            access: Access::ReadOnly,
            git: GitDirectory::Shown,
            root,
            point: ROOT_POINT,
            pins: Vec::new(),
        };
        let point = Point { path: String::new(), mount: Some(ROOT_MOUNT), children: Vec::new() };
        Self { mounts: vec![mount], points: vec![point] }
    }

    /// Adds a mount; it covers an earlier one at the same path.
    pub(crate) fn add(&mut self, path: &GuestPath, root: Directory, access: Access) {
        let mut point = ROOT_POINT;
        for name in path.components() {
            point = match self.child(Some(point), name) {
                Some(child) => child,
                None => self.add_point(point, name),
            };
        }
        let id = self.mounts.len();
        self.mounts.push(Mount { access, git: GitDirectory::Shown, root, point, pins: Vec::new() });
        if let Some(point) = self.points.get_mut(point) {
            point.mount = Some(id);
        }
    }

    /// Hides git's own directory in the mount that was added last.
    pub(crate) fn hide_git_in_last(&mut self) {
        if let Some(mount) = self.mounts.last_mut() {
            mount.git = GitDirectory::Hidden;
        }
    }

    /// Whether a name is hidden in a directory.
    pub(crate) fn hides(&self, place: &Place, name: &[u8]) -> bool {
        let hidden = self.mount(place.mount).is_some_and(|mount| mount.git == GitDirectory::Hidden);
        hidden && is_git_directory_name(name)
    }

    /// Finds the directories that mounts cover in other host mounts. Called once, after the last
    /// [`Namespace::add`].
    pub(crate) fn pin(&mut self, view: &View<'_>) {
        for id in 0..self.mounts.len() {
            let Some(mount) = self.mounts.get(id).filter(|mount| matches!(mount.root, Directory::Host(_)))
            else {
                continue;
            };
            if self.points.get(mount.point).is_none_or(|point| point.mount != Some(id)) {
                continue;
            }
            let mut pins = Vec::new();
            self.pins_below(view, &mount.root, mount.point, &mut pins);
            if let Some(mount) = self.mounts.get_mut(id) {
                mount.pins = pins;
            }
        }
    }

    /// The root directory.
    pub(crate) fn root(&self) -> Place {
        self.mount_root(ROOT_MOUNT).unwrap_or_else(|| Place {
            directory: Directory::Way,
            mount: ROOT_MOUNT,
            point: Some(ROOT_POINT),
            path: String::new(),
        })
    }

    pub(crate) fn mount(&self, id: MountId) -> Option<&Mount> {
        self.mounts.get(id)
    }

    /// The guest paths and opened anew directories of the mounts of host directories that show.
    ///
    /// # Errors
    /// The host's.
    pub(crate) fn host_directories(&self) -> io::Result<Vec<(String, File)>> {
        let mut directories = Vec::new();
        for (id, mount) in self.mounts.iter().enumerate() {
            let point = self.points.get(mount.point).filter(|point| point.mount == Some(id));
            if let (Some(point), Directory::Host(directory)) = (point, &mount.root) {
                directories.push((point.path.clone(), directory.reopen()?));
            }
        }
        Ok(directories)
    }

    /// What the guest may do at a place.
    pub(crate) fn access(&self, place: &Place) -> Access {
        self.mount(place.mount).map_or(Access::ReadOnly, |mount| mount.access)
    }

    /// How many names a place is below its mount's root.
    pub(crate) fn depth(&self, place: &Place) -> usize {
        let root = self.mount(place.mount).and_then(|mount| self.points.get(mount.point));
        let below = root.and_then(|root| place.path.strip_prefix(root.path.as_str())).unwrap_or_default();
        below.split('/').filter(|name| !name.is_empty()).count()
    }

    /// Refuses to change what is read-only.
    ///
    /// # Errors
    /// `ROFS`, to be recorded.
    pub(crate) fn check_writable(&self, place: &Place) -> Attempt<()> {
        match self.access(place) {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(Failure::read_only()),
        }
    }

    /// The place that `name` is by the table alone: a mount point or a directory on the way to one.
    pub(super) fn covered(&self, view: &View<'_>, place: &Place, name: &str) -> Option<Place> {
        let point = self.child(place.point, name)?;
        if let Some(mount) = self.points.get(point).and_then(|point| point.mount) {
            return self.mount_root(mount);
        }
        let directory = match place.directory.step(view, name) {
            Ok(Step::Directory(directory)) => directory,
            _ => Directory::Way,
        };
        Some(Place { directory, mount: place.mount, point: Some(point), path: place.join(name) })
    }

    /// The place that a directory of `place` is by its identity, where a mount covers it.
    pub(super) fn pinned(&self, view: &View<'_>, place: &Place, stat: &Stat) -> Option<Place> {
        let pins = &self.mount(place.mount)?.pins;
        let pin = pins.iter().find(|pin| pin.device == stat.device && pin.ino == stat.ino)?;
        let point = self.points.get(pin.point)?;
        let (above, name) = point.path.rsplit_once('/')?;
        // The pin's own parent is either the mount's root or pinned too, so this goes up to the root.
        let parent = Place {
            directory: place.directory.clone(),
            mount: place.mount,
            point: self.parent_of(pin.point),
            path: above.to_owned(),
        };
        self.covered(view, &parent, name)
    }

    pub(super) fn has_pins(&self, place: &Place) -> bool {
        self.mount(place.mount).is_some_and(|mount| !mount.pins.is_empty())
    }

    /// The directory `name`, which is no mount point, below a place.
    ///
    /// # Errors
    /// `NAMETOOLONG` where its path is longer than a path can be. Directories can be nested deeper by
    /// renaming, but every open one holds its path.
    pub(super) fn below(place: &Place, name: &str, directory: Directory) -> Result<Place, Errno> {
        let path = place.join(name);
        if u32::try_from(path.len()).map_or(true, |length| length > MAX_PATH_BYTES) {
            return Err(Errno::NAMETOOLONG);
        }
        Ok(Place { directory, mount: place.mount, point: None, path })
    }

    /// The root of the deepest mount that a guest path lies in, and the rest of the path.
    pub(super) fn nearest<'p>(&self, path: &'p str) -> (Place, &'p str) {
        let mut point = ROOT_POINT;
        let mut found = (self.root(), path);
        let mut rest = path;
        while let Some((name, below)) = split(rest) {
            let Some(child) = self.child(Some(point), name) else { break };
            point = child;
            rest = below;
            if let Some(place) = self.points.get(point).and_then(|point| self.mount_root(point.mount?)) {
                found = (place, rest);
            }
        }
        found
    }

    /// The names by which mount points show in a listing of a place.
    pub(crate) fn names(&self, place: &Place) -> impl Iterator<Item = &str> {
        let point = place.point.and_then(|point| self.points.get(point));
        point.into_iter().flat_map(|point| &point.children).map(|(name, _)| name.as_ref())
    }

    fn mount_root(&self, id: MountId) -> Option<Place> {
        let mount = self.mount(id)?;
        let path = self.points.get(mount.point)?.path.clone();
        Some(Place { directory: mount.root.clone(), mount: id, point: Some(mount.point), path })
    }

    fn child(&self, point: Option<PointId>, name: &str) -> Option<PointId> {
        let children = &self.points.get(point?)?.children;
        children.iter().find(|(child, _)| child.as_ref() == name).map(|(_, id)| *id)
    }

    fn parent_of(&self, child: PointId) -> Option<PointId> {
        self.points.iter().position(|point| point.children.iter().any(|(_, id)| *id == child))
    }

    fn add_point(&mut self, parent: PointId, name: &str) -> PointId {
        let id = self.points.len();
        let above = self.points.get(parent).map_or("", |point| &point.path);
        self.points.push(Point { path: format!("{above}/{name}"), mount: None, children: Vec::new() });
        if let Some(parent) = self.points.get_mut(parent) {
            parent.children.push((name.into(), id));
        }
        id
    }

    fn pins_below(&self, view: &View<'_>, directory: &Directory, point: PointId, pins: &mut Vec<Pin>) {
        let Some(point) = self.points.get(point) else { return };
        for (name, child) in &point.children {
            let Ok(Step::Directory(directory)) = directory.step(view, name) else { continue };
            if let Ok(stat) = directory.stat(view) {
                pins.push(Pin { device: stat.device, ino: stat.ino, point: *child });
            }
            if self.points.get(*child).is_some_and(|point| point.mount.is_none()) {
                self.pins_below(view, &directory, *child, pins);
            }
        }
    }
}

/// The first name of a path of names and the rest of it.
fn split(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_start_matches('/');
    if path.is_empty() {
        return None;
    }
    Some(path.split_at(path.find('/').unwrap_or(path.len())))
}
