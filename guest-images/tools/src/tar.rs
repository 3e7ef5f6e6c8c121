//! tar: making, listing and unpacking archives, compressed by gzip or not.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use sandpiper_guest::status::Kind;
use sandpiper_guest::{Status, bytes, os};
use tar::{Archive, Builder, EntryType, Header};

use crate::glob;
use crate::options::{Ended, Given, Nothing, Option_, Order, Value, parse};
use crate::text::{reason, shown};

const OPTIONS: &[Option_] = &[
    ("c", "create", Nothing),
    ("x", "extract", Nothing),
    ("", "get", Nothing),
    ("t", "list", Nothing),
    ("f", "file", Value),
    ("C", "directory", Value),
    ("z", "gzip", Nothing),
    ("v", "verbose", Nothing),
    ("p", "preserve-permissions", Nothing),
    ("", "same-permissions", Nothing),
    ("", "no-same-permissions", Nothing),
    ("O", "to-stdout", Nothing),
    ("k", "keep-old-files", Nothing),
    ("h", "dereference", Nothing),
    ("T", "files-from", Value),
    ("", "exclude", Value),
    ("", "strip-components", Value),
    ("", "no-same-owner", Nothing),
    ("", "overwrite", Nothing),
    ("a", "auto-compress", Nothing),
];

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    // The first word can be options without a dash.
    let mut words = arguments.to_vec();
    if let Some(first) = words.first_mut()
        && !first.starts_with(b"-")
        && !first.is_empty()
    {
        first.insert(0, b'-');
    }
    match run(tool, &words) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let given = parse(tool, OPTIONS, arguments, (Order::Permuted, 2))?;
    let fail = |message: String| {
        eprintln!("tar: {message}");
        Ended(2)
    };
    let file = given.value("file").map(<[u8]>::to_vec).unwrap_or_else(|| b"-".to_vec());
    let mut work = Work { given: &given, code: 0 };
    let result = if given.has("create") {
        work.create(&file)
    } else if given.has("extract") || given.has("get") || given.has("list") {
        work.read(&file)
    } else {
        return Err(fail("You must specify one of the '-ctx' options".to_owned()));
    };
    match result {
        Ok(()) => Ok(work.code),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(2),
        Err(error) => Err(fail(format!("{}: {}", shown(&file), reason(&error)))),
    }
}

struct Work<'a> {
    given: &'a Given,
    code: i32,
}

