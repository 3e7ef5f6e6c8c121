//! Trees and paths walked by the kernel and by a model that knows no descriptors and no host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sandpiper_core::Access;
use sandpiper_kernel::{Errno, Fault};
use tempfile::TempDir;

use crate::choices::Choices;
use crate::guest::*;

/// Steps of one input; each looks at the whole path again.
const MAX_STEPS: usize = 48;
const MAX_OPEN_DIRECTORIES: usize = 4;
/// The size of everything that is on the host beside the mounts, and of nothing in them.
const OUTSIDE_BYTES: usize = 9_999;

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Directory,
    /// A file, told from all others by its content.
    File(Vec<u8>),
    Link(String),
}

type Place = Vec<String>;
type Tree = BTreeMap<Place, Node>;

/// What a path is by the model: its place in the tree, or the error.
fn model(tree: &Tree, start: &[String], path: &str, follow: bool) -> Result<Place, Errno> {
    let mut links = 0;
    walk(tree, start, path, follow, &mut links)
}

fn walk(tree: &Tree, start: &[String], path: &str, follow: bool, links: &mut u32) -> Result<Place, Errno> {
    let mut at = if path.starts_with('/') { Vec::new() } else { start.to_vec() };
    let components: Vec<_> = path.split('/').filter(|component| !component.is_empty()).collect();
    let wants_directory = path.ends_with('/');
    for (index, component) in components.iter().enumerate() {
        if tree.get(&at) != Some(&Node::Directory) {
            return Err(Errno::NOTDIR);
        }
        let last = index + 1 == components.len();
        match *component {
            "." => {}
            ".." => {
                at.pop();
            }
            name => {
                let mut next = at.clone();
                next.push(name.to_owned());
                match tree.get(&next) {
                    None => return Err(Errno::NOENT),
                    Some(Node::Link(target)) if !last || follow || wants_directory => {
                        *links += 1;
                        if *links > 40 {
                            return Err(Errno::LOOP);
                        }
                        at = walk(tree, &at, target, true, links)?;
                    }
                    Some(_) => at = next,
                }
            }
        }
    }
    if wants_directory && tree.get(&at) != Some(&Node::Directory) {
        return Err(Errno::NOTDIR);
    }
    Ok(at)
}

fn path(choices: &mut Choices<'_>) -> String {
    let count = 1 + choices.below(6);
    let absolute = choices.one_in(5);
    let component =
        [(4, "a"), (4, "b"), (3, "c"), (3, ".."), (1, "."), (1, ""), (1, "workspace"), (1, "tmp")];
    let parts: Vec<_> = (0..count).map(|_| choices.of(&component)).collect();
    match parts.join("/") {
        path if path.is_empty() => ".".to_owned(),
        path if absolute => format!("/{path}"),
        path => path,
    }
}

/// A path that names something in a directory: no slash at its end.
fn name(choices: &mut Choices<'_>) -> String {
    let path = path(choices);
    match path.trim_end_matches('/') {
        "" => "a".to_owned(),
        path => path.to_owned(),
    }
}

/// Mounts of a guest, and what the model says is in them.
struct Sandbox {
    outside: TempDir,
    guest: Guest,
    tree: Tree,
    /// Guest places of mounts, with where they are on the host; `/tmp` is nowhere.
    mounts: Vec<(Place, Option<PathBuf>)>,
    /// Directories that are open: descriptor and place.
    open: Vec<(u32, Place)>,
    made: usize,
    /// Whether a program of the host made links, which lead where they like.
    others_made_links: bool,
}

/// Runs the steps that the bytes choose, on the kernel and on the model.
///
/// # Panics
/// When the kernel's answer, or what is on the host afterwards, is not the model's.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut sandbox = Sandbox::new(choices.one_in(3));
    let start = choices.of(&[(2, "/workspace"), (2, "/tmp"), (1, "/"), (1, "/workspace/c")]);
    sandbox.open_directory(ROOT, &[], start);
    for _ in 0..MAX_STEPS {
        if choices.is_empty() {
            break;
        }
        sandbox.step(&mut choices);
    }
    sandbox.check_host();
}

