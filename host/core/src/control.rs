//! What the host can do to a command that runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::Stream;

/// Ends or interrupts a running command, or closes one of its output streams. Clones control the same
/// command.
#[derive(Clone, Debug)]
pub struct Control(Arc<State>);

#[derive(Debug)]
struct State {
    cancel: watch::Sender<bool>,
    /// How often it was interrupted.
    interrupts: watch::Sender<u64>,
    closed: [AtomicBool; 2],
}

impl Default for Control {
    fn default() -> Self {
        Self(Arc::new(State {
            cancel: watch::Sender::new(false),
            interrupts: watch::Sender::new(0),
            closed: Default::default(),
        }))
    }
}

impl Control {
    /// Asks the command to end with [`Exit::Cancelled`](crate::Exit::Cancelled); asking twice is
    /// asking once.
    pub fn cancel(&self) {
        self.0.cancel.send_replace(true);
    }

    /// Waits until the command is asked to end.
    pub async fn cancelled(&self) {
        let mut receiver = self.0.cancel.subscribe();
        // The sender lives in `self`, so the wait cannot fail.
        let _ = receiver.wait_for(|cancelled| *cancelled).await;
    }

    /// Sends `SIGINT` to the command's processes, as a terminal does for Ctrl-C. Of no effect where the
    /// command has not started yet, and where the backend knows no signals.
    pub fn interrupt(&self) {
        self.0.interrupts.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Waits for interrupts from now on, and calls `each` for each; it does not end.
    pub async fn interrupted(&self, mut each: impl FnMut()) {
        let mut receiver = self.0.interrupts.subscribe();
        // The sender lives in `self`, so the wait cannot fail.
        while receiver.changed().await.is_ok() {
            each();
        }
    }

    /// Closes a stream: the guest's next write to it fails with `EPIPE`, as to a pipe whose reader
    /// has gone.
    pub fn close(&self, stream: Stream) {
        self.flag(stream).store(true, Ordering::Relaxed);
    }

    /// Whether a stream was closed.
    pub fn is_closed(&self, stream: Stream) -> bool {
        self.flag(stream).load(Ordering::Relaxed)
    }

    fn flag(&self, stream: Stream) -> &AtomicBool {
        let [stdout, stderr] = &self.0.closed;
        match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        }
    }
}
