//! The images of a cache folder: found, listed, installed whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::archive::{self, is_plain};
use crate::build::{self, BuildInputs, Reference, Snapshot};
use crate::download;
use crate::error::ImageError;
use crate::files;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::recipe;

/// The manifest's file name.
pub(crate) const MANIFEST: &str = "image.json";

/// Digits of the recipe's digest in a folder's name.
const SHORT_DIGEST: usize = 16;

/// The images of a cache folder.
#[derive(Clone, Debug)]
pub struct ImageStore {
    cache: PathBuf,
}

/// An installed image.
#[derive(Clone, Debug)]
pub struct Image {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its folder.
    pub root: PathBuf,
}

/// An image of the cache, for a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageInfo {
    /// Its name.
    pub name: String,
    /// The version of the program in it.
    pub version: String,
    /// SHA-256 of the recipe that made it.
    pub recipe: String,
    /// Its folder.
    pub root: PathBuf,
    /// Whether it is of the recipe that this version has; others are of other versions.
    pub current: bool,
    /// Bytes of its files.
    pub bytes: u64,
}

/// Where an image is pulled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An image's folder.
    Directory(PathBuf),
    /// An exported file.
    File(PathBuf),
    /// The `http` or `https` address of an exported file.
    Url(String),
}

impl ImageStore {
    /// The images of a cache folder, which is made when it is missing.
    ///
    /// # Errors
    /// [`ImageError::Io`] when it cannot be made.
    pub fn open(cache: &Path) -> Result<Self, ImageError> {
        fs::create_dir_all(cache).map_err(ImageError::io("create", cache))?;
        Ok(Self { cache: cache.to_owned() })
    }

    /// The image of this version's recipe, where it is installed.
    ///
    /// # Errors
    /// [`ImageError::UnknownImage`]; [`ImageError::Unsound`] for a manifest that cannot be read.
    pub fn find(&self, name: &str) -> Result<Option<Image>, ImageError> {
        let root = self.root_of(name, recipe::digest(name)?);
        if !root.join(MANIFEST).exists() {
            return Ok(None);
        }
        let manifest = read_manifest(&root)?;
        Ok(Some(Image { manifest, root }))
    }