impl Sandbox {
    /// Mounts at `/workspace` and, where it is asked for, inside of it at `c`. Beside them, on the
    /// host, is something by each name that paths are made of.
    fn new(nested: bool) -> Self {
        let outside = TempDir::new().unwrap();
        for decoy in ["a", "b", "c", "tmp"] {
            std::fs::write(outside.path().join(decoy), [b'x'; OUTSIDE_BYTES]).unwrap();
        }
        let mut mounts = vec![("workspace", vec!["workspace".to_owned()])];
        if nested {
            mounts.push(("nested", vec!["workspace".to_owned(), "c".to_owned()]));
        }
        let mounts: Vec<_> =
            mounts.into_iter().map(|(host, place)| (place, outside.path().join(host))).collect();
        let granted: Vec<_> = mounts.iter().map(|(place, host)| (host, shown(place))).collect();
        for (host, _) in &granted {
            std::fs::create_dir(host).unwrap();
        }
        let granted: Vec<_> =
            granted.iter().map(|(host, guest)| (host.as_path(), guest.as_str(), Access::ReadWrite)).collect();
        let guest = Guest::new(&mounted(&granted));
        let mut mounts: Vec<_> = mounts.into_iter().map(|(place, host)| (place, Some(host))).collect();
        mounts.push((vec!["tmp".to_owned()], None));
        let mut tree = Tree::from([(Vec::new(), Node::Directory)]);
        tree.extend(mounts.iter().map(|(place, _)| (place.clone(), Node::Directory)));
        Self {
            outside,
            guest,
            tree,
            mounts,
            open: vec![(ROOT, Vec::new())],
            made: 0,
            others_made_links: false,
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let (fd, base) = {
            let newest = self.open.len() - 1;
            let index =
                if choices.one_in(4) { usize::from(choices.byte()) % self.open.len() } else { newest };
            self.open[index].clone()
        };
        match choices.below(16) {
            0..3 => self.make(choices, fd, &base),
            3 => self.make_on_the_host(choices, &base),
            4 => self.rename(choices, fd, &base),
            5 => self.remove(choices, fd, &base),
            6 => {
                let path = path(choices);
                self.open_directory(fd, &base, &path);
            }
            7..9 => self.read_link(choices, fd, &base),
            9..12 => self.read(choices, fd, &base),
            _ => self.stat(choices, fd, &base),
        }
    }

    /// The mount that a place is in: its index and the place within.
    fn mount_of<'p>(&self, place: &'p [String]) -> Option<(usize, &'p [String])> {
        let inside = self.mounts.iter().enumerate().filter(|(_, (mount, _))| place.starts_with(mount));
        let (index, (mount, _)) = inside.max_by_key(|(_, (mount, _))| mount.len())?;
        Some((index, &place[mount.len()..]))
    }

