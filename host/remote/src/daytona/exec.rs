//! A command in a sandbox: started in a session of its own, followed, fed, signalled, limited and ended.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use sandpiper_core::{
    Captured, Control, Error, Event, Exec, Exit, Limits, Outcome, Quota, Refusal, Signalled, Stdin, Stream,
    Usage,
};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::NAME;
use super::command::{Input, Log, Said, WhyNot, command_line, input_line};
use super::follow::Follow;
use super::random_name;
use super::toolbox::{SessionRef, Toolbox};

/// Bytes of standard input in one call: in base64 they fit into a pipe, so the daemon does not wait to write them.
const INPUT_BYTES: usize = 24 << 10;

/// How long the streams may stay open behind the command's end, while nothing comes.
const DRAIN: Duration = Duration::from_secs(5);

/// How long ending a command may take, before it is left to the sandbox's own end.
const ENDING: Duration = Duration::from_secs(15);

/// `SIGINT`, as Linux has it.
const SIGINT: u8 = 2;

/// A command that is to be run.
pub(super) struct Run {
    pub(super) toolbox: Toolbox,
    pub(super) exec: Exec,
    pub(super) limits: Limits,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) control: Control,
}

/// What is known of a command while it runs.
struct Progress {
    /// Its session, which ends with this.
    session: Ending,
    stdout: Output,
    stderr: Output,
    written: u64,
    exit: Option<Exit>,
    /// It did not start for a reason that is no fault of the guest.
    refused: Option<Error>,
}

#[derive(Default)]
struct Output {
    closed: bool,
    cut: bool,
}

impl Run {
    /// Runs the command to its end.
    pub(super) async fn finish(self) -> Result<Outcome, Error> {
        let begun = Instant::now();
        let deadline = begun + self.limits.wall;
        let control = self.control.clone();
        let mut progress = Progress {
            session: Ending {
                toolbox: self.toolbox.clone(),
                session: Some(random_name()),
                pid: None,
                file: None,
            },
            stdout: Output::default(),
            stderr: Output::default(),
            written: 0,
            exit: None,
            refused: None,
        };
        let stopped = {
            let driven = pin!(self.drive(&mut progress));
            tokio::select! {
                biased;
                () = control.cancelled() => Some(Exit::Cancelled),
                () = sleep_until(deadline) => Some(Exit::Timeout),
                driven = driven => driven?,
            }
        };
        let exit = match (stopped, progress.exit.take()) {
            // What was asked for comes after what has happened.
            (Some(Exit::Cancelled | Exit::Timeout) | None, Some(exit)) => {
                progress.session.leave();
                exit
            }
            (Some(exit), _) => {
                progress.session.end().await?;
                exit
            }
            (None, None) => {
                progress.session.leave();
                return Err(progress.refused.unwrap_or_else(|| protocol("a command has no end")));
            }
        };
        let captured = |output: &Output| Captured { bytes: Vec::new(), cut: output.cut };
        Ok(Outcome {
            exit,
            usage: Usage {
                wall_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                bytes_written: progress.written,
                ..Usage::default()
            },
            processes: Vec::new(),
            denials: Vec::new(),
            stdout: captured(&progress.stdout),
            stderr: captured(&progress.stderr),
        })
    }

