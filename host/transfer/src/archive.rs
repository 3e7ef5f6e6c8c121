//! Reading an archive that may be hostile. Nothing is written, and contents stay where they are in it.
//!
//! The headers are walked here and not by tar's own iterator, for that takes an archive which is cut off
//! between two entries for a whole one, and splits extended headers at line ends that names may have.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sandpiper_core::is_git_directory_name;
use tar::{EntryType, Header};

use crate::limits::Budget;
use crate::writer::BLOCK_BYTES;
use crate::{ArchiveFault, EntryKind, PackLimits, PathFault, RelativePath, TransferError};

/// Largest extended header: a path of 128 names of 255 bytes, twice, and room for what else tars note.
const MAX_EXTENDED_BYTES: u64 = 1 << 20;

/// Most characters of an entry's name that an error repeats.
const MAX_SHOWN: usize = 300;

/// An entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    File {
        content: Bytes,
        mode: u32,
    },
    /// Without a mode if only something below it is listed.
    Directory {
        mode: Option<u32>,
    },
    Symlink {
        target: Bytes,
    },
}

impl Node {
    pub(crate) fn kind(&self) -> EntryKind {
        match self {
            Self::File { .. } => EntryKind::File,
            Self::Directory { .. } => EntryKind::Directory,
            Self::Symlink { .. } => EntryKind::Symlink,
        }
    }
}

/// What an archive has.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) nodes: BTreeMap<RelativePath, Node>,
    /// Whether it lists the directory itself, as `./`.
    pub(crate) has_root: bool,
    /// What can be on no other machine, and is nothing here.
    pub(crate) special: BTreeMap<RelativePath, EntryKind>,
    /// What means `.git`, as it is shown.
    pub(crate) git: BTreeSet<String>,
}

/// Reads a whole archive, or refuses it.
pub(crate) fn read(archive: &Bytes, limits: PackLimits) -> Result<Tree, TransferError> {
    let mut reader = Reader {
        archive,
        offset: 0,
        budget: Budget::new(limits),
        tree: Tree::default(),
        extended: Extended::default(),
    };
    while reader.entry()? {}
    reader.finish()
}

struct Reader<'a> {
    archive: &'a Bytes,
    offset: usize,
    budget: Budget,
    tree: Tree,
    /// What the headers before the next entry say of it.
    extended: Extended,
}

#[derive(Default)]
struct Extended {
    path: Option<Bytes>,
    target: Option<Bytes>,
    size: Option<u64>,
    is_sparse: bool,
    is_pending: bool,
}

