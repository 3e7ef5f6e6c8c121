//! Embeds the recipe of `guest-images`, with the digest of all that its image is made of.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The definition of what host and guest say to each other.
const WIT: &str = "../../wit/host.wit";
const PARTS: &str = "../../guest-images";
/// What of a part's folder is for people, or left by builds, and no part of the image.
const BESIDE: [&str; 3] = ["target", "README.md", "build.sh"];
/// The code that builds: an image made by other code is another image.
const BUILDERS: [&str; 4] = ["src/build", "src/build.rs", "src/manifest.rs", "../engine/src/snapshot.rs"];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut text = String::from("static PARTS: &[Part] = &[\n");
    let mut all = Vec::new();
    for path in BUILDERS.iter().chain([&WIT]) {
        all.extend(files(Path::new(path))?);
    }
    for folder in entries(Path::new(PARTS))?.into_iter().filter(|path| path.is_dir()) {
        let files = files(&folder)?;
        all.extend(files.clone());
        let name = slashed(folder.strip_prefix(PARTS)?);
        writeln!(text, "Part {{ name: {name:?}, files: &[")?;
        for file in &files {
            let (inner, full) = (slashed(file.strip_prefix(&folder)?), slashed(file));
            let full = format!(r#"concat!(env!("CARGO_MANIFEST_DIR"), "/", {full:?})"#);
            writeln!(text, "({inner:?}, include_str!({full})),")?;
        }
        text.push_str("] },\n");
    }
    let wit = hex(&Sha256::digest(read(Path::new(WIT))?));
    writeln!(
        text,
        "];\n\n/// SHA-256 of all that the image is made of: the parts, the WIT, the code that builds."
    )?;
    writeln!(text, "static DIGEST: &str = {:?};", digest(&all)?)?;
    writeln!(text, "\n/// SHA-256 of the WIT.\npub(crate) const WIT_DIGEST: &str = {wit:?};")?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(out.join("recipes.rs"), text)?;
    for path in BUILDERS.into_iter().chain([WIT, PARTS]) {
        println!("cargo::rerun-if-changed={path}");
    }
    Ok(())
}

/// The files of a folder and below, or the file itself, in an order that is the same everywhere.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut all = Vec::new();
    for entry in entries(path)? {
        all.extend(files(&entry)?);
    }
    Ok(all)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|err| format!("{}: {err}", folder.display()))? {
        let entry = entry?;
        // Left there by editors and by Python; no recipe has such a file.
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.')
            && !name.ends_with('~')
            && name != "__pycache__"
            && !BESIDE.contains(&&*name)
        {
            paths.push(entry.path());
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

fn read(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).map_err(|err| format!("{}: {err}", path.display()))?;
    // A checkout may have the line ends of Windows; the image is the same.
    Ok(text.replace("\r\n", "\n"))
}

/// SHA-256 of the files, each with its path and length, so that no two lists read the same.
fn digest(files: &[PathBuf]) -> Result<String> {
    let mut hasher = Sha256::new();
    for file in files {
        for part in [slashed(file), read(file)?] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    Ok(hex(&hasher.finalize()))
}

fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
