//! A guest's commands, each carried out on a thread of its own that stands still between its events.

use super::environment::invocation;
use super::{Allowance, Output, Scope, git_to};
use sandpiper_core::{BoxError, BoxFuture, Git, GitCommand, GitEvent, GitOutput, GitRunning, Stream};
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use tokio::sync::mpsc as events;

/// A guest's command that runs.
#[derive(Debug)]
pub struct Running {
    permits: mpsc::Sender<u64>,
    allowance: Arc<Allowance>,
    thread: thread::JoinHandle<()>,
}

impl Running {
    /// Starts a command, whose events go to `emit`, each after a permit; an error of `emit` ends it early.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn start(
        scope: &Scope,
        command: GitCommand,
        emit: impl FnMut(GitEvent) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (permits, granted) = mpsc::channel();
        let allowance = Arc::new(Allowance::new(0));
        let scope = scope.clone();
        let steps = Steps { granted, allowance: Arc::clone(&allowance), allowed_bytes: 0, left: false, emit };
        let thread =
            thread::Builder::new().name("git".to_owned()).spawn(move || steps.run(&scope, &command))?;
        Ok(Self { permits, allowance, thread })
    }

    /// Lets it run to its next event, and write so many bytes until then.
    ///
    /// # Errors
    /// When it has ended.
    pub fn permit(&self, disk_bytes: u64) -> io::Result<()> {
        self.permits.send(disk_bytes).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Ends it early, as git does at Ctrl-C. Its thread ends at the next object or file that it would look
    /// at; the handle is for who waits for that.
    pub fn leave(self) -> thread::JoinHandle<()> {
        self.allowance.cancel();
        self.thread
    }
}

/// A command on its thread.
struct Steps<E> {
    granted: mpsc::Receiver<u64>,
    allowance: Arc<Allowance>,
    /// What was allowed with the last permit.
    allowed_bytes: u64,
    /// Whether nobody takes events any more.
    left: bool,
    emit: E,
}

impl<E: FnMut(GitEvent) -> io::Result<()>> Steps<E> {
    fn run(mut self, scope: &Scope, command: &GitCommand) {
        if self.wait().is_err() {
            return;
        }
        let allowance = Arc::clone(&self.allowance);
        let code = match invocation(command) {
            Ok(invocation) => git_to(scope, &invocation, &mut self, &allowance),
            Err(failure) => match self.write(Stream::Stderr, &failure.message) {
                Ok(()) => failure.code,
                Err(_) => return,
            },
        };
        if !self.left {
            // Who has left meanwhile does not miss it.
            let _ = self.tell(GitOutput::Ended { code });
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        self.allowed_bytes = self.granted.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.allowance.allow(self.allowed_bytes);
        Ok(())
    }

    fn tell(&mut self, what: GitOutput) -> io::Result<()> {
        let written_bytes = self.allowed_bytes.saturating_sub(self.allowance.left());
        (self.emit)(GitEvent { written_bytes, what })
    }
}

impl<E: FnMut(GitEvent) -> io::Result<()>> Output for Steps<E> {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let taken = self.tell(GitOutput::Bytes { stream, bytes: bytes.to_vec().into() });
        let taken = taken.and_then(|()| self.wait());
        self.left |= taken.is_err();
        taken
    }
}

/// Git for the guests of a process that reaches the repository itself.
#[derive(Clone, Debug)]
pub struct WorktreeGit {
    scope: Scope,
}

impl WorktreeGit {
    /// Git for guests of one worktree.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self { scope }
    }
}

impl Git for WorktreeGit {
    fn start(&self, command: GitCommand) -> Result<Box<dyn GitRunning>, BoxError> {
        let (emitted, events) = events::channel(1);
        let emit = move |event| emitted.blocking_send(event).map_err(|_| io::ErrorKind::BrokenPipe.into());
        let running = Some(Running::start(&self.scope, command, emit)?);
        Ok(Box::new(LocalRunning { running, events: Arc::new(tokio::sync::Mutex::new(events)) }))
    }
}

struct LocalRunning {
    /// Until it is dropped.
    running: Option<Running>,
    events: Arc<tokio::sync::Mutex<events::Receiver<GitEvent>>>,
}

impl GitRunning for LocalRunning {
    fn next(&mut self, disk_bytes: u64) -> BoxFuture<'static, Result<GitEvent, BoxError>> {
        let permitted = self.running.as_ref().map(|running| running.permit(disk_bytes)).transpose();
        let events = Arc::clone(&self.events);
        Box::pin(async move {
            permitted?;
            events.lock().await.recv().await.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe).into())
        })
    }
}

impl Drop for LocalRunning {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // Not waited for: an executor's thread may be here.
            drop(running.leave());
        }
    }
}
