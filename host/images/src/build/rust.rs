//! The Rust programs: a pinned compiler, its std with what the sandbox has, and what is built with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::ImageError;
use crate::recipe::{self, Part};

use super::command::output;
use super::settings::{ProgramSettings, RustSettings, parse};
use super::sources::{Checksums, copy_tree};
use super::stages::Finished;
use super::toolchain::{Toolchain, library_folder, link, write_wrapper};
use super::{Builder, write};

const TARGET: &str = "wasm32-wasip1";

/// Variables by which a user's shell would change what cargo builds.
const UNWANTED: [&str; 8] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MAKEFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
];

/// A compiler for this machine: `bin/rustc`, and its library's sources in `source/library`.
type Rust = Finished;

/// A compiler for the sandbox: `bin/rustc`.
type SandboxRust = Finished;

impl Builder<'_> {
    /// The compiler of Rust programs for the sandbox.
    pub(super) fn rust(&self, toolchain: &Toolchain) -> Result<SandboxRust, ImageError> {
        let part = recipe::part("rust")?;
        let settings: RustSettings = parse(part, "rust.toml")?;
        let rust = self.compiler(&settings)?;
        self.sandbox_rust(toolchain, &rust, part, &settings)
    }

    /// Compiles a part for the sandbox; gives its module.
    pub(super) fn program(
        &self,
        toolchain: &Toolchain,
        rust: &SandboxRust,
        part: &Part,
        settings: &ProgramSettings,
    ) -> Result<PathBuf, ImageError> {
        let described = format!("{settings:?}");
        let files = part.files.iter().flat_map(|(path, text)| [*path, *text]);
        let keys = [&*rust.key, &*toolchain.key, &*described];
        let module = format!("{}.wasm", settings.binary);
        let built = self.stages.get(part.name, keys.into_iter().chain(files), |folder| {
            let source = folder.join("source");
            write_files(part, "", &source)?;
            self.vendor(&source)?;
            self.patch_crates(part, toolchain, &source)?;
            let mut build = self.cargo(&rust.folder.join("bin/rustc"), &source, &settings.flags);
            build.env("CARGO_TARGET_WASM32_WASIP1_LINKER", toolchain.bin().join("wasm-ld"));
            build.args(["build", "--release", "--locked", "--offline", "--target", TARGET]);
            self.run(&format!("compiling {}", part.name), &mut build)?;
            let target = source.join("target");
            let made = target.join(TARGET).join("release").join(&module);
            let to = folder.join(&module);
            fs::copy(&made, &to).map_err(ImageError::io("copy", &made))?;
            fs::remove_dir_all(&source).map_err(ImageError::io("remove", &source))
        })?;
        Ok(built.folder.join(module))
    }

    /// By rustup where it can get this version, else Debian's packages, unpacked without root.
    fn compiler(&self, settings: &RustSettings) -> Result<Rust, ImageError> {
        let RustSettings { version, debian, .. } = settings;
        let packages = debian.packages.join(" ");
        self.stages.get("rust", [&**version, &*debian.suite, &*packages, "1"], |folder| {
            if self.rustup(version, folder)? {
                return Ok(());
            }
            let apt = self.apt(&folder.join("apt"), &[&debian.suite])?;
            let wanted: Vec<String> =
                debian.packages.iter().map(|package| format!("{package}/{}", debian.suite)).collect();
            let root = folder.join("root");
            for package in apt.download(self, &wanted)? {
                let mut unpack = self.command("dpkg-deb", folder);
                self.run("unpacking the Rust compiler", unpack.arg("-x").arg(&package).arg(&root))?;
            }
            fs::remove_dir_all(folder.join("apt")).map_err(ImageError::io("remove", folder.join("apt")))?;
            let libraries = library_folder(&root)?;
            let before = format!("LD_LIBRARY_PATH='{}' ", libraries.display());
            write_wrapper(&folder.join("bin"), "rustc", &before, &root.join("usr/bin/rustc"), "")?;
            link(&root.join(format!("usr/src/rustc-{version}")), &folder.join("source"))
        })
    }

    /// A toolchain of rustup's in a home of its own; false where it cannot be had.
    fn rustup(&self, version: &str, folder: &Path) -> Result<bool, ImageError> {
        let home = folder.join("rustup");
        let mut install = self.command("rustup", folder);
        install.env("RUSTUP_HOME", &home).env_remove("RUSTUP_TOOLCHAIN").args([
            "toolchain",
            "install",
            version,
            "--no-self-update",
            "--profile=minimal",
            "--component=rust-src",
        ]);
        if !self.has("rustup") || output(&mut install).is_none() {
            return Ok(false);
        }
        let toolchains = home.join("toolchains");
        let entries = fs::read_dir(&toolchains).map_err(ImageError::io("read", &toolchains))?;
        let Some(toolchain) = entries.flatten().next().map(|entry| entry.path()) else { return Ok(false) };
        write_wrapper(&folder.join("bin"), "rustc", "", &toolchain.join("bin/rustc"), "")?;
        link(&toolchain.join("lib/rustlib/src/rust"), &folder.join("source"))?;
        Ok(true)
    }

    /// The library with our changes, built, and a compiler that takes it.
    fn sandbox_rust(
        &self,
        toolchain: &Toolchain,
        rust: &Rust,
        part: &Part,
        settings: &RustSettings,
    ) -> Result<SandboxRust, ImageError> {
        let rustc = rust.folder.join("bin/rustc");
        let described = format!("{settings:?}");
        let keys = [&*rust.key, &*toolchain.key, &*described, "1"];
        let files = part.files.iter().flat_map(|(path, text)| [*path, *text]);
        self.stages.get("std", keys.into_iter().chain(files), |folder| {
            let source = folder.join("source");
            copy_tree(&rust.folder.join("source/library"), &source.join("library"))?;
            let patch = folder.join("std.patch");
            write(&patch, part.file("std.patch")?.as_bytes())?;
            let mut apply = self.command("patch", &source);
            apply.env("PATH", self.path_with(&toolchain.bin()));
            self.run("patching Rust's library", apply.args(["-s", "-p1", "-i"]).arg(&patch))?;
            write_files(part, "library/", &source.join("library"))?;

            let library = source.join("library");
            let mut build = self.cargo(&rustc, &library, &settings.flags);
            build.env("RUSTC_BOOTSTRAP", "1").args(["build", "--manifest-path", "sysroot/Cargo.toml"]);
            build.args(["--profile", "dist", "--target", TARGET, "--features", &settings.features.join(" ")]);
            self.run("compiling Rust's library", &mut build)?;

            let own = folder.join("sysroot/lib/rustlib").join(TARGET).join("lib");
            let start = own.join("self-contained");
            fs::create_dir_all(&start).map_err(ImageError::io("create", &start))?;
            copy_rlibs(&library.join("target").join(TARGET).join("dist/deps"), &own)?;
            for name in ["crt1-command.o", "crt1-reactor.o", "libc.a"] {
                let mut find = self.command(toolchain.bin().join("clang"), folder);
                let found = output(find.arg(format!("-print-file-name={name}"))).unwrap_or_default();
                let (from, to) = (Path::new(found.trim()), start.join(name));
                fs::copy(from, &to).map_err(ImageError::io("copy", from))?;
            }
            // Build scripts and macros run on this machine.
            let sysroot =
                output(self.command(&rustc, folder).args(["--print", "sysroot"])).unwrap_or_default();
            let machine =
                output(self.command(&rustc, folder).args(["--print", "host-tuple"])).unwrap_or_default();
            let host = Path::new("lib/rustlib").join(machine.trim());
            link(&Path::new(sysroot.trim()).join(&host), &folder.join("sysroot").join(&host))?;
            let arguments = format!("--sysroot '{}'", folder.join("sysroot").display());
            write_wrapper(&folder.join("bin"), "rustc", "", &rustc, &arguments)?;
            fs::remove_dir_all(&source).map_err(ImageError::io("remove", &source))
        })
    }

    /// cargo in a folder, with a compiler and flags of ours. What it builds does not hold the folder's path.
    fn cargo(&self, rustc: &Path, folder: &Path, flags: &[String]) -> Command {
        let mut command = self.command(self.inputs.cargo.as_deref().unwrap_or(Path::new("cargo")), folder);
        for name in UNWANTED {
            command.env_remove(name);
        }
        let remap = format!("--remap-path-prefix={}=/source", folder.display());
        // The separator of this variable, which allows spaces in a flag.
        command.env("CARGO_ENCODED_RUSTFLAGS", [flags, &[remap]].concat().join("\u{1f}")).env("RUSTC", rustc);
        command
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .env("CARGO_BUILD_JOBS", self.inputs.jobs.to_string());
        command
    }

    /// The crates that a folder's lock file names, beside it, each in a folder that is called as it is with
    /// its version: uucore's build script takes the texts of its tools' messages from folders so named.
    fn vendor(&self, folder: &Path) -> Result<(), ImageError> {
        let mut vendor = self.command(self.inputs.cargo.as_deref().unwrap_or(Path::new("cargo")), folder);
        let crates = folder.join("vendor");
        vendor.args(["vendor", "--locked", "--quiet", "--versioned-dirs"]).arg(&crates);
        self.run("fetching crates", &mut vendor)?;
        let entries = fs::read_dir(&crates).map_err(ImageError::io("read", &crates))?;
        for entry in entries.flatten() {
            leave_english(&entry.path())?;
        }
        let configuration = folder.join(".cargo");
        fs::create_dir_all(&configuration).map_err(ImageError::io("create", &configuration))?;
        let text =
            "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = \"vendor\"\n";
        write(&configuration.join("config.toml"), text.as_bytes())
    }

    /// Applies a part's changes to its crates. Cargo compares what is left as it was with the lock file's checksums.
    fn patch_crates(&self, part: &Part, toolchain: &Toolchain, folder: &Path) -> Result<(), ImageError> {
        const PATCH: &str = "crates.patch";

        let Ok(text) = part.file(PATCH) else { return Ok(()) };
        let crates = folder.join("vendor");
        let mut apply = self.command("patch", &crates);
        apply.env("PATH", self.path_with(&toolchain.bin()));
        self.run("patching crates", apply.args(["-s", "-p1", "-i"]).arg(folder.join(PATCH)))?;
        for changed in text.lines().filter_map(|line| line.strip_prefix("+++ b/")) {
            let Some((package, file)) = changed.split_once('/') else { continue };
            let list = crates.join(package).join(".cargo-checksum.json");
            let mut checksums = Checksums::read(&list)?;
            checksums.files.remove(file);
            checksums.write(&list)?;
        }
        Ok(())
    }
}