impl Reader<'_> {
    /// Reads one header and what belongs to it; false at the archive's end.
    fn entry(&mut self) -> Result<bool, TransferError> {
        let block = self.take(u64::try_from(BLOCK_BYTES).unwrap_or(u64::MAX))?;
        if block.iter().all(|byte| *byte == 0) {
            return self.end().map(|()| false);
        }
        let header = Header::from_byte_slice(&block);
        let name = header.path_bytes();
        let refused = |fault| refused(self.extended.path.as_deref().unwrap_or(&name), fault);
        let garbled = |what| refused(ArchiveFault::Header(what));
        if !header.cksum().is_ok_and(|said| said == checksum(&block)) {
            return Err(garbled("its header's checksum is wrong"));
        }
        let size = header.entry_size().map_err(|_| garbled("its size is no number"))?;
        let kind = header.entry_type();
        if is_extension(kind) {
            if size > MAX_EXTENDED_BYTES {
                return Err(garbled("its extended header has more than 1 MiB"));
            }
            let content = self.take_padded(size)?;
            return self.extension(kind, &content).map(|()| true);
        }
        let mode = header.mode().map_err(|_| garbled("its mode is no number"))?;
        let extended = std::mem::take(&mut self.extended);
        let name = extended.path.unwrap_or_else(|| name.into_owned().into());
        let header = Plain {
            kind,
            mode: mode & 0o777,
            size: extended.size.unwrap_or(size),
            target: extended.target.unwrap_or_else(|| {
                header.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default().into()
            }),
            is_sparse: extended.is_sparse,
        };
        self.plain(&name, header)?;
        Ok(true)
    }

    fn plain(&mut self, name: &[u8], header: Plain) -> Result<(), TransferError> {
        let refused = |fault: ArchiveFault| refused(name, fault);
        if header.is_sparse || header.kind.is_gnu_sparse() {
            return Err(refused(ArchiveFault::Sparse));
        }
        let kind = match header.kind {
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink,
            EntryType::Link => Kind::HardLink,
            EntryType::Char | EntryType::Block => Kind::Special(EntryKind::Device),
            EntryType::Fifo => Kind::Special(EntryKind::Fifo),
            other => return Err(refused(ArchiveFault::Type(char::from(other.as_byte())))),
        };
        if kind != Kind::File && header.size > 0 {
            return Err(refused(ArchiveFault::Header("it has content but is no file")));
        }
        let path = match parse(name, kind == Kind::Directory) {
            Err(ArchiveFault::GitDirectory) => {
                self.take_padded(header.size)?;
                self.tree.git.insert(git_directory(name));
                return Ok(());
            }
            path => path.map_err(&refused)?,
        };
        let Some(path) = path else {
            if kind != Kind::Directory {
                return Err(refused(ArchiveFault::Header("it replaces the directory itself")));
            }
            if std::mem::replace(&mut self.tree.has_root, true) {
                return Err(refused(ArchiveFault::Duplicate));
            }
            return Ok(());
        };
        if self.tree.nodes.contains_key(&path) || self.tree.special.contains_key(&path) {
            return Err(refused(ArchiveFault::Duplicate));
        }
        let node = match kind {
            Kind::Special(kind) => {
                self.budget.take(&path, 0)?;
                self.tree.special.insert(path, kind);
                return Ok(());
            }
            Kind::File => {
                self.budget.take(&path, header.size)?;
                Node::File { content: self.take_padded(header.size)?, mode: header.mode }
            }
            Kind::Directory => {
                self.budget.take(&path, 0)?;
                Node::Directory { mode: Some(header.mode) }
            }
            Kind::Symlink => {
                if header.target.is_empty() || header.target.contains(&0) {
                    return Err(refused(ArchiveFault::Header("it is a symlink to no path")));
                }
                self.budget.take(&path, length(&header.target))?;
                Node::Symlink { target: header.target }
            }
            Kind::HardLink => {
                let linked = parse(&header.target, false).ok().flatten();
                if let Some(kind) = linked.as_ref().and_then(|linked| self.tree.special.get(linked)).copied()
                {
                    self.budget.take(&path, 0)?;
                    self.tree.special.insert(path, kind);
                    return Ok(());
                }
                let node = linked.and_then(|linked| self.tree.nodes.get(&linked)).cloned();
                let (size, node) = match node {
                    Some(Node::File { content, mode }) => (length(&content), Node::File { content, mode }),
                    Some(Node::Symlink { target }) => (length(&target), Node::Symlink { target }),
                    _ => return Err(refused(ArchiveFault::HardLink { target: shown(&header.target) })),
                };
                self.budget.take(&path, size)?;
                node
            }
        };
        self.tree.nodes.insert(path, node);
        Ok(())
    }

    /// Reads what a header says of the next one.
    fn extension(&mut self, kind: EntryType, content: &Bytes) -> Result<(), TransferError> {
        let refused = |what| Err(refused(content, ArchiveFault::Header(what)));
        if kind.is_pax_global_extensions() {
            let mut global = Extended::default();
            return match global.read_pax(content) {
                Err(what) => refused(what),
                Ok(()) if global.path.is_some() || global.target.is_some() => {
                    refused("it gives one name to all entries")
                }
                Ok(()) if global.size.is_some() || global.is_sparse => {
                    refused("it gives one size to all entries")
                }
                Ok(()) => Ok(()),
            };
        }
        self.extended.is_pending = true;
        let text = || content.slice(..content.iter().position(|byte| *byte == 0).unwrap_or(content.len()));
        let place = if kind.is_gnu_longname() {
            &mut self.extended.path
        } else if kind.is_gnu_longlink() {
            &mut self.extended.target
        } else {
            return self.extended.read_pax(content).or_else(refused);
        };
        match place.replace(text()) {
            None => Ok(()),
            Some(_) => refused("two headers give it a name"),
        }
    }

    /// All that is behind the first block of zeros has to be zeros, at least one block of them.
    fn end(&mut self) -> Result<(), TransferError> {
        let rest = self.archive.get(self.offset..).unwrap_or_default();
        if self.extended.is_pending || rest.len() < BLOCK_BYTES {
            return Err(self.truncated());
        }
        if rest.iter().any(|byte| *byte != 0) {
            let offset = u64::try_from(self.offset - BLOCK_BYTES).unwrap_or(u64::MAX);
            return Err(TransferError::Trailing { offset });
        }
        Ok(())
    }

    /// Sees to it that whatever an entry is below is a directory.
    fn finish(mut self) -> Result<Tree, TransferError> {
        let paths: Vec<RelativePath> = self.tree.nodes.keys().cloned().collect();
        for path in paths {
            for parent in path.ancestors() {
                let special = || self.tree.special.get(&parent).copied();
                match self.tree.nodes.get(&parent).map(Node::kind).or_else(special) {
                    Some(EntryKind::Directory) => break,
                    Some(kind) => {
                        return Err(refused(
                            path.as_bytes(),
                            ArchiveFault::BelowNoDirectory { parent, kind },
                        ));
                    }
                    None => {
                        self.budget.take(&parent, 0)?;
                        self.tree.nodes.insert(parent, Node::Directory { mode: None });
                    }
                }
            }
        }
        Ok(self.tree)
    }

    fn take(&mut self, size: u64) -> Result<Bytes, TransferError> {
        let end = usize::try_from(size).ok().and_then(|size| self.offset.checked_add(size));
        let Some(end) = end.filter(|end| *end <= self.archive.len()) else {
            return Err(self.truncated());
        };
        let taken = self.archive.slice(self.offset..end);
        self.offset = end;
        Ok(taken)
    }

    fn take_padded(&mut self, size: u64) -> Result<Bytes, TransferError> {
        let taken = self.take(size)?;
        let padding = taken.len().next_multiple_of(BLOCK_BYTES) - taken.len();
        self.take(u64::try_from(padding).unwrap_or(u64::MAX))?;
        Ok(taken)
    }

    fn truncated(&self) -> TransferError {
        TransferError::Truncated { length: length(self.archive) }
    }
}

