//! The C libraries, compiled for WASI out of the crates that carry their sources.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::ImageError;

use super::Builder;
use super::settings::Library;
use super::stages::Finished;
use super::toolchain::Toolchain;

/// What compiles the libraries.
pub(super) struct Compiler {
    /// Name of the stage.
    pub(super) stage: &'static str,
    /// Stands for the compiler in the stage's key.
    pub(super) key: String,
    pub(super) cc: PathBuf,
    pub(super) ar: PathBuf,
    /// The search path, where it is not the host program's.
    pub(super) path: Option<OsString>,
    pub(super) flags: Vec<String>,
}

impl Builder<'_> {
    /// The compiler for WASI.
    pub(super) fn wasi_compiler(&self, toolchain: &Toolchain) -> Compiler {
        let flags = &self.settings.flags;
        Compiler {
            stage: "libraries",
            key: toolchain.key.clone(),
            cc: toolchain.bin().join("clang"),
            ar: toolchain.bin().join("llvm-ar"),
            path: Some(self.path_with(&toolchain.bin())),
            flags: flags.compile.iter().chain(&flags.emulation).cloned().collect(),
        }
    }

    /// The libraries in `lib`, their headers in `include`.
    pub(super) fn libraries(&self, compiler: &Compiler, crates: &Finished) -> Result<Finished, ImageError> {
        let described = format!("{:?} {:?}", compiler.flags, self.settings.libraries);
        let depends_on = [&*compiler.key, &crates.key, &described];
        self.stages.get(compiler.stage, depends_on, |folder| {
            let objects = folder.join("objects");
            for path in [folder.join("lib"), folder.join("include"), objects.clone()] {
                fs::create_dir_all(&path).map_err(ImageError::io("create", path))?;
            }
            let mut jobs = Vec::new();
            for library in &self.settings.libraries {
                let root = crates.folder.join("vendor").join(&library.package);
                copy_headers(library, &root, &folder.join("include"))?;
                for source in sources(library, &root)? {
                    let stem = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                    jobs.push((library, source, objects.join(format!("{}-{stem}.o", library.name))));
                }
            }
            self.compile_all(compiler, &root_of(crates), &jobs)?;
            for library in &self.settings.libraries {
                let archive = folder.join("lib").join(format!("lib{}.a", library.name));
                let mut command = self.command(&compiler.ar, folder);
                // Deterministic, with an index.
                command.arg("crsD").arg(archive);
                command
                    .args(jobs.iter().filter(|(of, ..)| of.name == library.name).map(|(.., object)| object));
                self.run("compiling the C libraries", &mut command)?;
            }
            Ok(())
        })
    }

    fn compile_all(
        &self,
        compiler: &Compiler,
        crates: &Path,
        jobs: &[(&Library, PathBuf, PathBuf)],
    ) -> Result<(), ImageError> {
        let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
        let total = u64::try_from(jobs.len()).unwrap_or(0);
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((library, source, object)) = jobs.get(index) else { return };
                self.progress.advance(u64::try_from(index).unwrap_or(0), total);
                let root = crates.join(&library.package);
                let mut command = self.command(&compiler.cc, &root);
                if let Some(path) = &compiler.path {
                    command.env("PATH", path);
                }
                command.args(&compiler.flags).args(&library.flags);
                command.args(library.include.iter().map(|folder| format!("-I{folder}")));
                command.arg("-c").arg(source.strip_prefix(&root).unwrap_or(source)).arg("-o").arg(object);
                if let Err(err) = self.run("compiling the C libraries", &mut command) {
                    next.store(jobs.len(), Ordering::Relaxed);
                    *failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(err);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.inputs.jobs.max(1) {
                scope.spawn(work);
            }
        });
        failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

fn root_of(crates: &Finished) -> PathBuf {
    crates.folder.join("vendor")
}

fn copy_headers(library: &Library, root: &Path, include: &Path) -> Result<(), ImageError> {
    let copy = |source: &Path, folder: &Path| {
        let target = folder.join(source.file_name().unwrap_or_default());
        fs::copy(source, target).map(drop).map_err(ImageError::io("copy", source))
    };
    for header in &library.headers {
        copy(&root.join(header), include)?;
    }
    for folder in library.header_folders.iter().map(|folder| root.join(folder)) {
        let target = include.join(folder.file_name().unwrap_or_default());
        fs::create_dir_all(&target).map_err(ImageError::io("create", &target))?;
        for entry in fs::read_dir(&folder).map_err(ImageError::io("read", &folder))? {
            copy(&entry.map_err(ImageError::io("read", &folder))?.path(), &target)?;
        }
    }
    Ok(())
}

/// The C files of a library, in order.
fn sources(library: &Library, root: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let mut found = Vec::new();
    for path in library.sources.iter().map(|source| root.join(source)) {
        if !path.is_dir() {
            found.push(path);
            continue;
        }
        for entry in fs::read_dir(&path).map_err(ImageError::io("read", &path))? {
            let file = entry.map_err(ImageError::io("read", &path))?.path();
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_left_out = library.without.iter().any(|ending| name.ends_with(ending.as_str()));
            if file.extension().is_some_and(|extension| extension == "c") && !is_left_out {
                found.push(file);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
