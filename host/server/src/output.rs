//! The output of one process, held for any number of readers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sandpiper_core::{Exit, Stream};
use tokio::sync::Notify;

/// What a piece costs besides its bytes, so that many small ones are bounded too.
const PIECE_BYTES: usize = 64;

/// Small pieces of one stream that wait for a reader are given to it as one, of no more bytes than this: a guest
/// writes line by line, and each piece costs a frame.
const TAKEN_BYTES: usize = 32 * 1024;

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The guest ended.
    Exit(Exit),
    /// It was ended after the time that its starter gave it.
    TimedOut(Duration),
    /// The backend failed, and nothing is known of the guest.
    Failed(String),
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Output, in the order in which it was written.
    Output(Stream, Bytes),
    /// The end, after all output.
    Ended(Ended),
}

/// From where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// With the oldest output that is held.
    Beginning,
    /// With what is written from now on.
    Now,
}

/// Output up to a limit: the oldest gives way, unless a reader has still to take it; then the process waits,
/// as at a pipe.
#[derive(Debug)]
pub(crate) struct OutputLog {
    limit: usize,
    held: Mutex<Log>,
    /// Readers wait for more, the writer for room.
    more: Notify,
    room: Notify,
}

#[derive(Debug, Default)]
struct Log {
    pieces: VecDeque<(Stream, Bytes)>,
    /// The number of the first piece.
    first: u64,
    bytes: usize,
    /// The number of the piece that each reader takes next.
    readers: BTreeMap<u64, u64>,
    next_reader: u64,
    ended: Option<Ended>,
}

impl Log {
    fn after_last(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.pieces.len()).unwrap_or(u64::MAX))
    }

    /// The piece at an index, joined with those after it that are of the same stream, and of how many it is.
    fn joined(&self, index: usize) -> Option<(Stream, Bytes, u64)> {
        let mut rest = self.pieces.iter().skip(index);
        let (stream, first) = rest.next()?;
        let mut size = first.len();
        let mut joined = Vec::new();
        let mut taken = 1;
        for (other, bytes) in rest {
            size = size.saturating_add(bytes.len());
            if other != stream || size > TAKEN_BYTES {
                break;
            }
            if taken == 1 {
                joined.extend_from_slice(first);
            }
            joined.extend_from_slice(bytes);
            taken += 1;
        }
        let bytes = if taken == 1 { first.clone() } else { joined.into() };
        Some((*stream, bytes, taken))
    }

    /// Makes room for `size` bytes, as far as no reader is in the way.
    fn make_room(&mut self, size: usize, limit: usize) -> bool {
        while self.bytes.saturating_add(size) > limit && !self.pieces.is_empty() {
            if self.readers.values().any(|next| *next <= self.first) {
                return false;
            }
            if let Some((_, bytes)) = self.pieces.pop_front() {
                self.first += 1;
                self.bytes -= bytes.len() + PIECE_BYTES;
            }
        }
        true
    }
}

impl OutputLog {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, held: Mutex::default(), more: Notify::new(), room: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds output, and waits for readers that are too far behind.
    pub(crate) async fn push(&self, stream: Stream, bytes: Bytes) {
        let size = bytes.len() + PIECE_BYTES;
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            {
                let mut log = self.lock();
                if log.make_room(size, self.limit) {
                    log.bytes += size;
                    log.pieces.push_back((stream, bytes));
                    break;
                }
            }
            room.await;
        }
        self.more.notify_waiters();
    }

    /// Says that nothing comes any more; only the first end counts.
    pub(crate) fn end(&self, ended: Ended) {
        self.lock().ended.get_or_insert(ended);
        self.more.notify_waiters();
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.lock().ended.clone()
    }

    /// Waits for the end.
    pub(crate) async fn wait(&self) -> Ended {
        loop {
            let mut more = std::pin::pin!(self.more.notified());
            more.as_mut().enable();
            if let Some(ended) = self.ended() {
                return ended;
            }
            more.await;
        }
    }

    pub(crate) fn subscribe(self: &Arc<Self>, since: Since) -> Subscription {
        let mut log = self.lock();
        let next = match since {
            Since::Beginning => log.first,
            Since::Now => log.after_last(),
        };
        let id = log.next_reader;
        log.next_reader += 1;
        log.readers.insert(id, next);
        drop(log);
        Subscription { log: Arc::clone(self), id, told_end: false }
    }
}

/// One reader of an output.
#[derive(Debug)]
pub(crate) struct Subscription {
    log: Arc<OutputLog>,
    id: u64,
    told_end: bool,
}

