//! Commands of the build: their output goes to the log, and its end into the error.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::ImageError;

use super::Builder;

/// Lines of the log that an error shows.
const TAIL_LINES: usize = 20;
/// Bytes of the log's end that are looked at for them.
const TAIL_BYTES: usize = 16 << 10;

/// Variables by which a user's shell would change what is built.
const UNWANTED: [&str; 19] = [
    "AR",
    "CC",
    "CFLAGS",
    "CONFIG_SITE",
    "CPATH",
    "CPP",
    "CPPFLAGS",
    "CXX",
    "CXXFLAGS",
    "LD",
    "LDFLAGS",
    "LIBS",
    "MAKEFLAGS",
    "OPT",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "RANLIB",
    "TZ",
];

impl Builder<'_> {
    /// A command with the surroundings of the build.
    pub(super) fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).stdin(Stdio::null());
        for name in UNWANTED {
            command.env_remove(name);
        }
        command
            .env("LC_ALL", "C")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONHASHSEED", "0")
            .env("SOURCE_DATE_EPOCH", self.settings.source_date_epoch.to_string());
        command
    }

    /// Runs a command of the step `what`; each line that it prints counts as progress.
    pub(super) fn run(&self, what: &str, command: &mut Command) -> Result<(), ImageError> {
        let mut log =
            File::options().append(true).open(&self.log).map_err(ImageError::io("write", &self.log))?;
        let program = command.get_program().to_string_lossy().into_owned();
        let _ = writeln!(log, "\n$ {command:?}");
        let errors = log.try_clone().map_err(ImageError::io("write", &self.log))?;
        let mut child =
            command.stdout(Stdio::piped()).stderr(errors).spawn().map_err(|err| missing(&program, &err))?;
        if let Some(output) = child.stdout.take() {
            let mut lines = 0;
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let _ = log.write_all(&line).and_then(|()| log.write_all(b"\n"));
                lines += 1;
                self.progress.advance(lines, 0);
            }
        }
        let status = child.wait().map_err(ImageError::io("wait for", &program))?;
        if status.success() {
            return Ok(());
        }
        Err(ImageError::Build { stage: what.to_owned(), log: self.log.clone(), tail: tail(&self.log) })
    }

    /// Whether a program can be run at all.
    pub(super) fn has(&self, program: impl AsRef<OsStr>) -> bool {
        let folder = self.log.parent().unwrap_or(Path::new("/"));
        output(self.command(program, folder).arg("--version")).is_some()
    }
}

/// What a command prints; `None` when it cannot be run or fails.
pub(super) fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn missing(program: &str, err: &std::io::Error) -> ImageError {
    ImageError::Toolchain { reason: format!("the program {program} cannot be run: {err}") }
}

/// The last lines of the log.
fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let end = bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default();
    let text = String::from_utf8_lossy(end);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n")
}
