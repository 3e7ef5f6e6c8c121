//! A command in a container, from its start to its outcome, under limits of time and output.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
use super::ending::SIGNALLED;
use super::mark::Marked;
use super::record;
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
/// Output that is read before it is taken, besides one frame of the daemon's.
const AHEAD_BYTES: usize = 64 << 20;
/// How long output of a command that was ended may wait for who takes it.
const GIVING: Duration = Duration::from_secs(2);
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
    /// It has ended with this code, and all that it wrote has come.
    Ended(u8),
    /// Its streams have ended before that was said.
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
    let mark = record::random();
    let mut guard = Guard::new(&container, &cwd, &exec, &mark)?;
    let Begun { process, found, attached, early } = guard.begun().await?;
    let Attached { id, output, input } = attached;
    let (signal, mut signals) = mpsc::unbounded_channel();
    let mut pump = Pump {
        output,
        early,
        events,
        control: control.clone(),
        signal: signal.clone(),
        left: container.limits.output_bytes,
        written: 0,
        waiting: VecDeque::new(),
        waiting_bytes: 0,
        stdout: Side::new(&mark),
        stderr: Side::new(&mark),
    };
    let send = async {
        while let Some(signalled) = signals.recv().await {
            container.signal(process, signalled).await;
        }
    };
    // What cannot be sent is for a command that has ended.
    let note = control.signalled(|signalled| {
        let _ = signal.send(signalled);
    });
    let send = async {
        tokio::join!(note, send);
        std::future::pending::<Infallible>().await
    };
    let cause = tokio::select! {
        biased;
        cause = pump.run(&container) => cause?,
        () = &mut wall => Cause::Timeout,
        () = control.cancelled() => Cause::Cancelled,
        never = feed(input, exec.stdin) => match never? {},
        never = send => match never {},
    };
    let mut patience = tokio::time::Instant::now() + GIVING;
    let exit = match cause {
        Cause::Ended(code) => {
            patience = patience.max(wall.deadline());
            container.exit(code, found, &command, &cwd).await?
        }
        Cause::Streams => {
            let code = container.exit_code(ACTION, &id).await?;
            pump.lose();
            // A shell that was killed with its command, or by it, says no more, and may not be the last.
            container.kill_command(process.group).await;
            match u8::try_from(code) {
                Ok(code) if code > SIGNALLED => container.exit(code, found, &command, &cwd).await?,
                _ => {
                    let source = "the output of a command has ended before its end".into();
                    return Err(Error::Unreachable { backend: BACKEND.to_owned(), action: ACTION, source });
                }
            }
        }
        ended => {
            // Read on, because to the daemon a process runs as long as its output is not read.
            tokio::select! {
                ended = container.end(process.group, &id) => ended?,
                never = pump.drain() => match never {},
            }
            match ended {
                Cause::Timeout => Exit::Timeout,
                Cause::Cancelled => Exit::Cancelled,
                _ => Exit::Quota { quota: Quota::Output },
            }
        }
    };
    guard.disarm();
    tokio::select! {
        biased;
        () = pump.deliver() => {}
        () = tokio::time::sleep_until(patience) => {}
        () = control.cancelled(), if !matches!(exit, Exit::Cancelled) => {}
    }
    pump.give_up();
    let usage = Usage {
        wall_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        bytes_written: pump.written,
        ..Usage::default()
    };
    let [stdout, stderr] =
        [pump.stdout, pump.stderr].map(|side| Captured { bytes: Vec::new(), cut: side.cut });
    Ok(Outcome { exit, usage, processes: Vec::new(), denials: Vec::new(), stdout, stderr })
}

/// A command that was started.
struct Begun {
    process: Process,
    found: Found,
    attached: Attached,
    /// Output that came before and with the first line.
    early: VecDeque<LogOutput>,
}

/// A command's numbers in the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// The process that has started it, and its group and session.
    pub(super) group: u32,
    pub(super) pid: u32,
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
            let (process, found) = first_line(&line).ok_or_else(|| {
                protocol(ACTION, format!("the first line {:?}", String::from_utf8_lossy(&line))).error
            })?;
            early.extend((!rest.is_empty()).then_some(LogOutput::StdOut { message: rest }));
            return Ok(Begun { process, found, attached, early });
        }
        if line.len() > MAX_LINE_BYTES {
            return Err(protocol(ACTION, "a first line without an end".to_owned()).error);
        }
    }
}

