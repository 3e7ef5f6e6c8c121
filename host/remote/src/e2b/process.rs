//! A command from its start to its end, under its limits.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use sandpiper_core::{
    BoxFuture, Captured, Control, Error, Event, Exec, Exit, FileErrorKind, Outcome, Quota, Refusal, Running,
    Signalled, Stdin, Stream, Usage,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::NAME;
use super::arguments::{Begins, arguments};
use super::create::random_id;
use super::files::E2bFiles;
use super::kill::{self, Guard, MARK, Target};
use super::sandbox::Shared;
use super::shell::{self, Place};
use super::stdin;
use super::stream::{Feed, Heard};
use crate::quote::quoted;

/// Events that wait to be taken.
const EVENTS: usize = 16;
/// Most bytes of an event.
const MAX_EVENT_BYTES: usize = 64 << 10;
/// How long a command that was ended may take to be over.
const GRACE: Duration = Duration::from_secs(15);
/// How long output waits for somebody who takes it when the command is over by a limit.
const LAST_OUTPUT: Duration = Duration::from_secs(1);
const BROKEN_PIPE: u8 = 13;
/// Least time between two signals of a broken pipe: each is a command of its own in the sandbox, and output comes
/// hundreds of times a second.
const BROKEN_PIPE_AGAIN: Duration = Duration::from_secs(1);
const INTERRUPT: u8 = 2;

/// See [`sandpiper_core::Sandbox::spawn`].
pub(super) fn spawn(shared: &Arc<Shared>, exec: Exec) -> Result<Running, Error> {
    exec.check()?;
    if let Some(operation) = exec.for_host_alone() {
        return Err(Error::Unsupported { backend: NAME.to_owned(), operation });
    }
    stdin::check(shared, &exec.stdin)?;
    let (sender, events) = mpsc::channel(EVENTS);
    let control = Control::default();
    let command = Command { shared: Arc::clone(shared), exec, events: sender, control: control.clone() };
    Ok(Running::new(events, Box::pin(command.run()), control))
}

struct Command {
    shared: Arc<Shared>,
    exec: Exec,
    events: mpsc::Sender<Event>,
    control: Control,
}

/// A piece of work beside the output: input that is sent, or an end that is asked for.
type Work = BoxFuture<'static, Result<(), Error>>;

