//! A command in a container, from its start to its outcome, under limits of time and output.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use bollard::container::LogOutput;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use sandpiper_core::{
    Captured, Control, Error, Event, Exec, Exit, Outcome, Quota, Refusal, Signalled, Stdin, Stream, Usage,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::config::Host;
use super::container::Container;
use super::daemon::{BACKEND, protocol};
use super::script::{Attached, Input, Output, Script, no_frame};
use super::shape::{WORKSPACE, environment};

const ACTION: &str = "run a command";
const START: &str = include_str!("scripts/start.sh");

/// Most bytes of an event ([`Event::Output`]).
const EVENT_BYTES: usize = 64 << 10;
/// What is read of standard input at a time.
const STDIN_BYTES: usize = 32 << 10;
/// Longest first line of [`START`].
const MAX_LINE_BYTES: usize = 64;
/// Most of standard error that is kept until that line comes.
const MAX_EARLY_BYTES: usize = 16 << 20;
/// `SIGPIPE` of Linux.
const BROKEN_PIPE: u8 = 13;

/// What is refused before anything runs.
pub(super) fn check(exec: &Exec, host: &Host) -> Result<(), Error> {
    exec.check()?;
    if let Some(operation) = exec.for_host_alone() {
        return Err(Error::Unsupported { backend: BACKEND.to_owned(), operation });
    }
    let refused = match exec.stdin {
        Stdin::Terminal(_) => Some("gives commands no terminal; give it standard input as a stream"),
        Stdin::Bytes(_) | Stdin::Stream(_) if !host.ends_input() => {
            Some("cannot end standard input over a named pipe; set its host to tcp://127.0.0.1:2375")
        }
        _ => None,
    };
    if let Some(reason) = refused {
        return Err(Refusal::Exec { what: format!("the backend docker {reason}") }.into());
    }
    environment(&[&exec.env]).map(drop)
}

/// Why a command is no longer followed.
enum Cause {
    /// Its streams have ended.
    Streams,
    Timeout,
    Cancelled,
    Output,
}

/// Runs a command to its end.
pub(super) async fn follow(
    container: Arc<Container>,
    exec: Exec,
    events: mpsc::Sender<Event>,
    control: Control,
) -> Result<Outcome, Error> {
    let started = Instant::now();
    let wall = tokio::time::sleep(container.limits.wall);
    tokio::pin!(wall);
    let command = exec.argv.first().cloned().unwrap_or_default();
    let cwd = exec.cwd.clone().unwrap_or_else(|| WORKSPACE.to_owned());
    let mut guard = Guard::new(&container, &cwd, &exec)?;
    let Begun { pid, found, attached, early } = guard.begun().await?;
    let Attached { id, output, input } = attached;
    let (signal, mut signals) = mpsc::unbounded_channel();
    let mut pump = Pump {
        output,
        waiting: early,
        events,
        control: control.clone(),
        signal: signal.clone(),
        left: container.limits.output_bytes,
        written: 0,
        stdout: Told::default(),
        stderr: Told::default(),
    };
    let send = async {
        while let Some(signalled) = signals.recv().await {
            container.signal(pid, signalled).await;
        }
    };
    // What cannot be sent is for a command that has ended.
    let note = control.signalled(|signalled| {
        let _ = signal.send(signalled);
    });
    let send = async { tokio::join!(note, send) };
    let cause = tokio::select! {
        biased;
        cause = pump.run(&container) => cause?,
        () = &mut wall => Cause::Timeout,
        () = control.cancelled() => Cause::Cancelled,
        never = feed(input, exec.stdin) => match never? {},
        _ = send => Cause::Streams,
    };
    let exit = match cause {
        Cause::Streams => container.exit(&id, found, &command, &cwd).await?,
        ended => {
            // Read on, because to the daemon a process runs as long as its output is not read.
            tokio::select! {
                ended = container.end(pid, &id) => ended?,
                never = drain(&mut pump.output) => match never {},
            }
            match ended {
                Cause::Timeout => Exit::Timeout,
                Cause::Cancelled => Exit::Cancelled,
                Cause::Streams | Cause::Output => Exit::Quota { quota: Quota::Output },
            }
        }
    };
    guard.disarm();
    let usage = Usage {
        wall_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        bytes_written: pump.written,
        ..Usage::default()
    };
    let [stdout, stderr] =
        [pump.stdout, pump.stderr].map(|told| Captured { bytes: Vec::new(), cut: told.cut });
    Ok(Outcome { exit, usage, processes: Vec::new(), denials: Vec::new(), stdout, stderr })
}