/// Removes the texts of messages in other languages than English, which no sandbox shows. For WASI, uucore's
/// build script would take all that there are, in the order of the file system's.
fn leave_english(package: &Path) -> Result<(), ImageError> {
    let list = package.join(".cargo-checksum.json");
    let mut checksums = Checksums::read(&list)?;
    for folder in ["locales", "locales/errors"] {
        let Ok(texts) = fs::read_dir(package.join(folder)) else { continue };
        for name in texts.flatten().map(|entry| entry.file_name()) {
            let path = format!("{folder}/{}", name.display());
            if Path::new(&path).extension().is_some_and(|it| it == "ftl") && name != "en-US.ftl" {
                let text = package.join(&path);
                fs::remove_file(&text).map_err(ImageError::io("remove", &text))?;
                checksums.files.remove(&path);
            }
        }
    }
    checksums.write(&list)
}

fn copy_rlibs(from: &Path, to: &Path) -> Result<(), ImageError> {
    let entries = fs::read_dir(from).map_err(ImageError::io("read", from))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|it| it == "rlib")) {
            fs::copy(&path, to.join(name)).map_err(ImageError::io("copy", &path))?;
        }
    }
    Ok(())
}

/// Writes the files of a part below a prefix of their paths.
fn write_files(part: &Part, prefix: &str, to: &Path) -> Result<(), ImageError> {
    for (path, text) in part.files {
        let Some(inner) = path.strip_prefix(prefix) else { continue };
        let path = to.join(inner);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(ImageError::io("create", folder))?;
        }
        write(&path, text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_is_left_and_cargo_misses_nothing() {
        let package = tempfile::tempdir().unwrap();
        let names = ["lib.rs", "locales/en-US.ftl", "locales/fr-FR.ftl", "locales/errors/fr-FR.ftl"];
        fs::create_dir_all(package.path().join("locales/errors")).unwrap();
        for name in names {
            fs::write(package.path().join(name), "").unwrap();
        }
        let list = package.path().join(".cargo-checksum.json");
        let files: Vec<String> = names.iter().map(|name| format!("\"{name}\":\"0\"")).collect();
        fs::write(&list, format!("{{\"files\":{{{}}},\"package\":\"0\"}}", files.join(","))).unwrap();

        leave_english(package.path()).unwrap();

        let left: Vec<bool> = names.iter().map(|name| package.path().join(name).exists()).collect();
        assert_eq!(left, [true, true, false, false]);
        let listed: Vec<String> = Checksums::read(&list).unwrap().files.into_keys().collect();
        assert_eq!(listed, ["lib.rs", "locales/en-US.ftl"]);
    }
}
