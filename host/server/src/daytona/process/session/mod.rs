//! Sessions: a shell that lives on between commands, which run in it one after the other.

mod command;
mod script;
mod splitter;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sandpiper_core::Stream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub(crate) use command::{Command, End, Texts};
use splitter::Splitter;

use crate::daytona::ending;
use crate::output::{Ended, Piece, Subscription};
use crate::processes::Listed;

/// The output streams of a shell.
const STREAMS: usize = 2;

/// Input that may wait for commands that do not read it.
const WAITING_BYTES: usize = 16 << 20;

/// Input that a session shows in the output of its commands, where it is kept.
const ECHOED_BYTES: usize = 1 << 20;

const NO_MORE_ECHO: &[u8] = b"sandpiper: no more of the session's input is shown here\n";

/// Commands that a session remembers.
const COMMANDS: usize = 10_000;

/// What a session's shell is started as.
pub(crate) fn shell() -> Vec<String> {
    ["bash", "-s"].map(str::to_owned).into()
}

/// A shell with its commands. Dropping it ends the shell.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    mark: String,
    shell: Arc<Listed>,
    feed: Mutex<Feed>,
    /// The feed has something new to do.
    fed: Notify,
    commands: Mutex<Vec<Arc<Command>>>,
}

/// What goes to the shell. One lock for all of it: input has to be before the end of its command in the
/// stream, or the shell would take it for a script.
#[derive(Debug, Default)]
struct Feed {
    queue: VecDeque<Arc<Command>>,
    running: Option<Arc<Command>>,
    bytes: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// How much input will still be shown; `None` where it was told that there will be none.
    echo_bytes: Option<usize>,
    over: bool,
}

/// Why a session does not take something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The shell has ended.
    SessionOver,
    /// The command has ended.
    CommandOver,
    /// Too much input waits to be read.
    InputFull,
    /// The session has had as many commands as it remembers.
    TooManyCommands,
}

impl Session {
    /// Makes a session of a shell that was started, and of all its output. The mark is one that no command
    /// can guess.
    pub(crate) fn new(id: String, mark: String, shell: Arc<Listed>, output: Subscription) -> Self {
        let mut feed = Feed { echo_bytes: Some(ECHOED_BYTES), ..Feed::default() };
        feed.push(script::PROLOGUE);
        let shared = Arc::new(Shared {
            mark,
            shell,
            feed: Mutex::new(feed),
            fed: Notify::new(),
            commands: Mutex::default(),
        });
        let task = tokio::spawn(shared.clone().run(output));
        Self { id, shared, task }
    }

    /// Gives the shell a command, which runs after those before it.
    ///
    /// # Errors
    /// [`Refused::SessionOver`], [`Refused::TooManyCommands`].
    pub(crate) fn give(&self, command: Command) -> Result<Arc<Command>, Refused> {
        let command = Arc::new(command);
        let mut feed = self.shared.feed();
        if feed.over {
            return Err(Refused::SessionOver);
        }
        let mut commands = self.shared.commands();
        if commands.len() >= COMMANDS {
            return Err(Refused::TooManyCommands);
        }
        commands.push(command.clone());
        feed.queue.push_back(command.clone());
        drop((feed, commands));
        self.shared.fed.notify_one();
        Ok(command)
    }

    /// Sends input to a command, once it runs.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) async fn input(&self, command: &Arc<Command>, bytes: Bytes) -> Result<(), Refused> {
        command.started().await;
        let mut feed = self.shared.feed();
        if feed.over {
            return Err(Refused::SessionOver);
        }
        if !feed.running.as_ref().is_some_and(|running| Arc::ptr_eq(running, command)) {
            return Err(Refused::CommandOver);
        }
        if feed.waiting_bytes.saturating_add(bytes.len()) > WAITING_BYTES {
            return Err(Refused::InputFull);
        }
        if command.echo {
            let left = feed.echo_bytes.map(|left| left.checked_sub(bytes.len()));
            feed.echo_bytes = left.flatten();
            match left {
                Some(Some(_)) => command.add(Stream::Stdout, bytes.clone()),
                Some(None) => command.add(Stream::Stderr, Bytes::from_static(NO_MORE_ECHO)),
                None => {}
            }
        }
        feed.push(bytes);
        drop(feed);
        self.shared.fed.notify_one();
        Ok(())
    }

    /// Its commands, in the order in which they were given.
    pub(crate) fn commands(&self) -> Vec<Arc<Command>> {
        self.shared.commands().clone()
    }

    /// A command by its id.
    pub(crate) fn command(&self, id: &str) -> Option<Arc<Command>> {
        self.shared.commands().iter().find(|command| command.id == id).cloned()
    }
}

