//! Packages and sources from the Debian mirror that the machine uses, with state of our own: no root, and
//! nothing of the machine's is changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::ImageError;

use super::Builder;
use super::command::output;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const RELEASE: &str = "/etc/os-release";

/// apt with its own lists, cache and sources.
pub(super) struct Apt {
    folder: PathBuf,
    configuration: PathBuf,
}

impl Builder<'_> {
    /// apt over the machine's own release and further suites of the same mirror.
    pub(super) fn apt(&self, folder: &Path, suites: &[&str]) -> Result<Apt, ImageError> {
        let missing = |reason: &str| ImageError::Toolchain {
            reason: format!("there is no wasi-sdk, and packages cannot be had instead: {reason}"),
        };
        let release = fs::read_to_string(RELEASE).unwrap_or_default();
        let codename =
            value(&release, "VERSION_CODENAME").ok_or_else(|| missing("this is no release of Debian"))?;
        for program in ["apt-get", "dpkg-deb"] {
            if !self.has(program) {
                return Err(missing(&format!("there is no {program}")));
            }
        }
        for sub in ["state/lists/partial", "cache/archives/partial"] {
            let path = folder.join(sub);
            fs::create_dir_all(&path).map_err(ImageError::io("create", path))?;
        }
        // The addresses that an update would ask for tell the mirror, also where no list was ever fetched.
        let mut update = self.command("apt-get", folder);
        let addresses = output(update.args(["update", "--print-uris"])).unwrap_or_default();
        let mirror =
            mirror(&addresses, codename).ok_or_else(|| missing("apt names no mirror of this release"))?;
        let settings = output(self.command("apt-config", folder).arg("dump")).unwrap_or_default();

        let signed_by =
            if Path::new(KEYRING).exists() { format!(" [signed-by={KEYRING}]") } else { String::new() };
        let sources: String = std::iter::once(codename)
            .chain(suites.iter().copied().filter(|suite| *suite != codename))
            .flat_map(|suite| {
                ["deb", "deb-src"].map(|kind| format!("{kind}{signed_by} {mirror} {suite} main\n"))
            })
            .collect();
        let list = folder.join("sources.list");
        fs::write(&list, sources).map_err(ImageError::io("write", &list))?;
        let configuration = folder.join("apt.conf");
        fs::write(&configuration, configuration_text(folder, codename, &settings))
            .map_err(ImageError::io("write", &configuration))?;
        let apt = Apt { folder: folder.to_owned(), configuration };
        self.run("reading the package lists", apt.command(self, "apt-get").args(["-q", "update"]))?;
        Ok(apt)
    }
}

impl Apt {
    fn command(&self, builder: &Builder<'_>, program: &str) -> Command {
        let mut command = builder.command(program, &self.folder);
        command.env("APT_CONFIG", &self.configuration).env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// Downloads packages with what they need and the machine lacks; gives their files.
    pub(super) fn download(
        &self,
        builder: &Builder<'_>,
        packages: &[String],
    ) -> Result<Vec<PathBuf>, ImageError> {
        let mut install = self.command(builder, "apt-get");
        install.args(["-q", "-y", "--download-only", "--no-install-recommends", "install"]).args(packages);
        builder.run("downloading the C compiler", &mut install)?;
        // What the machine has installed is not downloaded by that.
        let archives = self.folder.join("cache/archives");
        let mut download = builder.command("apt-get", &archives);
        download.env("APT_CONFIG", &self.configuration).args(["-q", "download"]).args(packages);
        builder.run("downloading the C compiler", &mut download)?;
        files(&archives, ".deb")
    }

    /// Downloads the original source archive of a package.
    pub(super) fn source(
        &self,
        builder: &Builder<'_>,
        package: &str,
        suite: &str,
    ) -> Result<PathBuf, ImageError> {
        let mut source = self.command(builder, "apt-get");
        source.args(["-q", "--download-only", "source"]).arg(format!("{package}/{suite}"));
        builder.run("downloading the sources", &mut source)?;
        files(&self.folder, ".orig.tar.xz")?.pop().ok_or_else(|| ImageError::Toolchain {
            reason: format!("the source package {package} has no original archive"),
        })
    }
}

fn configuration_text(folder: &Path, codename: &str, machine: &str) -> String {
    let folder = folder.display();
    // The machine's proxies and the like hold; its hooks, which clean the machine's own caches, do not.
    let carried: String = machine
        .lines()
        .filter(|line| line.starts_with("Acquire::http") || line.starts_with("Acquire::https"))
        .flat_map(|line| [line, "\n"])
        .collect();
    format!(
        "Dir::State \"{folder}/state\";\nDir::State::status \"/var/lib/dpkg/status\";\n\
         Dir::Cache \"{folder}/cache\";\nDir::Etc::SourceList \"{folder}/sources.list\";\n\
         Dir::Etc::SourceParts \"/dev/null\";\nDir::Etc::Parts \"/dev/null\";\nDir::Etc::Main \"/dev/null\";\n\
         Dir::Etc::Preferences \"/dev/null\";\nDir::Etc::PreferencesParts \"/dev/null\";\n\
         APT::Default-Release \"{codename}\";\nAPT::Sandbox::User \"root\";\nDebug::NoLocking \"1\";\n{carried}"
    )
}

/// The base address of the mirror that serves a release's main archive.
fn mirror<'a>(addresses: &'a str, codename: &str) -> Option<&'a str> {
    let known = [codename, "stable", "oldstable", "testing", "unstable"];
    addresses.lines().find_map(|line| {
        let address = line.strip_prefix('\'')?.split('\'').next()?;
        let (base, rest) = address.split_once("/dists/")?;
        known.contains(&rest.split('/').next()?).then_some(base)
    })
}

/// A value of os-release.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(line.trim_matches('"')).filter(|value| !value.is_empty())
}

/// The files of a folder with an ending, in order.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, ImageError> {
    let entries = fs::read_dir(folder).map_err(ImageError::io("read", folder))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ending)))
        .collect();
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_that_of_the_release_itself() {
        let addresses = "'http://mirror.example/security/dists/bookworm-security/InRelease' x 0 \n\
                         'http://mirror.example/main/dists/bookworm/InRelease' x 0 \n";
        assert_eq!(mirror(addresses, "bookworm"), Some("http://mirror.example/main"));
    }

    #[test]
    fn another_release_has_no_mirror() {
        assert_eq!(mirror("'http://mirror.example/main/dists/noble/InRelease' x 0 \n", "bookworm"), None);
    }

    #[test]
    fn a_quoted_value_is_read_without_its_quotes() {
        assert_eq!(value("ID=debian\nVERSION_CODENAME=\"trixie\"\n", "VERSION_CODENAME"), Some("trixie"));
    }

    #[test]
    fn an_absent_value_is_none() {
        assert_eq!(value("ID=alpine\n", "VERSION_CODENAME"), None);
    }
}