impl Command {
    async fn run(self) -> Result<Outcome, Error> {
        let Self { shared, exec, events, control } = self;
        let Exec { argv, env, cwd, stdin, .. } = exec;
        let begun = Instant::now();
        if control.cancelled().now_or_never().is_some() {
            return Ok(Output::new(events, 0).outcome(Exit::Cancelled, begun, false));
        }
        let deadline = begun + shared.wall;
        let begins = if cwd.is_some() { Begins::WhereTold } else { Begins::InWorkspace };
        let place = Place {
            env: env.into_iter().collect::<BTreeMap<_, _>>(),
            cwd: cwd.unwrap_or_else(|| "/".to_owned()),
        };
        let tag = random_id()?;
        let request = if shared.direct_commands {
            direct(&shared, &place, begins, &argv, &tag).await
        } else {
            request(&place, begins, &argv, &stdin, &tag)
        };
        let request = with_stdin(request, &stdin);
        // Envd ends the command a little later by itself, for hosts that cannot any more.
        let mut feed = Feed::start(&shared, request, &tag, shared.wall + GRACE);
        let mut guard = Guard::new(&shared);
        guard.target = Some(feed.target());

        let (signal_tx, mut signals) = mpsc::unbounded_channel();
        let mut watch = Box::pin(control.signalled(|signalled| {
            let _ = signal_tx.send(signalled);
        }));
        let mut cancelled = Box::pin(control.cancelled());
        let (mut pumping, mut killing, mut signalling): (Option<Work>, Option<Work>, Option<Work>) =
            (None, None, None);
        let mut stdin = Some(stdin);
        let mut output = Output::new(events, shared.output_bytes);
        let mut ending: Option<Ending> = None;
        let mut pipe_broken: Option<Instant> = None;

        let exit = loop {
            let due = ending.as_ref().map_or(deadline, |ending| ending.latest);
            let mut end = None;
            tokio::select! {
                biased;
                () = &mut cancelled, if ending.is_none() => end = Some(Exit::Cancelled),
                () = sleep_until(due) => match ending {
                    None => end = Some(Exit::Timeout),
                    Some(_) => return Err(not_ended(&feed.target().selector)),
                },
                result = work(&mut killing) => {
                    killing = None;
                    result?;
                }
                result = work(&mut pumping) => {
                    pumping = None;
                    result?;
                }
                result = work(&mut signalling) => {
                    signalling = None;
                    // As with `kill`, the command may be over; that it cannot be reached shows elsewhere.
                    let _ = result;
                }
                () = &mut watch => {}
                Some(signalled) = signals.recv(), if signalling.is_none() && ending.is_none() => {
                    let (shared, target) = (Arc::clone(&shared), feed.target());
                    signalling = Some(Box::pin(async move {
                        match signalled {
                            Signalled::Interrupt => kill::signal_all(&shared, &target, INTERRUPT).await,
                            Signalled::Signal(signal) => kill::signal(&shared, &target, signal).await,
                        }
                    }));
                }
                () = output.send(), if !output.is_empty() => {}
                heard = feed.next(), if output.is_empty() || ending.is_some() => match heard {
                    Err(err @ Error::Backend { .. }) if !feed.has_started() => {
                        guard.target = None;
                        return Err(of_directory(&shared, &place.cwd, err).await);
                    }
                    Err(err) => return Err(err),
                    Ok(heard) => match heard {
                    Heard::Started => {
                        guard.target = Some(feed.target());
                        if let Some(stdin) = stdin.take().filter(|stdin| !matches!(stdin, Stdin::Empty)) {
                            let pump = stdin::pump(Arc::clone(&shared), feed.target().selector, stdin);
                            pumping = Some(Box::pin(pump));
                        }
                        // It was to end before it had a number.
                        if ending.is_some() {
                            killing = Some(end_later(&shared, feed.target()));
                        }
                    }
                    Heard::Output(stream, bytes) => {
                        let taken = output.take(stream, bytes, control.is_closed(stream), ending.is_some());
                        match taken {
                            Taken::Cut if ending.is_none() => {
                                end = Some(Exit::Quota { quota: Quota::Output });
                            }
                            Taken::Closed
                                if signalling.is_none()
                                    && pipe_broken.is_none_or(|last| last.elapsed() >= BROKEN_PIPE_AGAIN) =>
                            {
                                pipe_broken = Some(Instant::now());
                                let (shared, target) = (Arc::clone(&shared), feed.target());
                                signalling = Some(Box::pin(async move {
                                    kill::signal_all(&shared, &target, BROKEN_PIPE).await
                                }));
                            }
                            Taken::Whole | Taken::Cut | Taken::Closed => {}
                        }
                    }
                    Heard::Ended(exit) => break exit,
                    Heard::Vanished(err) => match ending {
                        // It was to end, and it has.
                        Some(Ending { ref exit, .. }) => break exit.clone(),
                        None => return Err(err),
                    },
                    },
                },
            }
            if let Some(exit) = end {
                ending = Some(Ending { exit, latest: Instant::now() + GRACE });
                pumping = None;
                killing = Some(end_later(&shared, feed.target()));
            }
        };
        guard.target = None;
        output.finish().await;
        let exit = match ending {
            Some(ending) => ending.exit,
            None => of_lookup(&shared, &place, &argv, exit).await,
        };
        Ok(output.outcome(exit, begun, feed.broke))
    }
}

/// A command that was ended.
struct Ending {
    exit: Exit,
    latest: Instant,
}

async fn work(work: &mut Option<Work>) -> Result<(), Error> {
    match work {
        Some(work) => work.as_mut().await,
        None => pending().await,
    }
}

fn end_later(shared: &Arc<Shared>, target: Target) -> Work {
    let shared = Arc::clone(shared);
    Box::pin(async move { kill::end(&shared, &target).await })
}

fn not_ended(selector: &Value) -> Error {
    Error::Unreachable {
        backend: NAME.to_owned(),
        action: "end a command",
        source: format!("the command {selector} was not over {GRACE:?} after that, and may still run").into(),
    }
}

fn request(place: &Place, begins: Begins, argv: &[String], stdin: &Stdin, tag: &str) -> Value {
    let fed = !matches!(stdin, Stdin::Empty);
    let mut marked = place.clone();
    marked.env.insert(MARK.to_owned(), tag.to_owned());
    // Bash is not told of the mark once more, so that its arguments are the command's.
    marked.request(&arguments(argv, &place.env, fed, begins), tag)
}

/// The same without a shell, which would be what gets the signals of the command in a sandbox of WebAssembly.
async fn direct(shared: &Arc<Shared>, place: &Place, begins: Begins, argv: &[String], tag: &str) -> Value {
    const WORKSPACE: &str = "/workspace";
    let has_workspace = begins == Begins::InWorkspace
        && E2bFiles::new(Arc::clone(shared)).is_directory(WORKSPACE).await == Ok(true);
    let cwd = if has_workspace { WORKSPACE } else { place.cwd.as_str() };
    let (command, arguments) = argv.split_first().unzip();
    let arguments = arguments.unwrap_or_default();
    json!({ "process": {"cmd": command, "args": arguments, "envs": place.env, "cwd": cwd}, "tag": tag })
}

fn with_stdin(mut request: Value, stdin: &Stdin) -> Value {
    if let Some(fields) = request.as_object_mut() {
        fields.insert("stdin".to_owned(), json!(matches!(stdin, Stdin::Bytes(_) | Stdin::Stream(_))));
        if let Stdin::Terminal(_) = stdin {
            fields.insert("pty".to_owned(), json!({"size": {"cols": 80, "rows": 24}}));
        }
    }
    request
}

