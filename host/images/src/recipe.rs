//! The recipes, embedded, so that an installed command builds images without a checkout.

use sha2::{Digest, Sha256};

use crate::error::ImageError;

/// The definition of what host and guest say to each other.
const WIT: &str = include_str!("../../../wit/host.wit");

/// A recipe: its files by their path in the image's folder of `guest-images`.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    pub(crate) files: &'static [(&'static str, &'static str)],
}

macro_rules! embedded {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../guest-images/", $folder, "/", $path)))),+]
    };
}

const PYTHON: Recipe = Recipe {
    name: "python",
    files: embedded!("python":
        "Cargo.lock",
        "Cargo.toml",
        "boot/_sandpiper_boot.py",
        "image.toml",
        "lib.rs",
        "pack.py",
        "src/density.c",
        "src/errno.c",
        "src/errno_linux.h",
        "src/kdf.c",
        "src/main.c",
        "src/modes.c",
        "src/pinned.c",
        "src/refusals.c",
        "src/sandpiper.h",
        "src/streams.c",
        "src/teardown.c",
    ),
};

/// The recipe of an image.
pub(crate) fn recipe(name: &str) -> Result<&'static Recipe, ImageError> {
    match name {
        "python" => Ok(&PYTHON),
        _ => Err(ImageError::UnknownImage { name: name.to_owned() }),
    }
}

/// SHA-256 of the WIT.
pub(crate) fn wit_digest() -> String {
    hex(&Sha256::digest(WIT))
}

impl Recipe {
    /// SHA-256 of all that an image is made of: the recipe's files and the WIT.
    pub(crate) fn digest(&self) -> String {
        digest_of(
            self.files.iter().copied().chain([("wit", WIT)]).flat_map(|(path, content)| [path, content]),
        )
    }

    /// A file of the recipe.
    pub(crate) fn file(&self, path: &str) -> Result<&'static str, ImageError> {
        let found = self.files.iter().find(|(name, _)| *name == path);
        found.map(|(_, content)| *content).ok_or_else(|| ImageError::Unsound {
            path: path.into(),
            reason: "the recipe does not have this file".to_owned(),
        })
    }
}

/// SHA-256 of a list of texts, each with its length, so that no two lists read the same.
pub(crate) fn digest_of<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

/// Hexadecimal, in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_in_the_recipe() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-images/python");
        let mut expected = Vec::new();
        for sub in ["", "boot", "src"] {
            for entry in std::fs::read_dir(folder.join(sub)).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                if entry.file_type().unwrap().is_file() && name != "README.md" {
                    expected.push(if sub.is_empty() { name } else { format!("{sub}/{name}") });
                }
            }
        }
        expected.sort_unstable();
        let embedded: Vec<&str> = PYTHON.files.iter().map(|(path, _)| *path).collect();
        assert_eq!(embedded, expected);
    }

    #[test]
    fn a_list_reads_differently_from_its_concatenation() {
        assert_ne!(digest_of(["ab", "c"]), digest_of(["a", "bc"]));
    }
}
