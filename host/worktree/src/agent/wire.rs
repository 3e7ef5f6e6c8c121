//! What the two processes say to each other.

use std::io::{self, BufRead, Write};

use sandpiper_core::{GitCommand, GitEvent, GitOutput, Stream};
use serde::{Deserialize, Serialize};

use crate::ChangedContent;

use super::{Begin, Begun, Finish, Finished, Refusal};

/// The number under which the replies to all but git's commands come.
pub(super) const SELF: u64 = 0;

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// The first.
    Begin(Begin),
    /// Starts a command of git, under a number that it keeps; nothing is replied.
    Start { number: u64, command: GitCommand },
    /// Lets it run to its next event, which is replied.
    Next { number: u64, disk_bytes: u64 },
    /// Ends it early; nothing is replied.
    Leave { number: u64 },
    /// Asks what the run has changed; commands of git that still run are ended before.
    Changes,
    /// The last.
    Finish(Finish),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reply {
    /// The number of git's command, or [`SELF`].
    pub(super) number: u64,
    pub(super) said: Result<Said, Refusal>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    Begun(Begun),
    Changed(Vec<ChangedContent>),
    Finished(Finished),
    /// Of git; so many bytes of its output follow the line.
    Printed {
        stream: Stream,
        length: usize,
        written_bytes: u64,
    },
    /// Of git.
    Ended {
        code: u8,
        written_bytes: u64,
    },
}

impl Reply {
    /// That of git, and the bytes that follow it.
    pub(super) fn of_git(number: u64, event: &GitEvent) -> (Self, &[u8]) {
        let written_bytes = event.written_bytes;
        let (said, bytes) = match &event.what {
            GitOutput::Bytes { stream, bytes } => {
                (Said::Printed { stream: *stream, length: bytes.len(), written_bytes }, &bytes[..])
            }
            GitOutput::Ended { code } => (Said::Ended { code: *code, written_bytes }, &[][..]),
        };
        (Self { number, said: Ok(said) }, bytes)
    }
}

/// Writes one message, with what follows it.
pub(super) fn send(to: &mut impl Write, message: &impl Serialize, bytes: &[u8]) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    line.extend_from_slice(bytes);
    to.write_all(&line)?;
    to.flush()
}

/// Reads one reply, with what follows it; none at the end.
pub(super) fn receive(from: &mut impl BufRead) -> io::Result<Option<(Reply, Vec<u8>)>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let reply: Reply = serde_json::from_str(&line)?;
    let mut bytes = Vec::new();
    if let Ok(Said::Printed { length, .. }) = reply.said {
        bytes.resize(length, 0);
        from.read_exact(&mut bytes)?;
    }
    Ok(Some((reply, bytes)))
}
