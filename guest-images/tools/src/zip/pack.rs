//! zip.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use sandpiper_guest::status::Kind;
use sandpiper_guest::{Status, bytes, os};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::covered;
use crate::options::{Ended, Given, Nothing, Option_, Order, Value, parse};
use crate::text::{read, reason, shown};

const OPTIONS: &[Option_] = &[
    ("0", "", Nothing),
    ("1", "", Nothing),
    ("2", "", Nothing),
    ("3", "", Nothing),
    ("4", "", Nothing),
    ("5", "", Nothing),
    ("6", "", Nothing),
    ("7", "", Nothing),
    ("8", "", Nothing),
    ("9", "", Nothing),
    ("X", "no-extra", Nothing),
    ("j", "junk-paths", Nothing),
    ("q", "quiet", Nothing),
    ("r", "recurse-paths", Nothing),
    ("x", "exclude", Value),
    ("y", "symlinks", Nothing),
];

const LEVELS: &[&str] = &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// What is stored under a name.
struct Entry {
    name: Vec<u8>,
    path: PathBuf,
    status: Status,
}

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    // What follows `-x` up to the next option is left out.
    let at = arguments.iter().position(|word| word == b"-x" || word == b"--exclude");
    let (before, behind) = arguments.split_at(at.unwrap_or(arguments.len()));
    let list = behind.iter().skip(1).take_while(|word| !word.starts_with(b"-") && word.as_slice() != b"@");
    let mut excluded: Vec<Vec<u8>> = list.cloned().collect();
    let rest = behind.iter().skip(1 + excluded.len()).filter(|word| word.as_slice() != b"@");
    let words: Vec<Vec<u8>> = before.iter().chain(rest).cloned().collect();
    let given = parse(tool, OPTIONS, &words, (Order::Permuted, 2))?;
    excluded.extend(given.value("exclude").map(<[u8]>::to_vec));
    let Some((archive, names)) = given.operands.split_first() else {
        eprintln!("{tool}: an archive and files are needed");
        return Err(Ended(2));
    };
    if archive == b"-" || names.iter().any(|name| name == b"-") {
        eprintln!("{tool}: - is not supported: archives and files have to have names");
        return Err(Ended(2));
    }
    let mut archive = archive.clone();
    if !archive.rsplit(|&byte| byte == b'/').next().unwrap_or_default().contains(&b'.') {
        archive.extend_from_slice(b".zip");
    }
    let mut entries = Vec::new();
    for name in names {
        if add(&given, name, &excluded, &mut entries).is_err() {
            println!("\tzip warning: name not matched: {}", shown(name));
        }
    }
    let own = fs::canonicalize(os(&archive)).ok();
    entries.retain(|entry| own.is_none() || fs::canonicalize(&entry.path).ok() != own);
    if entries.is_empty() {
        println!("\nzip error: Nothing to do! ({})", shown(&archive));
        return Ok(12);
    }
    write(&given, &archive, entries).map_err(|error| {
        eprintln!("{tool}: {}: {}", shown(&archive), reason(&error));
        Ended(15)
    })?;
    Ok(0)
}

fn add(given: &Given, name: &[u8], excluded: &[Vec<u8>], entries: &mut Vec<Entry>) -> io::Result<()> {
    let path = PathBuf::from(os(name));
    let status = Status::of(&path, !given.has("symlinks"))?;
    let mut stored = name;
    while let Some(rest) = stored.strip_prefix(b"./").or_else(|| stored.strip_prefix(b"/")) {
        stored = rest;
    }
    let mut stored = stored.strip_suffix(b"/").unwrap_or(stored).to_vec();
    let directory = status.kind == Kind::Directory;
    if given.has("junk-paths") {
        stored = stored.rsplit(|&byte| byte == b'/').next().unwrap_or_default().to_vec();
    }
    if directory {
        stored.push(b'/');
    }
    let top = matches!(stored.as_slice(), b"./" | b"/");
    if !top && !(directory && given.has("junk-paths")) && !covered(excluded, &stored) {
        entries.push(Entry { name: stored, path: path.clone(), status });
    }
    if directory && given.has("recurse-paths") {
        let inner = fs::read_dir(&path)?.map(|entry| Ok(bytes(&entry?.file_name()).to_vec()));
        let mut inner: Vec<Vec<u8>> = inner.collect::<io::Result<_>>()?;
        inner.sort();
        for last in inner {
            let mut inside = name.to_vec();
            if inside.last() != Some(&b'/') {
                inside.push(b'/');
            }
            inside.extend_from_slice(&last);
            add(given, &inside, excluded, entries)?;
        }
    }
    Ok(())
}

