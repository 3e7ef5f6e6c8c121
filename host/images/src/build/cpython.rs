//! `CPython`: built for this machine to build itself, then for WASI, and linked with our entry point.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::ImageError;
use crate::recipe::digest_of;

use super::command::output;
use super::settings::Native;
use super::stages::Finished;
use super::toolchain::{PROFILE, Toolchain};
use super::{Builder, write};

/// Where the guest sees the standard library.
pub(super) const LIBRARY: &str = "/usr/lib/python3.13";
/// Names what configure saw: the answers are for WASI, whatever machine this is.
const HOST: &str = "--host=wasm32-wasip1";

impl Builder<'_> {
    /// The search path with a folder before it.
    pub(super) fn path_with(&self, folder: &Path) -> OsString {
        // The commands of the build are found as the host program's user would find them.
        let inherited = output(self.command("sh", folder).args(["-c", "printf %s \"$PATH\""]));
        let mut path = folder.as_os_str().to_owned();
        path.push(":");
        path.push(inherited.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".to_owned()));
        path
    }

    /// `CPython` for this machine, of the same source: another version's cannot build it.
    pub(super) fn native_python(
        &self,
        toolchain: &Toolchain,
        source: &Finished,
    ) -> Result<Finished, ImageError> {
        if !self.has("cc") {
            return Err(ImageError::Toolchain {
                reason: "there is no C compiler `cc` for this machine".to_owned(),
            });
        }
        let build = NativeBuild {
            stage: "native",
            what: "building the Python that builds Python",
            settings: &self.settings.native,
            libraries: None,
        };
        self.native_build(&build, toolchain, source)
    }

    /// Configures and makes `CPython` for this machine.
    pub(super) fn native_build(
        &self,
        build: &NativeBuild<'_>,
        toolchain: &Toolchain,
        source: &Finished,
    ) -> Result<Finished, ImageError> {
        let NativeBuild { stage, what, settings, libraries } = build;
        let (arguments, targets) = (settings.configure.join(" "), settings.targets.join(" "));
        let keys =
            [Some(&source.key), libraries.map(|libraries| &libraries.key), Some(&arguments), Some(&targets)];
        self.stages.get(stage, keys.into_iter().flatten().map(String::as_str), |folder| {
            let mut configure = self.command(relative(source, "configure"), folder);
            if let Some(libraries) = libraries {
                find_libraries(&mut configure, libraries, "-lm");
            }
            self.run(what, configure.arg("-q").args(&settings.configure))?;
            self.run(what, self.make(toolchain, folder).args(&settings.targets))
        })
    }

    /// The build tree for WASI after configure.
    pub(super) fn configure(
        &self,
        toolchain: &Toolchain,
        source: &Finished,
        native: &Finished,
        libraries: &Finished,
    ) -> Result<Finished, ImageError> {
        let settings = &self.settings.wasi;
        let (arguments, cache) = (settings.configure.join(" "), settings.cache.join(" "));
        let keys = [&*toolchain.key, &source.key, &native.key, &libraries.key];
        let depends_on = keys.into_iter().chain([&*arguments, &*cache]);
        self.stages.get("cpython", depends_on, |folder| {
            let bin = toolchain.bin();
            let mut command = self.command(relative(source, "configure"), folder);
            command
                .env("PATH", self.path_with(&bin))
                .env("CONFIG_SITE", relative(source, "Tools/wasm/config.site-wasm32-wasi"))
                .env("HOSTRUNNER", "true")
                .envs([("CC", "clang"), ("CPP", "clang -E"), ("CXX", "false")])
                .envs([("AR", "llvm-ar"), ("RANLIB", "llvm-ranlib")])
                // The answers do not depend on optimisation, and come sooner without.
                .env("CFLAGS", "-O0");
            find_libraries(&mut command, libraries, "-lwasi-emulated-mman");
            for answer in &settings.cache {
                if let Some((name, value)) = answer.split_once('=') {
                    command.env(name, value);
                }
            }
            let machine = output(&mut self.command(source.folder.join("config.guess"), folder));
            let machine = machine.ok_or_else(|| ImageError::Toolchain {
                reason: "configure cannot tell what machine this is".to_owned(),
            })?;
            command.args(["-q", HOST, &format!("--build={}", machine.trim())]);
            command
                .arg(format!("--with-build-python={}", python(native).display()))
                .args(&settings.configure);
            self.run("configuring CPython for WASI", &mut command)
        })
    }

    /// The build tree with its static libraries compiled.
    pub(super) fn compile(
        &self,
        toolchain: &Toolchain,
        configured: &Finished,
    ) -> Result<Finished, ImageError> {
        let settings = &self.settings.wasi;
        let mut flags = self.settings.flags.compile.join(" ");
        let mut headers = Vec::new();
        for header in &settings.headers {
            headers.push((header, self.python.file(&format!("src/{header}"))?));
        }
        let targets = settings.targets.join(" ");
        let profile = self.profile(toolchain)?;
        let profile_key = profile.as_ref().map(|profile| &*profile.key).unwrap_or_default();
        let depends_on = [&*configured.key, &flags, &targets, profile_key];
        let texts = headers.iter().flat_map(|(name, content)| [name.as_str(), *content]);
        let key = digest_of(depends_on.into_iter().chain(texts));
        if let Some(profile) = &profile {
            // The profile does not have all functions, and has some of other platforms.
            let file = relative(profile, PROFILE).display().to_string();
            let with = format!("-fprofile-instr-use={file}");
            let quiet = "-Wno-profile-instr-unprofiled -Wno-profile-instr-out-of-date";
            flags = [&*flags, &with, quiet].join(" ");
        }
        // make does not see that its flags are others than last time.
        let done = configured.folder.join(".compiled");
        if fs::read_to_string(&done).ok().as_ref() != Some(&key) {
            let what = "compiling CPython for WASI";
            write(&done, b"")?;
            self.run(what, self.make(toolchain, &configured.folder).arg("clean"))?;
            let mut compile = format!("CONFIGURE_CFLAGS={flags}");
            for (name, content) in headers {
                write_below(&configured.folder, name, content)?;
                compile.extend([" -include ", name]);
            }
            let mut make = self.make(toolchain, &configured.folder);
            make.arg(compile).arg("OPT=-DNDEBUG");
            self.run(what, make.args(&settings.targets))?;
            write(&done, key.as_bytes())?;
        }
        Ok(Finished { folder: configured.folder.clone(), key })
    }

    /// The reactor module: `CPython`, the libraries and our entry point.
    pub(super) fn link(
        &self,
        toolchain: &Toolchain,
        source: &Finished,
        libraries: &Finished,
        compiled: &Finished,
    ) -> Result<PathBuf, ImageError> {
        let flags = &self.settings.flags;
        let ours: Vec<_> = self.python.files.iter().filter(|(path, _)| path.starts_with("src/")).collect();
        let described = format!("{flags:?}");
        let texts = ours.iter().flat_map(|(path, content)| [*path, *content]);
        let depends_on = [&*compiled.key, &libraries.key, &described].into_iter().chain(texts);
        let linked = self.stages.get("module", depends_on, |folder| {
            let clang = toolchain.bin().join("clang");
            let path = self.path_with(&toolchain.bin());
            let mut link = self.command(&clang, folder);
            link.env("PATH", &path).args(&flags.compile).args(&flags.link).args(["-o", "raw.wasm"]);
            for (path_in_recipe, content) in &ours {
                let name = path_in_recipe.trim_start_matches("src/");
                write_below(folder, name, content)?;
                let Some(stem) = name.strip_suffix(".c") else { continue };
                link.arg(format!("{stem}.o"));
            }
            for stem in ours.iter().filter_map(|(path, _)| path.trim_start_matches("src/").strip_suffix(".c"))
            {
                let mut compile = self.command(&clang, folder);
                compile.env("PATH", &path).args(&flags.compile).args(&flags.emulation);
                compile.args(["-std=c11", "-Wall", "-Wextra", "-fvisibility=hidden", "-DNDEBUG"]);
                for sub in [
                    "Include/internal",
                    "Include/internal/mimalloc",
                    "Include",
                    "Modules",
                    "Modules/_hacl/include",
                ] {
                    compile.arg(format!("-I{}", source.folder.join(sub).display()));
                }
                compile.arg(format!("-I{}", compiled.folder.display()));
                self.run("linking", compile.args(["-c", &format!("{stem}.c"), "-o", &format!("{stem}.o")]))?;
            }
            link.args(
                self.settings
                    .wasi
                    .targets
                    .iter()
                    .filter(|target| is_archive(target))
                    .map(|target| compiled.folder.join(target)),
            );
            link.args(
                self.settings
                    .libraries
                    .iter()
                    .map(|library| libraries.folder.join("lib").join(format!("lib{}.a", library.name))),
            );
            self.run("linking", link.args(&flags.libraries))
        })?;
        Ok(linked.folder.join("raw.wasm"))
    }

    /// The standard library, sources and code, into the image's files.
    pub(super) fn pack(
        &self,
        source: &Finished,
        native: &Finished,
        compiled: &Finished,
        files: &Path,
    ) -> Result<(), ImageError> {
        let work = compiled.folder.parent().unwrap_or(&compiled.folder);
        let folder = tempfile::tempdir_in(work).map_err(ImageError::io("write to", work))?;
        let (pack, boot) = (folder.path().join("pack.py"), folder.path().join("_sandpiper_boot.py"));
        write(&pack, self.python.file("pack.py")?.as_bytes())?;
        write(&boot, self.python.file("boot/_sandpiper_boot.py")?.as_bytes())?;
        let mut command = self.command(python(native), folder.path());
        command.arg(&pack).arg(source.folder.join("Lib")).arg(sysconfig_data(&compiled.folder)?).arg(boot);
        self.run("packing the standard library", command.arg(files))
    }

    fn make(&self, toolchain: &Toolchain, folder: &Path) -> Command {
        let mut make = self.command("sh", folder);
        // Through a shell, so that a make among the toolchain's programs is found.
        make.args(["-c", "exec make \"$@\"", "make"]);
        make.env("PATH", self.path_with(&toolchain.bin())).arg(format!("-j{}", self.inputs.jobs.max(1)));
        make
    }
}