/// A command that was started.
struct Begun {
    /// The number of its first process, in the container.
    pid: u32,
    found: Found,
    attached: Attached,
    /// Output that came before and with the first line.
    early: VecDeque<LogOutput>,
}

/// What became of the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Command,
    Nothing,
    Directory,
    NoProgram,
    NoDirectory,
}

async fn begin(
    container: Arc<Container>,
    arguments: Vec<String>,
    env: Vec<String>,
    stdin: bool,
) -> Result<Begun, Error> {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let script = Script { user: &container.user, text: START.into(), arguments: &arguments, env, stdin };
    let mut attached = container.attach(ACTION, script).await?;
    let mut line = BytesMut::new();
    let (mut early, mut early_bytes) = (VecDeque::new(), 0);
    loop {
        let piece = match tokio::time::timeout(container.daemon.timeout(), attached.output.next()).await {
            Ok(Some(piece)) => piece.map_err(|err| container.daemon.failure(ACTION, err))?,
            Ok(None) => {
                let code = container.exit_code(ACTION, &attached.id).await?;
                return Err(protocol(ACTION, format!("its shell ends with {code} and says nothing")).error);
            }
            Err(_) => return Err(container.daemon.slow(ACTION).error),
        };
        match piece {
            LogOutput::StdOut { message } => line.extend_from_slice(&message),
            // The daemon reads the two streams independently, so what was written later may come first.
            LogOutput::StdErr { message } if early_bytes < MAX_EARLY_BYTES => {
                early_bytes += message.len();
                early.push_back(LogOutput::StdErr { message });
                continue;
            }
            other => return Err(no_frame(ACTION, other)),
        }
        if let Some(end) = line.iter().take(MAX_LINE_BYTES).position(|byte| *byte == b'\n') {
            let mut rest = line.freeze();
            let line = rest.split_to(end);
            rest.advance(1);
            let (pid, found) = first_line(&line).ok_or_else(|| {
                protocol(ACTION, format!("the first line {:?}", String::from_utf8_lossy(&line))).error
            })?;
            early.extend((!rest.is_empty()).then_some(LogOutput::StdOut { message: rest }));
            return Ok(Begun { pid, found, attached, early });
        }
        if line.len() > MAX_LINE_BYTES {
            return Err(protocol(ACTION, "a first line without an end".to_owned()).error);
        }
    }
}

fn first_line(line: &[u8]) -> Option<(u32, Found)> {
    let (pid, found) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let found = match found {
        "found" => Found::Command,
        "missing" => Found::Nothing,
        "directory" => Found::Directory,
        "denied" => Found::NoProgram,
        "nowhere" => Found::NoDirectory,
        _ => return None,
    };
    // 1 is init; and a group of 0 would be the one that asks.
    let pid = pid.parse().ok().filter(|pid| *pid > 1)?;
    Some((pid, found))
}

/// Ends the command when nobody follows it any longer. Its start goes on by itself, so that the number by which
/// it is ended gets known.
struct Guard {
    container: Arc<Container>,
    start: Option<JoinHandle<Result<Begun, Error>>>,
    pid: Option<u32>,
}

impl Guard {
    fn new(container: &Arc<Container>, cwd: &str, exec: &Exec) -> Result<Self, Error> {
        let arguments = std::iter::once(cwd.to_owned()).chain(exec.argv.iter().cloned()).collect();
        let env = environment(&[&container.env, &exec.env])?;
        let stdin = !matches!(exec.stdin, Stdin::Empty);
        let start = tokio::spawn(begin(Arc::clone(container), arguments, env, stdin));
        Ok(Self { container: Arc::clone(container), start: Some(start), pid: None })
    }

    async fn begun(&mut self) -> Result<Begun, Error> {
        let Some(start) = self.start.as_mut() else {
            return Err(protocol(ACTION, "it was started before".to_owned()).error);
        };
        let begun = start.await;
        self.start = None;
        let begun = begun.map_err(|err| Error::Host {
            context: "the start of a command was lost".to_owned(),
            source: Box::new(err),
        })??;
        self.pid = Some(begun.pid);
        Ok(begun)
    }

