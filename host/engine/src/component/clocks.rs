//! `wasi:clocks`: the sandbox's clock, and sleeps that a virtual one jumps over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sandpiper_kernel::World;
use wasmtime::Result;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::{HostWallClock, async_trait};

use super::Command;
use crate::store::State;

/// Longest single wait; a longer one ends with the sandbox's wall limit, which is at most this.
const MAX_WAIT: Duration = Duration::from_hours(366 * 24);

/// The real time.
pub(super) struct WallClock(Arc<World>);

impl WallClock {
    pub(super) fn new(world: Arc<World>) -> Self {
        Self(world)
    }
}

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(self.0.clock().resolution_ns())
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.clock().realtime_ns())
    }
}

pub(super) struct Clocks;

impl HasData for Clocks {
    type Data<'a> = View<'a>;
}

pub(super) struct View<'a> {
    world: &'a Arc<World>,
    table: &'a mut ResourceTable,
    timers: &'a Timers,
}

pub(super) fn view(state: &mut State<Command>) -> View<'_> {
    let Command { world, table, timers, .. } = &mut state.guest;
    View { world, table, timers }
}

impl View<'_> {
    fn timer(&mut self, due_ns: u64) -> Result<Resource<DynPollable>> {
        let timer = Timer { world: Arc::clone(self.world), due_ns, timers: self.timers.clone() };
        let timer = self.table.push(timer)?;
        subscribe(self.table, timer)
    }
}

impl monotonic_clock::Host for View<'_> {
    fn now(&mut self) -> Result<u64> {
        Ok(self.world.clock().monotonic_ns())
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(self.world.clock().resolution_ns())
    }

    fn subscribe_instant(&mut self, when: u64) -> Result<Resource<DynPollable>> {
        self.timer(when)
    }

    fn subscribe_duration(&mut self, duration: u64) -> Result<Resource<DynPollable>> {
        self.timer(self.world.clock().monotonic_stamp_ns().saturating_add(duration))
    }
}

/// When the timers that are waited for are due, with how many are at each time: a virtual clock jumps to
/// the first.
#[derive(Clone, Default)]
pub(super) struct Timers(Arc<Mutex<BTreeMap<u64, usize>>>);

impl Timers {
    fn wait_for(&self, due_ns: u64) -> Waiting<'_> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(due_ns).or_default() += 1;
        Waiting { timers: self, due_ns }
    }

    fn first(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().next().copied()
    }
}

struct Waiting<'a> {
    timers: &'a Timers,
    due_ns: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut timers = self.timers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = timers.get_mut(&self.due_ns) {
            *count -= 1;
            if *count == 0 {
                timers.remove(&self.due_ns);
            }
        }
    }
}

/// What a guest waits for when it sleeps.
struct Timer {
    world: Arc<World>,
    due_ns: u64,
    timers: Timers,
}

impl Timer {
    /// How long until it is due; `None` when it is.
    fn left_ns(&self) -> Option<u64> {
        self.due_ns.checked_sub(self.world.clock().monotonic_stamp_ns()).filter(|left| *left > 0)
    }
}

#[async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        let _waiting = self.timers.wait_for(self.due_ns);
        while let Some(left_ns) = self.left_ns() {
            if !self.world.clock().is_virtual() {
                tokio::time::sleep(Duration::from_nanos(left_ns).min(MAX_WAIT)).await;
                continue;
            }
            // What else is waited for is looked at, and others get to run, before the clock jumps. All
            // timers that are waited for together are known then.
            tokio::task::yield_now().await;
            if self.timers.first() == Some(self.due_ns) {
                self.world.clock().skip(self.left_ns().unwrap_or(0));
            }
        }
    }
}
