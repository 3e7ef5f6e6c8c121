//! Standard output and error for guests that write without waiting, as WASI 0.2 has it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sandpiper_core::{Control, DenialReason, Event, Quota};
use tokio::sync::mpsc::Sender;

use crate::output::Output;
use crate::world::World;
use crate::{Errno, Fault, Stop};

/// One of the output streams of a guest, with what was accepted and has not gone yet.
///
/// # Examples
/// ```
/// use sandpiper_core::{Control, Spec};
/// use sandpiper_kernel::{OutputQueue, SystemTree, World};
/// let world = World::new(&Spec::default(), SystemTree::builder().build().unwrap()).unwrap();
/// let (events, mut receiver) = tokio::sync::mpsc::channel(1);
/// let [output, _] = OutputQueue::both(events, Control::default(), &world);
/// output.write("hello".into()).unwrap();
/// assert!(receiver.try_recv().is_ok());
/// ```
#[derive(Debug)]
pub struct OutputQueue {
    output: Output,
    world: Arc<World>,
    waiting: Mutex<VecDeque<Bytes>>,
}

impl OutputQueue {
    /// Most bytes of one write. Each handle of a stream may be promised so many at the same time.
    pub const MAX_WRITE_BYTES: usize = 4096;

    /// Standard output and error of a command, which go to `events`.
    pub fn both(events: Sender<Event>, control: Control, world: &Arc<World>) -> [Self; 2] {
        Output::both(events, control, world.output_limit()).map(|output| Self {
            output,
            world: Arc::clone(world),
            waiting: Mutex::default(),
        })
    }

    /// How many bytes may be written now; 0 before [`OutputQueue::ready`].
    ///
    /// # Errors
    /// `PIPE` when the receiver is gone.
    pub fn permit(&self) -> Result<usize, Errno> {
        let free = self.output.ready_now()? && self.lock().is_empty();
        Ok(if free { Self::MAX_WRITE_BYTES } else { 0 })
    }

    /// Accepts bytes; they go when there is room for them.
    ///
    /// # Errors
    /// `INVAL` for more than may be written at once, the quota, when what it still allowed is accepted.
    pub fn write(&self, mut bytes: Bytes) -> Result<(), Fault> {
        if bytes.len() > Self::MAX_WRITE_BYTES {
            return Err(Errno::INVAL.into());
        }
        let wanted = bytes.len();
        bytes.truncate(self.output.take_up_to(wanted));
        let accepted = bytes.len();
        if accepted > 0 {
            self.world.count_written(accepted);
            let mut waiting = self.lock();
            waiting.push_back(bytes);
            self.output.send_now(&mut waiting);
        }
        if accepted < wanted {
            self.world.deny("output-stream.write", self.output.path(), DenialReason::OutputLimit);
            return Err(Fault::Stop(Stop::Quota(Quota::Output)));
        }
        Ok(())
    }

    /// Waits until something may be written, or the receiver is gone.
    pub async fn ready(&self) {
        self.drain().await;
        self.output.ready().await;
    }

    /// Waits until all that was accepted has gone, or the receiver is gone.
    pub async fn drain(&self) {
        while !self.lock().is_empty() {
            self.output.ready().await;
            self.output.send_now(&mut self.lock());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Bytes>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use sandpiper_core::{Limits, Spec, Stream};
    use tokio::sync::mpsc;

    use super::*;
    use crate::SystemTree;

    fn queue(output_bytes: u64) -> (OutputQueue, mpsc::Receiver<Event>, Control) {
        let spec = Spec { limits: Limits { output_bytes, ..Limits::default() }, ..Spec::default() };
        let world = World::new(&spec, SystemTree::builder().build().unwrap()).unwrap();
        let (events, receiver) = mpsc::channel(1);
        let control = Control::default();
        let [stdout, _] = OutputQueue::both(events, control.clone(), &world);
        (stdout, receiver, control)
    }

    fn received(receiver: &mut mpsc::Receiver<Event>) -> Vec<u8> {
        let Ok(Event::Output { bytes, .. }) = receiver.try_recv() else { return Vec::new() };
        bytes.to_vec()
    }

    #[tokio::test]
    async fn what_does_not_go_at_once_goes_in_order() {
        let (queue, mut receiver, _control) = queue(100);
        assert_eq!(queue.permit(), Ok(4096));
        for text in ["one", "two", "three"] {
            queue.write(text.into()).unwrap();
            assert_eq!(queue.permit(), Ok(0));
        }
        let take = async {
            let mut all = Vec::new();
            while all.len() < 11 {
                let Some(Event::Output { bytes, .. }) = receiver.recv().await else { break };
                all.extend_from_slice(&bytes);
            }
            all
        };
        let ((), all) = tokio::join!(queue.drain(), take);
        assert_eq!(all, b"onetwothree");
        assert_eq!(queue.permit(), Ok(4096));
    }

    #[tokio::test]
    async fn a_quota_accepts_what_it_allows_and_stops_the_guest() {
        let (queue, mut receiver, _control) = queue(5);
        assert_eq!(queue.write("12345".into()), Ok(()));
        assert_eq!(received(&mut receiver), b"12345");
        assert_eq!(queue.write("6".into()), Err(Fault::Stop(Stop::Quota(Quota::Output))));
        assert_eq!(received(&mut receiver), b"");
        assert_eq!(queue.world.take_denials()[0].reason, DenialReason::OutputLimit);
    }

    #[tokio::test]
    async fn a_receiver_that_is_gone_is_a_broken_pipe_and_no_wait() {
        let (closed, _receiver, control) = queue(100);
        control.close(Stream::Stdout);
        assert_eq!(closed.permit(), Err(Errno::PIPE));
        let (queue, receiver, _control) = queue(100);
        queue.write("one".into()).unwrap();
        queue.write("two".into()).unwrap();
        drop(receiver);
        queue.drain().await;
        assert_eq!(queue.permit(), Err(Errno::PIPE));
    }

    #[test]
    fn more_than_is_permitted_is_refused() {
        let (queue, _receiver, _control) = queue(1 << 20);
        assert_eq!(queue.write(vec![0; 4097].into()), Err(Fault::Errno(Errno::INVAL)));
        assert_eq!(queue.write(vec![0; 4096].into()), Ok(()));
    }
}
