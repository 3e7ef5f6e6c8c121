//! The files of an image: listed with their digests, compared with the list.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::archive::is_plain;
use crate::error::ImageError;
use crate::manifest::{FileDigest, Manifest};
use crate::recipe::hex;
use crate::store::MANIFEST;

/// The list's file name.
const LIST: &str = "files.json";

/// Writes the list of all files that are in a folder, and gives it with its own digest.
pub(crate) fn write_list(root: &Path) -> Result<(Vec<FileDigest>, FileDigest), ImageError> {
    let list: Result<Vec<FileDigest>, ImageError> =
        paths(root)?.into_iter().map(|path| file_digest(root, path)).collect();
    let list = list?;
    let path = root.join(LIST);
    let bytes = serde_json::to_vec_pretty(&list).map_err(|err| ImageError::io("write", &path)(err.into()))?;
    fs::write(&path, bytes).map_err(ImageError::io("write", &path))?;
    let digest = file_digest(root, LIST.to_owned())?;
    Ok((list, digest))
}

/// Reads the list, once it is what the manifest says.
pub(crate) fn read_list(root: &Path, recorded: &FileDigest) -> Result<Vec<FileDigest>, ImageError> {
    let unsound = |reason: String| ImageError::Unsound { path: root.to_owned(), reason };
    compare(root, recorded)?;
    let path = root.join(&recorded.path);
    let bytes = fs::read(&path).map_err(ImageError::io("read", &path))?;
    let list: Vec<FileDigest> = serde_json::from_slice(&bytes)
        .map_err(|err| unsound(format!("{} is not valid: {err}", recorded.path)))?;
    match list.iter().find(|file| !is_plain(Path::new(&file.path))) {
        Some(file) => {
            Err(unsound(format!("{} names {}, which is not in the image's folder", recorded.path, file.path)))
        }
        None => Ok(list),
    }
}

/// Compares all files of a folder with its manifest, and gives how many they are.
pub(crate) fn verify(root: &Path, manifest: &Manifest) -> Result<usize, ImageError> {
    let unsound = |reason: String| ImageError::Unsound { path: root.to_owned(), reason };
    let list = read_list(root, &manifest.files)?;
    for file in &list {
        compare(root, file)?;
    }
    for module in manifest.modules() {
        if !list.contains(module) {
            return Err(unsound(format!("its list of files has another {}", module.path)));
        }
    }
    let listed: HashSet<&str> =
        list.iter().map(|file| file.path.as_str()).chain([manifest.files.path.as_str()]).collect();
    match paths(root)?.iter().find(|path| !listed.contains(path.as_str())) {
        Some(path) => Err(unsound(format!("{path} is not in its list of files"))),
        None => Ok(list.len()),
    }
}

/// Bytes of all files of a folder.
pub(crate) fn size(root: &Path) -> Result<u64, ImageError> {
    let mut bytes = 0;
    for path in paths(root)? {
        let full = root.join(path);
        bytes += fs::symlink_metadata(&full).map_err(ImageError::io("open", &full))?.len();
    }
    Ok(bytes)
}

fn compare(root: &Path, recorded: &FileDigest) -> Result<(), ImageError> {
    let found = file_digest(root, recorded.path.clone())?;
    if found == *recorded {
        return Ok(());
    }
    let FileDigest { path, sha256, bytes } = found;
    let reason = format!(
        "{path} has {bytes} bytes and the SHA-256 {sha256}, expected {} bytes and {}",
        recorded.bytes, recorded.sha256
    );
    Err(ImageError::Unsound { path: root.to_owned(), reason })
}

/// The files of a folder but the manifest, in order.
pub(crate) fn paths(root: &Path) -> Result<Vec<String>, ImageError> {
    let mut paths = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let full = root.join(&folder);
        for entry in fs::read_dir(&full).map_err(ImageError::io("read", &full))? {
            let entry = entry.map_err(ImageError::io("read", &full))?;
            let path = folder.join(entry.file_name());
            if entry.file_type().map_err(ImageError::io("read", &full))?.is_dir() {
                folders.push(path);
            } else {
                let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
                paths.push(parts.join("/"));
            }
        }
    }
    paths.retain(|path| path != MANIFEST);
    paths.sort_unstable();
    Ok(paths)
}

fn file_digest(root: &Path, path: String) -> Result<FileDigest, ImageError> {
    let full = root.join(&path);
    let mut file = File::open(&full).map_err(ImageError::io("open", &full))?;
    let mut hasher = Sha256::new();
    let bytes = io::copy(&mut file, &mut hasher).map_err(ImageError::io("read", &full))?;
    Ok(FileDigest { path, sha256: hex(&hasher.finalize()), bytes })
}