    /// Starts and follows the command; gives why it has to be ended, if it has.
    async fn drive(self, progress: &mut Progress) -> Result<Option<Exit>, Error> {
        let Self { toolbox, mut exec, limits, events, control } = self;
        let (input, mut reader): (Input, Option<Reader>) = match std::mem::take(&mut exec.stdin) {
            Stdin::Empty => (Input::Empty, None),
            Stdin::Bytes(bytes) if bytes.is_empty() => (Input::Empty, None),
            Stdin::Bytes(bytes) => {
                let path = format!("/tmp/.{}", random_name());
                progress.session.file = Some(path.clone());
                toolbox.upload(&path, &bytes).await?;
                (Input::File(path), None)
            }
            Stdin::Stream(reader) => (Input::Lines, Some(reader)),
            Stdin::Terminal(_) => {
                return Err(Error::Unsupported {
                    backend: NAME.to_owned(),
                    operation: "a terminal for a command",
                });
            }
        };
        let session = progress.session.session.clone().unwrap_or_default();
        toolbox.create_session(&session).await?;
        let at = toolbox.start(&session, command_line(&exec, &input)).await?;

        let follow = Follow::new(toolbox.clone(), at.clone());
        let mut log = pin!(stream::unfold(follow, async |mut follow| Some((follow.next().await, follow))));
        let (signals, mut signalled) = mpsc::unbounded_channel();
        let mut listen = pin!(control.signalled(move |signal| {
            let _ = signals.send(signal);
        }));
        let mut feed = pin!(async {
            match reader.take() {
                Some(reader) => feed(&toolbox, &at, reader, limits.wall).await,
                None => Ok(()),
            }
        });
        // Input before the command runs would find no pipe.
        let (mut reads, mut feeding) = (input == Input::Lines, false);
        let mut lines = Log::default();
        loop {
            let drain = Instant::now() + DRAIN;
            let bytes = tokio::select! {
                bytes = log.next() => bytes.ok_or_else(|| protocol("a log has no end"))??,
                () = &mut listen => continue,
                fed = &mut feed, if feeding => {
                    feeding = false;
                    match fed {
                        // That a command ends before its input does, is its own business; the log tells.
                        Err(Error::Backend { .. } | Error::Unreachable { .. }) | Ok(()) => continue,
                        Err(err) => return Err(err),
                    }
                }
                Some(signal) = signalled.recv() => {
                    if progress.exit.is_none() {
                        progress.session.signal(signal).await?;
                    }
                    continue;
                }
                () = sleep_until(drain), if progress.exit.is_some() => return Ok(None),
            };
            for said in lines.take(&bytes).map_err(|what| protocol(&what))? {
                let starts = matches!(said, Said::Started(_));
                if let Some(exit) = progress.hear(said, &exec, &limits, (&events, &control)).await {
                    return Ok(Some(exit));
                }
                feeding |= starts && reads;
            }
            let ended = progress.exit.is_some() || progress.refused.is_some();
            if ended && progress.stdout.closed && progress.stderr.closed {
                return Ok(None);
            }
            if progress.exit.is_some() && std::mem::take(&mut reads) {
                // What reads the input in its place ends with it.
                feeding = false;
                let _ = toolbox.input(&at, "i:\n".to_owned(), DRAIN).await;
            }
        }
    }
}

type Reader = Box<dyn AsyncRead + Send + Sync + Unpin>;

/// Sends a stream as lines of input, as far as the command reads.
async fn feed(toolbox: &Toolbox, at: &SessionRef, mut reader: Reader, most: Duration) -> Result<(), Error> {
    let mut buffer = vec![0; INPUT_BYTES];
    loop {
        let read = reader.read(&mut buffer).await.map_err(|err| Error::Host {
            context: "cannot read the standard input of a command".to_owned(),
            source: err.into(),
        })?;
        toolbox.input(at, input_line(buffer.get(..read).unwrap_or_default()), most).await?;
        if read == 0 {
            return Ok(());
        }
    }
}

impl Progress {
    /// Takes what the log says; gives why the command has to be ended, if it has.
    async fn hear(
        &mut self,
        said: Said,
        exec: &Exec,
        limits: &Limits,
        (events, control): (&mpsc::Sender<Event>, &Control),
    ) -> Option<Exit> {
        match said {
            Said::Started(pid) => {
                self.session.pid = Some(pid);
                self.session.file = None;
            }
            Said::Closed(stream) => self.output(stream).closed = true,
            // The program between tells the shell's status of what did not start as well.
            Said::Ended(_) if self.exit.is_some() || self.refused.is_some() => {}
            Said::Ended(status) => self.exit = Some(exit_of(status)),
            Said::NotStarted(why) => self.not_started(why, exec),
            Said::Output(stream, mut bytes) => {
                let room = usize::try_from(limits.output_bytes - self.written).unwrap_or(usize::MAX);
                let over = bytes.len() > room;
                bytes.truncate(room);
                self.written += bytes.len() as u64;
                if !bytes.is_empty() && !control.is_closed(stream) {
                    emit(events, stream, bytes).await;
                }
                if over {
                    self.output(stream).cut = true;
                    self.exit = None;
                    return Some(Exit::Quota { quota: Quota::Output });
                }
            }
        }
        None
    }

    fn not_started(&mut self, why: WhyNot, exec: &Exec) {
        let command = exec.argv.first().cloned().unwrap_or_default();
        match why {
            WhyNot::Missing => self.exit = Some(Exit::NotFound { command }),
            WhyNot::Denied => {
                let reason = "is no program that can be executed".to_owned();
                self.exit = Some(Exit::NotRunnable { command, reason });
            }
            WhyNot::Directory => {
                let cwd = exec.cwd.as_deref().unwrap_or("/");
                let what = format!("the working directory {cwd} is not a directory in the sandbox");
                self.refused = Some(Error::Refused(Refusal::Exec { what }));
            }
            WhyNot::Lacks(tool) => {
                self.refused = Some(Error::Backend {
                    backend: NAME.to_owned(),
                    action: "run a command",
                    message: format!(
                        "the sandbox's image has no `{tool}`, which takes output and input through"
                    ),
                });
                // Nothing else comes.
                (self.stdout.closed, self.stderr.closed) = (true, true);
            }
        }
    }

