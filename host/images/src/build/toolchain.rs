//! The C compiler for WASI: a wasi-sdk where there is one, else Debian's packages, unpacked without root.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::ImageError;

use super::stages::Finished;
use super::{Builder, write};

/// Where people install a wasi-sdk.
const USUAL_PLACES: [&str; 3] = ["/opt/wasi-sdk", "/usr/local/wasi-sdk", "/usr/local/share/wasi-sdk"];

const TARGET: &str = "wasm32-wasip1";
/// The file of a profile's stage.
pub(super) const PROFILE: &str = "profile.profdata";
const PROFILER: &str = "llvm-profdata";

/// The compiler's programs, in `folder/bin`, under these names: clang, llvm-ar, llvm-ranlib, wasm-ld, and
/// where the toolchain has it llvm-profdata.
pub(super) type Toolchain = Finished;

impl Toolchain {
    pub(super) fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }

    fn profiler(&self) -> Option<PathBuf> {
        Some(self.bin().join(PROFILER)).filter(|profiler| profiler.exists())
    }
}

impl Builder<'_> {
    pub(super) fn toolchain(&self) -> Result<Toolchain, ImageError> {
        let usual = USUAL_PLACES.iter().map(Path::new).find(|place| is_sdk(place));
        match self.inputs.wasi_sdk.as_deref().or(usual) {
            Some(sdk) => self.wrap_sdk(sdk),
            None => self.debian_toolchain(),
        }
    }

    /// The profile in the form that the compiler reads; `None` where the toolchain cannot write it, and
    /// the image computes somewhat slower.
    pub(super) fn profile(&self, toolchain: &Toolchain) -> Result<Option<Finished>, ImageError> {
        let Some(profiler) = toolchain.profiler() else { return Ok(None) };
        let text = self.python.file(&self.settings.wasi.profile)?;
        let profile = self.stages.get("profile", [&*toolchain.key, text], |folder| {
            let source = folder.join("profile.proftext");
            write(&source, text.as_bytes())?;
            let mut merge = self.command(&profiler, folder);
            self.run("reading the profile", merge.args(["merge", "-o", PROFILE]).arg(&source))
        })?;
        Ok(Some(profile))
    }

    fn wrap_sdk(&self, sdk: &Path) -> Result<Toolchain, ImageError> {
        if !is_sdk(sdk) {
            let reason =
                format!("{} is no wasi-sdk: it has no bin/clang or share/wasi-sysroot", sdk.display());
            return Err(ImageError::Toolchain { reason });
        }
        let place = sdk.to_string_lossy();
        let version = fs::read_to_string(sdk.join("VERSION")).unwrap_or_default();
        self.stages.get("toolchain", ["wasi-sdk", &*place, &version, WRAPPERS_VERSION], |folder| {
            let compile = format!("--target={TARGET} --sysroot={}", quoted(&sdk.join("share/wasi-sysroot")));
            let bin = folder.join("bin");
            for (name, arguments) in
                [("clang", &*compile), ("llvm-ar", ""), ("llvm-ranlib", ""), ("wasm-ld", ""), (PROFILER, "")]
            {
                let program = sdk.join("bin").join(name);
                // Not every release has it.
                if name != PROFILER || program.exists() {
                    write_wrapper(&bin, name, "", &program, arguments)?;
                }
            }
            Ok(())
        })
    }

    fn debian_toolchain(&self) -> Result<Toolchain, ImageError> {
        let settings = &self.settings.debian_toolchain;
        let sysroot = &settings.sysroot;
        let packages = settings.packages.join(" ");
        let llvm_version = format!("llvm-{}", settings.llvm);
        let depends_on = [&*packages, &sysroot.package, &sysroot.suite, &settings.llvm, WRAPPERS_VERSION];
        self.stages.get("toolchain", depends_on, |folder| {
            let apt = self.apt(&folder.join("apt"), &[&sysroot.suite])?;
            let mut wanted = settings.packages.clone();
            wanted.push(format!("{}/{}", sysroot.package, sysroot.suite));
            let lacking: Vec<&str> = ["make", "patch"].into_iter().filter(|name| !self.has(name)).collect();
            wanted.extend(lacking.iter().map(|name| (*name).to_owned()));
            let root = folder.join("root");
            for package in apt.download(self, &wanted)? {
                let mut unpack = self.command("dpkg-deb", folder);
                self.run("unpacking the C compiler", unpack.arg("-x").arg(&package).arg(&root))?;
            }
            fs::remove_dir_all(folder.join("apt")).map_err(ImageError::io("remove", folder.join("apt")))?;

            let llvm = root.join("usr/lib").join(llvm_version);
            let resources = folder.join("resources");
            link_resources(&llvm.join("lib/clang").join(&settings.llvm), &resources)?;
            let sysroot = folder.join("sysroot");
            fs::create_dir_all(&sysroot).map_err(ImageError::io("create", &sysroot))?;
            link(&root.join("usr/include"), &sysroot.join("include"))?;
            link(&root.join("usr/lib"), &sysroot.join("lib"))?;

            let libraries = library_folder(&root)?;
            let before = format!("LD_LIBRARY_PATH={} ", quoted(&libraries));
            let compile = format!(
                "--target={TARGET} --sysroot={} -resource-dir={}",
                quoted(&sysroot),
                quoted(&resources)
            );
            let bin = folder.join("bin");
            // Debian's clang calls its linker by a name with the version.
            let linker = format!("wasm-ld-{}", settings.llvm);
            for (name, program, arguments) in [
                ("clang", "clang", &*compile),
                ("llvm-ar", "llvm-ar", ""),
                ("llvm-ranlib", "llvm-ranlib", ""),
                ("wasm-ld", "wasm-ld", ""),
                (PROFILER, PROFILER, ""),
                (&linker, "wasm-ld", ""),
            ] {
                write_wrapper(&bin, name, &before, &llvm.join("bin").join(program), arguments)?;
            }
            for name in lacking {
                write_wrapper(&bin, name, "", &root.join("usr/bin").join(name), "")?;
            }
            Ok(())
        })
    }
}

