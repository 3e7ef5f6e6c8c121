//! A command in a sandbox: started in a session of its own, followed, fed, signalled, limited and ended.

use std::pin::pin;
use std::time::Duration;

use sandpiper_core::{Captured, Control, Error, Event, Exec, Exit, Limits, Outcome, Stdin, Usage};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::command::{Input, command_line, input_line};
use super::follow::Follow;
use super::heard::{Heard, Output, protocol};
use super::toolbox::{SessionRef, Toolbox};
use super::{NAME, random_name};

/// Bytes of standard input in one call: in base64 they fit into a pipe, so the daemon does not wait to write them.
const INPUT_BYTES: usize = 24 << 10;

/// How long the streams may stay open behind the command's end, while nothing comes.
pub(super) const DRAIN: Duration = Duration::from_secs(5);

/// A command that is to be run.
pub(super) struct Run {
    pub(super) toolbox: Toolbox,
    pub(super) exec: Exec,
    pub(super) limits: Limits,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) control: Control,
}

impl Run {
    /// Runs the command to its end.
    pub(super) async fn finish(self) -> Result<Outcome, Error> {
        let begun = Instant::now();
        let deadline = begun + self.limits.wall;
        let Self { toolbox, mut exec, limits, events, control } = self;
        let stdin = std::mem::take(&mut exec.stdin);
        let mut heard = Heard::new(toolbox, exec, limits, (events, control.clone()));
        let stopped = {
            let driven = pin!(drive(stdin, &mut heard));
            tokio::select! {
                biased;
                () = control.cancelled() => Some(Exit::Cancelled),
                () = sleep_until(deadline) => Some(Exit::Timeout),
                driven = driven => driven?,
            }
        };
        // What was asked for comes after what has happened.
        let ended = heard.exit.take();
        if matches!(stopped, Some(Exit::Cancelled | Exit::Timeout)) {
            heard.exit.clone_from(&ended);
            heard.kill().await;
        }
        if !matches!(stopped, Some(Exit::Quota { .. })) {
            heard.cut_open();
        }
        let exit = match (stopped, ended) {
            (Some(Exit::Cancelled | Exit::Timeout) | None, Some(exit)) => {
                heard.session.leave();
                exit
            }
            (Some(exit), _) => {
                heard.session.end().await?;
                exit
            }
            (None, None) => {
                heard.session.leave();
                return Err(heard.refused.unwrap_or_else(|| protocol("a command has no end")));
            }
        };
        let captured = |output: &Output| Captured { bytes: Vec::new(), cut: output.cut };
        Ok(Outcome {
            exit,
            usage: Usage {
                wall_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                bytes_written: heard.written,
                ..Usage::default()
            },
            processes: Vec::new(),
            denials: Vec::new(),
            stdout: captured(&heard.stdout),
            stderr: captured(&heard.stderr),
        })
    }
}

/// Starts and follows a command; gives why it has to be ended, if it has.
async fn drive(stdin: Stdin, heard: &mut Heard) -> Result<Option<Exit>, Error> {
    let toolbox = heard.toolbox.clone();
    let (input, mut reader): (Input, Option<Reader>) = match stdin {
        Stdin::Empty => (Input::Empty, None),
        Stdin::Bytes(bytes) if bytes.is_empty() => (Input::Empty, None),
        Stdin::Bytes(bytes) => {
            let path = format!("/tmp/.{}", random_name());
            heard.session.files.push(path.clone());
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
    let session = heard.session.name();
    toolbox.create_session(session).await?;
    let line = command_line(&heard.exec, &input, &heard.session.closing());
    let at = toolbox.start(session, line).await?;

    heard.log = Some(Follow::new(toolbox.clone(), at.clone()));
    let (signals, mut signalled) = mpsc::unbounded_channel();
    let control = heard.control.clone();
    let mut listen = pin!(control.signalled(move |signal| {
        let _ = signals.send(signal);
    }));
    let wall = heard.limits.wall;
    let mut feed = pin!(async {
        match reader.take() {
            Some(reader) => {
                let fed = feed(&toolbox, &at, reader, wall).await;
                if matches!(fed, Err(Error::Unreachable { .. })) {
                    // It may have arrived all the same, or not be wanted any more.
                    sleep(DRAIN).await;
                }
                fed
            }
            None => Ok(()),
        }
    });
    // Input before the command runs would find no pipe.
    let (mut reads, mut fed) = (input == Input::Lines, false);
    loop {
        tokio::select! {
            listened = heard.listen() => {
                if !listened? {
                    return Ok(None);
                }
            }
            () = &mut listen => continue,
            result = &mut feed, if reads && heard.started && !fed => {
                fed = true;
                match result {
                    // That a command ends before its input does, is its own business; the log tells.
                    Err(Error::Backend { .. }) | Ok(()) => continue,
                    // What waits for its end would wait for ever.
                    Err(err) => return Err(err),
                }
            }
            Some(signal) = signalled.recv() => {
                if heard.exit.is_none() {
                    heard.session.signal(signal).await?;
                }
                continue;
            }
        }
        if let Some(exit) = heard.pass_on().await? {
            return Ok(Some(exit));
        }
        if heard.is_silent() && heard.is_over() {
            return Ok(None);
        }
        if heard.is_over() && std::mem::take(&mut reads) {
            // What reads the input in its place ends with it.
            let _ = toolbox.input(&at, "i:\n".to_owned(), DRAIN).await;
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
