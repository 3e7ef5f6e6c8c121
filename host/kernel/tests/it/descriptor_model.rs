//! The descriptor table and what its descriptors share, beside a model: numbers, rights, flags,
//! offsets and contents.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};

use sandpiper_core::Access;
use sandpiper_kernel::{Errno, Fault};
use tempfile::TempDir;

use crate::choices::Choices;
use crate::guest::*;
use crate::host;

const MAX_STEPS: usize = 64;
const DESCRIPTORS: u32 = 12;

const FD_DATASYNC: u64 = 1;
const FDSTAT_SET_FLAGS: u64 = 1 << 3;
const FD_TELL: u64 = 1 << 5;
const PATH_CREATE_FILE: u64 = 1 << 10;
const PATH_OPEN: u64 = 1 << 13;
const PATH_SET_SIZE: u64 = 1 << 19;
const FILESTAT_GET: u64 = 1 << 21;
const SET_TIMES: u64 = 1 << 23;
const UNLINK: u64 = 1 << 26;
const POLL: u64 = 1 << 27;

/// What each kind of thing can be used for at most.
const FILE: u64 = FD_DATASYNC
    | FD_READ
    | FD_SEEK
    | FDSTAT_SET_FLAGS
    | 1 << 4
    | FD_TELL
    | FD_WRITE
    | 1 << 7
    | FD_ALLOCATE
    | FILESTAT_GET
    | SET_SIZE
    | SET_TIMES
    | POLL;
const DIRECTORIES: u64 =
    ALL_RIGHTS & !(FD_READ | FD_SEEK | FD_TELL | FD_WRITE | FD_ALLOCATE | SET_SIZE | 3 << 28);
const INPUT: u64 = FD_READ | FDSTAT_SET_FLAGS | FILESTAT_GET | POLL;
const OUTPUT: u64 = FD_WRITE | FDSTAT_SET_FLAGS | FILESTAT_GET | POLL;

