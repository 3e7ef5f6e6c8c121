//! `poll_oneoff`: waiting for times and descriptors.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use sandpiper_core::DenialReason;

use crate::abi::{
    ClockId, EVENT_BYTES, EventKind, Rights, SUBSCRIPTION_BYTES, Subscription, Wait, event, subscription,
};
use crate::description::{Description, Object};
use crate::fault::{Attempt, Failure};
use crate::input::Readiness;
use crate::vectors::PIECE_BYTES;
use crate::{Errno, Fault, Process, memory};

/// Most subscriptions of a call: each descriptor for both directions and a clock is far below.
const MAX_SUBSCRIPTIONS: u32 = 4096;

/// Longest single wait; a longer one ends with the sandbox's wall limit, which is at most this.
const MAX_WAIT: Duration = Duration::from_hours(366 * 24);

type Record = [u8; EVENT_BYTES];

/// A subscription with what is needed to ask whether it has come about.
enum Watch {
    /// Due when this clock has this time.
    Time {
        userdata: u64,
        clock: ClockId,
        due_ns: u64,
    },
    Descriptor {
        userdata: u64,
        kind: EventKind,
        description: Arc<Description>,
    },
    /// Known already.
    Done(Record),
}

impl Process {
    /// Waits until at least one of the subscriptions has come about, and writes an event for each that
    /// has.
    ///
    /// With a virtual clock the time jumps to the first due time instead, unless a descriptor is ready.
    ///
    /// # Errors
    /// `INVAL` for no subscriptions, too many (recorded) or unknown ones, `FAULT`. What is wrong with a
    /// single subscription is told in its event.
    pub async fn poll_oneoff(
        &mut self,
        memory: &mut [u8],
        subscriptions: u32,
        events: u32,
        count: u32,
        stored: u32,
    ) -> Result<(), Fault> {
        let result = self.poll(memory, subscriptions, events, count, stored).await;
        self.settle("poll_oneoff", None, result)
    }

    async fn poll(
        &mut self,
        memory: &mut [u8],
        subscriptions: u32,
        events: u32,
        count: u32,
        stored: u32,
    ) -> Attempt<()> {
        if count == 0 {
            return Err(Errno::INVAL.into());
        }
        if count > MAX_SUBSCRIPTIONS {
            return Err(Failure::denied(Errno::INVAL, DenialReason::SizeLimit));
        }
        let slots = usize::try_from(count).map_err(|_| Errno::INVAL)?;
        memory::check(memory, stored, 4)?;
        memory::check(memory, events, slots * EVENT_BYTES)?;
        let list = memory::bytes(memory, subscriptions, memory::count(slots * SUBSCRIPTION_BYTES)?)?;
        let mut watches = Vec::with_capacity(slots);
        for bytes in list.chunks_exact(SUBSCRIPTION_BYTES) {
            let bytes = bytes.try_into().map_err(|_| Errno::FAULT)?;
            watches.push(self.watch(subscription(bytes)?));
        }
        let mut records = self.due(&watches).await;
        while records.is_empty() {
            self.wait(&watches).await?;
            records = self.due(&watches).await;
        }
        let out = memory::bytes_mut(memory, events, memory::count(records.len() * EVENT_BYTES)?)?;
        out.copy_from_slice(records.as_flattened());
        Ok(memory::store_u32(memory, stored, memory::count(records.len())?)?)
    }

    fn watch(&self, subscription: Subscription) -> Watch {
        let userdata = subscription.userdata;
        let (fd, kind, right) = match subscription.wait {
            Wait::Clock { clock: Err(errno), .. } => {
                return Watch::Done(event(userdata, Err(errno), EventKind::Clock, false));
            }
            Wait::Clock { clock: Ok(clock), timeout_ns, absolute } => {
                let start_ns = if absolute { 0 } else { self.stamp_ns(clock) };
                return Watch::Time { userdata, clock, due_ns: start_ns.saturating_add(timeout_ns) };
            }
            Wait::Read { fd } => (fd, EventKind::Read, Rights::FD_READ),
            Wait::Write { fd } => (fd, EventKind::Write, Rights::FD_WRITE),
        };
        let found = self.descriptors.get(fd).map_err(Failure::from).and_then(|descriptor| {
            // Who waits to read where a pipe is written is told when nobody reads there any more.
            let is_writer = matches!(descriptor.description.object(), Object::PipeWriter(_));
            let right = if is_writer { Rights::NONE } else { right };
            descriptor.check(Rights::POLL_FD_READWRITE | right)?;
            Ok(Arc::clone(&descriptor.description))
        });
        match self.settle("poll_oneoff", Some(fd), found) {
            Ok(description) => Watch::Descriptor { userdata, kind, description },
            Err(Fault::Errno(errno)) => Watch::Done(event(userdata, Err(errno), kind, false)),
            Err(Fault::Stop(_)) => Watch::Done(event(userdata, Err(Errno::IO), kind, false)),
        }
    }

