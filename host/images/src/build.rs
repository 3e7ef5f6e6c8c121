//! Builds an image from its recipe, in stages that are kept by the content they depend on.

mod command;
mod cpython;
mod debian;
mod libraries;
mod reference;
mod rust;
mod settings;
mod sources;
mod stages;
mod toolchain;
mod wasm;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::ImageError;
use crate::files;
use crate::manifest::{AlternativeModule, FileDigest, GuestMount, Manifest, Program};
use crate::progress::{Progress, Stage};
use crate::recipe::{self, Part};

pub use reference::Reference;
use settings::{ProgramSettings, Settings, parse};
use stages::Stages;

/// Name of the module that the snapshot gives, and of the one without it.
const MODULE: &str = "python.wasm";
const COLD_MODULE: &str = "python-cold.wasm";
/// The folder of the image that the guest sees.
const FILES: &str = "files";

/// The build's steps as a person reads them, in order.
const STEPS: [&str; 11] = [
    "getting the C compiler for WASI",
    "getting the Rust compiler",
    "compiling the shell",
    "compiling the tools",
    "getting the sources",
    "building the Python that builds Python",
    "compiling the C libraries",
    "configuring CPython for WASI",
    "compiling CPython for WASI",
    "linking",
    "initialising the interpreter",
];

/// What a build takes from the machine, given by the host program.
#[derive(Clone, Debug, Default)]
pub struct BuildInputs {
    /// A folder with sources that need not be downloaded: the archive of `CPython` under its own file
    /// name, and in `vendor` what `cargo vendor` gives for the recipe's `Cargo.toml`.
    pub sources: Option<PathBuf>,
    /// A wasi-sdk.
    pub wasi_sdk: Option<PathBuf>,
    /// The cargo command, for the sources of C libraries.
    pub cargo: Option<PathBuf>,
    /// Parallel jobs; at least 1.
    pub jobs: usize,
}

impl BuildInputs {
    /// What the machine's environment says: `SANDPIPER_SOURCES`, `WASI_SDK_PATH`, `CARGO`, where they
    /// are not empty, and its processors. `variable` looks one up.
    pub fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| variable(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self {
            sources: path("SANDPIPER_SOURCES"),
            wasi_sdk: path("WASI_SDK_PATH"),
            cargo: path("CARGO"),
            jobs: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}

/// Initialises a module and writes it as it is then.
pub trait Snapshot {
    /// Calls `wizer-initialize` with `files` read-only at `/image`; `wizer-resume` becomes `_start`.
    ///
    /// # Errors
    /// What the module printed when it failed.
    fn snapshot(
        &self,
        module: &[u8],
        files: &Path,
    ) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>;
}

/// What all steps share.
struct Builder<'a> {
    python: &'static Part,
    settings: Settings,
    inputs: &'a BuildInputs,
    progress: &'a dyn Progress,
    stages: Stages,
    /// The folder of downloaded archives, by digest.
    downloads: PathBuf,
    /// Where the output of all commands goes.
    log: PathBuf,
}

impl<'a> Builder<'a> {
    /// `work` is a folder of the cache that persists between builds; what is in it is found by
    /// content keys.
    fn new(
        name: &str,
        inputs: &'a BuildInputs,
        progress: &'a dyn Progress,
        work: &Path,
    ) -> Result<Self, ImageError> {
        fs::create_dir_all(work).map_err(ImageError::io("create", work))?;
        // Compilers are told paths relative to other folders.
        let work = fs::canonicalize(work).map_err(ImageError::io("open", work))?;
        let log = work.join(format!("{name}.log"));
        fs::write(&log, "").map_err(ImageError::io("write", &log))?;
        let downloads = work.join("downloads");
        fs::create_dir_all(&downloads).map_err(ImageError::io("create", &downloads))?;
        let python = recipe::part("python")?;
        let settings = parse(python, "image.toml")?;
        Ok(Self { python, settings, inputs, progress, stages: Stages::new(&work), downloads, log })
    }

