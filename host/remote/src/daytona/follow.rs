//! The log of a command, over as many connections as it takes.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use sandpiper_core::Error;
use tokio::time::{sleep, timeout};

use super::NAME;
use super::toolbox::{SessionRef, Toolbox};
use crate::http::WebSocket;

/// Connections in a row that bring nothing new, before the log is given up.
const MAX_FRUITLESS: u32 = 5;

/// The wait before the second of them; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// A log that is followed. Each connection begins with the first byte of the log, which is only ever added to, so
/// what was taken before is skipped.
pub(super) struct Follow {
    toolbox: Toolbox,
    at: SessionRef,
    socket: Option<WebSocket>,
    /// Bytes that were taken.
    taken: u64,
    /// Bytes of this connection that were taken before.
    skip: u64,
    fruitless: u32,
}

impl Follow {
    pub(super) fn new(toolbox: Toolbox, at: SessionRef) -> Self {
        Self { toolbox, at, socket: None, taken: 0, skip: 0, fruitless: 0 }
    }

    /// The next bytes; `None` when for `quiet` nothing comes of a connection that has brought what was known before.
    /// It can be polled again when the future is dropped.
    ///
    /// # Errors
    /// Why the log can no longer be followed.
    pub(super) async fn next(&mut self, quiet: Option<Duration>) -> Result<Option<Bytes>, Error> {
        loop {
            let Some(socket) = &mut self.socket else {
                self.connect().await?;
                continue;
            };
            let next = match quiet.filter(|_| self.skip == 0) {
                Some(quiet) => match timeout(quiet, socket.next()).await {
                    Ok(next) => next,
                    Err(_) => return Ok(None),
                },
                None => socket.next().await,
            };
            match next {
                Ok(Some(mut bytes)) => {
                    let known = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                    bytes.advance(known);
                    self.skip -= known as u64;
                    if bytes.is_empty() {
                        continue;
                    }
                    self.taken += bytes.len() as u64;
                    self.fruitless = 0;
                    return Ok(Some(bytes));
                }
                Ok(None) => {
                    self.socket = None;
                    self.ended().await?;
                }
                Err(err @ Error::Protocol { .. }) => return Err(err),
                Err(err) => {
                    self.socket = None;
                    self.again(err).await?;
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Error> {
        match self.toolbox.follow(&self.at).await {
            Ok(socket) => {
                (self.socket, self.skip) = (Some(socket), self.taken);
                Ok(())
            }
            Err(err @ (Error::Unreachable { .. } | Error::Slow { .. } | Error::RateLimited { .. })) => {
                self.again(err).await
            }
            Err(err) => Err(self.toolbox.explain(err).await),
        }
    }

    /// Waits before the next connection, if there is one.
    async fn again(&mut self, err: Error) -> Result<(), Error> {
        self.fruitless += 1;
        if self.fruitless >= MAX_FRUITLESS {
            return Err(self.toolbox.explain(err).await);
        }
        sleep(FIRST_WAIT * 2_u32.pow(self.fruitless - 1)).await;
        Ok(())
    }

    /// The server says that the log is at its end, and what the command's end is was not in it. There are daemons
    /// that know the end before all of the log is written.
    async fn ended(&mut self) -> Result<(), Error> {
        let status = self.toolbox.status(&self.at).await?;
        let message = match status {
            Some(status) => {
                format!("what runs the command has ended with status {status} before the command")
            }
            None => "its log has ended before the command".to_owned(),
        };
        self.again(Error::Backend { backend: NAME.to_owned(), action: "follow a command", message }).await
    }
}