    /// The place of a name in a directory that may be changed, there or not.
    fn changeable(&self, base: &[String], path: &str) -> Option<Place> {
        let (parent, name) = match path.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some((parent, name)) => (parent, name),
            None => (".", path),
        };
        if matches!(name, "" | "." | "..") {
            return None;
        }
        let mut at = model(&self.tree, base, parent, true).ok()?;
        if self.tree.get(&at) != Some(&Node::Directory) {
            return None;
        }
        at.push(name.to_owned());
        // The mount points themselves are no names that could be changed.
        self.mount_of(&at).filter(|(_, within)| !within.is_empty())?;
        Some(at)
    }

    fn new_node(&mut self, choices: &mut Choices<'_>) -> Node {
        self.made += 1;
        match choices.below(3) {
            0 => Node::Directory,
            1 => Node::File(vec![b'f'; self.made]),
            _ => Node::Link(path(choices)),
        }
    }

    fn make(&mut self, choices: &mut Choices<'_>, fd: u32, base: &[String]) {
        let node = self.new_node(choices);
        let path = name(choices);
        let expected = self.changeable(base, &path).filter(|at| !self.tree.contains_key(at));
        if self.is_left_to_unix(expected.as_ref(), matches!(node, Node::Link(_))) {
            return;
        }
        let expected = expected.filter(|at| !self.leads_out(&node, at));
        let result = match &node {
            Node::Directory => self.guest.mkdir_at(fd, &path),
            Node::Link(target) => self.guest.symlink_at(target, fd, &path),
            Node::File(content) => self.guest.open_at(fd, &path, 0, CREAT | EXCL, RDWR, 0).and_then(|file| {
                assert_eq!(self.guest.write(file, content), Ok(content.len()));
                self.guest.close(file)
            }),
        };
        self.settle(&result, expected.is_some(), &format!("make {node:?} at {path} from {base:?}"));
        if let Some(at) = expected {
            self.tree.insert(at, node);
        }
    }

    /// Makes something beside the kernel, as another program of the host would.
    fn make_on_the_host(&mut self, choices: &mut Choices<'_>, base: &[String]) {
        let node = self.new_node(choices);
        let path = name(choices);
        let Some(at) = self.changeable(base, &path).filter(|at| !self.tree.contains_key(at)) else { return };
        let Some(host) = self.on_host(&at) else { return };
        match &node {
            Node::Directory => std::fs::create_dir(host).unwrap(),
            Node::File(content) => std::fs::write(host, content).unwrap(),
            #[cfg(unix)]
            Node::Link(target) => std::os::unix::fs::symlink(target, host).unwrap(),
            #[cfg(not(unix))]
            Node::Link(_) => return,
        }
        self.others_made_links |= matches!(node, Node::Link(_));
        self.tree.insert(at, node);
    }

    fn rename(&mut self, choices: &mut Choices<'_>, fd: u32, base: &[String]) {
        let (old, new) = (name(choices), name(choices));
        let from = self.changeable(base, &old).filter(|at| self.tree.contains_key(at));
        let to = self.changeable(base, &new);
        // What is known of an open directory is its path; the model does not follow its renaming.
        let is_open = |place: &Place| self.open.iter().any(|(_, open)| open.starts_with(place));
        if from.as_ref().is_some_and(is_open) || to.as_ref().is_some_and(is_open) {
            return;
        }
        if self.is_left_to_unix(from.as_ref(), true) || self.is_left_to_unix(to.as_ref(), true) {
            return;
        }
        let moved = from.zip(to).filter(|(from, to)| self.can_be_renamed(from, to));
        let moved = moved.filter(|(from, to)| !self.leads_out_moved(from, to));
        let result = self.guest.rename_at(fd, &old, fd, &new);
        self.settle(&result, moved.is_some(), &format!("rename {old} to {new} from {base:?}"));
        let Some((from, to)) = moved.filter(|(from, to)| from != to) else { return };
        let inside: Vec<_> = self.tree.keys().filter(|place| place.starts_with(&from)).cloned().collect();
        for place in inside {
            let node = self.tree.remove(&place).unwrap();
            self.tree.insert([to.as_slice(), &place[from.len()..]].concat(), node);
        }
    }

    fn can_be_renamed(&self, from: &Place, to: &Place) -> bool {
        let mount = |place: &Place| self.mount_of(place).map(|(index, _)| index);
        if mount(from) != mount(to) || (to.starts_with(from) && to != from) {
            return false;
        }
        let is_directory = |node: &Node| *node == Node::Directory;
        match self.tree.get(to) {
            None => true,
            Some(_) if to == from => true,
            Some(replaced) => is_directory(replaced) == is_directory(&self.tree[from]) && self.is_empty(to),
        }
    }

    fn is_empty(&self, place: &Place) -> bool {
        !self.tree.keys().any(|other| other.starts_with(place) && other != place)
    }

    fn remove(&mut self, choices: &mut Choices<'_>, fd: u32, base: &[String]) {
        let path = name(choices);
        let at = self.changeable(base, &path).filter(|at| self.tree.contains_key(at));
        if at.as_ref().is_some_and(|at| self.open.iter().any(|(_, open)| open == at)) {
            return;
        }
        let directory = choices.one_in(2);
        let fits = |at: &Place| (self.tree[at] == Node::Directory) == directory && self.is_empty(at);
        let at = at.filter(fits);
        let result = if directory { self.guest.rmdir_at(fd, &path) } else { self.guest.unlink_at(fd, &path) };
        self.settle(&result, at.is_some(), &format!("remove {path} from {base:?}"));
        if let Some(at) = at {
            self.tree.remove(&at);
        }
    }

    fn open_directory(&mut self, fd: u32, base: &[String], path: &str) {
        let expected = model(&self.tree, base, path, true).and_then(|at| match self.tree[&at] {
            Node::Directory => Ok(at),
            _ => Err(Errno::NOTDIR),
        });
        match (self.guest.open_at(fd, path, FOLLOW, DIRECTORY, RDONLY, 0), expected) {
            (Ok(fd), Ok(at)) => {
                self.open.push((fd, at));
                if self.open.len() > MAX_OPEN_DIRECTORIES {
                    let (oldest, _) = self.open.remove(1);
                    self.guest.close(oldest).unwrap();
                }
            }
            (Err(Fault::Errno(errno)), Err(expected)) if errno == expected => {}
            (result, expected) => {
                panic!("open {path} from {base:?}: {result:?}, {expected:?} in {:?}", self.tree)
            }
        }
    }

    fn read_link(&mut self, choices: &mut Choices<'_>, fd: u32, base: &[String]) {
        let path = path(choices);
        let expected = model(&self.tree, base, &path, false).and_then(|at| match &self.tree[&at] {
            Node::Link(target) => Ok(target.clone()),
            _ => Err(Errno::INVAL),
        });
        let target = self.guest.readlink_at(fd, &path);
        assert_eq!(target, expected.map_err(Fault::Errno), "{path} from {base:?} in {:?}", self.tree);
    }

    /// Reads a file, which tells by its content which one it is.
    fn read(&mut self, choices: &mut Choices<'_>, fd: u32, base: &[String]) {
        let path = path(choices);
        let follow = choices.one_in(2);
        let lookup = if follow { FOLLOW } else { 0 };
        let expected = model(&self.tree, base, &path, follow).and_then(|at| match &self.tree[&at] {
            Node::File(content) => Ok(content.clone()),
            Node::Directory => Err(Errno::ISDIR),
            Node::Link(_) => Err(Errno::LOOP),
        });
        let content = self.guest.open_at(fd, &path, lookup, 0, RDONLY, 0).and_then(|file| {
            let content = self.guest.read(file, 2 * OUTSIDE_BYTES);
            self.guest.close(file)?;
            content
        });
        assert_eq!(content, expected.map_err(Fault::Errno), "{path} from {base:?} in {:?}", self.tree);
    }

    fn stat(&mut self, choices: &mut Choices<'_>, fd: u32, base: &[String]) {
        let path = path(choices);
        let follow = choices.one_in(2);
        let found = self.guest.stat_at(fd, &path, u32::from(follow));
        let at = match model(&self.tree, base, &path, follow) {
            Ok(at) => at,
            Err(errno) => {
                assert_eq!(found, Err(Fault::Errno(errno)), "{path} from {base:?} in {:?}", self.tree);
                return;
            }
        };
        // The same file, named by its plain path.
        let plain = self.guest.lstat(&shown(&at)).unwrap();
        assert_eq!(found, Ok(plain), "{path} from {base:?} in {:?}", self.tree);
        let (kind, size) = match &self.tree[&at] {
            Node::Directory => (KIND_DIRECTORY, plain.size),
            Node::File(content) => (KIND_FILE, content.len() as u64),
            Node::Link(target) => (KIND_SYMLINK, target.len() as u64),
        };
        assert_eq!((plain.kind, plain.size), (kind, size), "{path} from {base:?} in {:?}", self.tree);
    }

    /// Whether a node is a link that its host would follow out of the mount; `/tmp` has no host.
    fn leads_out(&self, node: &Node, at: &[String]) -> bool {
        let (Node::Link(target), Some((mount, within))) = (node, self.mount_of(at)) else { return false };
        if self.mounts[mount].1.is_none() {
            return false;
        }
        let names: Vec<_> = target.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
        let climbs = names.iter().take_while(|name| **name == "..").count();
        target.starts_with('/') || names[climbs..].contains(&"..") || climbs >= within.len()
    }

    /// Whether one of the links that get another place would lead out from there. Without a move up
    /// none does that did not before.
    fn leads_out_moved(&self, from: &Place, to: &Place) -> bool {
        let moved = self.tree.iter().filter(|(place, _)| place.starts_with(from));
        to.len() < from.len()
            && moved.into_iter().any(|(place, node)| {
                let moved = [to.as_slice(), &place[from.len()..]].concat();
                // One that the host made to lead out may go on doing so.
                self.leads_out(node, &moved) && !self.leads_out(node, place)
            })
    }

    /// Whether the host, following a link in a mount, gets out of it: what the kernel's rule is for.
    fn escapes(&self, mount: &Place, at: &[String], target: &str, links: &mut u32) -> Option<Place> {
        *links += 1;
        if target.starts_with('/') {
            return None;
        }
        let mut at = at.to_vec();
        for component in target.split('/').filter(|component| !matches!(*component, "" | ".")) {
            if component == ".." {
                if at == *mount {
                    return None;
                }
                at.pop();
                continue;
            }
            at.push(component.to_owned());
            if let Some(Node::Link(target)) = self.tree.get(&at).filter(|_| *links < 40) {
                at.pop();
                at = self.escapes(mount, &at, target, links)?;
            }
        }
        Some(at)
    }

    /// Windows makes symlinks for the privileged alone, and renames by rules of its own.
    fn is_left_to_unix(&self, at: Option<&Place>, is_special: bool) -> bool {
        cfg!(not(unix)) && is_special && at.is_some_and(|at| self.on_host(at).is_some())
    }

    fn settle(&self, result: &Result<(), Fault>, expected: bool, what: &str) {
        match result {
            Ok(()) => assert!(expected, "{what} in {:?}", self.tree),
            Err(Fault::Errno(_)) => assert!(!expected, "{result:?}: {what} in {:?}", self.tree),
            Err(Fault::Stop(_)) => panic!("{result:?}: {what}"),
        }
    }

    fn on_host(&self, place: &[String]) -> Option<PathBuf> {
        let (mount, within) = self.mount_of(place)?;
        let host = self.mounts[mount].1.as_ref()?;
        Some(within.iter().fold(host.clone(), |path, name| path.join(name)))
    }

    /// The mounts on the host have what the model says, and what is beside them is untouched.
    fn check_host(&self) {
        let links = self.tree.iter().filter(|_| !self.others_made_links);
        for (place, node) in links {
            let (Node::Link(target), Some((mount, _))) = (node, self.mount_of(place)) else { continue };
            if self.mounts[mount].1.is_some() {
                let followed = self.escapes(&self.mounts[mount].0, &place[..place.len() - 1], target, &mut 0);
                assert!(followed.is_some(), "{place:?} leads out in {:?}", self.tree);
            }
        }
        for (index, (mount, host)) in self.mounts.iter().enumerate() {
            let Some(host) = host else { continue };
            let mut found = Tree::new();
            collect(host, mount, &mut found);
            let mut expected = self.tree.clone();
            expected.retain(|place, _| {
                self.mount_of(place).is_some_and(|(of, within)| of == index && !within.is_empty())
            });
            assert_eq!(found, expected);
        }
        let mut names = 0;
        for entry in std::fs::read_dir(self.outside.path()).unwrap() {
            let entry = entry.unwrap();
            names += 1;
            if !entry.file_type().unwrap().is_dir() {
                assert_eq!(std::fs::read(entry.path()).unwrap(), [b'x'; OUTSIDE_BYTES]);
            }
        }
        assert_eq!(names, 4 + self.mounts.len() - 1);
    }
}

fn collect(host: &Path, place: &Place, found: &mut Tree) {
    for entry in std::fs::read_dir(host).unwrap() {
        let entry = entry.unwrap();
        let mut at = place.clone();
        at.push(entry.file_name().into_string().unwrap());
        let kind = entry.file_type().unwrap();
        let node = if kind.is_dir() {
            collect(&entry.path(), &at, found);
            Node::Directory
        } else if kind.is_symlink() {
            Node::Link(std::fs::read_link(entry.path()).unwrap().into_os_string().into_string().unwrap())
        } else {
            Node::File(std::fs::read(entry.path()).unwrap())
        };
        found.insert(at, node);
    }
}

fn shown(place: &[String]) -> String {
    format!("/{}", place.join("/"))
}
