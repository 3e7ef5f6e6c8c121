//! What a command's log says, as far as it has come and was passed on.

use std::collections::VecDeque;

use sandpiper_core::{Control, Error, Event, Exec, Exit, Limits, Quota, Refusal, Stream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::NAME;
use super::command::{Log, Said, WhyNot, depth};
use super::ending::Ending;
use super::exec::DRAIN;
use super::follow::Follow;
use super::signal::First;
use super::toolbox::Toolbox;

/// A command, and what is known of it while it runs.
pub(super) struct Heard {
    pub(super) exec: Exec,
    pub(super) limits: Limits,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) control: Control,
    pub(super) toolbox: Toolbox,
    /// Its session, which ends with this.
    pub(super) session: Ending,
    /// Where its log comes from, once there is one.
    pub(super) log: Option<Follow>,
    lines: Log,
    /// What has come, and is not passed on yet.
    waiting: VecDeque<Said>,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    pub(super) written: u64,
    pub(super) started: bool,
    pub(super) exit: Option<Exit>,
    /// It did not start for a reason that is no fault of the guest.
    pub(super) refused: Option<Error>,
}

/// A stream of its output.
#[derive(Default)]
pub(super) struct Output {
    /// Nothing more comes of it.
    closed: bool,
    pub(super) cut: bool,
    /// Who writes to it has been told that nobody reads.
    abandoned: bool,
}

impl Heard {
    pub(super) fn new(
        toolbox: Toolbox,
        exec: Exec,
        limits: Limits,
        (events, control): (mpsc::Sender<Event>, Control),
    ) -> Self {
        Self {
            exec,
            limits,
            events,
            control,
            session: Ending::new(toolbox.clone()),
            toolbox,
            log: None,
            lines: Log::default(),
            waiting: VecDeque::new(),
            stdout: Output::default(),
            stderr: Output::default(),
            written: 0,
            started: false,
            exit: None,
            refused: None,
        }
    }

    /// Whether the command has ended, or was not started.
    pub(super) fn is_over(&self) -> bool {
        self.exit.is_some() || self.refused.is_some()
    }

    /// Whether nothing more comes of either stream.
    pub(super) fn is_silent(&self) -> bool {
        self.stdout.closed && self.stderr.closed
    }

    /// Waits for more of the log; whether there is. Behind the command's end it waits for [`DRAIN`], where it is not
    /// on its way to the log. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the log can no longer be followed, or is none.
    pub(super) async fn listen(&mut self) -> Result<bool, Error> {
        let quiet = self.is_over().then_some(DRAIN);
        let Some(log) = &mut self.log else { return Err(protocol("a command has no log")) };
        let Some(bytes) = log.next(quiet).await? else { return Ok(false) };
        match self.lines.take(&bytes) {
            Ok(said) => {
                self.waiting.extend(said);
                Ok(true)
            }
            // Where a sandbox has ended, so has its log, wherever that was.
            Err(what) => Err(self.toolbox.explain(protocol(&what)).await),
        }
    }

    /// Passes on what has come; gives why the command has to be ended, if it has. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why a stream could not be closed.
    pub(super) async fn pass_on(&mut self) -> Result<Option<Exit>, Error> {
        let events = self.events.clone();
        while let Some(said) = self.waiting.front() {
            let room = match said {
                // Without a receiver nobody is interested.
                Said::Output(stream, _) if !self.control.is_closed(*stream) => events.reserve().await.ok(),
                _ => None,
            };
            match self.waiting.pop_front() {
                Some(Said::Output(stream, mut bytes)) => {
                    let left = usize::try_from(self.limits.output_bytes - self.written).unwrap_or(usize::MAX);
                    let over = bytes.len() > left;
                    bytes.truncate(left);
                    self.written += bytes.len() as u64;
                    if let Some(room) = room
                        && !bytes.is_empty()
                    {
                        room.send(Event::Output { stream, bytes });
                    }
                    if over {
                        self.output(stream).cut = true;
                        self.exit = None;
                        return Ok(Some(Exit::Quota { quota: Quota::Output }));
                    }
                    self.abandon(stream).await?;
                }
                Some(said) => self.take(said),
                None => {}
            }
        }
        Ok(None)
    }

    /// Tells who writes to a stream that it is closed, once.
    async fn abandon(&mut self, stream: Stream) -> Result<(), Error> {
        if !self.control.is_closed(stream) || self.exit.is_some() || !self.session.is_open() {
            return Ok(());
        }
        if std::mem::replace(&mut self.output(stream).abandoned, true) {
            return Ok(());
        }
        self.session.close(stream).await
    }

    fn take(&mut self, said: Said) {
        match said {
            Said::Started { pid, leads } => {
                self.session.first = Some(First { pid, leads, depth: depth(&self.exec) });
                // The command has its input open, and the file is removed.
                self.session.files.clear();
                self.started = true;
            }
            Said::Closed(stream) => self.output(stream).closed = true,
            // The program between tells the shell's status of what did not start as well.
            Said::Ended(_) if self.is_over() => {}
            Said::Ended(exit) => self.exit = Some(exit),
            Said::NotStarted(why) => self.not_started(why),
            Said::Output(..) => {}
        }
    }

    fn not_started(&mut self, why: WhyNot) {
        let command = self.exec.argv.first().cloned().unwrap_or_default();
        match why {
            WhyNot::Missing => self.exit = Some(Exit::NotFound { command }),
            WhyNot::Denied => {
                let reason = "is no program that can be executed".to_owned();
                self.exit = Some(Exit::NotRunnable { command, reason });
            }
            WhyNot::Directory => {
                let cwd = self.exec.cwd.as_deref().unwrap_or("/");
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

    /// Says of each stream whose end has not come that there may be more of it.
    pub(super) fn cut_open(&mut self) {
        if self.log.is_some() {
            self.stdout.cut |= !self.stdout.closed;
            self.stderr.cut |= !self.stderr.closed;
        }
    }

    /// Ends the command where it runs, and has what it printed before arrive, as far as that comes soon: the streams
    /// come by different ways, of which one may be late.
    pub(super) async fn kill(&mut self) {
        if self.exit.is_none() && !self.session.is_open() {
            // It has printed nothing, and ends with its session.
            return;
        }
        let arrived = async {
            if self.exit.is_none() {
                self.session.kill().await?;
            }
            while self.log.is_some() && self.pass_on().await?.is_none() && !self.is_silent() {
                if !self.listen().await? {
                    break;
                }
            }
            Ok::<(), Error>(())
        };
        // What goes wrong here is found again when the session is ended.
        let _ = timeout(DRAIN, arrived).await;
    }
}

pub(super) fn protocol(what: &str) -> Error {
    Error::Protocol { backend: NAME.to_owned(), action: "follow a command", what: what.to_owned() }
}
