//! unzip.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use sandpiper_guest::{bytes, os, set_mode, umask};
use zip::ZipArchive;
use zip::extra_fields::ExtraField;
use zip::read::ZipFile;

use super::covered;
use crate::options::{Ended, Given, Nothing, Option_, Order, Value, parse};
use crate::text::{reason, shown};

const OPTIONS: &[Option_] = &[
    ("Z", "", Nothing),
    ("1", "", Nothing),
    ("d", "", Value),
    ("j", "", Nothing),
    ("l", "", Nothing),
    ("n", "", Nothing),
    ("o", "", Nothing),
    ("p", "", Nothing),
    ("q", "", Nothing),
    ("t", "", Nothing),
    ("x", "", Value),
];

type Archive = ZipArchive<BufReader<File>>;

struct Task<'a> {
    given: &'a Given,
    quiet: usize,
    wanted: Vec<Vec<u8>>,
    seen: Vec<bool>,
    excluded: Vec<Vec<u8>>,
    into: PathBuf,
    /// Nobody said what becomes of files that are there, so that they stay.
    keeps: bool,
    code: i32,
    links: Vec<(PathBuf, Vec<u8>)>,
}

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let at = arguments.iter().position(|word| word == b"-x");
    let (before, behind) = arguments.split_at(at.unwrap_or(arguments.len()));
    let excluded: Vec<Vec<u8>> =
        behind.iter().skip(1).take_while(|word| !word.starts_with(b"-")).cloned().collect();
    let words: Vec<Vec<u8>> = before.iter().chain(behind.iter().skip(1 + excluded.len())).cloned().collect();
    let given = parse(tool, OPTIONS, &words, (Order::Permuted, 2))?;
    if given.has("Z") != given.has("1") {
        eprintln!("{tool}: of zipinfo's options only -Z1 is supported");
        return Err(Ended(2));
    }
    let Some((name, wanted)) = given.operands.split_first() else {
        eprintln!("{tool}: an archive is needed");
        return Err(Ended(10));
    };
    let mut zipped = name.clone();
    zipped.extend_from_slice(b".zip");
    let found = [name.clone(), zipped]
        .into_iter()
        .find_map(|name| File::open(os(&name)).ok().map(|file| (name, file)));
    let Some((name, file)) = found else {
        let name = shown(name);
        eprintln!("unzip:  cannot find or open {name}, {name}.zip or {name}.ZIP.");
        return Ok(9);
    };
    let quiet = given.options.iter().filter(|(option, _)| *option == "q").count();
    let bare = given.has("p") || given.has("Z");
    if !bare && (quiet == 0 || given.has("l") && quiet < 1) {
        println!("Archive:  {}", shown(&name));
    }
    let mut archive = match ZipArchive::new(BufReader::new(file)) {
        Ok(archive) => archive,
        Err(error) => {
            eprintln!("{tool}: cannot find zipfile directory in {}: {error}", shown(&name));
            return Ok(9);
        }
    };
    let task = Task {
        quiet,
        seen: vec![false; wanted.len()],
        wanted: wanted.to_vec(),
        excluded,
        into: given.value("d").map(os).unwrap_or_default().into(),
        keeps: given.has("n"),
        code: 0,
        links: Vec::new(),
        given: &given,
    };
    task.all(&mut archive, &shown(&name)).map_err(|error| {
        eprintln!("{tool}: {}: {}", shown(&name), reason(&error));
        Ended(if error.kind() == io::ErrorKind::InvalidData { 3 } else { 2 })
    })
}

