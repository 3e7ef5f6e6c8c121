//! The sources: `CPython`'s archive, and the crates that carry the C libraries.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::download;
use crate::error::ImageError;
use crate::recipe::hex;

use super::stages::Finished;
use super::{Builder, write};

/// Where `CPython` keeps its own tests.
const TESTS: &str = "Lib/test/";

impl Builder<'_> {
    /// The unpacked source of the program.
    pub(super) fn source(&self) -> Result<Finished, ImageError> {
        self.source_without("source", &self.settings.source.without)
    }

    /// The same with `CPython`'s own tests.
    pub(super) fn source_with_tests(&self) -> Result<Finished, ImageError> {
        let without = &self.settings.source.without;
        let without: Vec<String> = without.iter().filter(|prefix| *prefix != TESTS).cloned().collect();
        self.source_without("reference-source", &without)
    }

    fn source_without(&self, stage: &str, without: &[String]) -> Result<Finished, ImageError> {
        let settings = &self.settings.source;
        self.stages.get(stage, [&*settings.sha256, &without.join("\n")], |folder| {
            unpack(&self.source_archive()?, without, folder)
        })
    }

    /// The archive with the pinned digest: at hand, from upstream, or from a Debian mirror.
    fn source_archive(&self) -> Result<PathBuf, ImageError> {
        let settings = &self.settings.source;
        let kept = self.downloads.join(&settings.sha256);
        if let Some(folder) = &self.inputs.sources {
            let given = folder.join(&settings.file);
            if given.exists() {
                check_digest(&given, &settings.sha256)?;
                return Ok(given);
            }
        }
        if kept.exists() && check_digest(&kept, &settings.sha256).is_ok() {
            return Ok(kept);
        }
        let folder =
            tempfile::tempdir_in(&self.downloads).map_err(ImageError::io("write to", &self.downloads))?;
        let file = folder.path().join("archive");
        let upstream = download::download(&settings.url, &file, self.progress)
            .and_then(|()| check_digest(&file, &settings.sha256));
        let archive = match upstream {
            Ok(()) => file,
            Err(err) => {
                self.progress.note(&format!("{err}; trying the Debian mirror of this machine"));
                // Why upstream failed is what a person has to know when there is no mirror either.
                self.debian_source(folder.path()).map_err(|_| err)?
            }
        };
        check_digest(&archive, &settings.sha256)?;
        fs::rename(&archive, &kept).map_err(ImageError::io("create", &kept))?;
        Ok(kept)
    }

    fn debian_source(&self, folder: &Path) -> Result<PathBuf, ImageError> {
        let package = &self.settings.source.debian;
        let apt = self.apt(&folder.join("apt"), &[&package.suite])?;
        apt.source(self, &package.package, &package.suite)
    }

    /// The crates of the recipe's lock file, unpacked.
    pub(super) fn crates(&self) -> Result<Finished, ImageError> {
        let manifest = self.python.file("Cargo.toml")?;
        let lock = self.python.file("Cargo.lock")?;
        self.stages.get("crates", [manifest, lock], |folder| {
            for name in ["Cargo.toml", "Cargo.lock", "lib.rs"] {
                write(&folder.join(name), self.python.file(name)?.as_bytes())?;
            }
            let vendored = folder.join("vendor");
            if let Some(given) =
                self.inputs.sources.as_ref().map(|folder| folder.join("vendor")).filter(|it| it.exists())
            {
                for library in &self.settings.libraries {
                    copy_tree(&given.join(&library.package), &vendored.join(&library.package))?;
                    check_crate(&vendored.join(&library.package), &library.package, lock)?;
                }
                return Ok(());
            }
            let cargo = self.inputs.cargo.as_deref().unwrap_or(Path::new("cargo"));
            let mut vendor = self.command(cargo, folder);
            self.run(
                "fetching the C libraries",
                vendor.args(["vendor", "--locked", "--quiet"]).arg(&vendored),
            )
        })
    }
}

fn check_digest(path: &Path, expected: &str) -> Result<(), ImageError> {
    let mut file = File::open(path).map_err(ImageError::io("open", path))?;
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut hasher).map_err(ImageError::io("read", path))?;
    let actual = hex(&hasher.finalize());
    if actual == expected {
        return Ok(());
    }
    Err(ImageError::Digest { what: path.display().to_string(), actual, expected: expected.to_owned() })
}

