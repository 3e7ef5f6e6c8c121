//! `sandpiper shell`: an interactive bash in a sandbox, whose lines are edited here.
//!
//! The guest's terminal is made of two things: what it writes is printed, and where it reads, a line is read
//! at the real terminal, with the last line that was printed as the prompt. Whoever edits lines needs no
//! other sign than that the guest reads, so it holds for every program in the sandbox.

use std::io::{self, IsTerminal};
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::{Buf, Bytes};
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use sandpiper::policy::Backend;
use sandpiper::wall::{Terminal, Wall};
use sandpiper::{Control, Event, Exec, Limits, Running, Stdin};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep};

use crate::arguments::ShellArguments;
use crate::journaled::{About, Journaled};
use crate::run::{self, Ready};
use crate::{policy, render};

/// How long a session may take where nothing else is asked for.
const SESSION: Duration = Duration::from_hours(12);
/// What it may print.
const SESSION_OUTPUT_BYTES: u64 = 1 << 30;

/// bash's prompt, unless the user sets another.
const PROMPT: (&str, &str) = ("PS1", r"sandpiper:\w\$ ");

/// Bytes of the last line that was printed which are taken for a prompt.
const MAX_PROMPT_BYTES: usize = 4096;

/// What a guest is given to react to an interrupt, before a line is read for it again: a shell shows its
/// prompt.
const REACTION: Duration = Duration::from_millis(50);

type Editor = rustyline::Editor<(), MemHistory>;

pub(crate) fn shell(arguments: &ShellArguments) -> Result<ExitCode> {
    let terminal = io::stdin().is_terminal() && render::is_to_terminal();
    let mut argv = vec!["bash".to_owned(), "-l".to_owned()];
    if terminal && arguments.arguments.is_empty() {
        argv.push("-i".to_owned());
    }
    argv.extend(arguments.arguments.iter().cloned());
    let (lines, desk) = terminal.then(desk).transpose()?.unzip();
    let policy = policy::of_run(&arguments.sandbox, Some(Backend::Wasm), false)?;
    let (variables, secrets) = policy::variables(&policy, Backend::Wasm)?;
    let mut env = vec![(PROMPT.0.to_owned(), PROMPT.1.to_owned())];
    env.extend(variables);
    let exec = Exec {
        argv,
        env,
        cwd: arguments.sandbox.cwd.clone(),
        stdin: lines.map_or_else(run::stdin, |lines| Stdin::Terminal(Box::new(lines))),
        ..Exec::default()
    };
    let mut spec = run::spec(&arguments.sandbox, &policy, None)?;
    lengthen(&mut spec.limits);
    let use_of_terminal = if desk.is_some() { Terminal::Edited } else { Terminal::LeftAlone };
    let (ready, journaled) =
        Ready::new(&spec, exec, arguments.sandbox.wall, use_of_terminal, |exec, _, capabilities| {
            let about = About { secrets, ..About::default() };
            let mut journaled =
                Journaled::begin(arguments.sandbox.journal, (&spec, exec, Backend::Wasm.name()), about)?;
            if capabilities.tells_changes {
                journaled.follow_changes(&spec, None, exec);
            }
            Ok(journaled)
        })?;
    ready.run(async |running: Running, _: &Wall| {
        let (events, done, control) = running.split();
        let interrupts = interrupt_at_ctrl_c(&control);
        let outcome = async {
            match desk {
                Some(desk) => run::printing(done, desk.converse(events, &control), Duration::ZERO).await,
                None => run::printing(done, render::stream(events, &control), Duration::ZERO).await,
            }
        };
        let outcome = tokio::select! {
            outcome = outcome => outcome,
            () = interrupts => std::future::pending().await,
        };
        journaled.finish(&[], outcome.as_ref().map(|outcome| (outcome, &spec.limits)))?;
        let outcome = outcome?;
        render::end(&outcome);
        Ok(outcome.exit.code())
    })
}

/// Gives a session more than a run gets, where nobody has said how much.
fn lengthen(limits: &mut Limits) {
    let usual = Limits::default();
    if limits.wall == usual.wall {
        limits.wall = SESSION;
    }
    if limits.fuel == usual.fuel {
        limits.fuel = u64::MAX;
    }
    if limits.output_bytes == usual.output_bytes {
        limits.output_bytes = SESSION_OUTPUT_BYTES;
    }
}

/// Has the guest's processes interrupted at each Ctrl-C, and this one go on.
async fn interrupt_at_ctrl_c(control: &Control) {
    while tokio::signal::ctrl_c().await.is_ok() {
        control.interrupt();
    }
    std::future::pending::<()>().await;
}