    fn disarm(&mut self) {
        self.pid = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (start, pid) = (self.start.take(), self.pid.take());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let container = Arc::clone(&self.container);
        if let Some(start) = start {
            runtime.spawn(async move {
                if let Ok(Ok(begun)) = start.await {
                    container.kill_command(begun.pid).await;
                }
            });
        } else if let Some(pid) = pid {
            runtime.spawn(async move { container.kill_command(pid).await });
        }
    }
}

/// Output on its way from the daemon to the events.
struct Pump {
    output: Output,
    waiting: VecDeque<LogOutput>,
    events: mpsc::Sender<Event>,
    control: Control,
    signal: mpsc::UnboundedSender<Signalled>,
    /// How much may still be written.
    left: u64,
    written: u64,
    stdout: Told,
    stderr: Told,
}

/// What is known of a stream.
#[derive(Clone, Copy, Default)]
struct Told {
    /// More was written than was given.
    cut: bool,
    /// The command knows that nobody reads it.
    closed: bool,
}

impl Pump {
    /// Gives all that the command writes to the events, until its streams end or it has written too much.
    async fn run(&mut self, container: &Container) -> Result<Cause, Error> {
        loop {
            let piece = match self.waiting.pop_front() {
                Some(piece) => piece,
                None => match self.output.next().await {
                    Some(Ok(piece)) => piece,
                    Some(Err(err)) => return Err(container.daemon.failure(ACTION, err).error),
                    None => return Ok(Cause::Streams),
                },
            };
            let (stream, bytes) = match piece {
                LogOutput::StdOut { message } => (Stream::Stdout, message),
                LogOutput::StdErr { message } => (Stream::Stderr, message),
                other => return Err(no_frame(ACTION, other)),
            };
            if self.control.is_closed(stream) {
                self.told(stream).cut = true;
                // As the system does to who writes to a pipe that nobody reads.
                // Not waited for: reading goes on, because while it stands still, so may the daemon.
                if !std::mem::replace(&mut self.told(stream).closed, true) {
                    let _ = self.signal.send(Signalled::Signal(BROKEN_PIPE));
                }
            } else if self.give(stream, bytes).await {
                return Ok(Cause::Output);
            }
        }
    }

    /// Gives some output to the events; whether it was too much.
    async fn give(&mut self, stream: Stream, mut bytes: Bytes) -> bool {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX);
        let too_much = bytes.len() > room;
        self.told(stream).cut |= too_much;
        bytes.truncate(room);
        let given = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.left -= given;
        self.written += given;
        while !bytes.is_empty() {
            let bytes = bytes.split_to(bytes.len().min(EVENT_BYTES));
            // Whoever has dropped the events wants none, and the command goes on.
            let _ = self.events.send(Event::Output { stream, bytes }).await;
        }
        too_much
    }

    fn told(&mut self, stream: Stream) -> &mut Told {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

/// Reads what nobody wants any longer.
async fn drain(output: &mut Output) -> Infallible {
    while let Some(Ok(_)) = output.next().await {}
    std::future::pending().await
}

/// Gives a command its standard input, and then the end of it. Ends only when that cannot be read.
async fn feed(mut input: Input, stdin: Stdin) -> Result<Infallible, Error> {
    match stdin {
        Stdin::Empty => {}
        // A command that reads no more, or has ended, is none that cannot go on.
        Stdin::Bytes(bytes) => drop(input.write_all(&bytes).await),
        Stdin::Stream(stream) | Stdin::Terminal(stream) => copy(stream, &mut input).await?,
    }
    let _ = input.shutdown().await;
    // Held, because the connection may end with it.
    let never = std::future::pending().await;
    drop(input);
    Ok(never)
}

async fn copy(mut stream: Box<dyn AsyncRead + Send + Sync + Unpin>, input: &mut Input) -> Result<(), Error> {
    let mut buffer = vec![0; STDIN_BYTES];
    loop {
        let count = stream.read(&mut buffer).await.map_err(|err| Error::Host {
            context: "cannot read what is to be standard input".to_owned(),
            source: Box::new(err),
        })?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() || input.write_all(bytes).await.is_err() || input.flush().await.is_err() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_names_a_process_that_may_be_ended() {
        assert_eq!(first_line(b"12 found"), Some((12, Found::Command)));
        assert_eq!(first_line(b"2 nowhere"), Some((2, Found::NoDirectory)));
        for line in ["", "12", "12 ", "12 other", "0 found", "1 found", "-1 found", "x found", " found"] {
            assert_eq!(first_line(line.as_bytes()), None, "{line:?}");
        }
    }
}
