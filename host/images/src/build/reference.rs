//! The same `CPython` for this machine, optimised and with the same C libraries: what a guest does is
//! compared with it. Not part of an image.

use std::fs;
use std::path::PathBuf;

use crate::error::ImageError;

use super::Builder;
use super::cpython::{NativeBuild, python};
use super::libraries::Compiler;

pub(super) const STEPS: [&str; 4] = [
    "getting the C compiler for WASI",
    "getting the sources",
    "compiling the C libraries for this machine",
    "building the native Python to compare with",
];

/// A native Python of the same source as an image's.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The interpreter.
    pub python: PathBuf,
    /// Its standard library with `CPython`'s own tests, in `test`.
    pub library: PathBuf,
}

impl Builder<'_> {
    pub(super) fn reference(&self) -> Result<Reference, ImageError> {
        self.begin(&STEPS, 1);
        // For its make: a machine may have none.
        let toolchain = self.toolchain()?;
        self.begin(&STEPS, 2);
        let source = self.source_with_tests()?;
        let crates = self.crates()?;
        self.begin(&STEPS, 3);
        let libraries = self.libraries(&native_compiler(), &crates)?;
        self.begin(&STEPS, 4);
        let build = NativeBuild {
            stage: "reference",
            what: "building the native Python to compare with",
            settings: &self.settings.reference,
            libraries: Some(&libraries),
        };
        let built = self.native_build(&build, &toolchain, &source)?;
        let python = fs::canonicalize(python(&built)).map_err(ImageError::io("open", &built.folder))?;
        self.stages.remove_unused();
        Ok(Reference { python, library: source.folder.join("Lib") })
    }
}

fn native_compiler() -> Compiler {
    Compiler {
        stage: "reference-libraries",
        key: "cc".to_owned(),
        cc: "cc".into(),
        ar: "ar".into(),
        path: None,
        flags: ["-O2", "-fPIC"].map(str::to_owned).to_vec(),
    }
}