/// Changes when the wrappers do, so that they are written again.
const WRAPPERS_VERSION: &str = "2";

fn is_sdk(folder: &Path) -> bool {
    folder.join("bin/clang").exists() && folder.join("share/wasi-sysroot").exists()
}

/// clang looks for `lib/wasm32-unknown-wasip1/libclang_rt.builtins.a`; Debian has it elsewhere.
fn link_resources(clang: &Path, resources: &Path) -> Result<(), ImageError> {
    let builtins = resources.join("lib/wasm32-unknown-wasip1");
    fs::create_dir_all(&builtins).map_err(ImageError::io("create", &builtins))?;
    link(&clang.join("include"), &resources.join("include"))?;
    link(&clang.join("lib/wasi/libclang_rt.builtins-wasm32.a"), &builtins.join("libclang_rt.builtins.a"))
}

/// Debian's folder of shared libraries, which has the name of the machine's kind.
pub(super) fn library_folder(root: &Path) -> Result<PathBuf, ImageError> {
    let folder = root.join("usr/lib");
    let entries = fs::read_dir(&folder).map_err(ImageError::io("read", &folder))?;
    let mut found = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("-linux-gnu")));
    found.next().ok_or_else(|| ImageError::Toolchain {
        reason: format!("the compiler's packages have no shared libraries in {}", folder.display()),
    })
}

#[cfg(unix)]
pub(super) fn link(to: &Path, at: &Path) -> Result<(), ImageError> {
    std::os::unix::fs::symlink(to, at).map_err(ImageError::io("create", at))
}

#[cfg(not(unix))]
pub(super) fn link(_to: &Path, _at: &Path) -> Result<(), ImageError> {
    Err(not_here())
}

#[cfg(unix)]
pub(super) fn write_wrapper(
    bin: &Path,
    name: &str,
    before: &str,
    program: &Path,
    arguments: &str,
) -> Result<(), ImageError> {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(bin).map_err(ImageError::io("create", bin))?;
    let path = bin.join(name);
    let script = format!("#!/bin/sh\n{before}exec {} {arguments} \"$@\"\n", quoted(program));
    fs::write(&path, script).map_err(ImageError::io("write", &path))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(ImageError::io("write", &path))
}

#[cfg(not(unix))]
pub(super) fn write_wrapper(_: &Path, _: &str, _: &str, _: &Path, _: &str) -> Result<(), ImageError> {
    Err(not_here())
}

#[cfg(not(unix))]
fn not_here() -> ImageError {
    ImageError::Toolchain { reason: "images are built on Unix only".to_owned() }
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_path_is_one_word() {
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