impl Task<'_> {
    fn takes(&mut self, name: &[u8]) -> bool {
        let mut named = self.wanted.is_empty();
        for (pattern, seen) in self.wanted.iter().zip(&mut self.seen) {
            if covered(std::slice::from_ref(pattern), name) {
                (named, *seen) = (true, true);
            }
        }
        named && !covered(&self.excluded, name)
    }

    fn say(&self, line: &str) {
        if self.quiet == 0 {
            println!("{line}");
        }
    }

    fn all(mut self, archive: &mut Archive, called: &str) -> io::Result<i32> {
        let (mut count, mut total) = (0, 0);
        let mut folders: Vec<(PathBuf, u32, Option<std::time::SystemTime>)> = Vec::new();
        if self.given.has("l") && self.quiet < 2 {
            println!("  Length      Date    Time    Name\n---------  ---------- -----   ----");
        }
        for at in 0..archive.len() {
            let mut file = archive.by_index(at).map_err(io::Error::other)?;
            let name = file.name_raw().to_vec();
            if !self.takes(&name) {
                continue;
            }
            count += 1;
            total += file.size();
            if self.given.has("Z") {
                println!("{}", shown(&name));
            } else if self.given.has("l") {
                let time = file.last_modified().unwrap_or_default();
                println!(
                    "{:>9}  {:04}-{:02}-{:02} {:02}:{:02}   {}",
                    file.size(),
                    time.year(),
                    time.month(),
                    time.day(),
                    time.hour(),
                    time.minute(),
                    shown(&name)
                );
            } else if self.given.has("p") {
                io::copy(&mut file, &mut io::stdout().lock())?;
            } else if self.given.has("t") {
                io::copy(&mut file, &mut io::sink())?;
                self.say(&format!("    testing: {:<22}   OK", shown(&name)));
            } else if let Some(folder) = self.unpack(&mut file, &name)? {
                folders.push(folder);
            }
        }
        if !self.links.is_empty() {
            self.say("finishing deferred symbolic links:");
        }
        for (path, target) in std::mem::take(&mut self.links) {
            self.say(&format!("  {:<22} -> {}", path.display(), shown(&target)));
            symlink(Path::new(&os(&target)), &path)?;
        }
        for (path, mode, time) in folders.into_iter().rev() {
            set_mode(&path, mode)?;
            if let (Some(time), Ok(folder)) = (time, File::open(&path)) {
                // Not every place keeps times of folders.
                let _ = folder.set_modified(time);
            }
        }
        if self.given.has("l") && self.quiet < 2 {
            let files = if count == 1 { "file" } else { "files" };
            println!("---------                     -------\n{total:>9}                     {count} {files}");
        }
        if self.given.has("t") && self.code == 0 && self.quiet < 2 {
            println!("No errors detected in compressed data of {called}.");
        }
        for (pattern, seen) in self.wanted.iter().zip(&self.seen) {
            if !seen {
                eprintln!("caution: filename not matched:  {}", shown(pattern));
                self.code = 11;
            }
        }
        io::stdout().flush()?;
        Ok(self.code)
    }

    /// Unpacks one; of a folder, what is set when all is in it.
    fn unpack(
        &mut self,
        file: &mut ZipFile<'_, BufReader<File>>,
        name: &[u8],
    ) -> io::Result<Option<(PathBuf, u32, Option<std::time::SystemTime>)>> {
        let path = PathBuf::from(os(name));
        let mut inside = PathBuf::new();
        // No entry leaves the folder: neither by its name nor through links.
        for part in path.components() {
            if let Component::Normal(part) = part {
                inside.push(part);
            }
        }
        if self.given.has("j") {
            if file.is_dir() {
                return Ok(None);
            }
            inside = inside.file_name().map(PathBuf::from).unwrap_or_default();
        }
        let target = self.into.join(&inside);
        let mut above = self.into.clone();
        for part in inside.parent().into_iter().flat_map(Path::components) {
            above.push(part);
            if above.is_symlink() {
                return Err(io::Error::other(format!("a link is in the way of {}", target.display())));
            }
        }
        let time = modified(file);
        let mode = file.unix_mode().map_or(if file.is_dir() { 0o777 } else { 0o666 }, |mode| mode & 0o777)
            & !umask();
        if file.is_dir() {
            if !target.is_dir() {
                fs::create_dir_all(&target)?;
                self.say(&format!("   creating: {}/", target.display()));
            }
            return Ok(Some((target, mode, time)));
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        if target.symlink_metadata().is_ok() {
            if self.keeps {
                return Ok(None);
            }
            if !self.given.has("o") {
                eprint!(
                    "replace {}? [y]es, [n]o, [A]ll, [N]one, [r]ename:  NULL\n(EOF or read error, treating as \"[N]one\" ...)\n",
                    target.display()
                );
                (self.keeps, self.code) = (true, 1);
                return Ok(None);
            }
            fs::remove_file(&target)?;
        }
        if file.is_symlink() {
            let mut to = Vec::new();
            file.by_ref().take(1 << 16).read_to_end(&mut to)?;
            self.say(&format!("    linking: {:<22}  -> {} ", target.display(), shown(&to)));
            self.links.push((target, to));
            return Ok(None);
        }
        let verb =
            if file.compression() == zip::CompressionMethod::Stored { " extracting" } else { "  inflating" };
        self.say(&format!("{verb}: {:<22}  ", shown(bytes(target.as_os_str()))));
        let mut out = File::create(&target)?;
        io::copy(file, &mut out)?;
        if let Some(time) = time {
            out.set_modified(time)?;
        }
        drop(out);
        set_mode(&target, mode)?;
        Ok(None)
    }
}

/// When a file was modified: exactly when the archive says, or to two seconds in the zone that is here.
fn modified(file: &ZipFile<'_, BufReader<File>>) -> Option<std::time::SystemTime> {
    let exact = file.extra_data_fields().find_map(|field| match field {
        ExtraField::ExtendedTimestamp(stamp) => stamp.mod_time(),
        _ => None,
    });
    let seconds = match exact {
        Some(seconds) => i64::from(seconds),
        None => {
            let time = file.last_modified()?;
            let part = |number: u8| i8::try_from(number).unwrap_or(1);
            let year = i16::try_from(time.year()).ok()?;
            let (hour, minute, second) = (part(time.hour()), part(time.minute()), part(time.second()));
            let local = jiff::civil::DateTime::new(
                year,
                part(time.month()),
                part(time.day()),
                hour,
                minute,
                second,
                0,
            )
            .ok()?;
            local.to_zoned(crate::time::zone()).ok()?.timestamp().as_second()
        }
    };
    let since = std::time::Duration::from_secs(u64::try_from(seconds).ok()?);
    Some(std::time::UNIX_EPOCH + since)
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