    /// The events of the subscriptions that have come about.
    async fn due(&self, watches: &[Watch]) -> Vec<Record> {
        let mut records = Vec::new();
        for watch in watches {
            match watch {
                Watch::Done(record) => records.push(*record),
                Watch::Time { userdata, clock, due_ns } => {
                    if self.stamp_ns(*clock) >= *due_ns {
                        records.push(event(*userdata, Ok(0), EventKind::Clock, false));
                    }
                }
                Watch::Descriptor { userdata, kind, description } => {
                    if let Some((bytes, hangup)) = ready_now(description, *kind).await {
                        records.push(event(*userdata, bytes, *kind, hangup));
                    }
                }
            }
        }
        records
    }

    /// Waits until a subscription may have come about.
    ///
    /// # Errors
    /// `INTR` for a noted signal.
    async fn wait(&mut self, watches: &[Watch]) -> Result<(), Errno> {
        let first_due_ns = watches
            .iter()
            .filter_map(|watch| match watch {
                Watch::Time { clock, due_ns, .. } => Some(due_ns.saturating_sub(self.stamp_ns(*clock))),
                _ => None,
            })
            .min();
        let mut waits: Vec<Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
        match first_due_ns {
            Some(sleep_ns) if self.world.clock().is_virtual() => {
                // Others get to run, and what they brought is seen before the clock jumps.
                tokio::task::yield_now().await;
                if self.no_descriptor_is_ready(watches).await {
                    self.skip(sleep_ns);
                }
                return Ok(());
            }
            Some(sleep_ns) => {
                let sleep = Duration::from_nanos(sleep_ns).min(MAX_WAIT);
                waits.push(Box::pin(tokio::time::sleep(sleep)));
            }
            None => {}
        }
        // Many subscriptions may share a stream; one wait does for each stream and direction.
        let mut streams = BTreeMap::new();
        for watch in watches {
            if let Watch::Descriptor { kind, description, .. } = watch {
                streams
                    .entry((Arc::as_ptr(description).addr(), *kind == EventKind::Write))
                    .or_insert(description);
            }
        }
        for ((_, writes), description) in streams {
            let description = Arc::clone(description);
            waits.push(Box::pin(async move {
                match description.object() {
                    Object::Input(input) if !writes => input.ready().await,
                    Object::Output(output) if writes => output.ready().await,
                    Object::PipeReader(pipe) if !writes => pipe.ready().await,
                    Object::PipeWriter(pipe) if writes => pipe.ready().await,
                    Object::PipeWriter(pipe) => pipe.abandoned().await,
                    _ => {}
                }
            }));
        }
        let any = std::future::poll_fn(|context| {
            let ready = waits.iter_mut().any(|wait| wait.as_mut().poll(context).is_ready());
            if ready { Poll::Ready(()) } else { Poll::Pending }
        });
        self.wait_unless_noted(any).await
    }

    async fn no_descriptor_is_ready(&self, watches: &[Watch]) -> bool {
        for watch in watches {
            if let Watch::Descriptor { kind, description, .. } = watch
                && ready_now(description, *kind).await.is_some()
            {
                return false;
            }
        }
        true
    }
}

/// The bytes that can be moved without waiting and whether the other end is gone; `None` when a read
/// or write would wait.
async fn ready_now(description: &Description, kind: EventKind) -> Option<(Result<u64, Errno>, bool)> {
    let most = u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX);
    match (description.object(), kind) {
        (Object::Input(input), EventKind::Read) => match input.ready_now().await? {
            Readiness::Bytes(bytes) => Some((Ok(bytes), false)),
            Readiness::End => Some((Ok(0), true)),
        },
        (Object::Output(output), EventKind::Write) => match output.ready_now() {
            Ok(true) => Some((Ok(most), false)),
            Ok(false) => None,
            Err(_) => Some((Ok(0), true)),
        },
        (Object::PipeReader(pipe), EventKind::Read) => {
            pipe.ready_now().map(|(bytes, ended)| (Ok(u64::try_from(bytes).unwrap_or(most)), ended))
        }
        (Object::PipeWriter(pipe), EventKind::Read) => pipe.is_abandoned().then_some((Ok(0), true)),
        (Object::PipeWriter(pipe), EventKind::Write) => match pipe.ready_now() {
            Ok(room) => room.map(|room| (Ok(u64::try_from(room).unwrap_or(most)), false)),
            Err(_) => Some((Ok(0), true)),
        },
        (Object::File(file), EventKind::Read) => {
            let bytes = match file.stat() {
                Ok(stat) if !file.is_device() => stat.size.saturating_sub(*description.offset()),
                _ => most,
            };
            Some((Ok(bytes), false))
        }
        _ => Some((Ok(most), false)),
    }
}
