//! The first process's end.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use sandpiper_core::{BoxError, BoxFuture, Git, GitCommand, GitEvent, GitOutput, GitRunning};
use tokio::sync::oneshot;

use crate::ChangedContent;

use super::wire::{Reply, Request, SELF, Said, receive, send};
use super::{AgentError, Begin, Begun, Finish, Finished};

/// Takes a reply with the bytes that follow it. Who does not wait for it any more has no use for it.
type Take = Box<dyn FnOnce(Reply, Vec<u8>) + Send>;

/// The first process's end.
#[derive(Debug)]
pub struct Agent {
    line: Arc<Line>,
    _child: Child,
}

/// Git for guests, whose commands the second process carries out.
#[derive(Clone, Debug)]
pub struct AgentGit {
    line: Arc<Line>,
}

/// What goes to the second process and comes back from it.
struct Line {
    requests: Mutex<ChildStdin>,
    state: Mutex<State>,
}

struct State {
    /// Until there is a thread that reads them: where a process locks itself in, that is to be after it
    /// has done so.
    replies: Option<BufReader<ChildStdout>>,
    /// What is to become of a reply, by number; dropped where none comes.
    waiting: HashMap<u64, Take>,
    last_number: u64,
}

impl Agent {
    /// Starts `program` with these arguments, which is to call [`serve`](super::serve), and has a worktree
    /// made, which the other process then holds.
    ///
    /// # Errors
    /// [`AgentError`]; nothing is made then.
    pub fn start(program: &Path, arguments: &[&str], begin: Begin) -> Result<(Self, Begun), AgentError> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        out_of_the_terminals_reach(&mut command);
        let mut child = command.spawn()?;
        let (Some(mut requests), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it was started without pipes").into());
        };
        let mut replies = BufReader::new(replies);
        send(&mut requests, &Request::Begin(begin), &[])?;
        let (reply, _) = receive(&mut replies)?.ok_or_else(gone)?;
        let Said::Begun(begun) = reply.said.map_err(AgentError::Refused)? else { return Err(unfit().into()) };
        let state = State { replies: Some(replies), waiting: HashMap::new(), last_number: SELF };
        let line = Line { requests: Mutex::new(requests), state: Mutex::new(state) };
        Ok((Self { line: Arc::new(line), _child: child }, begun))
    }

    /// Git for guests of the worktree.
    #[must_use]
    pub fn git(&self) -> AgentGit {
        AgentGit { line: Arc::clone(&self.line) }
    }

    /// What the run has changed; commands of git that still run are ended before.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn changes(&mut self) -> Result<Vec<ChangedContent>, AgentError> {
        match self.answer(&Request::Changes)? {
            Said::Changed(changes) => Ok(changes),
            _ => Err(unfit().into()),
        }
    }

    /// Has the worktree's end done; commands of git that still run are ended before.
    ///
    /// # Errors
    /// [`AgentError`]; the worktree is kept then.
    pub fn finish(&mut self, finish: Finish) -> Result<Finished, AgentError> {
        match self.answer(&Request::Finish(finish))? {
            Said::Finished(finished) => Ok(finished),
            _ => Err(unfit().into()),
        }
    }

    fn answer(&self, request: &Request) -> Result<Said, AgentError> {
        // Not tokio's channel: whoever calls may be within a runtime.
        let (replied, reply) = mpsc::channel();
        let take = move |reply, _| drop(replied.send(reply));
        self.line.ask(SELF, request, Box::new(take))?;
        reply.recv().map_err(|_| gone())?.said.map_err(AgentError::Refused)
    }
}

impl Git for AgentGit {
    fn start(&self, command: GitCommand) -> Result<Box<dyn GitRunning>, BoxError> {
        let number = {
            let mut state = self.line.state();
            state.last_number += 1;
            state.last_number
        };
        self.line.send(&Request::Start { number, command })?;
        Ok(Box::new(AgentRunning { line: Arc::clone(&self.line), number }))
    }
}

struct AgentRunning {
    line: Arc<Line>,
    number: u64,
}

impl GitRunning for AgentRunning {
    fn next(&mut self, disk_bytes: u64) -> BoxFuture<'static, Result<GitEvent, BoxError>> {
        let (replied, reply) = oneshot::channel();
        let take = move |reply, bytes| drop(replied.send((reply, bytes)));
        let request = Request::Next { number: self.number, disk_bytes };
        let asked = self.line.ask(self.number, &request, Box::new(take));
        Box::pin(async move {
            asked?;
            let (reply, bytes) = reply.await.map_err(|_| gone())?;
            let (written_bytes, what) = match reply.said.map_err(AgentError::Refused)? {
                Said::Printed { stream, written_bytes, .. } => {
                    (written_bytes, GitOutput::Bytes { stream, bytes: bytes.into() })
                }
                Said::Ended { code, written_bytes } => (written_bytes, GitOutput::Ended { code }),
                Said::Begun(_) | Said::Changed(_) | Said::Finished(_) => return Err(unfit().into()),
            };
            Ok(GitEvent { written_bytes, what })
        })
    }
}

impl Drop for AgentRunning {
    fn drop(&mut self) {
        // Whoever is gone has ended it.
        let _ = self.line.send(&Request::Leave { number: self.number });
        self.line.state().waiting.remove(&self.number);
    }
}

impl Line {
    /// Sends a request, whose reply `take` gets.
    fn ask(self: &Arc<Self>, number: u64, request: &Request, take: Take) -> Result<(), AgentError> {
        let mut state = self.state();
        state.waiting.insert(number, take);
        if let Some(replies) = state.replies.take() {
            let line = Arc::clone(self);
            thread::Builder::new().name("replies".to_owned()).spawn(move || line.read(replies))?;
        }
        drop(state);
        self.send(request)
    }

    fn send(&self, request: &Request) -> Result<(), AgentError> {
        Ok(send(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner), request, &[])?)
    }

    /// Gives replies to those who wait for them, until there are no more.
    fn read(&self, mut replies: BufReader<ChildStdout>) {
        loop {
            match receive(&mut replies) {
                Ok(Some((reply, bytes))) => {
                    let take = self.state().waiting.remove(&reply.number);
                    if let Some(take) = take {
                        take(reply, bytes);
                    }
                }
                // Those who wait see that nobody is there to answer.
                Ok(None) | Err(_) => return self.state().waiting.clear(),
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Line").finish_non_exhaustive()
    }
}

fn gone() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

fn unfit() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the reply is to another request")
}

/// Ctrl-C at the terminal is for the guest; the worktree is kept in order all the same.
#[cfg(unix)]
fn out_of_the_terminals_reach(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    command.process_group(0);
}

#[cfg(windows)]
fn out_of_the_terminals_reach(command: &mut Command) {
    use std::os::windows::process::CommandExt;

    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

#[cfg(not(any(unix, windows)))]
fn out_of_the_terminals_reach(_command: &mut Command) {}