fn first_line(line: &[u8]) -> Option<(Process, Found)> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    // 1 is init; and a group of 0 would be the one that asks.
    let mut number = || words.next()?.parse().ok().filter(|number| *number > 1);
    let process = Process { group: number()?, pid: number()? };
    let found = match words.next()? {
        "found" => Found::Command,
        "missing" => Found::Nothing,
        "directory" => Found::Directory,
        "denied" => Found::NoProgram,
        "nowhere" => Found::NoDirectory,
        _ => return None,
    };
    words.next().is_none().then_some((process, found))
}

/// Ends the command when nobody follows it any longer. Its start goes on by itself, so that the number by which
/// it is ended gets known.
struct Guard {
    container: Arc<Container>,
    mark: String,
    start: Option<JoinHandle<Result<Begun, Error>>>,
    group: Option<u32>,
}

impl Guard {
    fn new(container: &Arc<Container>, cwd: &str, exec: &Exec, mark: &str) -> Result<Self, Error> {
        let own = [mark, cwd].map(str::to_owned);
        let arguments = own.into_iter().chain(exec.argv.iter().cloned()).collect();
        let env = environment(&[&container.env, &exec.env])?;
        let stdin = !matches!(exec.stdin, Stdin::Empty);
        let start = tokio::spawn(begin(Arc::clone(container), arguments, env, stdin));
        let (container, mark) = (Arc::clone(container), mark.to_owned());
        Ok(Self { container, mark, start: Some(start), group: None })
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
        })?;
        let begun = begun.inspect_err(|err| {
            if !matches!(err, Error::Gone { .. }) {
                let (container, mark) = (Arc::clone(&self.container), self.mark.clone());
                tokio::spawn(async move { container.kill_marked(&mark).await });
            }
        })?;
        self.group = Some(begun.process.group);
        Ok(begun)
    }

    fn disarm(&mut self) {
        self.group = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (start, group) = (self.start.take(), self.group.take());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (container, mark) = (Arc::clone(&self.container), std::mem::take(&mut self.mark));
        if let Some(start) = start {
            runtime.spawn(async move {
                match start.await {
                    Ok(Ok(begun)) => container.kill_command(begun.process.group).await,
                    Ok(Err(Error::Gone { .. })) => {}
                    _ => container.kill_marked(&mark).await,
                }
            });
        } else if let Some(group) = group {
            runtime.spawn(async move { container.kill_command(group).await });
        }
    }
}

/// Output on its way from the daemon to the events.
///
/// It is read ahead of who takes it: the daemon drops what of an ended process nobody has read for two seconds.
struct Pump {
    output: Output,
    /// What came with the first line.
    early: VecDeque<LogOutput>,
    events: mpsc::Sender<Event>,
    control: Control,
    signal: mpsc::UnboundedSender<Signalled>,
    /// How much may still be written.
    left: u64,
    written: u64,
    /// Pieces for the events, of [`EVENT_BYTES`] at most.
    waiting: VecDeque<(Stream, Bytes)>,
    waiting_bytes: usize,
    stdout: Side,
    stderr: Side,
}

/// One of the streams.
struct Side {
    marked: Marked,
    /// More was written than was given.
    cut: bool,
    /// The command knows that nobody reads it.
    closed: bool,
}

impl Side {
    fn new(mark: &str) -> Self {
        Self { marked: Marked::new(mark), cut: false, closed: false }
    }
}

impl Pump {
    /// Gives all that the command writes to the events, until it says that this was all, its streams end or it has
    /// written too much. What was not taken by then is left waiting.
    async fn run(&mut self, container: &Container) -> Result<Cause, Error> {
        loop {
            if let (Some(code), Some(_)) = (self.stdout.marked.code(), self.stderr.marked.code()) {
                return Ok(Cause::Ended(code));
            }
            let next = if let Some(piece) = self.early.pop_front() {
                Some(Ok(piece))
            } else {
                tokio::select! {
                    biased;
                    permit = self.events.reserve(), if !self.waiting.is_empty() => {
                        give(permit, &mut self.waiting, &mut self.waiting_bytes);
                        continue;
                    }
                    next = self.output.next(), if self.waiting_bytes < AHEAD_BYTES => next,
                }
            };
            let piece = match next {
                Some(Ok(piece)) => piece,
                Some(Err(err)) => return Err(container.daemon.failure(ACTION, err).error),
                None if self.take_rest() => return Ok(Cause::Output),
                None => return Ok(Cause::Streams),
            };
            let (stream, bytes) = match piece {
                LogOutput::StdOut { message } => (Stream::Stdout, message),
                LogOutput::StdErr { message } => (Stream::Stderr, message),
                other => return Err(no_frame(ACTION, other)),
            };
            let bytes = self.side(stream).marked.take(bytes);
            if self.take(stream, bytes) {
                return Ok(Cause::Output);
            }
        }
    }

