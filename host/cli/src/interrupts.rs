//! What ends a command before it is over: Ctrl-C, the system's request to end, and the end of the process for which
//! this one does the work.

use tokio::sync::watch;

/// Who hears of it; each clone hears of it anew.
#[derive(Clone, Debug)]
pub(crate) enum Interrupts {
    /// Of the process that the person has started.
    Own,
    /// Of one that works for another, which says that it wants no more. A terminal's Ctrl-C comes to both; a request
    /// to end is for the other to hear, which says so then.
    Helper(watch::Receiver<()>),
}

impl Interrupts {
    /// Waits for the next.
    pub(crate) async fn next(&mut self) {
        match self {
            Self::Own => asked_to_end().await,
            Self::Helper(abandoned) => {
                tokio::select! {
                    () = interrupted() => {}
                    () = async { while abandoned.changed().await.is_err() { std::future::pending().await } } => {}
                    () = async { loop { terminated().await } } => {}
                }
            }
        }
    }
}

/// Ready at Ctrl-C, and where somebody asks this process to end.
pub(crate) async fn asked_to_end() {
    tokio::select! {
        () = interrupted() => {}
        () = terminated() => {}
    }
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Ready where somebody asks this process to end: SIGTERM.
#[cfg(unix)]
pub(crate) async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};

    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

/// Ready where somebody asks this process to end: Ctrl-Break, which is what a group of processes is sent, and the
/// closing of its console.
#[cfg(windows)]
pub(crate) async fn terminated() {
    use tokio::signal::windows::{ctrl_break, ctrl_close};

    match (ctrl_break(), ctrl_close()) {
        (Ok(mut ctrl_break), Ok(mut ctrl_close)) => {
            tokio::select! {
                _ = ctrl_break.recv() => {}
                _ = ctrl_close.recv() => {}
            }
        }
        _ => std::future::pending().await,
    }
}

#[cfg(not(any(unix, windows)))]
pub(crate) async fn terminated() {
    std::future::pending().await
}
