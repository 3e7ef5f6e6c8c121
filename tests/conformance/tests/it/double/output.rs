//! What a process prints, as events, under the limit of output.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sandpiper_core::{Control, Event, Stream};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::paths::inner;
use super::room::Room;
use crate::fault::Fault;

pub struct Output {
    pub room: Arc<Room>,
    pub events: mpsc::Sender<Event>,
    pub control: Control,
    pub left: Arc<AtomicU64>,
    /// What was printed of both streams, for the faults that give it again.
    pub all: Arc<std::sync::Mutex<Vec<u8>>>,
}

/// The limit of output is reached.
pub struct Full;

impl Output {
    /// Gives all that a stream has; ends early where it was closed.
    pub async fn pump(&self, stream: Stream, mut from: impl AsyncRead + Unpin) -> Result<(), Full> {
        use Fault::{LosesTheLastPiece, PrintsAllAtTheEnd};

        let mut buffer = vec![0; 32 << 10];
        let (mut waiting, mut kept) = (Vec::new(), Vec::new());
        loop {
            let count = from.read(&mut buffer).await.unwrap_or(0);
            if count > 0 && self.control.is_closed(stream) && !self.room.has(Fault::KeepsClosedStreams) {
                return Ok(());
            }
            waiting.extend_from_slice(&buffer[..count]);
            let bytes = inner(&self.room.root, &mut waiting, count == 0);
            if self.room.has(PrintsAllAtTheEnd) || self.room.has(LosesTheLastPiece) {
                if self.room.has(LosesTheLastPiece) && count > 0 {
                    self.give(stream, std::mem::take(&mut kept)).await?;
                }
                kept.extend(bytes);
            } else {
                self.give(stream, bytes).await?;
            }
            if count == 0 {
                if self.room.has(PrintsAllAtTheEnd) {
                    self.give(stream, kept).await?;
                }
                return Ok(());
            }
        }
    }

    async fn give(&self, stream: Stream, bytes: Vec<u8>) -> Result<(), Full> {
        use Fault::*;

        let has = |fault| self.room.has(fault);
        let stream = match (self.room.fault(), stream) {
            (Some(DropsStderr), Stream::Stderr) => return Ok(()),
            (Some(MergesStreams), _) => Stream::Stdout,
            (Some(SwapsStreams), Stream::Stdout) => Stream::Stderr,
            (Some(SwapsStreams), Stream::Stderr) => Stream::Stdout,
            _ => stream,
        };
        let mut bytes = bytes;
        if has(PrintsTextOnly) {
            bytes = String::from_utf8_lossy(&bytes).into_owned().into_bytes();
        }
        if has(PrintsZeros) {
            bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'0');
        }
        if has(TrimsOutput) {
            bytes = bytes.trim_ascii_end().to_vec();
        }
        if bytes.is_empty() && !has(GivesEmptyEvents) {
            return Ok(());
        }
        self.all.lock().unwrap().extend_from_slice(&bytes);
        let wanted = bytes.len() as u64;
        let granted = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(wanted)))
            .unwrap()
            .min(wanted);
        let enough = granted == wanted || has(IgnoresTheOutputLimit);
        if !enough {
            bytes.truncate(granted as usize);
        }
        let event = Event::Output { stream, bytes: Bytes::from(bytes) };
        if has(LosesWhatNobodyTakes) {
            let _ = self.events.try_send(event);
        } else {
            let _ = self.events.send(event).await;
        }
        if enough { Ok(()) } else { Err(Full) }
    }
}
