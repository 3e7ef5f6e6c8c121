//! The files that a command sees: asked of the caller, within bounds, and each at most once.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use foldhash::fast::RandomState;

use crate::executable::is_native_library;
use crate::limits::{ENTRIES_MAX, FILE_BYTES_MAX, FILES_MAX, LISTS_MAX, TOTAL_BYTES_MAX};
use crate::path;

/// What is at a path, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// The files of a guest before it runs, by absolute guest path, links followed as the guest's kernel would.
///
/// A path that does not exist, leads out of its mount, or cannot be read is `None`. `/usr` of the image need not
/// be there. Nothing waits: of a FIFO or a device, `kind` is `None`.
///
/// # Examples
/// ```
/// use sandpiper_routing::{Command, Image, MemoryFiles, analyze};
/// let files = MemoryFiles::new([("/workspace/a.py", "import numpy\n")]);
/// let needs = analyze(&Command::new(["python3", "a.py"]), &files, &Image::default());
/// assert_eq!(needs.needs[0].what.phrase(), "the Python package `numpy`");
/// assert_eq!(needs.needs[0].evidence.line, 1);
/// ```
pub trait Files {
    /// What is at a path.
    fn kind(&self, path: &str) -> Option<FileKind>;
    /// The first `bytes_max` bytes of a file.
    fn read(&self, path: &str, bytes_max: usize) -> Option<Vec<u8>>;
    /// The names in a directory with their kinds, at most `entries_max`, in any order.
    fn list(&self, path: &str, entries_max: usize) -> Option<Vec<(String, FileKind)>>;
}

/// Files in memory, for commands that come with their files, and for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryFiles {
    /// These files, by absolute path; their directories are implied.
    pub fn new<P: Into<String>, C: Into<Vec<u8>>>(files: impl IntoIterator<Item = (P, C)>) -> Self {
        Self { files: files.into_iter().map(|(path, content)| (path.into(), content.into())).collect() }
    }
}

impl Files for MemoryFiles {
    fn kind(&self, path: &str) -> Option<FileKind> {
        if self.files.contains_key(path) {
            return Some(FileKind::File);
        }
        let inside = format!("{}/", path.trim_end_matches('/'));
        let next = self.files.range(inside.clone()..).next()?;
        next.0.starts_with(&inside).then_some(FileKind::Directory)
    }

    fn read(&self, path: &str, bytes_max: usize) -> Option<Vec<u8>> {
        let content = self.files.get(path)?;
        Some(content.get(..bytes_max).unwrap_or(content).to_vec())
    }

    fn list(&self, path: &str, entries_max: usize) -> Option<Vec<(String, FileKind)>> {
        let inside = format!("{}/", path.trim_end_matches('/'));
        let mut entries: Vec<(String, FileKind)> = Vec::new();
        for (file, _) in self.files.range(inside.clone()..) {
            let Some(rest) = file.strip_prefix(&inside) else { break };
            let (name, kind) = match rest.split_once('/') {
                Some((name, _)) => (name, FileKind::Directory),
                None => (rest, FileKind::File),
            };
            if entries.last().is_none_or(|(last, _)| last != name) {
                entries.push((name.to_owned(), kind));
            }
            if entries.len() >= entries_max {
                break;
            }
        }
        (!entries.is_empty()).then_some(entries)
    }
}

/// A file as it was found.
#[derive(Clone, Debug)]
pub enum Found {
    /// Its bytes, and whether there are more of them.
    Content(Rc<[u8]>, bool),
    /// The command itself makes it; of what, only the run tells.
    Made,
    /// There is none.
    Missing,
    /// A limit was met.
    Beyond,
}

/// The names of a directory, looked up by name.
#[derive(Clone, Debug)]
pub struct Listing {
    pub names: Rc<HashMap<String, FileKind, RandomState>>,
    /// Whether there are native libraries among them.
    pub has_native: bool,
}

impl Listing {
    fn new(names: HashMap<String, FileKind, RandomState>) -> Self {
        let has_native = names.keys().any(|name| is_native_library(name));
        Self { names: Rc::new(names), has_native }
    }

    pub fn get(&self, name: &str) -> Option<FileKind> {
        self.names.get(name).copied()
    }
}

