//! Locks this process in, so that a hole in what runs inside it is not enough to get out.
//!
//! On Linux there are two parts, and each holds without the other. Landlock: of all files only those
//! below the named folders can be opened or changed, and no network can be reached. Seccomp: the
//! kernel has no other calls than those that running a guest takes; no program is started, no
//! process made or touched, no socket opened, no memory made executable.
//!
//! Both are for good, for this process and all its threads. Elsewhere there is nothing of the kind
//! that a process may do to itself, and [`lock_in`] says so.

use std::fmt;
use std::path::PathBuf;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod linux;

/// A folder that stays reachable, with all that is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Whether what is below it may be changed.
    pub writable: bool,
}

/// What this process does with the terminal, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// It reads from it and writes to it.
    LeftAlone,
    /// It sets its modes, as an editor of lines does.
    Edited,
}

/// A part of the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Files and the network: Landlock.
    Landlock,
    /// System calls: seccomp.
    Seccomp,
}

/// What holds after [`lock_in`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wall {
    /// The parts that hold.
    pub held: Vec<Part>,
    /// The parts that could not be raised, and why.
    pub missing: Vec<(Part, String)>,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 2] = [Self::Landlock, Self::Seccomp];

    /// The name as in the outcome: `landlock`, `seccomp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Wall {
    /// Whether every part holds.
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty() && self.held.len() == Part::ALL.len()
    }
}

/// Locks the process in, as far as its system can, and says what holds.
///
/// What is open already stays open. Landlock before Linux 7.0 holds for one thread and those that it
/// starts, so it is raised only by the only thread of a process.
///
/// # Examples
/// ```no_run
/// use sandpiper_wall::{Folder, Terminal, lock_in};
/// let wall = lock_in(&[Folder { path: "/srv/checkout".into(), writable: true }], Terminal::LeftAlone);
/// assert!(wall.is_whole(), "{wall:?}");
/// assert!(std::fs::read("/etc/passwd").is_err());
/// ```
pub fn lock_in(folders: &[Folder], terminal: Terminal) -> Wall {
    let mut wall = Wall::default();
    for part in Part::ALL {
        match raise(part, folders, terminal) {
            Ok(()) => wall.held.push(part),
            Err(reason) => wall.missing.push((part, reason)),
        }
    }
    wall
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn raise(part: Part, folders: &[Folder], terminal: Terminal) -> Result<(), String> {
    let raised = match part {
        Part::Landlock => linux::landlock::raise(folders),
        Part::Seccomp => linux::seccomp::raise(terminal),
    };
    raised.map_err(|err| err.to_string())
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn raise(_part: Part, _folders: &[Folder], _terminal: Terminal) -> Result<(), String> {
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    Err(format!("it is there for Linux on x86_64 and aarch64, and this is {system} on {processor}"))
}