impl Session {
    /// Ends the shell, and tells those who wait for its commands.
    pub(crate) fn end(&self) {
        self.shared.shell.process.kill();
        self.task.abort();
        self.shared.end(&Ended::Failed("the session was deleted".to_owned()));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    async fn run(self: Arc<Self>, output: Subscription) {
        let ended = tokio::select! {
            ended = self.take(output) => ended,
            never = self.write() => match never {},
        };
        self.end(&ended);
    }

    /// Writes what is fed to the shell. Where it has ended, that goes nowhere.
    async fn write(&self) -> Infallible {
        loop {
            let next = self.feed().next(&self.mark);
            match next {
                Some(bytes) => {
                    let length = bytes.len();
                    let _ = self.shell.process.write(bytes).await;
                    let mut feed = self.feed();
                    feed.waiting_bytes = feed.waiting_bytes.saturating_sub(length);
                }
                None => self.fed.notified().await,
            }
        }
    }

    /// Takes the shell's output to the commands that wrote it, until it ends.
    async fn take(&self, mut output: Subscription) -> Ended {
        let mut splitters =
            [Stream::Stdout, Stream::Stderr].map(|stream| (stream, Splitter::new(&self.mark)));
        let mut ends = 0;
        // What comes between two commands is of a child that the earlier one has left.
        let mut last: Option<Arc<Command>> = None;
        let ended = loop {
            let (stream, bytes) = match output.next().await {
                Some(Piece::Output(stream, bytes)) => (stream, bytes),
                Some(Piece::Ended(ended)) => break ended,
                None => break Ended::Failed("the output of the shell broke off".to_owned()),
            };
            let Some((_, splitter)) = splitters.iter_mut().find(|(of, _)| *of == stream) else { continue };
            let mut piece = bytes.to_vec();
            loop {
                let found = splitter.take(&piece);
                self.add(stream, found.output, last.as_ref());
                let Some((code, after)) = found.end else { break };
                ends += 1;
                // Both streams say it, so that the output of both is there.
                if ends == STREAMS {
                    ends = 0;
                    last = self.finish(code);
                }
                piece = after;
            }
        };
        for (stream, splitter) in &mut splitters {
            self.add(*stream, splitter.rest(), last.as_ref());
        }
        ended
    }

    fn add(&self, stream: Stream, output: Vec<u8>, last: Option<&Arc<Command>>) {
        if let Some(command) = self.feed().running.as_ref().or(last) {
            command.add(stream, output.into());
        }
    }

    /// The command that runs has ended.
    fn finish(&self, code: i32) -> Option<Arc<Command>> {
        let mut feed = self.feed();
        let finished = feed.running.take();
        feed.push(script::discarded(&self.mark));
        drop(feed);
        self.fed.notify_one();
        if let Some(command) = &finished {
            command.set_end(End::Exited(code));
        }
        finished
    }

    /// The shell has ended, by itself or with the session.
    fn end(&self, ended: &Ended) {
        let mut feed = self.feed();
        feed.over = true;
        if let Some(command) = feed.running.take() {
            let (code, words) = match ended {
                Ended::Exit(exit) => (i32::from(exit.code()), ending::words(exit)),
                Ended::TimedOut(after) => (1, Some(format!("the shell was ended after {after:?}"))),
                Ended::Failed(reason) => (1, Some(reason.clone())),
            };
            if let Some(words) = words {
                command.add(Stream::Stderr, format!("sandpiper: {words}\n").into());
            }
            command.set_end(End::Exited(code));
        }
        for command in feed.queue.drain(..) {
            command.set_end(End::NeverRan);
        }
    }

    fn feed(&self) -> MutexGuard<'_, Feed> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commands(&self) -> MutexGuard<'_, Vec<Arc<Command>>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    fn push(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.waiting_bytes = self.waiting_bytes.saturating_add(bytes.len());
        self.bytes.push_back(bytes);
    }

    /// What is written next: all bytes of the command that runs, then the next command.
    fn next(&mut self, mark: &str) -> Option<Bytes> {
        if self.bytes.is_empty() && self.running.is_none() {
            let command = self.queue.pop_front()?;
            self.push(script::run(&command.text, mark));
            command.set_started();
            self.running = Some(command);
        }
        self.bytes.pop_front()
    }
}
