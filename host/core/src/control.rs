//! What the host can do to a command that runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{broadcast, watch};

use crate::Stream;

/// Signals that may wait for the command to take them.
const SIGNALS_WAITING: usize = 64;

/// What was sent to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    /// Ctrl-C, to all of its processes.
    Interrupt,
    /// A signal, by its number in Linux, to its first process.
    Signal(u8),
}

/// Ends or interrupts a running command, or closes one of its output streams. Clones control the same
/// command.
#[derive(Clone, Debug)]
pub struct Control(Arc<State>);

#[derive(Debug)]
struct State {
    cancel: watch::Sender<bool>,
    /// The signals that were sent, in their order.
    signals: broadcast::Sender<Signalled>,
    closed: [AtomicBool; 2],
}

impl Default for Control {
    fn default() -> Self {
        Self(Arc::new(State {
            cancel: watch::Sender::new(false),
            signals: broadcast::Sender::new(SIGNALS_WAITING),
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

    /// Sends `SIGINT` to all of the command's processes, as a terminal does for Ctrl-C. Of no effect where
    /// the command has not started yet, and where the backend knows no signals.
    pub fn interrupt(&self) {
        self.send(Signalled::Interrupt);
    }

    /// Sends a signal, by its number in Linux, to the command's first process, as `kill` does. Of no effect
    /// where [`Control::interrupt`] has none.
    pub fn signal(&self, signal: u8) {
        self.send(Signalled::Signal(signal));
    }

    fn send(&self, signalled: Signalled) {
        // Without a receiver the command has not started, or it has ended.
        let _ = self.0.signals.send(signalled);
    }

    /// Calls `each` for each signal that is sent from this call on, while the future is polled; it does not end.
    /// For backends.
    pub fn signalled(&self, mut each: impl FnMut(Signalled)) -> impl Future<Output = ()> {
        // Here, and not when the future is polled: what is sent in between would be lost.
        let mut receiver = self.0.signals.subscribe();
        async move {
            loop {
                match receiver.recv().await {
                    Ok(signalled) => each(signalled),
                    // As with signals of a system, of many at once some are one.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
                }
            }
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn a_signal_before_the_first_poll_is_taken() {
        let (control, mut taken) = (Control::default(), Vec::new());
        control.signal(9);
        {
            let mut signalled = pin!(control.signalled(|signalled| taken.push(signalled)));
            control.signal(15);
            control.interrupt();
            assert!(signalled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(taken, [Signalled::Signal(15), Signalled::Interrupt]);
    }
}