/// A header with all that is said of its entry elsewhere.
struct Plain {
    kind: EntryType,
    mode: u32,
    size: u64,
    target: Bytes,
    is_sparse: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    /// What is neither.
    Special(EntryKind),
}

impl Extended {
    /// Reads the records of pax(1): `length key=value\n`, of which values may hold anything.
    fn read_pax(&mut self, records: &Bytes) -> Result<(), &'static str> {
        const GARBLED: &str = "its extended header is garbled";
        let mut records = records.clone();
        while !records.is_empty() {
            let space = records.iter().position(|byte| *byte == b' ').ok_or(GARBLED)?;
            let length = std::str::from_utf8(&records[..space]).ok().and_then(|digits| digits.parse().ok());
            let length: usize =
                length.filter(|length| (space + 2..=records.len()).contains(length)).ok_or(GARBLED)?;
            let record = records.slice(space + 1..length);
            let record = record.strip_suffix(b"\n").map(|kept| record.slice_ref(kept)).ok_or(GARBLED)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(GARBLED)?;
            let value = record.slice(equals + 1..);
            let is_twice = match &record[..equals] {
                b"path" => self.path.replace(value).is_some(),
                b"linkpath" => self.target.replace(value).is_some(),
                b"size" => {
                    let size = std::str::from_utf8(&value).ok().and_then(|digits| digits.parse().ok());
                    self.size.replace(size.ok_or("its size is no number")?).is_some()
                }
                key => {
                    self.is_sparse |= key.starts_with(b"GNU.sparse.");
                    false
                }
            };
            if is_twice {
                return Err("its extended headers give it something twice");
            }
            records = records.slice(length..);
        }
        Ok(())
    }
}

fn is_extension(kind: EntryType) -> bool {
    kind.is_gnu_longname()
        || kind.is_gnu_longlink()
        || kind.is_pax_local_extensions()
        || kind.is_pax_global_extensions()
}

/// The path that a name in an archive means; `None` is the directory itself. Names as tars write them begin
/// with `./`, and those of directories end with `/`.
fn parse(name: &[u8], is_directory: bool) -> Result<Option<RelativePath>, ArchiveFault> {
    if name.is_empty() {
        return Err(PathFault::Empty.into());
    }
    if name.starts_with(b"/") {
        return Err(PathFault::Absolute.into());
    }
    let name = name.strip_suffix(b"/").filter(|_| is_directory).unwrap_or(name);
    let kept: Vec<&[u8]> = name.split(|byte| *byte == b'/').filter(|name| name != b".").collect();
    if kept.is_empty() {
        return Ok(None);
    }
    // First, because Windows has other reasons against some of its spellings.
    if kept.iter().any(|name| is_git_directory_name(name)) {
        return Err(ArchiveFault::GitDirectory);
    }
    Ok(Some(RelativePath::parse(&kept.join(&b'/'))?))
}

/// What in a name means `.git`, with what it is in.
fn git_directory(name: &[u8]) -> String {
    let mut kept: Vec<&[u8]> = Vec::new();
    for name in name.split(|byte| *byte == b'/').filter(|name| name != b".") {
        kept.push(name);
        if is_git_directory_name(name) {
            break;
        }
    }
    shown(&kept.join(&b'/'))
}

/// The sum of a header's bytes, with spaces where the sum itself is.
fn checksum(block: &[u8]) -> u32 {
    let sum_of =
        |(index, byte): (usize, &u8)| if (148..156).contains(&index) { 32 } else { u32::from(*byte) };
    block.iter().enumerate().map(sum_of).sum()
}

fn refused(name: &[u8], fault: ArchiveFault) -> TransferError {
    TransferError::Archive { entry: shown(name), fault }
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(MAX_SHOWN).collect()
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
