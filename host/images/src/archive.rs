//! Images as one file: a gzipped tar of the image's folder, the same bytes for the same image.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::error::ImageError;

/// Most files and bytes that are unpacked; an image has some 1,500 files and 60 MB.
const MAX_FILES: usize = 50_000;
const MAX_BYTES: u64 = 2 << 30;

/// Writes these files of an image's folder to a new file, in their order.
pub(crate) fn pack<'a>(
    image: &Path,
    paths: impl IntoIterator<Item = &'a str>,
    to: &Path,
) -> Result<(), ImageError> {
    let file = File::create_new(to).map_err(ImageError::io("create", to))?;
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    let mut append = |path: &str| -> io::Result<()> {
        let mut source = File::open(image.join(path))?;
        let mut header = tar::Header::new_gnu();
        header.set_size(source.metadata()?.len());
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, path, &mut source)
    };
    for path in paths {
        append(path).map_err(ImageError::io("pack", image.join(path)))?;
    }
    archive.into_inner().and_then(GzEncoder::finish).map_err(ImageError::io("write", to))?;
    Ok(())
}

/// Unpacks plain files into an empty folder; anything else in an archive is refused.
pub(crate) fn unpack(archive: &Path, to: &Path) -> Result<(), ImageError> {
    let unsound = |reason: String| ImageError::Unsound { path: archive.to_owned(), reason };
    let broken = |err: io::Error| unsound(format!("the archive cannot be read: {err}"));
    let file = File::open(archive).map_err(ImageError::io("open", archive))?;
    let mut tar = tar::Archive::new(GzDecoder::new(io::BufReader::new(file)));
    let (mut files, mut bytes) = (0, 0);
    let mut buffer = vec![0; 1 << 16];
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        if !entry.header().entry_type().is_file() || !is_plain(&path) {
            return Err(unsound(format!(
                "it holds {}, which is no plain file in its folder",
                path.display()
            )));
        }
        files += 1;
        bytes += entry.size();
        if files > MAX_FILES || bytes > MAX_BYTES {
            return Err(unsound(format!("it holds more than {MAX_FILES} files or {MAX_BYTES} bytes")));
        }
        let target = to.join(&path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(ImageError::io("create", folder))?;
        }
        let mut file = File::create_new(&target).map_err(ImageError::io("create", &target))?;
        loop {
            let count = entry.read(&mut buffer).map_err(broken)?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            file.write_all(bytes).map_err(ImageError::io("write", &target))?;
        }
    }
    Ok(())
}

/// Whether a path only goes down.
pub(crate) fn is_plain(path: &Path) -> bool {
    let mut components = path.components().peekable();
    components.peek().is_some() && components.all(|component| matches!(component, Component::Normal(_)))
}
