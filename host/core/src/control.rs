//! What the host can do to a command that runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::Stream;

/// Ends a running command, or closes one of its output streams. Clones control the same command.
#[derive(Clone, Debug)]
pub struct Control(Arc<State>);

#[derive(Debug)]
struct State {
    cancel: watch::Sender<bool>,
    closed: [AtomicBool; 2],
}

impl Default for Control {
    fn default() -> Self {
        Self(Arc::new(State { cancel: watch::Sender::new(false), closed: Default::default() }))
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
