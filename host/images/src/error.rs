//! What can go wrong with images.

use std::io;
use std::path::PathBuf;

/// An image cannot be built, read or moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There is no image of this name.
    #[error("there is no image named {name}, expected one of: {}", crate::NAMES.join(", "))]
    UnknownImage {
        /// The name given.
        name: String,
    },
    /// The image is not installed.
    #[error("the image {name} is not installed")]
    NotInstalled {
        /// The image.
        name: String,
    },
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An image, an archive or a manifest is not what it should be.
    #[error("{} is not a sound image: {reason}", .path.display())]
    Unsound {
        /// The image, archive or manifest.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Nothing could be fetched from an address.
    #[error("cannot download {url}: {reason}")]
    Download {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// What was fetched has another digest than the pinned one.
    #[error("{what} has the SHA-256 {actual}, expected {expected}")]
    Digest {
        /// What was fetched.
        what: String,
        /// The digest it has.
        actual: String,
        /// The digest it should have.
        expected: String,
    },
    /// A tool that the build needs is missing, or cannot be had on this platform.
    #[error("the image cannot be built here: {reason}")]
    Toolchain {
        /// What is missing.
        reason: String,
    },
    /// A step of the build failed.
    #[error("{stage} failed; the last lines of {} are:\n{tail}", .log.display())]
    Build {
        /// The stage.
        stage: String,
        /// The log file.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// The module could not be initialised.
    #[error("the snapshot failed")]
    Snapshot {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ImageError {
    /// Makes an I/O error of an action on a path.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