impl Work<'_> {
    fn excluded(&self, name: &[u8]) -> bool {
        self.given.options.iter().filter(|(option, _)| *option == "exclude").any(|(_, pattern)| {
            let starts = std::iter::once(0).chain(name.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1));
            let ends: Vec<usize> = name.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([name.len()]).collect();
            starts.into_iter().any(|start| {
                ends.iter().any(|end| {
                    name.get(start..*end).is_some_and(|part| glob::matches(pattern, part, glob::Mode::default()))
                })
            })
        })
    }

    fn create(&mut self, file: &[u8]) -> io::Result<()> {
        let mut names = self.given.operands.clone();
        if let Some(list) = self.given.value("files-from") {
            names.extend(crate::text::read(list)?.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
        }
        if names.is_empty() {
            return Err(io::Error::other("Cowardly refusing to create an empty archive"));
        }
        let output: Box<dyn Write> = if file == b"-" { Box::new(io::stdout()) } else { Box::new(File::create(os(file))?) };
        let packed = self.given.has("gzip")
            || (self.given.has("auto-compress") && (file.ends_with(b".gz") || file.ends_with(b".tgz")));
        let archive = fs::canonicalize(os(file)).ok();
        if let Some(folder) = self.given.value("directory") {
            std::env::set_current_dir(os(folder))?;
        }
        let output: Box<dyn Write> =
            if packed { Box::new(crate::gzip::encoder(output, Compression::default())) } else { output };
        let mut builder = Builder::new(io::BufWriter::with_capacity(1 << 16, output));
        for name in names {
            self.add(&mut builder, &name, archive.as_deref())?;
        }
        builder.into_inner()?.flush()
    }

    fn add<W: Write>(&mut self, builder: &mut Builder<W>, name: &[u8], archive: Option<&Path>) -> io::Result<()> {
        if self.excluded(name.strip_suffix(b"/").unwrap_or(name)) {
            return Ok(());
        }
        let path = PathBuf::from(os(name));
        let status = match Status::of(&path, self.given.has("dereference")) {
            Ok(status) => status,
            Err(error) => {
                self.code = 2;
                eprintln!("tar: {}: Cannot stat: {}", shown(name), reason(&error));
                return Ok(());
            }
        };
        if archive.is_some() && fs::canonicalize(&path).ok().as_deref() == archive {
            eprintln!("tar: {}: archive cannot contain itself; not dumped", shown(name));
            return Ok(());
        }
        let mut stored = name.to_vec();
        while stored.first() == Some(&b'/') {
            stored.remove(0);
        }
        if stored.is_empty() {
            stored = b"./".to_vec();
        }
        if status.kind == Kind::Directory && stored.last() != Some(&b'/') {
            stored.push(b'/');
        }
        if self.given.has("verbose") {
            eprintln!("{}", shown(&stored));
        }
        let mut header = Header::new_gnu();
        header.set_mode(status.mode);
        header.set_uid(u64::from(status.user));
        header.set_gid(u64::from(status.group));
        header.set_mtime(u64::try_from(status.modified.0).unwrap_or(0));
        header.set_size(0);
        // The crate would take `./` off names; only those that need an entry of their own go through it.
        let plain = stored.clone();
        let stored = PathBuf::from(os(&stored));
        let short = plain.len() < 100;
        if short
            && let Some(place) = header.as_old_mut().name.get_mut(..plain.len())
        {
            place.copy_from_slice(&plain);
        }
        match status.kind {
            Kind::Directory => {
                header.set_entry_type(EntryType::Directory);
                if short {
                    header.set_cksum();
                    builder.append(&header, io::empty())?;
                } else {
                    builder.append_data(&mut header, &stored, io::empty())?;
                }
                let mut inner: Vec<Vec<u8>> = Vec::new();
                for entry in fs::read_dir(&path)? {
                    let mut inside = name.to_vec();
                    if inside.last() != Some(&b'/') {
                        inside.push(b'/');
                    }
                    inside.extend_from_slice(bytes(&entry?.file_name()));
                    inner.push(inside);
                }
                inner.sort();
                for inside in inner {
                    self.add(builder, &inside, archive)?;
                }
            }
            Kind::Link => {
                header.set_entry_type(EntryType::Symlink);
                let target = fs::read_link(&path)?;
                let to = bytes(target.as_os_str());
                match header.as_old_mut().linkname.get_mut(..to.len()) {
                    Some(place) if short && to.len() < 100 => {
                        place.copy_from_slice(to);
                        header.set_cksum();
                        builder.append(&header, io::empty())?;
                    }
                    _ => builder.append_link(&mut header, &stored, &target)?,
                }
            }
            Kind::File => {
                header.set_entry_type(EntryType::Regular);
                header.set_size(status.size);
                let content = File::open(&path)?.take(status.size);
                if short {
                    header.set_cksum();
                    builder.append(&header, content)?;
                } else {
                    builder.append_data(&mut header, &stored, content)?;
                }
            }
            _ => {
                self.code = 2;
                eprintln!("tar: {}: file of this kind is not stored", shown(name));
            }
        }
        Ok(())
    }

    fn wanted(&self, name: &[u8]) -> bool {
        let name = name.strip_suffix(b"/").unwrap_or(name);
        !self.excluded(name)
            && (self.given.operands.is_empty()
                || self.given.operands.iter().any(|operand| {
                    let operand = operand.strip_suffix(b"/").unwrap_or(operand);
                    name == operand || name.strip_prefix(operand).is_some_and(|rest| rest.starts_with(b"/"))
                }))
    }

    fn read(&mut self, file: &[u8]) -> io::Result<()> {
        let input: Box<dyn Read> = if file == b"-" { Box::new(io::stdin()) } else { Box::new(File::open(os(file))?) };
        let mut input = io::BufReader::with_capacity(1 << 16, input);
        let packed = io::BufRead::fill_buf(&mut input)?.starts_with(&[0x1f, 0x8b]);
        let input: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) };
        if let Some(folder) = self.given.value("directory") {
            std::env::set_current_dir(os(folder))?;
        }
        let strip: usize = match self.given.value("strip-components") {
            Some(text) => shown(text).parse().map_err(|_| io::Error::other("invalid number of elements"))?,
            None => 0,
        };
        let mut archive = Archive::new(input);
        let mut folders = Vec::new();
        let mut out = io::stdout();
        let mut seen = vec![false; self.given.operands.len()];
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path_bytes().to_vec();
            if !self.wanted(&name) {
                continue;
            }
            for (operand, seen) in self.given.operands.iter().zip(&mut seen) {
                let operand = operand.strip_suffix(b"/").unwrap_or(operand);
                *seen |= name.starts_with(operand);
            }
            let kind = entry.header().entry_type();
            if self.given.has("list") {
                let mut line = if self.given.has("verbose") { long(&entry)? } else { Vec::new() };
                line.extend_from_slice(&name);
                if self.given.has("verbose")
                    && let Some(target) = entry.link_name_bytes()
                {
                    line.extend_from_slice(if kind == EntryType::Link { b" link to " } else { b" -> " });
                    line.extend_from_slice(&target);
                }
                line.push(b'\n');
                out.write_all(&line)?;
                continue;
            }
            if self.given.has("verbose") {
                println!("{}", shown(&name));
            }
            if self.given.has("to-stdout") {
                io::copy(&mut entry, &mut out)?;
                continue;
            }
            // No entry leaves the directory: neither by its name nor through links that the archive made.
            let mut target = PathBuf::new();
            let path = PathBuf::from(os(&name));
            let parts = path.components().filter(|part| !matches!(part, Component::CurDir | Component::RootDir));
            let mut bad = false;
            for part in parts.skip(strip) {
                match part {
                    Component::Normal(part) => target.push(part),
                    _ => bad = true,
                }
            }
            if bad {
                self.code = 2;
                eprintln!("tar: {}: Member name contains '..'", shown(&name));
                continue;
            }
            if target.as_os_str().is_empty() {
                continue;
            }
            if let Err(error) = self.unpack(&mut entry, &target, &mut folders) {
                self.code = 2;
                eprintln!("tar: {}: Cannot open: {}", shown(&name), reason(&error));
            }
        }
        for (folder, mode) in folders.into_iter().rev() {
            sandpiper_guest::set_mode(&folder, mode)?;
        }
        for (operand, seen) in self.given.operands.iter().zip(seen) {
            if !seen {
                self.code = 2;
                eprintln!("tar: {}: Not found in archive", shown(operand));
            }
        }
        out.flush()
    }

    fn unpack<R: Read>(
        &self,
        entry: &mut tar::Entry<'_, R>,
        target: &Path,
        folders: &mut Vec<(PathBuf, u32)>,
    ) -> io::Result<()> {
        let same = ["preserve-permissions", "same-permissions", "no-same-permissions"];
        let masked = match self.given.last(&same) {
            None | Some("no-same-permissions") => sandpiper_guest::umask(),
            Some(_) => 0,
        };
        let mode = entry.header().mode()? & 0o7777 & !masked;
        let kind = entry.header().entry_type();
        if let Some(parent) = target.parent() {
            let mut above = PathBuf::new();
            for part in parent.components() {
                above.push(part);
                if above.is_symlink() {
                    return Err(io::Error::other("a link is in the way"));
                }
            }
            fs::create_dir_all(parent)?;
        }
        if kind == EntryType::Directory {
            fs::create_dir_all(target)?;
            folders.push((target.to_owned(), mode));
            return Ok(());
        }
        if target.symlink_metadata().is_ok() {
            if self.given.has("keep-old-files") {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::remove_file(target)?;
        }
        match kind {
            EntryType::Symlink => {
                let to = entry.link_name()?.ok_or_else(|| io::Error::other("link without a target"))?;
                return symlink(&to, target);
            }
            EntryType::Link => {
                let to = entry.link_name()?.ok_or_else(|| io::Error::other("link without a target"))?;
                return fs::hard_link(&to, target);
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {}
            _ => return Err(io::Error::other("an entry of this kind is not supported")),
        }
        let mut file = File::create(target)?;
        io::copy(entry, &mut file)?;
        let stamp = std::time::UNIX_EPOCH + std::time::Duration::from_secs(entry.header().mtime()?);
        file.set_modified(stamp)?;
        drop(file);
        sandpiper_guest::set_mode(target, mode)
    }
}

#[cfg(unix)]
fn symlink(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(not(unix))]
fn symlink(to: &Path, at: &Path) -> io::Result<()> {
    #[allow(deprecated)]
    fs::soft_link(to, at)
}

fn long<R: Read>(entry: &tar::Entry<'_, R>) -> io::Result<Vec<u8>> {
    let header = entry.header();
    let kind = match header.entry_type() {
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Link,
        _ => Kind::File,
    };
    let name = |text: Option<&[u8]>, number: u64, known: fn(u32) -> Option<String>| {
        let text = text.map(|text| String::from_utf8_lossy(text).into_owned()).filter(|text| !text.is_empty());
        text.or_else(|| u32::try_from(number).ok().and_then(known)).unwrap_or_else(|| number.to_string())
    };
    let user = name(header.username_bytes(), header.uid()?, sandpiper_guest::users::user_name);
    let group = name(header.groupname_bytes(), header.gid()?, sandpiper_guest::users::group_name);
    let time = crate::time::local((i64::try_from(header.mtime()?).unwrap_or(0), 0));
    let owner = format!("{user}/{group}");
    let size = header.size()?.to_string();
    let width = 18usize.saturating_sub(owner.len()).max(size.len());
    Ok(format!(
        "{} {owner} {size:>width$} {} ",
        crate::mode::symbols(kind, header.mode()? & 0o7777),
        crate::time::format(&time, "%Y-%m-%d %H:%M")
    )
    .into_bytes())
}
