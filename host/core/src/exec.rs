//! A command to run in a sandbox.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncRead;

use crate::{ChangeObserver, Git};

/// A command: its arguments, environment, working directory and standard input.
///
/// # Examples
/// ```
/// use sandpiper_core::{Exec, Stdin};
/// let exec = Exec::new(["python3", "-c", "print(input())"]).env("LANG", "C.UTF-8").stdin(Stdin::bytes("hi\n"));
/// assert_eq!(exec.argv.len(), 3);
/// ```
#[derive(Debug, Default)]
pub struct Exec {
    /// The command and its arguments; the command's name comes first.
    pub argv: Vec<String>,
    /// Environment variables added to the image's own, the later of two winning.
    pub env: Vec<(String, String)>,
    /// Working directory in the guest; `None` is `/workspace` where that is mounted, else `/`.
    pub cwd: Option<String>,
    /// Standard input.
    pub stdin: Stdin,
    /// Who carries out the `git` commands of the guest; without one they say that there is no repository.
    /// Images without a `git`, and components, never ask.
    pub git: Option<Arc<dyn Git>>,
    /// Who is told of what the guest is about to change in its mounts.
    pub changes: Option<Arc<dyn ChangeObserver>>,
    /// End the command with [`Exit::Unsupported`](crate::Exit::Unsupported) when it asks for what the sandbox
    /// does not offer, before it has gone on without that: for hosts that then run it elsewhere.
    pub stop_at_unsupported: bool,
}

impl Exec {
    /// A command with an empty environment and no standard input.
    pub fn new<A: Into<String>>(argv: impl IntoIterator<Item = A>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<String>) -> Self {
        self.cwd = Some(cwd.into());
        self
    }

    /// Sets the standard input.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// Has git's commands carried out.
    #[must_use]
    pub fn git(mut self, git: Arc<dyn Git>) -> Self {
        self.git = Some(git);
        self
    }

    /// What of it only a host can do that runs the guest itself; nothing where any backend can run it.
    pub fn for_host_alone(&self) -> Option<&'static str> {
        match () {
            () if self.git.is_some() => Some("git that the host carries out"),
            () if self.changes.is_some() => Some("tell of changes before they are made"),
            () if self.stop_at_unsupported => Some("end a command at what the sandbox does not offer"),
            () => None,
        }
    }

    /// Has changes of mounts told before they are made.
    #[must_use]
    pub fn changes(mut self, observer: Arc<dyn ChangeObserver>) -> Self {
        self.changes = Some(observer);
        self
    }
}

/// Standard input of a command.
#[derive(Default)]
pub enum Stdin {
    /// Nothing: the first read is the end of the file.
    #[default]
    Empty,
    /// These bytes, then the end.
    Bytes(Bytes),
    /// A stream, read only as far as the guest asks.
    Stream(Box<dyn AsyncRead + Send + Sync + Unpin>),
    /// A stream on a terminal: as `Stream`, and the guest's `isatty` says yes.
    Terminal(Box<dyn AsyncRead + Send + Sync + Unpin>),
}

impl Stdin {
    /// These bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl fmt::Debug for Stdin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter.write_str("Empty"),
            Self::Bytes(bytes) => write!(formatter, "Bytes({} bytes)", bytes.len()),
            Self::Stream(_) => formatter.write_str("Stream"),
            Self::Terminal(_) => formatter.write_str("Terminal"),
        }
    }
}
