//! What is in a sandbox's `/tmp`, which is in memory, as an archive on disk: kept while nobody holds the sandbox.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use bytes::Bytes;
use sandpiper_core::{Error, Exec, FileError, FileErrorKind, FileType, Files, Image, Sandbox, Spec, collect};
use tar::{Archive, Builder, EntryType, Header};

const TEMPORARY: &str = "/tmp";

/// Symlinks that one command makes, of which each is two arguments.
const LINKS: usize = 1000;

/// Makes links, of which each is a target and a path: [`Files`] makes none.
const LINK: &str = r#"while [ $# -gt 0 ]; do ln -s -- "$1" "$2" || exit; shift 2; done"#;

/// Writes an archive of all that is in the `/tmp` of a sandbox of this spec, and in no mount; of an empty one there is
/// none. Times are not in it, nor names that are not UTF-8.
///
/// # Errors
/// What cannot be read or written; there is no archive then.
pub(crate) async fn pack(files: &dyn Files, spec: &Spec, to: &Path) -> Result<(), Error> {
    let is_mount = |path: &str| spec.mounts.iter().any(|mount| mount.guest.as_str() == path);
    if is_mount(TEMPORARY) {
        return Ok(());
    }
    let mut archive = None;
    let mut directories = vec![TEMPORARY.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in there(files.list(&directory).await)?.unwrap_or_default() {
            let path = format!("{directory}/{}", entry.name);
            if is_mount(&path) {
                continue;
            }
            let mut header = Header::new_gnu();
            header.set_mode(entry.stat.mode.into());
            header.set_size(0);
            let (mut content, mut target) = (Vec::new(), None);
            match entry.stat.kind {
                FileType::File => {
                    header.set_entry_type(EntryType::Regular);
                    // It is in memory already, under the sandbox's own limit.
                    let Some(bytes) = there(files.read(&path, u64::MAX).await)? else { continue };
                    content = bytes.into();
                }
                FileType::Directory => {
                    header.set_entry_type(EntryType::Directory);
                    directories.push(path.clone());
                }
                FileType::Symlink if matches!(spec.image, Image::File(_)) => {
                    return Err(Error::Archive {
                        action: "pack",
                        directory: TEMPORARY.to_owned(),
                        reason: format!("{path} is a symlink, which this image has no shell to make again"),
                    });
                }
                FileType::Symlink => {
                    header.set_entry_type(EntryType::Symlink);
                    let Some(link) = there(files.read_link(&path).await)? else { continue };
                    target = Some(link);
                }
                FileType::Other => continue,
            }
            let name = path.strip_prefix("/tmp/").unwrap_or(&path);
            let mut append = || {
                let archive = match &mut archive {
                    Some(archive) => archive,
                    None => archive.insert(Builder::new(beside(to)?)),
                };
                if let Some(target) = &target {
                    archive.append_link(&mut header, name, target)
                } else {
                    header.set_size(u64::try_from(content.len()).map_err(io::Error::other)?);
                    archive.append_data(&mut header, name, &content[..])
                }
            };
            append().map_err(|err| failed("write", to, err))?;
        }
    }
    let finish = |archive: Builder<tempfile::NamedTempFile>| {
        let mut file = archive.into_inner()?;
        file.flush()?;
        file.persist(to).map_err(|err| err.error)?;
        Ok(())
    };
    archive.map_or(Ok(()), finish).map_err(|err| failed("write", to, err))
}

/// Puts into `/tmp` what an archive has, where there is one; then there is none any more.
///
/// # Errors
/// What cannot be read or written; the archive stays then.
pub(crate) async fn unpack(sandbox: &dyn Sandbox, from: &Path) -> Result<(), Error> {
    let entries = match entries(from) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|err| failed("read", from, err))?,
    };
    let (files, mut links, mut modes) = (sandbox.files(), Vec::new(), Vec::new());
    for Entry { path, mode, what } in entries {
        match what {
            What::File(content) => files.write(&path, content).await?,
            What::Directory => files.make_directory(&path).await?,
            What::Symlink(target) => {
                links.extend([target, path]);
                continue;
            }
        }
        modes.push((path, mode));
    }
    for links in links.chunks(LINKS * 2) {
        let words = ["bash", "-c", LINK, "bash"].map(str::to_owned).into_iter().chain(links.iter().cloned());
        let outcome = collect(sandbox.spawn(Exec::new(words)).await?).await?;
        if !outcome.exit.success() {
            return Err(Error::Archive {
                action: "unpack into",
                directory: TEMPORARY.to_owned(),
                reason: String::from_utf8_lossy(&outcome.stderr.bytes).trim().to_owned(),
            });
        }
    }
    // Last of all: a directory may be one that nothing is written into.
    for (path, mode) in modes.iter().rev() {
        files.set_mode(path, *mode).await?;
    }
    std::fs::remove_file(from).map_err(|err| failed("remove", from, err))
}

struct Entry {
    path: String,
    mode: u16,
    what: What,
}

enum What {
    File(Bytes),
    Directory,
    Symlink(String),
}

/// All that an archive has: no more than was in memory.
fn entries(from: &Path) -> io::Result<Vec<Entry>> {
    let mut archive = Archive::new(io::BufReader::new(File::open(from)?));
    let entries = archive.entries()?.map(|entry| {
        let mut entry = entry?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let what = match entry.header().entry_type() {
            EntryType::Directory => What::Directory,
            EntryType::Symlink => What::Symlink(text(&entry.link_name_bytes().unwrap_or_default())),
            _ => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                What::File(content.into())
            }
        };
        let mode = u16::try_from(entry.header().mode()?).map_err(io::Error::other)?;
        let path = text(&entry.path_bytes());
        Ok(Entry { path: format!("{TEMPORARY}/{}", path.trim_end_matches('/')), mode, what })
    });
    entries.collect()
}

/// What may be gone meanwhile: commands may run.
fn there<T>(result: Result<T, FileError>) -> Result<Option<T>, FileError> {
    match result {
        Err(err) if matches!(err.kind, FileErrorKind::NotFound | FileErrorKind::NotADirectory) => Ok(None),
        result => result.map(Some),
    }
}

/// A file beside a path, which gets its name when it is whole.
fn beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::NamedTempFile::new_in(path.parent().unwrap_or(path))
}

fn failed(action: &str, path: &Path, source: io::Error) -> Error {
    Error::Host { context: format!("cannot {action} {}", path.display()), source: source.into() }
}