/// `127` is what a shell says of a command that is not there, `126` of one that cannot be run, and what a
/// command may say itself: so the command is looked for.
async fn of_lookup(shared: &Arc<Shared>, place: &Place, argv: &[String], exit: Exit) -> Exit {
    let (Exit::Code { code: code @ (126 | 127) }, Some(command)) = (&exit, argv.first()) else { return exit };
    let line = format!(
        "name={}; case $name in */*) ;; *) name=$(type -P -- \"$name\") ;; esac; \
         if [ -z \"$name\" ]; then echo missing; elif [ -d \"$name\" ]; then echo directory; \
         elif [ ! -e \"$name\" ]; then echo missing; elif [ ! -x \"$name\" ]; then echo mode; fi",
        quoted(command)
    );
    let Ok(done) = shell::run(shared, &line, place).await else { return exit };
    let command = command.clone();
    match (code, done.stdout.as_slice()) {
        (127, b"missing\n") => Exit::NotFound { command },
        (126, b"directory\n") => Exit::NotRunnable { command, reason: "it is a directory".to_owned() },
        (126, b"mode\n") => Exit::NotRunnable { command, reason: "it may not be executed".to_owned() },
        _ => exit,
    }
}

/// What a refusal to start a command means: the directory that it was to begin in may be none.
async fn of_directory(shared: &Arc<Shared>, cwd: &str, err: Error) -> Error {
    let wrong = match E2bFiles::new(Arc::clone(shared)).is_directory(cwd).await {
        Ok(false) => "is no directory".to_owned(),
        Err(FileErrorKind::NotFound) => "is not there".to_owned(),
        Err(FileErrorKind::NotADirectory) => "leads through what is no directory".to_owned(),
        Ok(true) | Err(_) => return err,
    };
    Error::Refused(Refusal::Exec { what: format!("the working directory {cwd} {wrong}") })
}

/// Output on its way to who takes it.
struct Output {
    events: mpsc::Sender<Event>,
    waiting: VecDeque<(Stream, Bytes)>,
    limit: u64,
    written: u64,
    cut: [bool; 2],
}

/// What became of a piece of output.
enum Taken {
    /// It is on its way.
    Whole,
    /// There is more of it than the limit allows.
    Cut,
    /// Nobody reads it.
    Closed,
}

impl Output {
    fn new(events: mpsc::Sender<Event>, limit: u64) -> Self {
        Self { events, waiting: VecDeque::new(), limit, written: 0, cut: [false; 2] }
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn take(&mut self, stream: Stream, bytes: Bytes, closed: bool, ending: bool) -> Taken {
        let room = usize::try_from(self.limit.saturating_sub(self.written)).unwrap_or(usize::MAX);
        let mut kept = bytes;
        let fits = kept.len() <= room;
        kept.truncate(room);
        self.written += kept.len() as u64;
        if closed {
            return if fits { Taken::Closed } else { Taken::Cut };
        }
        // A command that is ended may go on to write for a while; what waits is bounded.
        if ending && self.waiting.len() >= EVENTS {
            self.mark(stream);
            return Taken::Cut;
        }
        while !kept.is_empty() {
            let piece = kept.split_to(kept.len().min(MAX_EVENT_BYTES));
            self.waiting.push_back((stream, piece));
        }
        if fits {
            return Taken::Whole;
        }
        self.mark(stream);
        Taken::Cut
    }

    fn mark(&mut self, stream: Stream) {
        let [stdout, stderr] = &mut self.cut;
        *(if stream == Stream::Stdout { stdout } else { stderr }) = true;
    }

    /// Gives one piece to who takes events; where nobody does, all of it is for nothing.
    async fn send(&mut self) {
        match self.events.reserve().await {
            Ok(permit) => {
                if let Some((stream, bytes)) = self.waiting.pop_front() {
                    permit.send(Event::Output { stream, bytes });
                }
            }
            Err(_) => self.waiting.clear(),
        }
    }

    /// Gives away what still waits after a command was ended.
    async fn finish(&mut self) {
        while !self.is_empty() {
            if timeout(LAST_OUTPUT, self.send()).await.is_err() {
                for (stream, _) in std::mem::take(&mut self.waiting) {
                    self.mark(stream);
                }
            }
        }
    }

    fn outcome(self, exit: Exit, begun: Instant, broke: bool) -> Outcome {
        let [stdout, stderr] = self.cut;
        let captured = |cut: bool| Captured { bytes: Vec::new(), cut: cut || broke };
        Outcome {
            exit,
            usage: Usage {
                wall_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                bytes_written: self.written,
                ..Usage::default()
            },
            processes: Vec::new(),
            denials: Vec::new(),
            stdout: captured(stdout),
            stderr: captured(stderr),
        }
    }
}