    fn output(&mut self, stream: Stream) -> &mut Output {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

async fn emit(events: &mpsc::Sender<Event>, stream: Stream, bytes: Bytes) {
    // Without a receiver nobody is interested.
    let _ = events.send(Event::Output { stream, bytes }).await;
}

/// What a shell's status means, as bash has it: above 128, the number of the signal that ended the command.
fn exit_of(status: u8) -> Exit {
    const LAST_SIGNAL: u8 = 64;
    match status.checked_sub(128) {
        Some(signal @ 1..=LAST_SIGNAL) => Exit::Signal { signal },
        _ => Exit::Code { code: status },
    }
}

/// The session of a command. Dropping it ends what runs in it, as far as that can be done without waiting.
struct Ending {
    toolbox: Toolbox,
    session: Option<String>,
    /// The command's first process, when it has started.
    pid: Option<u32>,
    /// A file that the command was to remove.
    file: Option<String>,
}

impl Ending {
    /// By a shell's own `kill`, and with `--`: of the programs of that name, some take the first digit of a group for
    /// all of it.
    async fn signal(&self, signal: Signalled) -> Result<(), Error> {
        let Some(pid) = self.pid else { return Ok(()) };
        let command = match signal {
            Signalled::Interrupt => {
                format!("kill -s {SIGINT} -- -{pid} 2>/dev/null || kill -s {SIGINT} {pid}")
            }
            Signalled::Signal(signal) => format!("kill -s {signal} {pid}"),
        };
        // That nobody is there to take it, is no fault.
        self.toolbox.execute(format!("/bin/sh -c '{command}'"), "send a signal", false).await.map(drop)
    }

    /// Ends the command and its session, and waits for that.
    async fn end(&mut self) -> Result<(), Error> {
        let Some(session) = self.session.take() else { return Ok(()) };
        let ended = timeout(ENDING, end(&self.toolbox, &session, self.pid, self.file.as_deref())).await;
        ended.unwrap_or_else(|_| {
            Err(Error::Slow { backend: NAME.to_owned(), action: "end a command", after: ENDING })
        })
    }

    /// Removes a session in which nothing runs any more, without waiting.
    fn leave(&mut self) {
        self.pid = None;
        self.in_background();
    }

    fn in_background(&mut self) {
        let Some(session) = self.session.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let (toolbox, pid, file) = (self.toolbox.clone(), self.pid, self.file.take());
        runtime.spawn(async move {
            let _ = timeout(ENDING, end(&toolbox, &session, pid, file.as_deref())).await;
        });
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.in_background();
    }
}

async fn end(toolbox: &Toolbox, session: &str, pid: Option<u32>, file: Option<&str>) -> Result<(), Error> {
    let killed = async {
        let Some(pid) = pid else { return Ok(()) };
        let command = format!("/bin/sh -c 'kill -s KILL -- -{pid} 2>/dev/null || kill -s KILL {pid}'");
        toolbox.execute(command, "end a command", true).await.map(drop)
    };
    // Each is tried, whatever becomes of the other.
    let (killed, deleted) = tokio::join!(killed, toolbox.delete_session(session));
    if let Some(file) = file {
        let _ = toolbox.execute(format!("/bin/rm -f {file}"), "end a command", true).await;
    }
    match (killed, deleted) {
        // A sandbox that is gone has ended everything.
        (Err(Error::Gone { .. }), _) | (_, Err(Error::Gone { .. })) => Ok(()),
        (Ok(()), deleted) => deleted,
        (Err(err), _) => Err(err),
    }
}

fn protocol(what: &str) -> Error {
    Error::Protocol { backend: NAME.to_owned(), action: "follow a command", what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_what_bash_says_it_is() {
        assert_eq!(exit_of(0), Exit::Code { code: 0 });
        assert_eq!(exit_of(128), Exit::Code { code: 128 });
        assert_eq!(exit_of(137), Exit::Signal { signal: 9 });
        assert_eq!(exit_of(192), Exit::Signal { signal: 64 });
        assert_eq!(exit_of(193), Exit::Code { code: 193 });
        for status in 0..=255 {
            assert_eq!(exit_of(status).code(), status);
        }
    }
}