    /// Takes some output for the events; whether it was too much.
    fn take(&mut self, stream: Stream, mut bytes: Bytes) -> bool {
        if bytes.is_empty() {
            return false;
        }
        if self.control.is_closed(stream) {
            self.side(stream).cut = true;
            // As the system does to who writes to a pipe that nobody reads.
            if !std::mem::replace(&mut self.side(stream).closed, true) {
                let _ = self.signal.send(Signalled::Signal(BROKEN_PIPE));
            }
            return false;
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX);
        let too_much = bytes.len() > room;
        self.side(stream).cut |= too_much;
        bytes.truncate(room);
        let taken = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.left -= taken;
        self.written += taken;
        self.waiting_bytes += bytes.len();
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(EVENT_BYTES));
            self.waiting.push_back((stream, piece));
        }
        too_much
    }

    /// Takes what was held back of streams that have ended without their marks; whether it was too much.
    fn take_rest(&mut self) -> bool {
        let (stdout, stderr) = (self.stdout.marked.rest(), self.stderr.marked.rest());
        self.take(Stream::Stdout, stdout) | self.take(Stream::Stderr, stderr)
    }

    /// Gives the events what waits for them.
    async fn deliver(&mut self) {
        while !self.waiting.is_empty() {
            give(self.events.reserve().await, &mut self.waiting, &mut self.waiting_bytes);
        }
    }

    /// Notes what still waits as not given.
    fn give_up(&mut self) {
        for (stream, _) in std::mem::take(&mut self.waiting) {
            self.side(stream).cut = true;
        }
    }

    /// Notes that what comes before the marks may not be all.
    fn lose(&mut self) {
        for side in [&mut self.stdout, &mut self.stderr] {
            side.cut |= side.marked.code().is_none();
        }
    }

    /// Reads what nobody wants any longer.
    async fn drain(&mut self) -> Infallible {
        while let Some(Ok(piece)) = self.output.next().await {
            let (side, bytes) = match piece {
                LogOutput::StdOut { message } => (&mut self.stdout, message),
                LogOutput::StdErr { message } => (&mut self.stderr, message),
                _ => continue,
            };
            side.cut |= !side.marked.take(bytes).is_empty();
        }
        std::future::pending().await
    }

    fn side(&mut self, stream: Stream) -> &mut Side {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

/// Gives the next piece to the events. Whoever has dropped them wants none, and the command goes on.
fn give(
    permit: Result<mpsc::Permit<'_, Event>, mpsc::error::SendError<()>>,
    waiting: &mut VecDeque<(Stream, Bytes)>,
    waiting_bytes: &mut usize,
) {
    if let Some((stream, bytes)) = waiting.pop_front() {
        *waiting_bytes -= bytes.len();
        if let Ok(permit) = permit {
            permit.send(Event::Output { stream, bytes });
        }
    }
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
    fn a_first_line_names_processes_that_may_be_ended() {
        let read = |line: &str| first_line(line.as_bytes());
        assert_eq!(read("12 14 found"), Some((Process { group: 12, pid: 14 }, Found::Command)));
        assert_eq!(read("2 3 nowhere"), Some((Process { group: 2, pid: 3 }, Found::NoDirectory)));
        for line in ["", "12", "12 13", "12 13 ", "12 13 other", "0 13 found", "1 13 found", "12 1 found"] {
            assert_eq!(read(line), None, "{line:?}");
        }
        for line in ["-1 13 found", "12 x found", " found", "12 found", "12 13 found ", "12 13 14 found"] {
            assert_eq!(read(line), None, "{line:?}");
        }
    }
}
