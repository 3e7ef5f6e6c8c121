//! Stops, archives and deletes sandboxes as their intervals ask for.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::control;
use super::desk::{Desk, Due};
use crate::held::Held;
use crate::registry::Registry;

/// How often it is looked; intervals are minutes.
const LOOK: Duration = Duration::from_secs(5);

/// Looks after the intervals of all sandboxes; it never returns, and its owner ends it.
pub(crate) async fn watch_activity(registry: Arc<Registry>) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        for held in registry.list(&std::collections::BTreeMap::new()) {
            // What fails is tried again at the next look.
            let _ = look(&registry, &held).await;
        }
    }
}

async fn look(registry: &Arc<Registry>, held: &Arc<Held>) -> Result<(), crate::failure::Failure> {
    // Without a desk, no client of this face has seen it, and it has no intervals.
    let desk = Desk::of(held)?;
    let due = desk.changing().due(held.life().phase, Instant::now());
    match due {
        Some(Due::Stop) => control::stop_sandbox(registry, held).await,
        Some(Due::Archive) => {
            desk.archive();
            Ok(())
        }
        Some(Due::Delete) => registry.close(&held.id).await,
        None => Ok(()),
    }
}