/// A build of `CPython` for this machine.
pub(super) struct NativeBuild<'a> {
    pub(super) stage: &'static str,
    /// As a person reads it.
    pub(super) what: &'static str,
    pub(super) settings: &'a Native,
    /// Used in place of the machine's.
    pub(super) libraries: Option<&'a Finished>,
}

/// Has configure use these libraries, and none of the machine's.
fn find_libraries(configure: &mut Command, libraries: &Finished, sqlite_needs: &str) {
    let include = format!("-I{}", libraries.folder.join("include").display());
    let lib = libraries.folder.join("lib");
    configure.env("PKG_CONFIG_PATH", "").env("PKG_CONFIG_LIBDIR", "/nonexistent");
    for (name, link) in
        [("ZLIB", "-lz"), ("BZIP2", "-lbz2"), ("LIBLZMA", "-llzma"), ("LIBSQLITE3", "-lsqlite3")]
    {
        let needs = if name == "LIBSQLITE3" { sqlite_needs } else { "" };
        configure
            .env(format!("{name}_CFLAGS"), &include)
            .env(format!("{name}_LIBS"), format!("-L{} {link} {needs}", lib.display()).trim_end());
    }
}

/// Writes a file with the folders that its name has.
fn write_below(folder: &Path, name: &str, content: &str) -> Result<(), ImageError> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(ImageError::io("create", parent))?;
    }
    write(&path, content.as_bytes())
}

fn is_archive(target: &str) -> bool {
    Path::new(target).extension().is_some_and(|extension| extension == "a")
}

/// A file of the source, from a folder beside it: absolute paths would get into the module.
fn relative(source: &Finished, file: &str) -> PathBuf {
    Path::new("..").join(source.folder.file_name().unwrap_or_default()).join(file)
}

/// The interpreter of a build tree, which macOS names otherwise.
pub(super) fn python(native: &Finished) -> PathBuf {
    let usual = native.folder.join("python");
    if usual.is_file() { usual } else { native.folder.join("python.exe") }
}

/// The module of sysconfig's answers, whose name holds the platform.
fn sysconfig_data(tree: &Path) -> Result<PathBuf, ImageError> {
    let pointer = tree.join("pybuilddir.txt");
    let folder = fs::read_to_string(&pointer).map_err(ImageError::io("read", &pointer))?;
    let folder = tree.join(folder.trim());
    let entries = fs::read_dir(&folder).map_err(ImageError::io("read", &folder))?;
    let found = entries.flatten().map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("_sysconfigdata") && name.ends_with(".py")
    });
    found.ok_or_else(|| ImageError::Unsound { path: folder, reason: "it has no sysconfig data".to_owned() })
}
