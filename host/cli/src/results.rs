//! What came back from a run elsewhere and cannot be applied: kept in a file, so that it is not lost.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Error, Result};
use sandpiper::journal::RunId;

use crate::report::{self, Hinted};
use crate::surroundings;

/// The error with the place where the archive is kept, or why it could not be.
pub(crate) fn keep(archive: &[u8], err: &Error) -> Error {
    let because = report::text(err);
    match write(archive) {
        Ok(path) => Hinted {
            message: format!("{because}; what came back is kept in {}", path.display()),
            hint: format!("unpack it where it does no harm: tar -xf {} -C DIRECTORY", path.display()),
        }
        .into(),
        Err(not_kept) => {
            Error::msg(format!("{because}; what came back is lost: {}", report::text(&not_kept)))
        }
    }
}

fn write(archive: &[u8]) -> Result<PathBuf> {
    let directory = surroundings::results_directory()?;
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let name = RunId::new(SystemTime::now(), RandomState::new().hash_one(std::process::id()));
    let path = directory.join(format!("{name}.tar"));
    create(&path)
        .and_then(|mut file| file.write_all(archive))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Makes a file that others may not read.
fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