    /// All images in the cache, those of other versions too, by name.
    ///
    /// # Errors
    /// [`ImageError::Io`] when the cache cannot be read, [`ImageError::Unsound`] for an image that
    /// does not say what it is.
    pub fn list(&self) -> Result<Vec<ImageInfo>, ImageError> {
        let folder = self.folder();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(ImageError::io("read", folder)(err)),
        };
        let mut images = Vec::new();
        for entry in entries {
            let root = entry.map_err(ImageError::io("read", &folder))?.path();
            let hidden = root.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
            if hidden || !root.join(MANIFEST).exists() {
                continue;
            }
            let Header { name, version, recipe } = parse_manifest(&root)?;
            let current = recipe::digest(&name).is_ok_and(|known| known == recipe);
            images.push(ImageInfo { bytes: files::size(&root)?, name, version, recipe, root, current });
        }
        images.sort_by(|one, other| one.root.cmp(&other.root));
        Ok(images)
    }

    /// The image, built unless it is installed. Of several that build at once, one does and the
    /// others wait for it.
    ///
    /// # Errors
    /// [`ImageError::Toolchain`], [`ImageError::Download`], [`ImageError::Build`],
    /// [`ImageError::Snapshot`] of the build; nothing is installed then.
    pub fn build(
        &self,
        name: &str,
        inputs: &BuildInputs,
        snapshot: &dyn Snapshot,
        progress: &dyn Progress,
    ) -> Result<Image, ImageError> {
        recipe::digest(name)?;
        let _lock = self.lock(name, progress)?;
        if let Some(image) = self.find(name)? {
            return Ok(image);
        }
        self.install(name, |staging| {
            let manifest = build::build(name, inputs, snapshot, progress, &self.work(), staging)?;
            write_manifest(staging, &manifest)
        })
    }

    /// The native program of an image's sources, to compare with; built unless that was done.
    ///
    /// # Errors
    /// As [`ImageStore::build`].
    pub fn reference(
        &self,
        name: &str,
        inputs: &BuildInputs,
        progress: &dyn Progress,
    ) -> Result<Reference, ImageError> {
        recipe::digest(name)?;
        let _lock = self.lock(name, progress)?;
        build::reference(name, inputs, progress, &self.work())
    }

    /// Installs an image from elsewhere, after every file was compared with its manifest, and that
    /// with this version's recipe. An image that is installed is replaced.
    ///
    /// # Errors
    /// [`ImageError::Unsound`] says what does not agree; nothing is installed then.
    pub fn pull(&self, name: &str, from: &Source, progress: &dyn Progress) -> Result<Image, ImageError> {
        recipe::digest(name)?;
        let _lock = self.lock(name, progress)?;
        self.install(name, |staging| match from {
            Source::Directory(folder) => copy_image(folder, staging),
            Source::File(file) => archive::unpack(file, staging),
            Source::Url(url) => {
                let folder =
                    tempfile::tempdir_in(self.folder()).map_err(ImageError::io("create", self.folder()))?;
                let file = folder.path().join("download");
                download::download(url, &file, progress)?;
                archive::unpack(&file, staging)
            }
        })
    }

    /// Compares every file of an image with its manifest; gives how many they are.
    ///
    /// # Errors
    /// [`ImageError::Unsound`] names the first file that does not agree.
    pub fn verify(&self, image: &Image) -> Result<usize, ImageError> {
        files::verify(&image.root, &image.manifest)
    }

    /// Writes an image, once verified, to a new file that [`ImageStore::pull`] takes.
    ///
    /// # Errors
    /// [`ImageError::Io`] when the file exists or cannot be written; no part of it is left then.
    pub fn export(&self, image: &Image, to: &Path) -> Result<(), ImageError> {
        self.verify(image)?;
        if to.exists() {
            return Err(ImageError::io("create", to)(io::ErrorKind::AlreadyExists.into()));
        }
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let staging = tempfile::tempdir_in(folder).map_err(ImageError::io("write to", folder))?;
        let file = staging.path().join("image");
        let list = files::read_list(&image.root, &image.manifest.files)?;
        let paths = list.iter().map(|file| file.path.as_str());
        archive::pack(&image.root, [MANIFEST, &image.manifest.files.path].into_iter().chain(paths), &file)?;
        fs::rename(&file, to).map_err(ImageError::io("create", to))
    }

    fn folder(&self) -> PathBuf {
        self.cache.join("images")
    }

    fn work(&self) -> PathBuf {
        self.cache.join("build")
    }

    fn root_of(&self, name: &str, digest: &str) -> PathBuf {
        self.folder().join(format!("{name}-{}", digest.get(..SHORT_DIGEST).unwrap_or(digest)))
    }

    /// Fills a folder and, when all in it is sound and of this version's recipe, makes it the image.
    fn install(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<(), ImageError>,
    ) -> Result<Image, ImageError> {
        let folder = self.folder();
        let staging = tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(&folder)
            .map_err(ImageError::io("write to", &folder))?;
        fill(staging.path())?;
        let manifest = read_manifest(staging.path())?;
        let digest = recipe::digest(name)?;
        let unsound = |reason: String| ImageError::Unsound { path: staging.path().to_owned(), reason };
        if manifest.name != name {
            return Err(unsound(format!("it is the image {}, not {name}", manifest.name)));
        }
        if manifest.recipe != digest {
            return Err(unsound(format!(
                "it was made by the recipe {}, this version has {digest}",
                manifest.recipe
            )));
        }
        if manifest.wit != recipe::WIT_DIGEST {
            return Err(unsound("it was built for another version of the host's interface".to_owned()));
        }
        files::verify(staging.path(), &manifest)?;
        let root = self.root_of(name, digest);
        let old = folder.join(format!(".old-{name}"));
        let _ = fs::remove_dir_all(&old);
        if root.exists() {
            fs::rename(&root, &old).map_err(ImageError::io("replace", &root))?;
        }
        fs::rename(staging.path(), &root).map_err(ImageError::io("create", &root))?;
        // The folder has its final name, so there is nothing to remove.
        drop(staging.keep());
        let _ = fs::remove_dir_all(&old);
        Ok(Image { manifest, root })
    }

    /// Waits until no other process installs this image.
    fn lock(&self, name: &str, progress: &dyn Progress) -> Result<File, ImageError> {
        let folder = self.folder();
        fs::create_dir_all(&folder).map_err(ImageError::io("create", &folder))?;
        let path = folder.join(format!(".lock-{name}"));
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(ImageError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                progress.note(&format!("another process installs the image {name}, waiting for it"));
                file.lock().map_err(ImageError::io("lock", &path))?;
            }
            Err(fs::TryLockError::Error(err)) => return Err(ImageError::io("lock", &path)(err)),
        }
        Ok(file)
    }
}

