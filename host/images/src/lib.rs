//! The images of sandpiper: built from pinned, checksummed sources into the user's cache, and kept,
//! moved and verified there.
//!
//! An image is a folder: `image.json` ([`Manifest`]), WebAssembly modules, and files that the guest
//! sees. Its name carries the digest of its recipe, so that a changed recipe never finds an old
//! image.
#![forbid(unsafe_code)]

mod archive;
mod build;
mod download;
mod error;
mod files;
mod manifest;
mod progress;
mod recipe;
mod store;

pub use build::{BuildInputs, Reference, Snapshot};
pub use error::ImageError;
pub use manifest::{AlternativeModule, EnvRule, FileDigest, GuestMount, Manifest, Program};
pub use progress::{Progress, Silent, Stage};
pub use store::{Image, ImageInfo, ImageStore, Source};

/// The images that this version can build.
pub const NAMES: [&str; 1] = ["base"];
