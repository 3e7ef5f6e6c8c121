//! What the parts of the recipe say of themselves.

use serde::Deserialize;

use crate::error::ImageError;
use crate::manifest::EnvRule;
use crate::recipe::Part;

/// Python's `image.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) source_date_epoch: u64,
    pub(super) commands: Vec<String>,
    pub(super) source: Source,
    pub(super) debian_toolchain: DebianToolchain,
    pub(super) flags: Flags,
    pub(super) native: Native,
    pub(super) reference: Native,
    pub(super) wasi: Wasi,
    pub(super) cold: Cold,
    #[serde(rename = "library")]
    pub(super) libraries: Vec<Library>,
}

/// The archive of the program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) file: String,
    pub(super) url: String,
    pub(super) sha256: String,
    /// Prefixes of paths that are not unpacked.
    pub(super) without: Vec<String>,
    pub(super) debian: DebianPackage,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DebianPackage {
    pub(super) package: String,
    pub(super) suite: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DebianToolchain {
    /// The major version that names folders and programs.
    pub(super) llvm: String,
    pub(super) packages: Vec<String>,
    pub(super) sysroot: DebianPackage,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flags {
    pub(super) compile: Vec<String>,
    pub(super) emulation: Vec<String>,
    pub(super) link: Vec<String>,
    pub(super) libraries: Vec<String>,
}

/// A build of the program for this machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Native {
    pub(super) configure: Vec<String>,
    pub(super) targets: Vec<String>,
}

/// The build of the program for WASI.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wasi {
    pub(super) configure: Vec<String>,
    /// A profile of the code, as `llvm-profdata` writes it in text.
    pub(super) profile: String,
    /// Answers for configure, as `name=value`.
    pub(super) cache: Vec<String>,
    /// Headers of ours that come before every file.
    pub(super) headers: Vec<String>,
    pub(super) targets: Vec<String>,
}

/// When the module without a snapshot serves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cold {
    pub(super) usual_options: String,
    pub(super) usual_options_with_argument: String,
    pub(super) usual_last_options: String,
    pub(super) env: Vec<EnvRule>,
}

/// A C library out of a crate's sources.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Library {
    pub(super) name: String,
    #[serde(rename = "crate")]
    pub(super) package: String,
    /// C files, and folders of them.
    pub(super) sources: Vec<String>,
    /// Endings of file names that are left out of folders.
    #[serde(default)]
    pub(super) without: Vec<String>,
    pub(super) include: Vec<String>,
    pub(super) headers: Vec<String>,
    #[serde(default)]
    pub(super) header_folders: Vec<String>,
    pub(super) flags: Vec<String>,
}

/// The compiler of Rust programs: `rust.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RustSettings {
    /// Of the compiler and of the library's sources, which have to match.
    pub(super) version: String,
    pub(super) debian: DebianPackages,
    /// Features of std.
    pub(super) features: Vec<String>,
    pub(super) flags: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DebianPackages {
    pub(super) suite: String,
    pub(super) packages: Vec<String>,
}

/// A Rust program: `program.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProgramSettings {
    /// The name of cargo's binary.
    pub(super) binary: String,
    pub(super) commands: Vec<String>,
    /// As [`Program::short_lived`](crate::Program::short_lived).
    pub(super) short_lived: bool,
    /// Flags of the compiler.
    pub(super) flags: Vec<String>,
}

/// What a part's TOML file says.
pub(super) fn parse<T: serde::de::DeserializeOwned>(part: &Part, file: &str) -> Result<T, ImageError> {
    toml::from_str(part.file(file)?).map_err(|err| ImageError::Unsound {
        path: format!("{}/{file}", part.name).into(),
        reason: err.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_every_part_are_valid() {
        let part = |name| crate::recipe::part(name).unwrap();
        let python: Settings = parse(part("python"), "image.toml").unwrap();
        assert_eq!(python.source.sha256.len(), 64);
        let rust: RustSettings = parse(part("rust"), "rust.toml").unwrap();
        assert!(!rust.debian.packages.is_empty());
        for program in ["shell", "tools"] {
            let settings: ProgramSettings = parse(part(program), "program.toml").unwrap();
            assert!(!settings.commands.is_empty(), "{program}");
        }
    }
}
