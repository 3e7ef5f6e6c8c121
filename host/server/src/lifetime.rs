//! The end of sandboxes whose life is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;
use crate::held::{Held, OnExpiry};
use crate::registry::Registry;

/// When an end that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Ends sandboxes as their lives are over; it never returns, and its owner ends it.
pub(crate) async fn end_lives(registry: Arc<Registry>) {
    loop {
        let changed = registry.lives_changed.notified();
        let (over, next) = registry.expired();
        let mut failed = false;
        for held in over {
            let ended = match held.life().on_expiry {
                OnExpiry::Close | OnExpiry::Destroy => registry.close(&held.id).await,
                OnExpiry::Pause => pause(&registry, &held).await,
            };
            failed |= ended.is_err();
        }
        let again = failed.then(|| Instant::now() + AGAIN);
        let wake = again.into_iter().chain(next).min();
        tokio::select! {
            () = changed => {}
            () = async {
                match wake {
                    Some(wake) => tokio::time::sleep_until(wake).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    }
}

/// Sets a sandbox aside; one that the backend no longer has is no more.
async fn pause(registry: &Arc<Registry>, held: &Held) -> Result<(), Failure> {
    let end_processes = |held: &Held| {
        // With a backend that cannot keep what runs, the files are worth more than the processes.
        if !held.capabilities.pause_keeps_processes {
            held.end_all("the sandbox was paused");
        }
    };
    match registry.pause_after(&held.id, end_processes).await {
        Err(Failure::NotFound(_)) => registry.close(&held.id).await,
        paused => paused,
    }
}