/// Unpacks a `.tar.xz` without its first folder.
fn unpack(archive: &Path, without: &[String], to: &Path) -> Result<(), ImageError> {
    let file = File::open(archive).map_err(ImageError::io("open", archive))?;
    let plain = to.join(".tar");
    let mut tar = BufWriter::new(File::create_new(&plain).map_err(ImageError::io("create", &plain))?);
    let broken = |reason: String| ImageError::Unsound { path: archive.to_owned(), reason };
    lzma_rs::xz_decompress(&mut BufReader::new(file), &mut tar).map_err(|err| broken(format!("{err:?}")))?;
    tar.flush().map_err(ImageError::io("write", &plain))?;
    drop(tar);

    let file = File::open(&plain).map_err(ImageError::io("open", &plain))?;
    let mut tar = tar::Archive::new(BufReader::new(file));
    for entry in tar.entries().map_err(|err| broken(err.to_string()))? {
        let mut entry = entry.map_err(|err| broken(err.to_string()))?;
        let path = entry.path().map_err(|err| broken(err.to_string()))?.into_owned();
        let inner: PathBuf = path.components().skip(1).collect();
        let text = inner.to_string_lossy();
        if text.is_empty() || without.iter().any(|prefix| text.starts_with(prefix.as_str())) {
            continue;
        }
        if !inner.components().all(|component| matches!(component, Component::Normal(_))) {
            return Err(broken(format!("it holds {}", path.display())));
        }
        let target = to.join(&inner);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(ImageError::io("create", folder))?;
        }
        entry.unpack(&target).map_err(ImageError::io("create", &target))?;
    }
    fs::remove_file(&plain).map_err(ImageError::io("remove", &plain))
}

/// What `cargo vendor` writes into each crate's folder: checksums of its files, by path, and of the whole.
#[derive(serde::Deserialize, serde::Serialize)]
pub(super) struct Checksums {
    pub(super) files: BTreeMap<String, String>,
    package: String,
}

impl Checksums {
    pub(super) fn read(list: &Path) -> Result<Self, ImageError> {
        let text = fs::read(list).map_err(ImageError::io("read", list))?;
        serde_json::from_slice(&text)
            .map_err(|err| ImageError::Unsound { path: list.to_owned(), reason: err.to_string() })
    }

    pub(super) fn write(&self, list: &Path) -> Result<(), ImageError> {
        let text = serde_json::to_vec(self).map_err(|err| ImageError::io("write", list)(err.into()))?;
        fs::write(list, text).map_err(ImageError::io("write", list))
    }
}

/// Checks a crate that was given against the lock file and its own list of files.
fn check_crate(folder: &Path, name: &str, lock: &str) -> Result<(), ImageError> {
    let list = folder.join(".cargo-checksum.json");
    let unsound = |reason: String| ImageError::Unsound { path: folder.to_owned(), reason };
    let checksums = Checksums::read(&list)?;
    if !lock.contains(&format!("checksum = \"{}\"", checksums.package)) {
        return Err(unsound(format!("it is not the version of {name} that the recipe pins")));
    }
    for (file, sha256) in &checksums.files {
        check_digest(&folder.join(file), sha256)?;
    }
    Ok(())
}

/// Copies a folder, without what is no file and no folder.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<(), ImageError> {
    fs::create_dir_all(to).map_err(ImageError::io("create", to))?;
    for entry in fs::read_dir(from).map_err(ImageError::io("read", from))? {
        let entry = entry.map_err(ImageError::io("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(ImageError::io("read", &source))?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target).map_err(ImageError::io("copy", &source))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_file_with_the_pinned_digest_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty");
        fs::write(&file, "").unwrap();
        check_digest(&file, EMPTY).unwrap();
    }

    #[test]
    fn a_file_with_another_digest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("full");
        fs::write(&file, "x").unwrap();
        assert!(
            matches!(check_digest(&file, EMPTY), Err(ImageError::Digest { expected, .. }) if expected == EMPTY)
        );
    }

    fn vendored(content: &str, package: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.c"), content).unwrap();
        let list = format!(r#"{{"files":{{"a.c":"{EMPTY}"}},"package":"{package}"}}"#);
        fs::write(folder.path().join(".cargo-checksum.json"), list).unwrap();
        folder
    }

    #[test]
    fn a_crate_as_the_lock_file_pins_it_is_taken() {
        check_crate(vendored("", "abc").path(), "a", "checksum = \"abc\"").unwrap();
    }

    #[test]
    fn a_crate_of_another_version_is_refused() {
        assert!(check_crate(vendored("", "other").path(), "a", "checksum = \"abc\"").is_err());
    }

    #[test]
    fn a_crate_with_a_changed_file_is_refused() {
        assert!(check_crate(vendored("changed", "abc").path(), "a", "checksum = \"abc\"").is_err());
    }
}