/// The files within bounds, with those that the command itself writes before it reads them.
pub struct View<'a> {
    files: &'a dyn Files,
    contents: HashMap<String, Found, RandomState>,
    listings: HashMap<String, Option<Listing>, RandomState>,
    /// Written by the command, with what, where that is known.
    written: BTreeMap<String, Option<Rc<[u8]>>>,
    bytes: usize,
    reads: usize,
    lists: usize,
    /// Whether the command makes files of which nothing is known, as when it unpacks an archive.
    pub made_unknown: bool,
    /// Whether a limit was met.
    pub beyond: bool,
}

impl<'a> View<'a> {
    pub fn new(files: &'a dyn Files) -> Self {
        Self {
            files,
            contents: HashMap::default(),
            listings: HashMap::default(),
            written: BTreeMap::new(),
            bytes: 0,
            reads: 0,
            lists: 0,
            made_unknown: false,
            beyond: false,
        }
    }

    /// A file's content.
    pub fn read(&mut self, file: &str) -> Found {
        if let Some(written) = self.written.get(file) {
            return match written {
                Some(content) => Found::Content(Rc::clone(content), false),
                None => Found::Made,
            };
        }
        if let Some(found) = self.contents.get(file) {
            return found.clone();
        }
        let found = self.read_anew(file);
        self.contents.insert(file.to_owned(), found.clone());
        found
    }

    fn read_anew(&mut self, file: &str) -> Found {
        if self.reads >= FILES_MAX || self.bytes >= TOTAL_BYTES_MAX {
            self.beyond = true;
            return Found::Beyond;
        }
        self.reads += 1;
        match self.files.read(file, FILE_BYTES_MAX + 1) {
            None => Found::Missing,
            Some(mut content) => {
                let more = content.len() > FILE_BYTES_MAX;
                content.truncate(FILE_BYTES_MAX);
                self.bytes = self.bytes.saturating_add(content.len());
                Found::Content(content.into(), more)
            }
        }
    }

    /// What is at a path.
    pub fn kind(&mut self, at: &str) -> Option<FileKind> {
        if self.written.contains_key(at) {
            return Some(FileKind::File);
        }
        if at == "/" {
            return Some(FileKind::Directory);
        }
        let (parent, name) = path::split(at);
        match self.list(parent) {
            Some(listing) if listing.names.len() < ENTRIES_MAX => listing.get(name),
            _ => self.files.kind(at),
        }
    }

    /// The names in a directory.
    pub fn list(&mut self, directory: &str) -> Option<Listing> {
        if let Some(listing) = self.listings.get(directory) {
            return listing.clone();
        }
        if self.lists >= LISTS_MAX {
            self.beyond = true;
            return None;
        }
        self.lists += 1;
        let listing = self
            .files
            .list(directory, ENTRIES_MAX)
            .map(|entries| Listing::new(entries.into_iter().collect()));
        let listing: Option<Listing> = self.with_written(directory, listing);
        self.listings.insert(directory.to_owned(), listing.clone());
        listing
    }

    fn with_written(&self, directory: &str, listing: Option<Listing>) -> Option<Listing> {
        let mut listing = listing;
        for file in self.written.keys() {
            if path::split(file).0 == directory {
                let mut changed =
                    listing.as_ref().map(|listing| (*listing.names).clone()).unwrap_or_default();
                changed.insert(path::split(file).1.to_owned(), FileKind::File);
                listing = Some(Listing::new(changed));
            }
        }
        listing
    }

    /// Notes that the command writes a file, and what, where that is known.
    pub fn write(&mut self, file: &str, content: Option<Vec<u8>>) {
        if self.written.len() >= FILES_MAX {
            self.beyond = true;
            return;
        }
        self.written.insert(file.to_owned(), content.map(Into::into));
        self.listings.remove(path::split(file).0);
    }

    /// Whether the command writes a file of this name, in any directory, without the ending.
    pub fn makes(&self, stem: &str) -> bool {
        self.written.keys().any(|file| {
            let name = path::split(file).1;
            name.split('.').next() == Some(stem) || file.split('/').any(|part| part == stem)
        })
    }
}
