//! The recipe, embedded, so that an installed command builds the image without a checkout.

use sha2::{Digest, Sha256};

use crate::error::ImageError;

/// A part of the image: a folder of `guest-images`, its files by their path in it.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) files: &'static [(&'static str, &'static str)],
}

// Made by this crate's build script: `PARTS`, `DIGEST` and `WIT_DIGEST`.
include!(concat!(env!("OUT_DIR"), "/recipes.rs"));

/// SHA-256 of all that an image is made of.
///
/// # Errors
/// [`ImageError::UnknownImage`].
pub(crate) fn digest(image: &str) -> Result<&'static str, ImageError> {
    if crate::NAMES.contains(&image) {
        return Ok(DIGEST);
    }
    Err(ImageError::UnknownImage { name: image.to_owned() })
}

/// A part of the image.
pub(crate) fn part(name: &str) -> Result<&'static Part, ImageError> {
    let found = PARTS.iter().find(|part| part.name == name);
    found.ok_or_else(|| ImageError::Unsound {
        path: name.into(),
        reason: "the recipe does not have this part".to_owned(),
    })
}

impl Part {
    /// A file of the part.
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
