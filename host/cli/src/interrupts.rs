//! What ends a command before it is over: Ctrl-C, the system's request to end, and the end of the process for which
//! this one does the work.

use anyhow::{Context, Result};
use tokio::sync::watch;

use self::platform::Signals;

/// Told once, when nobody wants any more what this process does.
pub(crate) type Caller = watch::Receiver<()>;

/// Hears all that comes from the moment on in which it was made, and so does each clone: nothing is lost while nobody
/// waits. Whether there was a request to end is kept.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts(watch::Receiver<bool>);

impl Interrupts {
    /// Listens as long as the runtime runs. A process that works for another leaves requests to end to that one, which
    /// says so by going away; a terminal's Ctrl-C comes to both.
    ///
    /// # Errors
    /// Where the system takes nobody who listens.
    pub(crate) fn listen(caller: Option<Caller>) -> Result<Self> {
        let mut signals = Signals::new().context("cannot listen for signals")?;
        let (heard, interrupts) = watch::channel(false);
        tokio::spawn(async move {
            let is_alone = caller.is_none();
            let mut caller_is_gone = std::pin::pin!(gone(caller));
            loop {
                let is_request = tokio::select! {
                    is_request = signals.next() => is_request,
                    () = &mut caller_is_gone => return heard.send_modify(|has_request| *has_request = true),
                };
                if is_alone || !is_request {
                    heard.send_modify(|has_request| *has_request |= is_request);
                }
            }
        });
        Ok(Self(interrupts))
    }

    /// Waits for the next.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for a request to end, which may have come already.
    pub(crate) async fn request(&mut self) {
        if self.0.wait_for(|has_request| *has_request).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn gone(caller: Option<Caller>) {
    let told = match caller {
        Some(mut caller) => caller.changed().await.is_ok(),
        None => false,
    };
    if !told {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
mod platform {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// Ctrl-C, and `SIGTERM` as a request.
    pub(super) struct Signals {
        interrupt: Signal,
        terminate: Signal,
    }

    impl Signals {
        pub(super) fn new() -> std::io::Result<Self> {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            })
        }

        /// Waits for the next; whether it is a request.
        pub(super) async fn next(&mut self) -> bool {
            tokio::select! {
                _ = self.interrupt.recv() => false,
                _ = self.terminate.recv() => true,
            }
        }
    }
}

#[cfg(windows)]
mod platform {
    use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, ctrl_break, ctrl_c, ctrl_close};

    /// Ctrl-C, and as requests Ctrl-Break, which is what a group of processes is sent, and the closing of the console.
    pub(super) struct Signals {
        interrupt: CtrlC,
        group: CtrlBreak,
        console: CtrlClose,
    }

    impl Signals {
        pub(super) fn new() -> std::io::Result<Self> {
            Ok(Self { interrupt: ctrl_c()?, group: ctrl_break()?, console: ctrl_close()? })
        }

        /// Waits for the next; whether it is a request.
        pub(super) async fn next(&mut self) -> bool {
            tokio::select! {
                _ = self.interrupt.recv() => false,
                _ = self.group.recv() => true,
                _ = self.console.recv() => true,
            }
        }
    }
}
