//! The session of a command, and how the command is told of something and ended there.

use std::time::Duration;

use sandpiper_core::{Error, Signalled, Stream};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::signal::{First, Whom, command_line};
use super::toolbox::Toolbox;
use super::{NAME, random_name};

/// How long ending a command may take, before it is left to the sandbox's own end.
const ENDING: Duration = Duration::from_secs(15);

/// Signals, as Linux has them.
const SIGINT: u8 = 2;
const SIGKILL: u8 = 9;

/// The session of a command. Dropping it ends what runs in it, as far as that can be done without waiting.
pub(super) struct Ending {
    toolbox: Toolbox,
    session: Option<String>,
    /// The command's first process, when it has started.
    pub(super) first: Option<First>,
    /// Files that are there because of the command, and not its own.
    pub(super) files: Vec<String>,
}

impl Ending {
    pub(super) fn new(toolbox: Toolbox) -> Self {
        Self { toolbox, session: Some(random_name()), first: None, files: Vec::new() }
    }

    /// The session's name.
    pub(super) fn name(&self) -> &str {
        self.session.as_deref().unwrap_or_default()
    }

    /// Whether the command may still run.
    pub(super) fn is_open(&self) -> bool {
        self.session.is_some() && self.first.is_some()
    }

    /// What the names of the files begin with that close a stream.
    pub(super) fn closing(&self) -> String {
        format!("/tmp/.{}-", self.name())
    }

    pub(super) async fn signal(&self, signal: Signalled) -> Result<(), Error> {
        let Some(first) = self.first else { return Ok(()) };
        let command = match signal {
            Signalled::Interrupt => command_line(first, SIGINT, Whom::All),
            Signalled::Signal(signal) => command_line(first, signal, Whom::First),
        };
        // That nobody is there to take it, is no fault.
        self.toolbox.execute(command, "send a signal", false).await.map(drop)
    }

    /// Has nobody read a stream any more.
    pub(super) async fn close(&mut self, stream: Stream) -> Result<(), Error> {
        let number = match stream {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        };
        let file = format!("{}{number}", self.closing());
        let command = format!("/bin/sh -c ': >{file}'");
        self.files.push(file);
        let (status, said) = self.toolbox.execute(command, "close a stream", true).await?;
        if status == 0 {
            return Ok(());
        }
        Err(Error::Backend { backend: NAME.to_owned(), action: "close a stream", message: said })
    }

    /// Ends the command, and not its session.
    pub(super) async fn kill(&mut self) -> Result<(), Error> {
        let Some(first) = self.first else { return Ok(()) };
        let command = command_line(first, SIGKILL, Whom::All);
        self.toolbox.execute(command, "end a command", true).await?;
        self.first = None;
        Ok(())
    }

    /// Ends the command and its session, and waits for that.
    pub(super) async fn end(&mut self) -> Result<(), Error> {
        let Some(session) = self.session.clone() else { return Ok(()) };
        let ended = timeout(ENDING, end(&self.toolbox, &session, self.first, self.files.clone())).await;
        self.session = None;
        ended.unwrap_or_else(|_| {
            Err(Error::Slow { backend: NAME.to_owned(), action: "end a command", after: ENDING })
        })
    }

    /// Removes a session in which nothing runs any more, without waiting.
    pub(super) fn leave(&mut self) {
        self.first = None;
        self.in_background();
    }

    fn in_background(&mut self) {
        let Some(session) = self.session.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let (toolbox, first, files) = (self.toolbox.clone(), self.first, std::mem::take(&mut self.files));
        runtime.spawn(async move {
            let _ = timeout(ENDING, end(&toolbox, &session, first, files)).await;
        });
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.in_background();
    }
}

async fn end(
    toolbox: &Toolbox,
    session: &str,
    first: Option<First>,
    files: Vec<String>,
) -> Result<(), Error> {
    let killed = async {
        let Some(first) = first else { return Ok(()) };
        // With its session goes what no group has.
        let first = First { leads: true, ..first };
        let command = command_line(first, SIGKILL, Whom::All);
        toolbox.execute(command, "end a command", true).await.map(drop)
    };
    // Each is tried, whatever becomes of the other.
    let (killed, deleted) = tokio::join!(killed, toolbox.delete_session(session));
    if !files.is_empty() {
        let _ = toolbox.execute(format!("/bin/rm -f {}", files.join(" ")), "end a command", true).await;
    }
    match (killed, deleted) {
        // A sandbox that is gone has ended everything.
        (Err(Error::Gone { .. }), _) | (_, Err(Error::Gone { .. })) => Ok(()),
        (Ok(()), deleted) => deleted,
        (Err(err), _) => Err(err),
    }
}
