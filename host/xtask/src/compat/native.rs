//! A case by a shell of this machine.

use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::case::{Case, Place};
use super::{Ended, Side};

/// No case needs longer, however slow the machine is.
pub(super) const LIMIT: Duration = Duration::from_mins(1);

/// How often an end is looked for.
const PAUSE: Duration = Duration::from_millis(1);

pub(super) struct Native {
    pub(super) shell: PathBuf,
    /// Tools that come before the machine's.
    pub(super) tools: Option<PathBuf>,
}

impl Side for Native {
    fn run(&self, case: &Case, place: &Place) -> Result<Ended> {
        let own = tempfile::tempdir()?;
        for name in ["bash", "sh"] {
            symlink(&self.shell, own.path().join(name))?;
        }
        let tools = self.tools.as_ref().map(|tools| format!("{}:", tools.display())).unwrap_or_default();
        let path = format!("{}:{tools}/usr/bin:/bin", own.path().display());
        let mut argv = case.argv();
        let mut command = Command::new(own.path().join("bash"));
        command.arg0(argv.remove(0)).args(argv).current_dir(&place.work);
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", &place.home)
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC");
        command.envs(&case.environment);
        ended(&mut command, case, place)
    }
}

/// Runs a command with a case's input, in a process group of its own, and gives what came of it.
pub(super) fn ended(command: &mut Command, case: &Case, place: &Place) -> Result<Ended> {
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().to_owned();
    let mut child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
    let stdout = child.stdout.take().map(read);
    let stderr = child.stderr.take().map(read);
    let (input, text) = (child.stdin.take(), case.stdin.clone());
    let feeding = std::thread::spawn(move || input.map(|mut input| input.write_all(text.as_bytes())));
    let group = format!("-{}", child.id());
    let kill = || {
        let mut kill = Command::new("/bin/kill");
        let _ = kill.args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    };
    let start = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait()? {
            let signal = status.signal().map(|signal| signal + 128);
            break status.code().or(signal).and_then(|code| u8::try_from(code).ok());
        }
        if start.elapsed() > LIMIT {
            kill();
            child.wait()?;
            break None;
        }
        std::thread::sleep(PAUSE);
    };
    // What was left in the background can hold the pipes open; in the sandbox it ends with the command.
    kill();
    // A case that does not read its input leaves it.
    let _ = feeding.join();
    let bytes =
        |reading: Option<JoinHandle<Vec<u8>>>| reading.and_then(|it| it.join().ok()).unwrap_or_default();
    Ok(Ended { stdout: bytes(stdout), code, tree: place.tree()?, stderr: bytes(stderr) })
}

fn read(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is compared.
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}
