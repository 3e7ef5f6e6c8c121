//! The native Python of the image's own sources, which tests and benches compare with.

use std::path::PathBuf;

use anyhow::{Context, Result};
use sandpiper::images::{BuildInputs, ImageStore, Progress, Reference, Stage};

/// Builds it unless that was done; minutes, once.
pub(crate) fn reference() -> Result<Reference> {
    let inputs = BuildInputs::from_environment(|name| std::env::var_os(name));
    Ok(ImageStore::open(&cache_dir()?)?.reference("base", &inputs, &Lines)?)
}

/// The cache that the command uses.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    match std::env::var_os("SANDPIPER_CACHE") {
        Some(path) => Ok(path.into()),
        None => Ok(dirs::cache_dir().context("no cache folder")?.join("sandpiper")),
    }
}

struct Lines;

impl Progress for Lines {
    fn stage(&self, stage: &Stage) {
        println!("native Python: [{}/{}] {}", stage.index, stage.count, stage.name);
    }

    fn advance(&self, _: u64, _: u64) {}

    fn note(&self, text: &str) {
        println!("{text}");
    }
}