impl Subscription {
    /// The next piece; `None` after the end. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Piece> {
        if self.told_end {
            return None;
        }
        loop {
            let mut more = std::pin::pin!(self.log.more.notified());
            more.as_mut().enable();
            if let Some(piece) = self.log.take(self.id) {
                self.told_end = matches!(piece, Piece::Ended(_));
                return Some(piece);
            }
            more.await;
        }
    }
}

impl OutputLog {
    fn take(&self, reader: u64) -> Option<Piece> {
        let mut log = self.lock();
        let (first, next) = (log.first, *log.readers.get(&reader)?);
        let index = usize::try_from(next.saturating_sub(first)).unwrap_or(usize::MAX);
        let Some((stream, bytes, taken)) = log.joined(index) else {
            return log.ended.clone().map(Piece::Ended);
        };
        log.readers.insert(reader, next.saturating_add(taken));
        drop(log);
        self.room.notify_waiters();
        Some(Piece::Output(stream, bytes))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.log.lock().readers.remove(&self.id);
        self.log.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &'static str) -> Piece {
        Piece::Output(Stream::Stdout, Bytes::from_static(text.as_bytes()))
    }

    fn is_waiting(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        let mut ctx = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::Pin::new(future).poll(&mut ctx).is_pending()
    }

    fn piece() -> Bytes {
        Bytes::from(vec![b'x'; 100])
    }

    #[tokio::test]
    async fn each_reader_gets_all_and_the_end_once() {
        let log = OutputLog::new(1 << 20);
        let mut early = log.subscribe(Since::Beginning);
        log.push(Stream::Stdout, "a".into()).await;
        let mut now = log.subscribe(Since::Now);
        log.push(Stream::Stdout, "b".into()).await;
        log.end(Ended::Exit(Exit::Code { code: 0 }));
        let mut late = log.subscribe(Since::Beginning);
        let end = Piece::Ended(Ended::Exit(Exit::Code { code: 0 }));
        for reader in [&mut early, &mut late] {
            assert_eq!(reader.next().await, Some(output("ab")));
            assert_eq!(reader.next().await, Some(end.clone()));
            assert_eq!(reader.next().await, None);
        }
        assert_eq!(now.next().await, Some(output("b")));
        assert_eq!(log.wait().await, Ended::Exit(Exit::Code { code: 0 }));
    }

    #[tokio::test]
    async fn what_waits_is_taken_together_by_stream_and_up_to_a_size() {
        let log = OutputLog::new(1 << 20);
        let mut reader = log.subscribe(Since::Beginning);
        for (stream, bytes) in [
            (Stream::Stdout, "a".into()),
            (Stream::Stdout, "b".into()),
            (Stream::Stderr, "c".into()),
            (Stream::Stdout, Bytes::from(vec![b'd'; TAKEN_BYTES - 1])),
            (Stream::Stdout, "e".into()),
            (Stream::Stdout, "f".into()),
        ] {
            log.push(stream, bytes).await;
        }
        assert_eq!(reader.next().await, Some(output("ab")));
        assert_eq!(reader.next().await, Some(Piece::Output(Stream::Stderr, "c".into())));
        let full = [vec![b'd'; TAKEN_BYTES - 1], vec![b'e']].concat();
        assert_eq!(reader.next().await, Some(Piece::Output(Stream::Stdout, full.into())));
        assert_eq!(reader.next().await, Some(output("f")));
        let mut more = log.subscribe(Since::Now);
        log.push(Stream::Stdout, "g".into()).await;
        assert_eq!(more.next().await, Some(output("g")));
        assert_eq!(reader.next().await, Some(output("g")));
    }

    #[tokio::test]
    async fn without_readers_the_oldest_gives_way() {
        let log = OutputLog::new(400);
        for _ in 0..10 {
            log.push(Stream::Stdout, piece()).await;
        }
        let held = log.lock();
        assert_eq!((held.first, held.pieces.len()), (8, 2));
    }

    #[tokio::test]
    async fn the_writer_waits_for_a_reader_until_it_is_gone() {
        let log = OutputLog::new(400);
        let mut reader = log.subscribe(Since::Beginning);
        for _ in 0..2 {
            log.push(Stream::Stdout, piece()).await;
        }
        let mut third = Box::pin(log.push(Stream::Stdout, piece()));
        assert!(is_waiting(&mut third));
        reader.next().await;
        third.await;
        log.push(Stream::Stdout, piece()).await;
        let mut fifth = Box::pin(log.push(Stream::Stdout, piece()));
        assert!(is_waiting(&mut fifth));
        drop(reader);
        fifth.await;
    }

    #[tokio::test]
    async fn a_piece_larger_than_the_limit_is_passed_on() {
        let log = OutputLog::new(10);
        log.push(Stream::Stderr, piece()).await;
        assert_eq!(
            log.subscribe(Since::Beginning).next().await,
            Some(Piece::Output(Stream::Stderr, piece()))
        );
    }
}