/// The guest's end of the terminal, and ours.
fn desk() -> Result<(Lines, Desk)> {
    let (asks, asked) = mpsc::channel(1);
    let (answers, answered) = mpsc::channel(1);
    let config = rustyline::Config::builder().auto_add_history(true).build();
    let editor =
        Editor::with_history(config, MemHistory::new()).context("cannot edit lines at this terminal")?;
    let lines = Lines { asks, answered, waiting: false, pause: None, rest: Bytes::new() };
    Ok((lines, Desk { asked, answers, editor: Some(editor), last_line: Vec::new() }))
}

/// What reading at the terminal has come to.
enum Answer {
    Line(Bytes),
    /// Ctrl-D.
    End,
    /// Ctrl-C: whoever still wants a line asks again.
    Interrupted,
}

/// Standard input of the guest: asks for a line when it is read.
struct Lines {
    asks: mpsc::Sender<()>,
    answered: mpsc::Receiver<Answer>,
    waiting: bool,
    /// Before it asks again after an interrupt.
    pause: Option<Pin<Box<Sleep>>>,
    rest: Bytes,
}

impl AsyncRead for Lines {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            if !self.waiting {
                // There is room for one, and nobody else asks; without a desk there is no answer.
                let _ = self.asks.try_send(());
                self.waiting = true;
            }
            let answer = ready!(self.answered.poll_recv(context));
            self.waiting = false;
            match answer {
                Some(Answer::Line(line)) => self.rest = line,
                Some(Answer::Interrupted) => self.pause = Some(Box::pin(sleep(REACTION))),
                Some(Answer::End) | None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.rest.len().min(into.remaining());
        into.put_slice(self.rest.get(..count).unwrap_or_default());
        self.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}

/// Our end of the terminal.
struct Desk {
    asked: mpsc::Receiver<()>,
    answers: mpsc::Sender<Answer>,
    /// Not there while it reads a line.
    editor: Option<Editor>,
    /// What was printed since the last line end.
    last_line: Vec<u8>,
}

type Edited = (Editor, rustyline::Result<String>);

impl Desk {
    /// Prints what the guest prints, and reads lines where it asks for them and has nothing more to print.
    async fn converse(mut self, mut events: mpsc::Receiver<Event>, control: &Control) -> io::Result<()> {
        let mut screen = render::Screen::default();
        let mut editing: Option<JoinHandle<Edited>> = None;
        let _restored = Restored::new();
        loop {
            let edited = async {
                match &mut editing {
                    Some(editing) => editing.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(Event::Output { stream, bytes }) => {
                        self.note(&bytes);
                        screen.write(stream, &bytes, control).await?;
                    }
                    Some(_) => {}
                    None => return Ok(()),
                },
                edited = edited => {
                    editing = None;
                    let (editor, result) = edited.map_err(io::Error::other)?;
                    self.editor = Some(editor);
                    self.answer(result, control).await?;
                }
                Some(()) = self.asked.recv(), if self.editor.is_some() => {
                    if let Some(editor) = self.editor.take() {
                        editing = Some(self.edit(editor));
                    }
                }
            }
        }
    }

    fn note(&mut self, bytes: &[u8]) {
        if let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') {
            self.last_line.clear();
            self.last_line.extend_from_slice(bytes.get(end + 1..).unwrap_or_default());
        } else {
            self.last_line.extend_from_slice(bytes);
        }
        let long = self.last_line.len().saturating_sub(MAX_PROMPT_BYTES);
        self.last_line.drain(..long);
    }

    /// Reads a line in a thread of its own, with what stands on the last line as the prompt.
    fn edit(&mut self, mut editor: Editor) -> JoinHandle<Edited> {
        let prompt = String::from_utf8_lossy(&std::mem::take(&mut self.last_line)).into_owned();
        tokio::task::spawn_blocking(move || {
            // It is printed again by the editor.
            render::clear_line();
            let line = editor.readline(&prompt);
            (editor, line)
        })
    }

    async fn answer(&self, line: rustyline::Result<String>, control: &Control) -> io::Result<()> {
        let answer = match line {
            Ok(line) => Answer::Line(Bytes::from(line + "\n")),
            Err(ReadlineError::Eof) => Answer::End,
            Err(ReadlineError::Interrupted) => {
                control.interrupt();
                Answer::Interrupted
            }
            Err(ReadlineError::Io(err)) => return Err(err),
            Err(err) => return Err(io::Error::other(err)),
        };
        // Only a guest that has ended takes no answer.
        let _ = self.answers.send(answer).await;
        Ok(())
    }
}

/// The terminal's modes as they were, set again when this is dropped: a guest that is ended while a line is
/// edited leaves the editor behind.
struct Restored {
    #[cfg(unix)]
    modes: Option<rustix::termios::Termios>,
}

impl Restored {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            modes: rustix::termios::tcgetattr(io::stdin()).ok(),
        }
    }
}

#[cfg(unix)]
impl Drop for Restored {
    fn drop(&mut self) {
        if let Some(modes) = &self.modes {
            // Nobody is left to be told.
            let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, modes);
        }
    }
}
