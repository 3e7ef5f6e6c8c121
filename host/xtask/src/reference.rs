//! The native Python of the image's own sources, which tests and benches compare with.

use std::path::PathBuf;

use anyhow::{Context, Result};
use sandpiper::images::{BuildInputs, ImageStore, Progress, Reference, Stage};

/// Builds it unless that was done; minutes, once.
pub(crate) fn reference() -> Result<Reference> {
    let folder = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let inputs = BuildInputs {
        sources: folder("SANDPIPER_SOURCES"),
        wasi_sdk: folder("WASI_SDK_PATH"),
        cargo: folder("CARGO"),
        jobs: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    let reference = ImageStore::open(&cache_dir()?)?.reference("python", &inputs, &Lines)?;
    Ok(reference)
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
