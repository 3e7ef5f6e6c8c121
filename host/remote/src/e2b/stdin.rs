//! Standard input, sent to a command piece by piece.

use std::sync::Arc;

use bytes::Bytes;
use sandpiper_core::{Error, Stdin};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::NAME;
use super::connect::{Failed, ask, encoded};
use super::sandbox::Shared;
use crate::http::Times;

const ACTION: &str = "send input to a command";

/// Bytes of a piece.
const PIECE: usize = 32 << 10;

/// What ends the input of a terminal: Ctrl-D.
const END_OF_TERMINAL: &[u8] = &[4];

/// Where input goes.
struct Sink {
    shared: Arc<Shared>,
    selector: Value,
    key: &'static str,
}

/// Whether the command takes more.
enum Taken {
    Yes,
    No,
}

/// Sends all there is, each piece when the one before has been taken, and then the end.
///
/// # Errors
/// What the host's stream says; what keeps input from arriving, or from being known to have arrived.
pub(super) async fn pump(shared: Arc<Shared>, selector: Value, stdin: Stdin) -> Result<(), Error> {
    let sink = |key| Sink { shared, selector, key };
    match stdin {
        Stdin::Empty => Ok(()),
        Stdin::Bytes(bytes) => sink("stdin").all(&bytes).await,
        Stdin::Stream(stream) => sink("stdin").stream(stream).await,
        Stdin::Terminal(stream) => sink("pty").stream(stream).await,
    }
}

impl Sink {
    async fn all(self, bytes: &Bytes) -> Result<(), Error> {
        for piece in bytes.chunks(PIECE) {
            if let Taken::No = self.send(piece).await? {
                return Ok(());
            }
        }
        self.end().await
    }

    async fn stream(self, mut stream: impl AsyncRead + Unpin) -> Result<(), Error> {
        let mut buffer = vec![0; PIECE];
        loop {
            let read = stream.read(&mut buffer).await.map_err(|err| Error::Host {
                context: "cannot read the standard input of a command".to_owned(),
                source: err.into(),
            })?;
            let piece = buffer.get(..read).unwrap_or_default();
            if piece.is_empty() {
                return self.end().await;
            }
            if let Taken::No = self.send(piece).await? {
                return Ok(());
            }
        }
    }

    /// Sends a piece; never twice, because it would arrive twice.
    async fn send(&self, piece: &[u8]) -> Result<Taken, Error> {
        let mut input = serde_json::Map::new();
        input.insert(self.key.to_owned(), encoded(piece).into());
        self.ask("SendInput", &json!({"process": self.selector, "input": input})).await
    }

    async fn end(&self) -> Result<(), Error> {
        if self.key == "pty" {
            return self.send(END_OF_TERMINAL).await.map(drop);
        }
        self.ask("CloseStdin", &json!({"process": self.selector})).await.map(drop)
    }

    async fn ask(&self, procedure: &str, request: &Value) -> Result<Taken, Error> {
        // A command that does not read is waited for as long as it may run.
        let usual = self.shared.envd.client.times();
        let whole = usual.whole.max(self.shared.wall);
        let times = Times { first_byte: whole, between_bytes: whole, whole, ..usual };
        let call = self.shared.envd.procedure(["process.Process", procedure], request, ACTION).times(times);
        match ask::<Value>(call).await {
            Ok(_) => Ok(Taken::Yes),
            // It has ended, or has closed its input.
            Err(Failed::Said(said)) if is_over(&said.code) => Ok(Taken::No),
            Err(failed) => Err(failed.error(ACTION, &self.shared.envd)),
        }
    }
}

fn is_over(code: &str) -> bool {
    matches!(code, "not_found" | "failed_precondition" | "internal" | "invalid_argument")
}

/// Refuses input that this envd cannot end.
pub(super) fn check(shared: &Shared, stdin: &Stdin) -> Result<(), Error> {
    let needs_end = matches!(stdin, Stdin::Bytes(_) | Stdin::Stream(_));
    if needs_end && shared.version < super::wire::Version::CLOSES_STDIN {
        let message = "the template's envd is older than 0.5.2, which can close standard input; build the template anew";
        return Err(Error::Backend { backend: NAME.to_owned(), action: ACTION, message: message.to_owned() });
    }
    Ok(())
}
