//! The names of a directory's files, and that they are on the disk.

use std::fs::File;
use std::io;
use std::path::Path;

/// The names of a directory's files: open from the beginning, for later no directory may be opened any more.
#[derive(Debug)]
pub(crate) struct Names {
    /// None on Windows: a directory is no file there, and its names are the file system's own business.
    directory: Option<File>,
}

impl Names {
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let directory = if cfg!(unix) { Some(File::open(directory)?) } else { None };
        Ok(Self { directory })
    }

    /// Waits until they are on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.directory.as_ref().map_or(Ok(()), File::sync_all)
    }
}
