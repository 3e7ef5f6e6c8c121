//! The files of the double, with faults of their own.

use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sandpiper_core::{
    BoxFuture, DirectoryEntry, Edit, FileError, FileErrorKind, FileStat, FileType, Files, FindQuery,
    FoundFile, FoundLine, Results, SearchQuery,
};

use super::paths::outer;
use super::room::Room;
use super::search;
use crate::fault::Fault::*;

pub struct DoubleFiles(Arc<Room>);

type Done<T> = BoxFuture<'static, Result<T, FileError>>;

impl DoubleFiles {
    pub fn new(room: Arc<Room>) -> Self {
        Self(room)
    }

    fn done<T: Send + 'static>(
        &self,
        operation: &'static str,
        path: &str,
        work: impl FnOnce(&Room, &Path) -> Result<T, FileErrorKind>,
    ) -> Done<T> {
        let room = &self.0;
        let named = if room.has(NamesNoPaths) { "it" } else { path }.to_owned();
        let error = |kind| FileError { operation, path: named.clone(), kind };
        let path = match room.fault() {
            Some(DecodesNames) => path.replace("%20", " ").replace('+', " "),
            Some(TakesShortPaths) if path.len() > 250 => "/none".to_owned(),
            _ => path.to_owned(),
        };
        let result = match room.check() {
            Err(_) => Err(error(FileErrorKind::Gone)),
            Ok(()) => work(room, &outer(room, &path)).map_err(error),
        };
        let result = result.map_err(|err| match room.has(TellsNoReason) {
            true => FileError { kind: FileErrorKind::Backend("no".to_owned()), ..err },
            false => err,
        });
        Box::pin(async { result })
    }
}

pub fn kind(err: std::io::Error) -> FileErrorKind {
    match err.kind() {
        ErrorKind::NotFound => FileErrorKind::NotFound,
        ErrorKind::NotADirectory => FileErrorKind::NotADirectory,
        ErrorKind::IsADirectory => FileErrorKind::IsADirectory,
        ErrorKind::DirectoryNotEmpty => FileErrorKind::NotEmpty,
        ErrorKind::AlreadyExists => FileErrorKind::AlreadyExists,
        _ => FileErrorKind::Other("EIO"),
    }
}

pub fn stat(room: &Room, path: &Path) -> Result<FileStat, FileErrorKind> {
    let found = match room.has(FollowsWhatItLooksAt) {
        true => std::fs::metadata(path),
        false => std::fs::symlink_metadata(path),
    };
    let found = found.map_err(kind)?;
    let kind = match found.file_type() {
        _ if room.has(SeesFilesAlone) => FileType::File,
        of if of.is_file() => FileType::File,
        of if of.is_dir() => FileType::Directory,
        of if of.is_symlink() => FileType::Symlink,
        _ => FileType::Other,
    };
    Ok(FileStat {
        kind,
        size: if room.has(TellsNoSizes) || room.has(TellsNoChanges) { 0 } else { found.size() },
        mode: if room.has(TellsOneMode) { 0o644 } else { (found.mode() & 0o7777) as u16 },
        modified_ns: match room.fault() {
            Some(TellsNoTimes | TellsNoChanges) => 0,
            _ => (found.mtime() * 1_000_000_000 + found.mtime_nsec()) as u64,
        },
    })
}

