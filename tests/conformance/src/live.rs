//! A command that runs while a claim looks at it.

use std::time::Duration;

use sandpiper_core::{Control, Error, Event, Outcome, Running, Stream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Wrong;

/// A command that runs. It is polled by a task of its own; dropping it drops the command.
pub(crate) struct Live {
    events: mpsc::Receiver<Event>,
    task: JoinHandle<Result<Outcome, Error>>,
    pub(crate) control: Control,
    pub(crate) seen: Vec<(Stream, Vec<u8>)>,
    patience: Duration,
}

impl Live {
    pub(crate) fn new(running: Running, patience: Duration) -> Self {
        let (events, done, control) = running.split();
        Self { events, task: tokio::spawn(done), control, seen: Vec::new(), patience }
    }

    /// What was seen of a stream.
    pub(crate) fn text(&self, stream: Stream) -> String {
        let pieces = self.seen.iter().filter(|(of, _)| *of == stream);
        let bytes: Vec<u8> = pieces.flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until stdout ends with this.
    pub(crate) async fn until(&mut self, text: &str) -> Result<(), Wrong> {
        let longest = self.patience;
        let wait = async {
            while !self.text(Stream::Stdout).ends_with(text) {
                if !self.take().await {
                    return false;
                }
            }
            true
        };
        let came = tokio::time::timeout(longest, wait).await;
        if came == Ok(true) {
            return Ok(());
        }
        let what = if came.is_ok() { "before the end" } else { "while the command runs" };
        Err(Wrong::other("stdout", &format!("{text:?} {what}"), &self.seen_text()))
    }

    fn seen_text(&self) -> (String, String) {
        (self.text(Stream::Stdout), self.text(Stream::Stderr))
    }

    /// Takes an event; false when there are no more.
    async fn take(&mut self) -> bool {
        match self.events.recv().await {
            Some(Event::Output { stream, bytes }) => self.seen.push((stream, bytes.to_vec())),
            Some(_) => {}
            None => return false,
        }
        true
    }

    /// Takes all events, and gives how the command ended, which it does at once.
    pub(crate) async fn end(&mut self) -> Result<Result<Outcome, Error>, Wrong> {
        let longest = self.patience;
        let ended = async {
            while self.take().await {}
            (&mut self.task).await
        };
        match tokio::time::timeout(longest, ended).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(err)) => Err(Wrong::new(format!("the backend panicked: {err}"))),
            Err(_) => Err(Wrong::new(format!("expected that the command ends within {longest:?}, saw none"))),
        }
    }

    /// How the command ended, where that is no fault of the backend.
    pub(crate) async fn outcome(&mut self) -> Result<Outcome, Wrong> {
        Ok(self.end().await??)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.task.abort();
    }
}
