//! Everything the command prints: streamed output, outcomes, errors.

use base64::Engine as _;
use sandpiper::wall::Wall;
use sandpiper::{Captured, Control, Denial, Event, Exit, Outcome, ProcessUsage, Stream, Usage};
use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// Writes output as it comes, each stream to its own. A stream whose reader has gone is closed for
/// the guest too.
///
/// # Errors
/// The first failure to write that is not a reader gone: output was lost.
pub(crate) async fn stream(mut events: mpsc::Receiver<Event>, control: &Control) -> std::io::Result<()> {
    let mut lost = Ok(());
    let mut screen = Screen::default();
    while let Some(event) = events.recv().await {
        let Event::Output { stream, bytes } = event else { continue };
        let written = screen.write(stream, &bytes, control).await;
        lost = lost.and(written);
    }
    lost
}

/// Where output goes: each stream to its own.
pub(crate) struct Screen {
    stdout: tokio::io::Stdout,
    stderr: tokio::io::Stderr,
}

impl Default for Screen {
    fn default() -> Self {
        Self { stdout: tokio::io::stdout(), stderr: tokio::io::stderr() }
    }
}

impl Screen {
    /// Writes output; what cannot be written closes the stream for the guest too.
    ///
    /// # Errors
    /// A failure that is not a reader gone.
    pub(crate) async fn write(
        &mut self,
        stream: Stream,
        bytes: &[u8],
        control: &Control,
    ) -> std::io::Result<()> {
        let written = match stream {
            Stream::Stdout => write(&mut self.stdout, bytes).await,
            Stream::Stderr => write(&mut self.stderr, bytes).await,
        };
        match written {
            Ok(()) => Ok(()),
            Err(err) => {
                control.close(stream);
                if err.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(err) }
            }
        }
    }
}

/// Whether both streams go to a terminal.
pub(crate) fn is_to_terminal() -> bool {
    is_output_to_terminal() && is_error_to_terminal()
}

/// Whether what a person is told goes to a terminal.
pub(crate) fn is_error_to_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal()
}

/// Whether what a command prints goes to a terminal.
pub(crate) fn is_output_to_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stdout().is_terminal()
}

/// Clears the line of the terminal on which the cursor is.
pub(crate) fn clear_line() {
    use std::io::Write;
    // Without it the line is only printed twice.
    let _ = write!(std::io::stdout(), "\r\x1b[K").and_then(|()| std::io::stdout().flush());
}

async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

/// The outcome as `--json` prints it.
#[derive(Serialize)]
struct Report<'a> {
    exit: &'a Exit,
    exit_code: u8,
    usage: &'a Usage,
    processes: &'a [ProcessUsage],
    denials: &'a [Denial],
    #[serde(skip_serializing_if = "Option::is_none")]
    wall: Option<WallReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worktree: Option<&'a serde_json::Value>,
    stdout: Text,
    stderr: Text,
}

/// Which parts of the wall around this process hold, and why others do not.
#[derive(Serialize)]
struct WallReport<'a> {
    held: Vec<&'static str>,
    missing: Vec<MissingPart<'a>>,
}

#[derive(Serialize)]
struct MissingPart<'a> {
    part: &'static str,
    reason: &'a str,
}

impl<'a> From<&'a Wall> for WallReport<'a> {
    fn from(wall: &'a Wall) -> Self {
        let missing = wall.missing.iter();
        Self {
            held: wall.held.iter().map(|part| part.name()).collect(),
            missing: missing.map(|(part, reason)| MissingPart { part: part.name(), reason }).collect(),
        }
    }
}

/// Output as text, or in base64 where it is not UTF-8.
#[derive(Serialize)]
struct Text {
    #[serde(rename = "text", skip_serializing_if = "Option::is_none")]
    utf8: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    cut: bool,
}

impl From<&Captured> for Text {
    fn from(captured: &Captured) -> Self {
        let utf8 = std::str::from_utf8(&captured.bytes).ok().map(str::to_owned);
        let base64 =
            utf8.is_none().then(|| base64::engine::general_purpose::STANDARD.encode(&captured.bytes));
        Self { utf8, base64, cut: captured.cut }
    }
}

/// The outcome as one line of JSON.
pub(crate) fn outcome_as_json(
    outcome: &Outcome,
    wall: Option<&Wall>,
    worktree: Option<&serde_json::Value>,
) -> serde_json::Result<String> {
    serde_json::to_string(&Report {
        exit: &outcome.exit,
        exit_code: outcome.exit.code(),
        usage: &outcome.usage,
        processes: &outcome.processes,
        denials: &outcome.denials,
        wall: wall.map(WallReport::from),
        worktree,
        stdout: (&outcome.stdout).into(),
        stderr: (&outcome.stderr).into(),
    })
}

/// Prints a line to stdout.
pub(crate) fn line(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Where what other programs read goes.
pub(crate) fn output() -> std::io::Stdout {
    std::io::stdout()
}

/// Prints bytes to stdout as they are.
pub(crate) fn bytes(bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut stdout = std::io::stdout();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Prints output that was kept; nothing more to a stream whose reader has gone.
///
/// # Errors
/// A failure that is not a reader gone.
pub(crate) fn replay(events: &[Event]) -> std::io::Result<()> {
    use std::io::Write;
    for event in events {
        let Event::Output { stream, bytes: output } = event else { continue };
        let written = match stream {
            Stream::Stdout => bytes(output),
            Stream::Stderr => std::io::stderr().write_all(output),
        };
        written
            .or_else(|err| if err.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(err) })?;
    }
    Ok(())
}

/// Says on stderr how a guest ended that did not end by itself.
pub(crate) fn end(outcome: &Outcome) {
    if let Some(explanation) = crate::run::explanation(&outcome.exit) {
        note(&explanation);
    }
}

/// Prints lines for a person to stderr.
pub(crate) fn notes(texts: &[String]) {
    for text in texts {
        note(text);
    }
}

/// Prints a question for a person to stderr, who answers behind it.
///
/// # Errors
/// Where it cannot be written.
pub(crate) fn question(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut stderr = std::io::stderr();
    write!(stderr, "sandpiper: {text}")?;
    stderr.flush()
}

/// Prints a line for a person to stderr.
pub(crate) fn note(text: &str) {
    use std::io::Write;
    // A closed stderr leaves nowhere to say so.
    let _ = writeln!(std::io::stderr(), "sandpiper: {text}");
}