/// The entries by their names.
pub fn entries(room: &Room, path: &Path) -> Result<Vec<(String, PathBuf)>, FileErrorKind> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(kind)? {
        let entry = entry.map_err(kind)?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    found.sort();
    match room.fault() {
        Some(ListsInDisorder) => found.reverse(),
        Some(ListsNothingHidden) => found.retain(|(name, _)| !name.starts_with('.')),
        Some(ListsAHundred) => found.truncate(100),
        Some(ListsNoFiles) => found.clear(),
        Some(ListsItself) => found.push((".".to_owned(), path.to_owned())),
        _ => {}
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, FileErrorKind> {
    std::fs::read(path).map_err(kind)
}

fn write(room: &Room, path: &Path, content: &[u8]) -> Result<(), FileErrorKind> {
    let target = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() && !room.has(ReplacesLinks) => {
            std::fs::canonicalize(path).map_err(kind)?
        }
        _ => path.to_owned(),
    };
    let old = std::fs::metadata(&target).ok();
    if old.as_ref().is_some_and(std::fs::Metadata::is_dir) {
        if room.has(WritesOverDirectories) {
            std::fs::remove_dir_all(&target).map_err(kind)?;
        } else {
            return Err(FileErrorKind::IsADirectory);
        }
    }
    let parent = target.parent().unwrap();
    if room.has(MakesWhatLeadsThere) {
        let _ = std::fs::create_dir_all(parent);
    }
    if !std::fs::metadata(parent).map_err(kind)?.is_dir() {
        return Err(FileErrorKind::NotADirectory);
    }
    let mut content = content.to_vec();
    match room.fault() {
        Some(WritesAppend) => content.splice(0..0, read(&target).unwrap_or_default()).for_each(drop),
        Some(WritesOver) => {
            let old = read(&target).unwrap_or_default();
            content.extend(old.get(content.len()..).unwrap_or_default());
        }
        Some(WritesAMegabyte) => content.truncate(1 << 20),
        Some(WritesText) => content = String::from_utf8_lossy(&content).into_owned().into_bytes(),
        Some(WritesNothingEmpty) if content.is_empty() => return Ok(()),
        _ => {}
    }
    if room.has(LosesAWrite) && target.to_string_lossy().ends_with('7') {
        return Ok(());
    }
    let beside = parent.join(format!(".beside-{:?}", std::thread::current().id()));
    std::fs::write(&beside, content).map_err(kind)?;
    if let Some(old) = old.filter(|_| !room.has(ForgetsModes)) {
        std::fs::set_permissions(&beside, old.permissions()).map_err(kind)?;
    }
    if room.has(LeavesWhatIsBeside) {
        std::fs::copy(&beside, &target).map_err(kind).map(drop)
    } else {
        std::fs::rename(beside, target).map_err(kind)
    }
}

fn edited(room: &Room, text: &str, edits: &[Edit]) -> Result<(String, u64), (String, FileErrorKind)> {
    let (mut now, mut count) = (text.to_owned(), 0);
    for Edit { old, new, all } in edits {
        let seen = if room.has(EditsWhatWasThere) { text.to_owned() } else { now.clone() };
        let places = if old.is_empty() { 0 } else { seen.matches(old.as_str()).count() };
        let all = *all && !room.has(EditsTheFirstPlace);
        let kind = match places {
            0 => FileErrorKind::NoMatch(old.clone()),
            1 => {
                now = now.replacen(old.as_str(), new, 1);
                count += 1;
                continue;
            }
            places if all || room.has(EditsTheFirstPlace) => {
                now = if all { now.replace(old.as_str(), new) } else { now.replacen(old.as_str(), new, 1) };
                count += if all { places as u64 } else { 1 };
                continue;
            }
            places => FileErrorKind::Ambiguous { text: old.clone(), count: places },
        };
        return Err((now, kind));
    }
    if room.has(EditsLines) {
        now = now.replace("\r\n", "\n");
    }
    Ok((now, count))
}

impl Files for DoubleFiles {
    fn read(&self, path: &str, limit: u64) -> Done<Bytes> {
        self.done("read", path, |room, path| {
            if room.has(ReadsNoLinks) && path.is_symlink() {
                return Err(FileErrorKind::NotAFile);
            }
            let content = match read(path) {
                Err(_) if room.has(ReadsAnything) => Vec::new(),
                content => content?,
            };
            let size = content.len() as u64;
            let limit = if room.has(TakesLimitsForSuggestions) { u64::MAX } else { limit };
            match room.fault() {
                _ if size > limit => Err(FileErrorKind::TooLarge { size, limit }),
                Some(ReadsAHalf) => Ok(content[..content.len() / 2].to_vec().into()),
                Some(ReadsText) => Ok(String::from_utf8_lossy(&content).into_owned().into()),
                Some(ReadsNoEmptyFiles) if content.is_empty() => Err(FileErrorKind::NotFound),
                _ => Ok(content.into()),
            }
        })
    }

    fn write(&self, path: &str, content: Bytes) -> Done<()> {
        self.done("write", path, |room, path| write(room, path, &content))
    }

    fn edit(&self, path: &str, edits: Vec<Edit>) -> Done<u64> {
        self.done("edit", path, |room, path| {
            let content = read(path)?;
            let text = match room.has(EditsAnything) {
                true => String::from_utf8_lossy(&content).into_owned(),
                false => String::from_utf8(content).map_err(|_| FileErrorKind::NotText)?,
            };
            match edited(room, &text, &edits) {
                Ok((_, count)) if room.has(EditsNothing) => Ok(count),
                Ok((text, count)) => write(room, path, text.as_bytes()).map(|()| count),
                Err((text, kind)) => {
                    if room.has(EditsInPart) {
                        write(room, path, text.as_bytes())?;
                    }
                    Err(kind)
                }
            }
        })
    }

    fn stat(&self, path: &str) -> Done<FileStat> {
        self.done("look at", path, stat)
    }

    fn read_link(&self, path: &str) -> Done<String> {
        self.done("read the link", path, |room, path| {
            if !std::fs::symlink_metadata(path).map_err(kind)?.is_symlink() && !room.has(ReadsAnything) {
                return Err(FileErrorKind::NotASymlink);
            }
            let target = match room.has(ResolvesLinks) {
                true => std::fs::canonicalize(path).unwrap_or_default(),
                false => std::fs::read_link(path).unwrap_or_default(),
            };
            let root = format!("{}/", room.root.to_string_lossy());
            Ok(target.to_string_lossy().replace(&root, "/"))
        })
    }

    fn set_mode(&self, path: &str, mode: u16) -> Done<()> {
        self.done("set the mode of", path, |room, path| {
            if room.has(SetsNoModes) {
                return Ok(());
            }
            std::fs::set_permissions(path, PermissionsExt::from_mode(u32::from(mode))).map_err(kind)
        })
    }

    fn list(&self, path: &str) -> Done<Vec<DirectoryEntry>> {
        self.done("list", path, |room, path| {
            let found = match entries(room, path) {
                Err(_) if room.has(ReadsAnything) => Vec::new(),
                found => found?,
            };
            let entry = |(name, path): (String, PathBuf)| {
                let mut stat = stat(room, &path)?;
                if room.has(ListsFilesAlone) {
                    stat.kind = FileType::File;
                }
                Ok(DirectoryEntry { name, stat })
            };
            found.into_iter().map(entry).collect()
        })
    }

    fn make_directory(&self, path: &str) -> Done<()> {
        self.done("make", path, |room, path| {
            let mode = std::fs::metadata(path).ok().map(|found| found.permissions());
            let made = match room.has(MakesOneDirectory) {
                true => std::fs::create_dir(path),
                false => std::fs::create_dir_all(path),
            };
            if room.has(MakesDirectoriesAnew) && mode.is_some() {
                std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).map_err(kind)?;
            }
            match made.map_err(kind) {
                Err(FileErrorKind::AlreadyExists) if !room.has(MakesOneDirectory) => {
                    Err(FileErrorKind::NotADirectory)
                }
                made => made,
            }
        })
    }

    fn remove(&self, path: &str, all: bool) -> Done<()> {
        self.done("remove", path, |room, path| {
            if room.has(RemovesNothing) {
                return Ok(());
            }
            let path = match room.has(FollowsWhatItRemoves) {
                true => std::fs::canonicalize(path).map_err(kind)?,
                false => path.to_owned(),
            };
            let all = all || room.has(RemovesAll);
            if room.has(FollowsWhatItRemovesBelow) {
                for (_, path) in entries(room, &path).unwrap_or_default() {
                    let _ = std::fs::canonicalize(path).map(std::fs::remove_dir_all);
                }
            }
            match std::fs::symlink_metadata(&path).map_err(kind)?.is_dir() {
                true if all => std::fs::remove_dir_all(path),
                true => std::fs::remove_dir(path),
                false => std::fs::remove_file(path),
            }
            .map_err(kind)
        })
    }

    fn rename(&self, from: &str, to: &str) -> Done<()> {
        let to = outer(&self.0, to);
        self.done("rename", from, move |room, from| match room.fault() {
            Some(RenamesNothing) => Ok(()),
            Some(RenamesByCopy) => {
                let content = read(from)?;
                if let Some(parent) = to.parent() {
                    let _ = std::fs::create_dir_all(parent);
                }
                std::fs::remove_file(from).map_err(kind)?;
                std::fs::write(to, content).map_err(kind)
            }
            Some(RenamesOverDirectories) => {
                let _ = std::fs::remove_dir_all(&to);
                std::fs::rename(from, to).map_err(kind)
            }
            Some(RenamesOverNothing) if to.exists() => Err(FileErrorKind::AlreadyExists),
            Some(LinksRenamed) => symlink(from, to).map_err(kind),
            _ => std::fs::rename(from, to).map_err(kind),
        })
    }

    fn find(&self, query: FindQuery) -> Done<Results<FoundFile>> {
        let (room, directory) = (Arc::clone(&self.0), query.directory.clone());
        search::named(self.done("search", &directory, move |_, path| search::find(&room, path, &query)))
    }

    fn search(&self, query: SearchQuery) -> Done<Results<FoundLine>> {
        let (room, directory) = (Arc::clone(&self.0), query.directory.clone());
        search::named(self.done("search", &directory, move |_, path| search::search(&room, path, &query)))
    }
}
