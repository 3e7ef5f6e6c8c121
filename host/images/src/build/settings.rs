//! What a recipe's `image.toml` says.

use serde::Deserialize;

use crate::error::ImageError;
use crate::manifest::EnvRule;
use crate::recipe::Recipe;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) version: String,
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
    /// A header of ours that comes before every file.
    pub(super) header: String,
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

impl Settings {
    pub(super) fn parse(recipe: &Recipe) -> Result<Self, ImageError> {
        toml::from_str(recipe.file("image.toml")?)
            .map_err(|err| ImageError::Unsound { path: "image.toml".into(), reason: err.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_every_recipe_are_valid() {
        for name in crate::NAMES {
            let settings = Settings::parse(crate::recipe::recipe(name).unwrap()).unwrap();
            assert_eq!(settings.name, name);
            assert_eq!(settings.source.sha256.len(), 64);
        }
    }
}
