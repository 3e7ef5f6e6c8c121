//! One command of a sandbox, which runs whether or not anybody listens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sandpiper_core::{Control, Event, Exec, Running, Sandbox, Stdin};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use crate::failure::{Failure, with_causes};
use crate::output::{Ended, OutputLog, Since, Subscription};

/// Bytes of standard input that may wait for the guest, as in a pipe of Linux.
const STDIN_BYTES: usize = 64 << 10;

/// `SIGKILL`, as Linux counts.
const KILL: u8 = 9;

/// `SIGINT`.
const INTERRUPT: u8 = 2;

/// How long a command that is killed may take to end.
const KILL_TIME: Duration = Duration::from_secs(2);

/// What is to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// The command and its arguments.
    pub(crate) argv: Vec<String>,
    /// Its variables, over the sandbox's.
    pub(crate) env: Vec<(String, String)>,
    /// Its working directory.
    pub(crate) cwd: Option<String>,
    /// Whether its standard input is written later on; without that it is empty.
    pub(crate) stdin: bool,
    /// When it is ended; `None` leaves that to the sandbox's limits.
    pub(crate) timeout: Option<Duration>,
}

/// A command that was started. Dropping it ends the guest.
#[derive(Debug)]
pub(crate) struct Process {
    output: Arc<OutputLog>,
    /// The writing end; the lock of tokio, as a writer waits for room.
    stdin: Arc<tokio::sync::Mutex<Option<DuplexStream>>>,
    control: Control,
    /// Whether the backend passes signals on.
    signals: bool,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Process {
    /// Starts a command; its first reader gets all of its output.
    pub(crate) async fn start(
        sandbox: &Arc<dyn Sandbox>,
        command: Command,
        signals: bool,
        output_bytes: usize,
    ) -> Result<(Self, Subscription), Failure> {
        let (ours, stdin) = if command.stdin {
            let (ours, guests) = tokio::io::duplex(STDIN_BYTES);
            (Some(ours), Stdin::Stream(Box::new(guests)))
        } else {
            (None, Stdin::Empty)
        };
        let exec = Exec { argv: command.argv, env: command.env, cwd: command.cwd, stdin, ..Exec::default() };
        let timeout = command.timeout;
        let running = sandbox.spawn(exec).await?;
        let output = OutputLog::new(output_bytes);
        let subscription = output.subscribe(Since::Beginning);
        let control = running.control().clone();
        // The sandbox is held so that it outlives what runs in it.
        let task = tokio::spawn(pump(running, Arc::clone(&output), timeout, Arc::clone(sandbox)));
        let process = Self {
            output,
            stdin: Arc::new(tokio::sync::Mutex::new(ours)),
            control,
            signals,
            task: Mutex::new(Some(task)),
        };
        Ok((process, subscription))
    }

    /// Another reader.
    pub(crate) fn subscribe(&self, since: Since) -> Subscription {
        self.output.subscribe(since)
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.output.ended()
    }

    /// Waits for the end.
    pub(crate) async fn wait(&self) -> Ended {
        self.output.wait().await
    }

    /// Writes to standard input, and waits while the guest does not read.
    pub(crate) async fn write(&self, bytes: Bytes) -> Result<(), Failure> {
        let gone = || Failure::Conflict("the standard input of the process is closed".to_owned());
        let mut stdin = self.stdin.lock().await;
        let writer = stdin.as_mut().ok_or_else(gone)?;
        writer.write_all(&bytes).await.map_err(|_| gone())
    }

    /// Closes standard input: the guest reads what was written, then the end.
    pub(crate) async fn close_stdin(&self) -> Result<(), Failure> {
        let closed = self.stdin.lock().await.take();
        closed.map(drop).ok_or_else(|| Failure::Conflict("the process has no standard input open".to_owned()))
    }

    /// Sends a signal, by its number in Linux: `SIGINT` to all processes of the command, as Ctrl-C is, others to the
    /// first. `SIGKILL` ends the command whatever the backend offers.
    pub(crate) fn signal(&self, signal: u8) -> Result<(), Failure> {
        if signal == KILL {
            self.control.cancel();
        } else if self.signals && signal == INTERRUPT {
            self.control.interrupt();
        } else if self.signals {
            self.control.signal(signal);
        } else {
            return Err(Failure::Unsupported(format!(
                "the backend cannot send signal {signal}; a process can only be killed"
            )));
        }
        Ok(())
    }

    /// Has the command end.
    pub(crate) fn kill(&self) {
        self.control.cancel();
    }

    /// Ends the command at once, without hearing from it.
    pub(crate) fn abandon(&self, reason: &str) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
        }
        self.output.end(Ended::Failed(reason.to_owned()));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.abandon("nobody holds the process any more");
    }
}

async fn pump(
    running: Running,
    output: Arc<OutputLog>,
    timeout: Option<Duration>,
    _sandbox: Arc<dyn Sandbox>,
) {
    let (mut events, done, control) = running.split();
    let take = async {
        while let Some(Event::Output { stream, bytes }) = events.recv().await {
            output.push(stream, bytes).await;
        }
    };
    let mut run = std::pin::pin!(async { tokio::join!(done, take).0 });
    let outcome = match timeout {
        None => run.await,
        Some(timeout) => {
            if let Ok(outcome) = tokio::time::timeout(timeout, run.as_mut()).await {
                outcome
            } else {
                control.cancel();
                // A guest ends at once; a backend that does not answer is not waited for, nor is a reader.
                let _ = tokio::time::timeout(KILL_TIME, run).await;
                output.end(Ended::TimedOut(timeout));
                return;
            }
        }
    };
    output.end(match outcome {
        Ok(outcome) => Ended::Exit(outcome.exit),
        Err(err) => Ended::Failed(with_causes(&err)),
    });
}
