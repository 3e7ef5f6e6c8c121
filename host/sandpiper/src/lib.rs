//! Run untrusted Python and WASI programs in a sandbox, from your own program.
//!
//! A sandbox is described by a [`Spec`] (image, mounts, limits), a command by an [`Exec`]; [`run`]
//! gives the [`Outcome`]. What a guest does wrong is in the outcome; an [`Error`] is the host's.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::Path;
//! use sandpiper::{Access, Exec, Mount, Spec};
//!
//! let engine = sandpiper::engine(Path::new("/var/cache/my-agent"))?;
//! let mut spec = Spec::default();
//! spec.limits.wall = std::time::Duration::from_secs(5);
//! spec.mounts.push(Mount::new("/srv/checkout", "/workspace", Access::ReadWrite)?);
//! let outcome = sandpiper::run(&engine, spec, Exec::new(["python3", "-c", "print(6 * 7)"])).await?;
//! assert_eq!(outcome.stdout.bytes, b"42\n");
//! # Ok(())
//! # }
//! ```
//!
//! The Python image must be in the cache folder: `sandpiper image build` of the command line makes
//! it, and so does [`install`].

mod local;
mod temporary;
mod tree;

use std::path::{Path, PathBuf};

pub use local::Local;
pub use sandpiper_core::*;
pub use sandpiper_engine::{
    Alternative, CacheError, Engine, EngineConfig, ImageSource, ModuleSource, Notice, Notify, ProgramSource,
};
pub use sandpiper_images as images;
pub use sandpiper_journal as journal;
pub use sandpiper_policy as policy;
pub use sandpiper_remote as remote;
pub use sandpiper_routing as routing;
pub use sandpiper_server as server;
pub use sandpiper_transfer as transfer;
/// A second wall around this whole process; see [`wall_folders`] for what has to stay reachable.
pub use sandpiper_wall as wall;
pub use sandpiper_worktree as worktree;

/// The folder of the compile cache within a cache folder.
pub fn compile_cache(cache: &Path) -> PathBuf {
    cache.join("compiled")
}

/// An engine with the images that are installed in a cache folder, which must be the user's own.
///
/// # Errors
/// [`Error::Host`] when the folder cannot be used.
pub fn engine(cache: &Path) -> Result<Engine, Error> {
    Engine::new(engine_config(cache)?)
}

/// What a process that runs a spec has to reach when it is locked in: the mounts, and the image's
/// files. [`Engine::prepare_for`] loads the rest before.
///
/// # Errors
/// As [`Engine::folders`].
pub fn wall_folders(engine: &Engine, spec: &Spec) -> Result<Vec<wall::Folder>, Error> {
    let mounts = spec
        .mounts
        .iter()
        .map(|mount| wall::Folder { path: mount.host.clone(), writable: mount.access == Access::ReadWrite });
    let files = engine.folders(&spec.image)?.into_iter().map(|path| wall::Folder { path, writable: false });
    Ok(mounts.chain(files).collect())
}

/// What [`engine`] makes an engine of, to be changed before.
///
/// # Errors
/// As [`engine`].
pub fn engine_config(cache: &Path) -> Result<EngineConfig, Error> {
    let failed = |err: images::ImageError| Error::Host {
        context: "cannot read the images".to_owned(),
        source: err.into(),
    };
    let store = images::ImageStore::open(cache).map_err(failed)?;
    let mut sources = Vec::new();
    for name in images::NAMES {
        if let Some(image) = store.find(name).map_err(failed)? {
            sources.push(image_source(&image)?);
        }
    }
    Ok(EngineConfig { cache: Some(compile_cache(cache)), images: sources, notify: None })
}

/// An installed image as the engine takes it.
///
/// # Errors
/// [`Error::Image`] for a manifest whose guest paths are no paths.
pub fn image_source(image: &images::Image) -> Result<ImageSource, Error> {
    let manifest = &image.manifest;
    let module = |file: &images::FileDigest, short_lived| ModuleSource {
        path: image.path(&file.path),
        // The folder is the user's own, and installed only after its digests were compared.
        sha256: Some(file.sha256.clone()),
        short_lived,
    };
    let alternative = |other: &images::AlternativeModule, short_lived| Alternative {
        module: module(&other.module, short_lived),
        env: other.env.iter().map(|rule| (rule.name.clone(), rule.except.clone())).collect(),
        usual_options: other.usual_options.clone(),
        usual_options_with_argument: other.usual_options_with_argument.clone(),
        usual_last_options: other.usual_last_options.clone(),
    };
    let program = |program: &images::Program| ProgramSource {
        module: module(&program.module, program.short_lived),
        alternative: program.alternative.as_ref().map(|other| alternative(other, program.short_lived)),
        commands: program.commands.clone(),
    };
    let files = manifest.mounts.iter().map(|mount| Ok((image.path(&mount.path), mount.guest.parse()?)));
    let files: Result<Vec<(PathBuf, GuestPath)>, GuestPathError> = files.collect();
    Ok(ImageSource {
        name: manifest.name.clone(),
        programs: manifest.programs.iter().map(program).collect(),
        env: manifest.env.clone(),
        files: files.map_err(|err| Error::Image {
            image: manifest.name.clone(),
            reason: "its manifest is not sound".to_owned(),
            source: Some(err.into()),
        })?,
    })
}

/// Initialises modules with the engine, for [`images::ImageStore::build`].
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineSnapshot;

impl images::Snapshot for EngineSnapshot {
    fn snapshot(&self, module: &[u8], files: &Path) -> Result<Vec<u8>, BoxError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        Ok(runtime.block_on(sandpiper_engine::snapshot(module, files))?)
    }
}

/// Finds an image in a cache folder, or builds it there from its pinned sources: minutes, once.
///
/// Blocks; not to be called on an executor's thread.
///
/// # Errors
/// As [`images::ImageStore::build`].
pub fn install(
    cache: &Path,
    name: &str,
    inputs: &images::BuildInputs,
    progress: &dyn images::Progress,
) -> Result<images::Image, images::ImageError> {
    images::ImageStore::open(cache)?.build(name, inputs, &EngineSnapshot, progress)
}
