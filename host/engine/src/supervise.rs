//! Runs a guest's future under a deadline and a cancel switch, and counts its CPU time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use sandpiper_core::Control;

use crate::cpu_clock;

/// How supervised work ended.
#[derive(Debug)]
pub(crate) enum End<T> {
    /// By itself.
    Finished(T),
    /// The deadline passed; the work was dropped where it waited or yielded.
    Deadline,
    /// It was asked to end.
    Cancelled,
}

/// Polls `work` to its end, the deadline or the cancel switch, whichever is first; gives the CPU
/// time of the threads that polled it.
pub(crate) async fn supervise<F: Future>(
    work: F,
    deadline: Instant,
    control: &Control,
) -> (End<F::Output>, Duration) {
    let mut work = pin!(work);
    let mut timer = pin!(tokio::time::sleep_until(deadline.into()));
    let mut cancelled = pin!(control.cancelled());
    let mut cpu = Duration::ZERO;
    let end = poll_fn(|ctx| {
        // Looked at directly: a guest that only yields can starve the runtime's timer.
        if Instant::now() >= deadline {
            return Poll::Ready(End::Deadline);
        }
        if cancelled.as_mut().poll(ctx).is_ready() {
            return Poll::Ready(End::Cancelled);
        }
        let before = cpu_clock::now();
        let polled = work.as_mut().poll(ctx);
        cpu += cpu_clock::now().saturating_sub(before);
        match polled {
            Poll::Ready(output) => Poll::Ready(End::Finished(output)),
            Poll::Pending => timer.as_mut().poll(ctx).map(|()| End::Deadline),
        }
    })
    .await;
    (end, cpu)
}
