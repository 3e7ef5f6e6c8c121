//! Starting other programs, for the tools that do.

use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitStatus};

use sandpiper_guest::{ExitStatusExt as _, os};

use crate::text::{reason, shown};

/// Tells the host of a command that did not start because there is none. A path may be one that was to be made first.
pub fn tell_if_absent(program: &[u8], error: &io::Error) {
    if error.kind() == io::ErrorKind::NotFound && !program.contains(&b'/') {
        sandpiper_guest::tell_absent(program);
    }
}

/// The code for a program that did not start: 127 when there is none, of which the host is told, 126 when it cannot be
/// run.
pub fn failure_code(program: &[u8], error: &io::Error) -> i32 {
    tell_if_absent(program, error);
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}

/// A command of a name and arguments.
pub fn command(words: &[Vec<u8>]) -> Command {
    let program = words.first().map(|word| os(word)).unwrap_or_default();
    let mut command = Command::new(program);
    command.args(words.iter().skip(1).map(|word| os(word)).collect::<Vec<OsString>>());
    command
}

/// Runs a program in this one's place: its end is this one's.
pub fn replace(tool: &str, mut command: Command) -> i32 {
    match command.status() {
        Ok(status) => end_as(status),
        Err(error) => {
            let name = sandpiper_guest::bytes(command.get_program());
            eprintln!("{tool}: {}: {}", shown_quoted(name), reason(&error));
            failure_code(name, &error)
        }
    }
}

/// The code of an end; an end by a signal is repeated.
pub fn end_as(status: ExitStatus) -> i32 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => sandpiper_guest::end_by_signal(u8::try_from(signal).unwrap_or(9)),
        (None, None) => 1,
    }
}

/// A name in the C locale's quotes.
pub fn shown_quoted(name: &[u8]) -> String {
    format!("'{}'", shown(name))
}
