//! A command of a session: its output so far, and how it ended.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sandpiper_core::Stream;
use tokio::sync::watch;

/// A command that was given to a session.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) id: String,
    pub(crate) text: String,
    /// Input that is sent to it is shown in its output.
    pub(crate) echo: bool,
    log: Mutex<Log>,
    /// Counts the changes of the log.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Log {
    chunks: Vec<(Stream, Bytes)>,
    started: bool,
    end: Option<End>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With this exit code.
    Exited(i32),
    /// It never ran: its session had ended before.
    NeverRan,
}

/// The whole output of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    /// Both streams, in the order in which they were written.
    pub(crate) output: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Command {
    pub(crate) fn new(id: String, text: String, echo: bool) -> Self {
        Self { id, text, echo, log: Mutex::default(), changes: watch::Sender::new(0) }
    }

    pub(crate) fn end(&self) -> Option<End> {
        self.log().end
    }

    /// Its exit code, as Daytona has one for commands that never ran.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        self.end().map(|end| match end {
            End::Exited(code) => code,
            End::NeverRan => 1,
        })
    }

    pub(crate) fn texts(&self) -> Texts {
        let (mut output, mut stdout, mut stderr) = (Vec::new(), Vec::new(), Vec::new());
        for (stream, bytes) in &self.log().chunks {
            output.extend_from_slice(bytes);
            match stream {
                Stream::Stdout => stdout.extend_from_slice(bytes),
                Stream::Stderr => stderr.extend_from_slice(bytes),
            }
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Texts { output: text(output), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Waits for output after the first `seen` pieces; `None` when there will be none.
    pub(crate) async fn output_after(&self, seen: usize) -> Option<Vec<(Stream, Bytes)>> {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            {
                let log = self.log();
                if let Some(new) = log.chunks.get(seen..).filter(|new| !new.is_empty()) {
                    return Some(new.to_vec());
                }
                if log.end.is_some() {
                    return None;
                }
            }
            // The sender lives in `self`, so the wait cannot fail.
            let _ = changes.changed().await;
        }
    }

    /// Waits until it runs, or will not.
    pub(super) async fn started(&self) {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            {
                let log = self.log();
                if log.started || log.end.is_some() {
                    return;
                }
            }
            let _ = changes.changed().await;
        }
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) -> End {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(end) = self.end() {
                return end;
            }
            let _ = changes.changed().await;
        }
    }

    pub(super) fn add(&self, stream: Stream, bytes: Bytes) {
        if !bytes.is_empty() {
            self.log().chunks.push((stream, bytes));
            self.changed();
        }
    }

    pub(super) fn set_started(&self) {
        self.log().started = true;
        self.changed();
    }

    pub(super) fn set_end(&self, end: End) {
        self.log().end.get_or_insert(end);
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // Nothing is left half done by a holder that panics.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
