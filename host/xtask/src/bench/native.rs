//! The native Python to measure against: a real interpreter, never a version manager's shim.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Finds an interpreter: `SANDPIPER_NATIVE_PYTHON`, else the system's, else what `python3` in the
/// path says that it really is.
pub(crate) fn python() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SANDPIPER_NATIVE_PYTHON") {
        return Ok(path.into());
    }
    let system = PathBuf::from("/usr/bin/python3");
    if system.exists() {
        return Ok(std::fs::canonicalize(system)?);
    }
    let output = Command::new("python3")
        .args(["-I", "-c", "import sys; print(sys._base_executable)"])
        .output()
        .context("no python3 to measure against")?;
    ensure!(output.status.success(), "python3 does not say where it is");
    Ok(String::from_utf8(output.stdout)?.trim_end().into())
}

/// The interpreter's version, as it tells it.
pub(crate) fn version(python: &std::path::Path) -> Result<String> {
    let output = Command::new(python).arg("-VV").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
