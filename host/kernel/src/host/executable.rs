//! What a path runs: a command of the image, or the interpreter that a script names.

use std::borrow::Cow;

use sandpiper_core::is_machine_code;

use crate::abi::FileKind;
use crate::descriptors::Descriptors;
use crate::fault::{Attempt, Failure};
use crate::file_system::{Directory, OpenMode};
use crate::namespace::{Links, Name, Target, resolve};
use crate::view::View;
use crate::{Errno, Process, World};

/// Bytes in which a script's first line must end, as Linux has it (`BINPRM_BUF_SIZE`).
const FIRST_LINE_BYTES: usize = 256;

/// How often the interpreter of a script may itself be a script (`execve(2)`).
const MAX_SCRIPTS: usize = 4;

/// What a path runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executable {
    /// The image's command.
    pub command: Box<str>,
    /// What takes the place of the first argument: the script's interpreter as it was named, its
    /// argument, and the script. Empty where the path is the command itself.
    pub interpreter: Vec<Vec<u8>>,
}

impl World {
    /// What a path runs that is named as a command, as seen from a directory; nothing where it runs nothing.
    pub fn executable(&self, directory: &str, path: &str) -> Option<Executable> {
        let view = View { world: self, descriptors: &Descriptors::none() };
        executable(&view, directory, path).ok()
    }
}

impl Process {
    /// What a path runs, as seen from a directory.
    ///
    /// # Errors
    /// [`Failure::Unsupported`] for machine code and for a script whose interpreter the sandbox has not. Else
    /// `NOENT`, `ACCES` for what may not be executed, `NOEXEC` for what is no program, `LOOP` for too many
    /// scripts, those of a path, the host's.
    pub(super) fn executable(&self, directory: &str, path: &str) -> Attempt<Executable> {
        executable(&self.view(), directory, path)
    }
}

fn executable(view: &View<'_>, directory: &str, path: &str) -> Attempt<Executable> {
    let mut path = path.to_owned();
    let mut interpreter: Vec<Vec<u8>> = Vec::new();
    for _ in 0..=MAX_SCRIPTS {
        let root = view.world.namespace().root();
        let absent = |failure| match failure {
            Failure::Errno(Errno::NOENT) if !interpreter.is_empty() => {
                let program = path.rsplit('/').next().unwrap_or_default();
                Failure::Unsupported { errno: Errno::NOENT, feature: "command", subject: program.into() }
            }
            failure => failure,
        };
        let found = resolve(view, &root, &absolute(directory, &path), Links::Follow);
        let Target::Name(name) = found.map_err(absent)? else {
            return Err(Errno::ACCES.into());
        };
        let entry = name.existing().map_err(absent)?;
        if !entry.is(FileKind::RegularFile) || entry.stat.mode & 0o111 == 0 {
            return Err(Errno::ACCES.into());
        }
        if let Directory::System(id) = name.parent.directory {
            let command = view.world.system().command(id, &name.text).ok_or(Errno::NOEXEC)?;
            return Ok(Executable { command: command.into(), interpreter });
        }
        let line = first_line(view, &name)?;
        if is_machine_code(&line) {
            let subject = path.into_boxed_str();
            return Err(Failure::Unsupported { errno: Errno::NOEXEC, feature: "native-code", subject });
        }
        let line = line.strip_prefix(b"#!").ok_or(Errno::NOEXEC)?.trim_ascii();
        let (program, argument) = match line.iter().position(|byte| matches!(byte, b' ' | b'\t')) {
            Some(end) => {
                (line.get(..end).unwrap_or_default(), line.get(end..).unwrap_or_default().trim_ascii())
            }
            None => (line, &[][..]),
        };
        if program.is_empty() {
            return Err(Errno::NOEXEC.into());
        }
        let mut words = vec![program.to_vec()];
        if !argument.is_empty() {
            words.push(argument.to_vec());
        }
        words.push(path.into_bytes());
        // The script that came before takes the place of its own name.
        interpreter.splice(..1.min(interpreter.len()), words);
        path = String::from_utf8(program.to_vec()).map_err(|_| Errno::NOENT)?;
    }
    Err(Errno::LOOP.into())
}

fn absolute<'a>(directory: &str, path: &'a str) -> Cow<'a, str> {
    if path.starts_with('/') { path.into() } else { format!("{directory}/{path}").into() }
}

/// The first line of a file, as far as it is looked at.
fn first_line(view: &View<'_>, name: &Name) -> Attempt<Vec<u8>> {
    let mode = OpenMode { read: true, write: false, append: false };
    let file = name.parent.directory.open_file(view, &name.text, mode)?;
    let mut bytes = vec![0; FIRST_LINE_BYTES];
    let count = file.read_at(view.world, &mut bytes, 0)?;
    bytes.truncate(count);
    let end = bytes.iter().position(|byte| *byte == b'\n');
    match end {
        Some(end) => bytes.truncate(end),
        None if count == FIRST_LINE_BYTES && bytes.starts_with(b"#!") => return Err(Errno::NOEXEC.into()),
        None => {}
    }
    Ok(bytes)
}