    fn begin(&self, steps: &[&str], step: usize) {
        let count = u32::try_from(steps.len()).unwrap_or(u32::MAX);
        let index = u32::try_from(step).unwrap_or(u32::MAX);
        let name = steps.get(step - 1).copied().unwrap_or_default().to_owned();
        self.progress.stage(&Stage { name, index, count });
    }
}

/// Builds into `target`, an empty folder: every file of the image but `image.json`, whose content it
/// gives.
pub(crate) fn build(
    name: &str,
    inputs: &BuildInputs,
    snapshot: &dyn Snapshot,
    progress: &dyn Progress,
    work: &Path,
    target: &Path,
) -> Result<Manifest, ImageError> {
    let builder = Builder::new(name, inputs, progress, work)?;
    builder.begin(&STEPS, 1);
    let toolchain = builder.toolchain()?;
    builder.begin(&STEPS, 2);
    let rust = builder.rust(&toolchain)?;
    let mut programs = Vec::new();
    for (step, name) in [(3, "shell"), (4, "tools")] {
        builder.begin(&STEPS, step);
        let part = recipe::part(name)?;
        let settings: ProgramSettings = parse(part, "program.toml")?;
        let module = builder.program(&toolchain, &rust, part, &settings)?;
        let name = format!("{name}.wasm");
        let to = target.join(&name);
        fs::copy(&module, &to).map_err(ImageError::io("copy", &module))?;
        programs.push((name, settings));
    }
    builder.begin(&STEPS, 5);
    let source = builder.source()?;
    let crates = builder.crates()?;
    builder.begin(&STEPS, 6);
    let native = builder.native_python(&toolchain, &source)?;
    builder.begin(&STEPS, 7);
    let libraries = builder.libraries(&builder.wasi_compiler(&toolchain), &crates)?;
    builder.begin(&STEPS, 8);
    let configured = builder.configure(&toolchain, &source, &native, &libraries)?;
    builder.begin(&STEPS, 9);
    let compiled = builder.compile(&toolchain, &configured)?;
    builder.begin(&STEPS, 10);
    let module = builder.link(&toolchain, &source, &libraries, &compiled)?;
    builder.begin(&STEPS, 11);
    let files = target.join(FILES);
    builder.pack(&source, &native, &compiled, &files)?;
    let raw = fs::read(&module).map_err(ImageError::io("read", &module))?;
    let warm = snapshot.snapshot(&raw, &files).map_err(|source| ImageError::Snapshot { source })?;
    write(&target.join(MODULE), &warm)?;
    write(&target.join(COLD_MODULE), &wasm::with_entry_point(&raw, "cold-start", &module)?)?;
    builder.stages.remove_unused();
    manifest(name, &builder.settings, programs, target)
}

/// Builds, unless that was done, the native Python to compare the image with.
pub(crate) fn reference(
    name: &str,
    inputs: &BuildInputs,
    progress: &dyn Progress,
    work: &Path,
) -> Result<Reference, ImageError> {
    Builder::new(name, inputs, progress, work)?.reference()
}

fn manifest(
    name: &str,
    settings: &Settings,
    programs: Vec<(String, ProgramSettings)>,
    target: &Path,
) -> Result<Manifest, ImageError> {
    let (list, files) = files::write_list(target)?;
    let listed = |path: &str| -> Result<FileDigest, ImageError> {
        list.iter().find(|file| file.path == path).cloned().ok_or_else(|| ImageError::Unsound {
            path: target.to_owned(),
            reason: format!("the build made no {path}"),
        })
    };
    let cold = &settings.cold;
    let python = Program {
        module: listed(MODULE)?,
        alternative: Some(AlternativeModule {
            module: listed(COLD_MODULE)?,
            env: cold.env.clone(),
            usual_options: cold.usual_options.clone(),
            usual_options_with_argument: cold.usual_options_with_argument.clone(),
            usual_last_options: cold.usual_last_options.clone(),
        }),
        commands: settings.commands.clone(),
        short_lived: false,
    };
    let others = programs.into_iter().map(|(module, settings)| {
        let ProgramSettings { commands, short_lived, .. } = settings;
        Ok(Program { module: listed(&module)?, alternative: None, commands, short_lived })
    });
    Ok(Manifest {
        schema: Manifest::SCHEMA,
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        recipe: recipe::digest(name)?.to_owned(),
        wit: recipe::WIT_DIGEST.to_owned(),
        programs: std::iter::once(Ok(python)).chain(others).collect::<Result<_, ImageError>>()?,
        env: Vec::new(),
        mounts: vec![GuestMount {
            path: format!("{FILES}{}", cpython::LIBRARY),
            guest: cpython::LIBRARY.to_owned(),
        }],
        files,
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    fs::write(path, bytes).map_err(ImageError::io("write", path))
}