/// Writes the archive beside the one that is there, with what that has and is not given anew.
fn write(given: &Given, archive: &[u8], mut entries: Vec<Entry>) -> io::Result<()> {
    let mut beside = archive.to_vec();
    beside.extend_from_slice(b".new");
    let (path, beside) = (os(archive), os(&beside));
    let mut writer = ZipWriter::new(BufWriter::new(File::create(&beside)?));
    let result = (|| -> io::Result<()> {
        if Path::new(&path).exists() {
            let mut old = ZipArchive::new(BufReader::new(File::open(&path)?)).map_err(io::Error::other)?;
            for at in 0..old.len() {
                let file = old.by_index_raw(at).map_err(io::Error::other)?;
                match entries.iter().position(|entry| entry.name == file.name_raw()) {
                    Some(place) => {
                        let entry = entries.remove(place);
                        store(given, &mut writer, &entry, "updating")?;
                    }
                    None => writer.raw_copy_file(file).map_err(io::Error::other)?,
                }
            }
        }
        entries.iter().try_for_each(|entry| store(given, &mut writer, entry, "  adding"))
    })();
    let written = result.and_then(|()| writer.finish().map_err(io::Error::other)?.flush());
    match written {
        Ok(()) => fs::rename(&beside, &path),
        Err(error) => {
            fs::remove_file(&beside)?;
            Err(error)
        }
    }
}

type Writer = ZipWriter<BufWriter<File>>;

fn store(given: &Given, writer: &mut Writer, entry: &Entry, verb: &str) -> io::Result<()> {
    let level: u32 = given.last(LEVELS).and_then(|level| level.parse().ok()).unwrap_or(6);
    let name = shown(&entry.name);
    let time = crate::time::local(entry.status.modified);
    let part = |number: i8| u8::try_from(number).unwrap_or(0);
    let stamp = DateTime::from_date_and_time(
        u16::try_from(time.year()).unwrap_or(1980),
        part(time.month()),
        part(time.day()),
        part(time.hour()),
        part(time.minute()),
        part(time.second()),
    );
    let options = SimpleFileOptions::default()
        .last_modified_time(stamp.unwrap_or_default())
        .unix_permissions(entry.status.mode)
        .compression_method(CompressionMethod::Stored);
    let mut how = "stored 0%".to_owned();
    match entry.status.kind {
        Kind::Directory => {
            writer.add_directory(name.trim_end_matches('/'), options).map_err(io::Error::other)?
        }
        Kind::Link => {
            let target = fs::read_link(&entry.path)?;
            writer.add_symlink(&name, target.to_string_lossy(), options).map_err(io::Error::other)?;
        }
        _ => {
            let text = read(bytes(entry.path.as_os_str()))?;
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&text)?;
            let (size, packed) = (text.len() as u64, encoder.finish()?.len() as u64);
            let options = if level > 0 && packed < size {
                how = format!("deflated {}%", (1 + 200 * (size - packed) / size) / 2);
                options
                    .compression_method(CompressionMethod::Deflated)
                    .compression_level(Some(i64::from(level)))
            } else {
                options
            };
            writer.start_file(&name, options).map_err(io::Error::other)?;
            writer.write_all(&text)?;
        }
    }
    if !given.has("quiet") {
        println!("{verb}: {name} ({how})");
    }
    Ok(())
}