impl Image {
    /// The full path of a file of the image.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }
}

impl Source {
    /// What a text names: an address, a folder, or a file.
    pub fn parse(text: &str) -> Self {
        if text.starts_with("http://") || text.starts_with("https://") {
            Self::Url(text.to_owned())
        } else if Path::new(text).is_dir() {
            Self::Directory(text.into())
        } else {
            Self::File(text.into())
        }
    }
}

/// What the manifests of all versions have.
#[derive(Deserialize)]
struct Header {
    name: String,
    version: String,
    recipe: String,
}

fn parse_manifest<T: DeserializeOwned>(root: &Path) -> Result<T, ImageError> {
    let path = root.join(MANIFEST);
    let bytes = fs::read(&path).map_err(ImageError::io("read", &path))?;
    serde_json::from_slice(&bytes).map_err(|err| ImageError::Unsound {
        path: root.to_owned(),
        reason: format!("{MANIFEST} is not valid: {err}"),
    })
}

fn read_manifest(root: &Path) -> Result<Manifest, ImageError> {
    let unsound = |reason: String| ImageError::Unsound { path: root.to_owned(), reason };
    let manifest: Manifest = parse_manifest(root)?;
    if manifest.schema != Manifest::SCHEMA {
        return Err(unsound(format!(
            "{MANIFEST} has the schema {}, expected {}",
            manifest.schema,
            Manifest::SCHEMA
        )));
    }
    let mounts = manifest.mounts.iter().map(|mount| &mount.path);
    for path in manifest.modules().chain([&manifest.files]).map(|file| &file.path).chain(mounts) {
        if !is_plain(Path::new(path)) {
            return Err(unsound(format!("{MANIFEST} names {path}, which is not in the image's folder")));
        }
    }
    Ok(manifest)
}

fn write_manifest(root: &Path, manifest: &Manifest) -> Result<(), ImageError> {
    let path = root.join(MANIFEST);
    let bytes =
        serde_json::to_vec_pretty(manifest).map_err(|err| ImageError::io("write", &path)(err.into()))?;
    fs::write(&path, bytes).map_err(ImageError::io("write", &path))
}

fn copy_image(from: &Path, to: &Path) -> Result<(), ImageError> {
    let manifest = read_manifest(from)?;
    let list = files::read_list(from, &manifest.files)?;
    let paths = list.iter().map(|file| file.path.as_str());
    for path in paths.chain([manifest.files.path.as_str(), MANIFEST]) {
        let (source, target) = (from.join(path), to.join(path));
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(ImageError::io("create", folder))?;
        }
        fs::copy(&source, &target).map_err(ImageError::io("copy", &source))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
