//! The sandpiper command of this checkout, built when it is asked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The command's executable.
pub(crate) struct Sandpiper {
    path: PathBuf,
}

/// The cargo that runs this task.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The folder of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Builds the command with the cargo that runs this task.
pub(crate) fn sandpiper() -> Result<Sandpiper> {
    let status = Command::new(cargo())
        .args(["build", "--quiet", "--bin", "sandpiper"])
        .current_dir(root())
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "the sandpiper command does not build");
    // Beside this executable: both are of the same target folder and profile.
    let path = std::env::current_exe()?.with_file_name(format!("sandpiper{}", std::env::consts::EXE_SUFFIX));
    Ok(Sandpiper { path })
}

impl Sandpiper {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs it with the streams of this task.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<()> {
        let status = Command::new(&self.path).args(arguments).status().context("cannot start sandpiper")?;
        ensure!(status.success(), "sandpiper {} failed", arguments.join(" "));
        Ok(())
    }
}