const PATHS: [&str; 4] = ["/tmp/0", "/tmp/1", "/workspace/0", "/workspace/1"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Object {
    Input,
    Output,
    Directory,
    Null,
    /// An index into the files.
    File(usize),
}

/// An open file description.
#[derive(Debug)]
struct Description {
    object: Object,
    offset: u64,
    flags: u32,
    /// Whether the host appends by itself.
    appends: bool,
}

#[derive(Clone, Copy, Debug)]
struct Descriptor {
    description: usize,
    base: u64,
    inheriting: u64,
}

struct Model {
    table: BTreeMap<u32, Descriptor>,
    descriptions: Vec<Description>,
    files: Vec<Vec<u8>>,
    names: BTreeMap<&'static str, usize>,
}

/// Runs the steps that the bytes choose, on the kernel and on the model.
///
/// # Panics
/// When the kernel's answer is not the model's.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let host = TempDir::new().unwrap();
    let mut spec = mounted(&[(host.path(), "/workspace", Access::ReadWrite)]);
    spec.limits.descriptors = DESCRIPTORS;
    let mut guest = Guest::new(&spec);
    let mut model = Model::new();
    model.check(&mut guest);
    for _ in 0..MAX_STEPS {
        if choices.is_empty() {
            break;
        }
        model.step(&mut choices, &mut guest);
        model.check(&mut guest);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an answer is compared once")]
fn same<T: Debug + PartialEq>(found: Result<T, Fault>, expected: Result<T, Errno>, what: impl Display) {
    assert_eq!(found, expected.map_err(Fault::Errno), "{what}");
}

impl Model {
    fn new() -> Self {
        let mut model = Self {
            table: BTreeMap::new(),
            descriptions: Vec::new(),
            files: Vec::new(),
            names: BTreeMap::new(),
        };
        for (object, base, inheriting) in [
            (Object::Input, INPUT, 0),
            (Object::Output, OUTPUT, 0),
            (Object::Output, OUTPUT, 0),
            (Object::Directory, DIRECTORIES, ALL_RIGHTS),
        ] {
            model.insert(object, (base, inheriting), 0, false);
        }
        model
    }

    fn insert(&mut self, object: Object, (base, inheriting): (u64, u64), flags: u32, appends: bool) -> u32 {
        self.descriptions.push(Description { object, offset: 0, flags, appends });
        self.place(Descriptor { description: self.descriptions.len() - 1, base, inheriting })
    }

    fn place(&mut self, descriptor: Descriptor) -> u32 {
        let fd = self.lowest_free().unwrap();
        self.table.insert(fd, descriptor);
        fd
    }

    fn lowest_free(&self) -> Option<u32> {
        (0..DESCRIPTORS).find(|fd| !self.table.contains_key(fd))
    }

    fn get(&self, fd: u32) -> Result<(Descriptor, &Description), Errno> {
        let descriptor = self.table.get(&fd).ok_or(Errno::BADF)?;
        Ok((*descriptor, &self.descriptions[descriptor.description]))
    }

    fn step(&mut self, choices: &mut Choices<'_>, guest: &mut Guest) {
        let fd =
            choices.of(&[(8, 4), (4, 5), (2, 6), (1, 7), (1, 8), (1, 0), (1, 1), (2, 3), (1, 11), (1, 12)]);
        match choices.below(20) {
            0..4 => self.open(choices, guest, if fd < 8 { ROOT } else { fd }),
            4 => {
                let expected = self.table.remove(&fd).map(|_| ()).ok_or(Errno::BADF);
                same(guest.close(fd), expected, "close");
            }
            5 => {
                let to = choices.below(14);
                same(guest.process.fd_renumber(fd, to), self.renumber(fd, to), "renumber");
            }
            6..9 => {
                let count = choices.below(20);
                let at = choices.one_in(3).then(|| u64::from(choices.byte()));
                self.write(guest, fd, &vec![choices.byte(); count as usize], at);
            }
            9..12 => {
                let count = choices.below(40) as usize;
                let at = choices.one_in(3).then(|| u64::from(choices.byte()));
                let found = match at {
                    Some(at) => guest.pread(fd, count, at),
                    None => guest.read(fd, count),
                };
                same(found, self.read(fd, count, at), "read");
            }
            12..14 => {
                let (delta, whence) = (i64::from(choices.byte().cast_signed()), choices.below(4));
                same(guest.seek(fd, delta, whence), self.seek(fd, delta, whence), "seek");
            }
            14 => same(guest.tell(fd), self.tell(fd), "tell"),
            15 => {
                let flags = choices.of(&[(3, 0), (3, APPEND), (1, NONBLOCK), (1, 32)]);
                same(guest.process.fd_fdstat_set_flags(fd, flags), self.set_flags(fd, flags), "set flags");
            }
            16 => {
                let (base, inheriting) = (rights(choices), rights(choices));
                let found = guest.process.fd_fdstat_set_rights(fd, base, inheriting);
                same(found, self.set_rights(fd, base, inheriting), "set rights");
            }
            17 => {
                let size = u64::from(choices.byte());
                same(guest.process.fd_filestat_set_size(fd, size), self.set_size(fd, size), "set size");
            }
            18 => {
                let path = PATHS[choices.below(4) as usize];
                if path.starts_with("/workspace") && !host::removes_what_is_open() {
                    return;
                }
                let at = if fd < 8 { ROOT } else { fd };
                same(guest.unlink_at(at, path), self.unlink(at, path), "unlink");
            }
            _ => {
                let expected = self.get(fd).and_then(|(descriptor, description)| {
                    let size = match description.object {
                        Object::File(file) => self.files[file].len() as u64,
                        _ => 0,
                    };
                    check(descriptor, FILESTAT_GET)
                        .map(|()| (size, matches!(description.object, Object::File(_))))
                });
                let found = guest.fstat(fd);
                let found = found
                    .map(|stat| (if stat.kind == KIND_FILE { stat.size } else { 0 }, stat.kind == KIND_FILE));
                same(found, expected, "stat");
            }
        }
    }

    fn open(&mut self, choices: &mut Choices<'_>, guest: &mut Guest, at: u32) {
        let path = choices.of(&[
            (3, "/tmp/0".to_owned()),
            (2, "/tmp/1".to_owned()),
            (3, "/workspace/0".to_owned()),
            (2, "/workspace/1".to_owned()),
            (1, "/tmp".to_owned()),
            (1, "/dev/null".to_owned()),
            (6, "/dev/fd/".to_owned()),
        ]);
        let duplicated = path.ends_with('/').then(|| choices.below(14));
        let path = duplicated.map_or(path.clone(), |fd| format!("{path}{fd}"));
        let open = choices.of(&[
            (6, CREAT),
            (3, 0),
            (1, CREAT | TRUNC),
            (1, TRUNC),
            (1, CREAT | EXCL),
            (2, DIRECTORY),
            (1, 3),
        ]);
        let flags = choices.of(&[(4, 0), (2, APPEND), (1, NONBLOCK)]);
        let base = choices.of(&[
            (4, RDWR),
            (2, RDONLY),
            (1, ALL_RIGHTS),
            (1, FD_WRITE | FD_SEEK),
            (1, 0),
            (1, FD_READ),
        ]);
        let found = guest.open_at(at, &path, FOLLOW, open, base, flags);
        let expected = self.opened(at, &path, duplicated, Request { open, base, flags });
        same(found, expected, format!("open {path} {open} {base:x} {flags}"));
    }

    fn opened(
        &mut self,
        at: u32,
        path: &str,
        duplicated: Option<u32>,
        request: Request,
    ) -> Result<u32, Errno> {
        let Request { open, flags, base } = request;
        let (parent, description) = self.get(at)?;
        if description.object != Object::Directory {
            return Err(Errno::NOTDIR);
        }
        let create = if open & CREAT == 0 { 0 } else { PATH_CREATE_FILE };
        let truncate = if open & TRUNC == 0 { 0 } else { PATH_SET_SIZE };
        check(parent, PATH_OPEN | create | truncate)?;
        if open & (CREAT | DIRECTORY) == CREAT | DIRECTORY {
            return Err(Errno::INVAL);
        }
        self.lowest_free().ok_or(Errno::MFILE)?;
        let (base, inheriting) = (base & parent.inheriting, parent.inheriting);
        let exclusive = open & (CREAT | EXCL) == CREAT | EXCL;
        let changes = base & (FD_WRITE | FD_ALLOCATE | SET_SIZE) != 0 || open & TRUNC != 0;
        if let Some(fd) = duplicated {
            return match self.table.get(&fd).copied() {
                None if open & CREAT != 0 => Err(Errno::ROFS),
                None => Err(Errno::NOENT),
                Some(_) if exclusive => Err(Errno::EXIST),
                Some(_) if open & DIRECTORY != 0 => Err(Errno::NOTDIR),
                Some(original) => {
                    let transfer = FD_READ | FD_WRITE;
                    if base & transfer != 0 && base & original.base & transfer == 0 {
                        return Err(Errno::ACCES);
                    }
                    let (base, inheriting) = (base & original.base, inheriting & original.inheriting);
                    Ok(self.place(Descriptor { base, inheriting, ..original }))
                }
            };
        }
        match path {
            "/tmp" if exclusive => Err(Errno::EXIST),
            "/tmp" if open & (CREAT | TRUNC) != 0 || base & FD_WRITE != 0 => Err(Errno::ISDIR),
            "/tmp" => Ok(self.insert(Object::Directory, (base & DIRECTORIES, inheriting), 0, false)),
            _ if exclusive && (path == "/dev/null" || self.names.contains_key(path)) => Err(Errno::EXIST),
            "/dev/null" if open & DIRECTORY != 0 => Err(Errno::NOTDIR),
            "/dev/null" => Ok(self.insert(Object::Null, (base & FILE, inheriting & FILE), flags, false)),
            _ => {
                let file = match self.names.get(path) {
                    Some(_) if open & DIRECTORY != 0 => return Err(Errno::NOTDIR),
                    Some(file) => *file,
                    None if open & CREAT == 0 => return Err(Errno::NOENT),
                    None => {
                        let name = PATHS.iter().find(|name| **name == path).unwrap();
                        self.files.push(Vec::new());
                        self.names.insert(name, self.files.len() - 1);
                        self.files.len() - 1
                    }
                };
                if open & TRUNC != 0 {
                    self.files[file].clear();
                }
                let appends = path.starts_with("/workspace") && flags & APPEND != 0 && changes;
                Ok(self.insert(Object::File(file), (base & FILE, inheriting & FILE), flags, appends))
            }
        }
    }

    fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        let descriptor = self.get(from)?.0;
        if to >= DESCRIPTORS {
            return Err(Errno::BADF);
        }
        self.table.remove(&from);
        self.table.insert(to, descriptor);
        Ok(())
    }

    /// The descriptor's description for a transfer, after the checks that reading and writing share.
    fn transfer(&self, fd: u32, right: u64, at: Option<u64>) -> Result<usize, Errno> {
        let (descriptor, description) = self.get(fd)?;
        match description.object {
            Object::Directory => return Err(Errno::ISDIR),
            Object::Input | Object::Output if at.is_some() => return Err(Errno::SPIPE),
            _ => check(descriptor, right | if at.is_some() { FD_SEEK } else { 0 })?,
        }
        Ok(descriptor.description)
    }

    fn write(&mut self, guest: &mut Guest, fd: u32, bytes: &[u8], at: Option<u64>) {
        let found = match at {
            Some(at) => guest.pwrite(fd, bytes, at),
            None => guest.write(fd, bytes),
        };
        let output: usize = guest.output().iter().map(|(_, bytes)| bytes.len()).sum();
        let expected = self.transfer(fd, FD_WRITE, at).map(|description| {
            let Description { object, offset, flags, appends } = &mut self.descriptions[description];
            if let Object::File(file) = object {
                let content = &mut self.files[*file];
                // Linux appends whatever offset is given, to what was opened so.
                let append =
                    if at.is_some() { cfg!(target_os = "linux") && *appends } else { *flags & APPEND != 0 };
                let start =
                    if append { content.len() } else { usize::try_from(at.unwrap_or(*offset)).unwrap() };
                let end = start + bytes.len();
                if !bytes.is_empty() {
                    content.resize(content.len().max(end), 0);
                    content[start..end].copy_from_slice(bytes);
                    if at.is_none() {
                        *offset = end as u64;
                    }
                }
            }
            (bytes.len(), if *object == Object::Output { bytes.len() } else { 0 })
        });
        same(found.map(|written| (written, output)), expected, "write");
    }

    fn read(&mut self, fd: u32, count: usize, at: Option<u64>) -> Result<Vec<u8>, Errno> {
        let description = self.transfer(fd, FD_READ, at)?;
        let Description { object, offset, .. } = &mut self.descriptions[description];
        let Object::File(file) = object else { return Ok(Vec::new()) };
        let start = usize::try_from(at.unwrap_or(*offset)).unwrap();
        let rest = self.files[*file].get(start..).unwrap_or_default();
        let content = rest[..count.min(rest.len())].to_vec();
        if at.is_none() {
            *offset += content.len() as u64;
        }
        Ok(content)
    }

    fn seek(&mut self, fd: u32, delta: i64, whence: u32) -> Result<u64, Errno> {
        let (descriptor, description) = self.get(fd)?;
        let size = match description.object {
            Object::Directory => return Err(Errno::BADF),
            Object::Input | Object::Output => return Err(Errno::SPIPE),
            Object::Null => None,
            Object::File(file) => Some(self.files[file].len() as u64),
        };
        if whence > 2 {
            return Err(Errno::INVAL);
        }
        if (whence, delta) != (1, 0) || descriptor.base & FD_TELL == 0 {
            check(descriptor, FD_SEEK)?;
        }
        let Some(size) = size else { return Ok(0) };
        let from = [0, description.offset, size][whence as usize];
        let offset = from.checked_add_signed(delta).ok_or(Errno::INVAL)?;
        self.descriptions[descriptor.description].offset = offset;
        Ok(offset)
    }

    fn tell(&self, fd: u32) -> Result<u64, Errno> {
        let (descriptor, description) = self.get(fd)?;
        match description.object {
            Object::Directory => return Err(Errno::BADF),
            Object::Input | Object::Output => return Err(Errno::SPIPE),
            Object::Null | Object::File(_) => {}
        }
        if descriptor.base & FD_SEEK == 0 {
            check(descriptor, FD_TELL)?;
        }
        Ok(description.offset)
    }

    fn set_flags(&mut self, fd: u32, flags: u32) -> Result<(), Errno> {
        let (descriptor, description) = self.get(fd)?;
        check(descriptor, FDSTAT_SET_FLAGS)?;
        if flags > 31 {
            return Err(Errno::INVAL);
        }
        if description.appends && flags & APPEND == 0 {
            return Err(Errno::NOTSUP);
        }
        self.descriptions[descriptor.description].flags = flags;
        Ok(())
    }

    fn set_rights(&mut self, fd: u32, base: u64, inheriting: u64) -> Result<(), Errno> {
        let descriptor = self.table.get_mut(&fd).ok_or(Errno::BADF)?;
        let (base, inheriting) = (base & ALL_RIGHTS, inheriting & ALL_RIGHTS);
        if base & !descriptor.base != 0 || inheriting & !descriptor.inheriting != 0 {
            return Err(Errno::NOTCAPABLE);
        }
        (descriptor.base, descriptor.inheriting) = (base, inheriting);
        Ok(())
    }

    fn set_size(&mut self, fd: u32, size: u64) -> Result<(), Errno> {
        let (descriptor, description) = self.get(fd)?;
        let object = description.object;
        if matches!(object, Object::Input | Object::Output | Object::Directory) {
            return Err(Errno::INVAL);
        }
        check(descriptor, SET_SIZE)?;
        let Object::File(file) = object else { return Err(Errno::INVAL) };
        self.files[file].resize(usize::try_from(size).unwrap(), 0);
        Ok(())
    }

    fn unlink(&mut self, at: u32, path: &str) -> Result<(), Errno> {
        let (descriptor, description) = self.get(at)?;
        if description.object != Object::Directory {
            return Err(Errno::NOTDIR);
        }
        check(descriptor, UNLINK)?;
        self.names.remove(path).map(|_| ()).ok_or(Errno::NOENT)
    }

    /// Every number is open or not, and with the rights and flags, as the model says.
    fn check(&self, guest: &mut Guest) {
        for fd in 0..DESCRIPTORS + 2 {
            let expected = self.get(fd).map(|(descriptor, description)| {
                let kind = match description.object {
                    Object::Input | Object::Output => 0,
                    Object::Directory => KIND_DIRECTORY,
                    Object::Null => KIND_DEVICE,
                    Object::File(_) => KIND_FILE,
                };
                (kind, description.flags, descriptor.base, descriptor.inheriting)
            });
            same(guest.fdstat(fd), expected, format!("fd {fd}"));
        }
    }
}

/// What an opening asks for.
#[derive(Clone, Copy)]
struct Request {
    open: u32,
    base: u64,
    flags: u32,
}

fn rights(choices: &mut Choices<'_>) -> u64 {
    choices.of(&[
        (2, 0),
        (2, FILE),
        (2, RDONLY & FILE),
        (1, DIRECTORIES),
        (1, ALL_RIGHTS),
        (1, INPUT),
        (1, u64::MAX),
    ]) & !choices.of(&[(3, 0), (1, 1 << 1), (1, 1 << 2), (1, 1 << 5), (1, 1 << 6), (1, 1 << 13)])
}

fn check(descriptor: Descriptor, rights: u64) -> Result<(), Errno> {
    if descriptor.base & rights == rights { Ok(()) } else { Err(Errno::NOTCAPABLE) }
}
