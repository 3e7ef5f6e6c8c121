//! The recipes, embedded, so that an installed command builds images without a checkout.

use sha2::{Digest, Sha256};

use crate::error::ImageError;

/// A recipe: its files by their path in the image's folder of `guest-images`.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// SHA-256 of all that an image is made of: these files, the WIT, and the code that builds.
    pub(crate) digest: &'static str,
}

// Made by this crate's build script: `RECIPES` and `WIT_DIGEST`.
include!(concat!(env!("OUT_DIR"), "/recipes.rs"));

/// The recipe of an image.
pub(crate) fn recipe(name: &str) -> Result<&'static Recipe, ImageError> {
    let found = RECIPES.iter().find(|recipe| recipe.name == name);
    found.ok_or_else(|| ImageError::UnknownImage { name: name.to_owned() })
}

impl Recipe {
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
    fn a_list_reads_differently_from_its_concatenation() {
        assert_ne!(digest_of(["ab", "c"]), digest_of(["a", "bc"]));
    }
}
