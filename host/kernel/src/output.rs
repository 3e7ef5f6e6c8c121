//! Standard output and error: events in a bounded channel, under one quota.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use sandpiper_core::{Control, Event, Quota, Stream};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::Errno;
use crate::budget::Budget;
use crate::fault::{Attempt, Failure};

/// Most bytes of one event, as [`Event::Output`] promises.
const MAX_EVENT_BYTES: usize = 64 << 10;

/// One of the output streams of a process.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    stream: Stream,
    events: Sender<Event>,
    control: Control,
    /// Of the command, for both streams.
    budget: Arc<Budget>,
}

impl Output {
    /// Both streams of a command, which may write so many bytes.
    pub(crate) fn both(events: Sender<Event>, control: Control, limit: u64) -> [Self; 2] {
        let budget = Arc::new(Budget::new(limit));
        let stdout = Self { stream: Stream::Stdout, events, control, budget };
        let stderr = Self { stream: Stream::Stderr, ..stdout.clone() };
        [stdout, stderr]
    }

    /// Takes as many of so many bytes as may still be written.
    pub(crate) fn take_up_to(&self, bytes: usize) -> usize {
        let granted = self.budget.take_up_to(u64::try_from(bytes).unwrap_or(u64::MAX));
        usize::try_from(granted).unwrap_or(bytes)
    }

    /// The inode number that the guest sees.
    pub(crate) fn ino(&self) -> u64 {
        match self.stream {
            Stream::Stdout => 2,
            Stream::Stderr => 3,
        }
    }

    /// Delivers `bytes`, waiting for the receiver where the channel is full; adds what was delivered
    /// to `delivered`.
    ///
    /// # Errors
    /// The quota, with what it still allowed delivered; `PIPE` when the receiver is gone.
    pub(crate) async fn write(&self, bytes: &[u8], delivered: &mut usize) -> Attempt<()> {
        for chunk in bytes.chunks(MAX_EVENT_BYTES) {
            // Room in the channel first: a future dropped while it waits has charged nothing.
            let permit = self.events.reserve().await.map_err(|_| Errno::PIPE)?;
            if self.control.is_closed(self.stream) {
                return Err(Errno::PIPE.into());
            }
            let allowed = chunk.get(..self.take_up_to(chunk.len())).unwrap_or(chunk);
            if !allowed.is_empty() {
                *delivered += allowed.len();
                permit.send(Event::Output { stream: self.stream, bytes: Bytes::copy_from_slice(allowed) });
            }
            if allowed.len() < chunk.len() {
                return Err(Failure::Quota(Quota::Output));
            }
        }
        Ok(())
    }

    /// The path by which the guest knows it.
    pub(crate) fn path(&self) -> &'static str {
        match self.stream {
            Stream::Stdout => "/dev/stdout",
            Stream::Stderr => "/dev/stderr",
        }
    }

    /// Sends as much of a queue as there is room for; all of it is dropped where the receiver is gone.
    pub(crate) fn send_now(&self, queue: &mut VecDeque<Bytes>) {
        while !queue.is_empty() {
            let permit = match self.events.try_reserve() {
                Ok(permit) if !self.control.is_closed(self.stream) => permit,
                Err(TrySendError::Full(())) => return,
                _ => return queue.clear(),
            };
            if let Some(bytes) = queue.pop_front() {
                permit.send(Event::Output { stream: self.stream, bytes });
            }
        }
    }

    /// Whether a write would go through without waiting; `Err` when the receiver is gone.
    pub(crate) fn ready_now(&self) -> Result<bool, Errno> {
        if self.events.is_closed() || self.control.is_closed(self.stream) {
            Err(Errno::PIPE)
        } else {
            Ok(self.events.capacity() > 0)
        }
    }

    /// Waits until a write would go through, or the receiver is gone.
    pub(crate) async fn ready(&self) {
        // The permit is given back at once: this only tells that there is one.
        let _ = self.events.reserve().await;
    }
}
