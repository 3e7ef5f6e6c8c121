//! Reads the records of one run, and says what it could not read.

use std::io::{self, BufRead, BufReader, Read};

use serde::{Deserialize, Serialize};

use crate::line::{self, Unsealed};
use crate::{Digest, Entry, RunId};

/// Reads a run's records, the first one first. It never stops at what is damaged: it tells it, and goes on
/// with the next whole line.
///
/// At the end of the file the iterator gives `None`, and more when the file has grown.
///
/// # Examples
/// ```
/// use sandpiper_journal::{Found, Reader, RunId, Tail};
/// let run: RunId = "20261122-011601123-0000000007".parse().unwrap();
/// let mut reader = Reader::new(&run, &b"{\"sequence\":0,\"ti"[..]);
/// assert!(reader.next().is_none());
/// assert_eq!(reader.tail(), Tail::Torn { bytes: 17, after_sequence: None });
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    input: BufReader<R>,
    /// The beginning of a line whose end has not come.
    pending: Vec<u8>,
    /// What came before `pending` of a line that is too long to be one of ours.
    skipped_bytes: u64,
    /// Where in the file that line begins.
    offset: u64,
    chain: Chain,
    /// The record behind a damage that was told before it.
    queued: Option<Entry>,
}

/// What a line of the file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A whole record. Its own hash is right; a damage that was told just before is between it and the
    /// record before.
    Record(Box<Entry>),
    /// Something is not as it was written.
    Damage(Damage),
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Where in the file, in bytes.
    pub offset: u64,
    /// The last record before it; none where it comes before all.
    pub after_sequence: Option<u64>,
    /// What is wrong.
    #[serde(flatten)]
    pub kind: DamageKind,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "damage", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DamageKind {
    /// A line that is no record; zeros too, as a power cut leaves them.
    Unreadable {
        /// How many bytes.
        bytes: u64,
    },
    /// A record that has been changed: its hash is not that of its bytes.
    Edited {
        /// The number that it has now.
        sequence: u64,
    },
    /// Records that were written are not there.
    Missing {
        /// How many.
        records: u64,
    },
    /// The record that follows was written after another one than that before it: one was exchanged, or it
    /// comes from another run.
    Unchained,
    /// A record whose number was there before.
    Repeated {
        /// The number.
        sequence: u64,
    },
    /// A record after the end.
    AfterEnd,
}

/// What is behind the last whole line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tail {
    /// Nothing.
    Whole,
    /// A part of a record, or what a power cut left in its place.
    Torn {
        /// How many bytes.
        bytes: u64,
        /// The last whole record; none where there is none.
        after_sequence: Option<u64>,
    },
}

/// How far the records hang together.
#[derive(Debug)]
struct Chain {
    next_sequence: u64,
    /// The hash that the next record has for the one before, where that is known.
    head: Option<Digest>,
    /// Lines since the last record that were none.
    unread_lines: u64,
    has_ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the file of a run.
    pub fn new(run: &RunId, input: R) -> Self {
        let head = Some(line::origin(run));
        Self {
            input: BufReader::with_capacity(64 << 10, input),
            pending: Vec::new(),
            skipped_bytes: 0,
            offset: 0,
            chain: Chain { next_sequence: 0, head, unread_lines: 0, has_ended: false },
            queued: None,
        }
    }

    /// What is behind the last line that was read; to be asked when the iterator has given `None`.
    pub fn tail(&self) -> Tail {
        match self.pending_bytes() {
            0 => Tail::Whole,
            bytes => Tail::Torn { bytes, after_sequence: self.chain.last() },
        }
    }

    /// Where the last whole line ends, in bytes from the beginning of the file.
    pub fn whole_bytes(&self) -> u64 {
        self.offset
    }

    fn pending_bytes(&self) -> u64 {
        self.skipped_bytes + length(&self.pending)
    }

    fn read(&mut self) -> io::Result<Option<Found>> {
        if let Some(entry) = self.queued.take() {
            return Ok(Some(Found::Record(Box::new(entry))));
        }
        if !self.fill()? {
            return Ok(None);
        }
        let (offset, bytes) = (self.offset, self.pending_bytes());
        self.offset += bytes;
        let is_whole = std::mem::take(&mut self.skipped_bytes) == 0;
        let line = std::mem::take(&mut self.pending);
        let line = line.strip_suffix(b"\n").filter(|_| is_whole);
        let after_sequence = self.chain.last();
        let damage = |kind| Found::Damage(Damage { offset, after_sequence, kind });
        Ok(Some(match line.and_then(|line| Some((line, line::unseal(line)?))) {
            Some((line, unsealed)) => match self.chain.link(line, unsealed, bytes) {
                Link::Good(entry) => Found::Record(Box::new(entry)),
                Link::Bad(kind) => damage(kind),
                Link::After(kind, entry) => {
                    self.queued = Some(entry);
                    damage(kind)
                }
            },
            None => damage(self.chain.unreadable(bytes)),
        }))
    }

    /// Reads up to the end of a line, and says whether there is one. Of a line that is too long, `pending` has
    /// the last part only.
    fn fill(&mut self) -> io::Result<bool> {
        loop {
            let room = line::MAX_LINE_BYTES.saturating_sub(self.pending.len());
            let room = u64::try_from(room).unwrap_or(u64::MAX);
            let read = (&mut self.input).take(room).read_until(b'\n', &mut self.pending)?;
            if self.pending.ends_with(b"\n") {
                return Ok(true);
            }
            if self.pending.len() >= line::MAX_LINE_BYTES {
                self.skipped_bytes += length(&self.pending);
                self.pending.clear();
            } else if read == 0 {
                return Ok(false);
            }
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

enum Link {
    Good(Entry),
    Bad(DamageKind),
    /// A damage, and then the record.
    After(DamageKind, Entry),
}

impl Chain {
    fn last(&self) -> Option<u64> {
        self.next_sequence.checked_sub(1)
    }

    fn unreadable(&mut self, bytes: u64) -> DamageKind {
        self.unread_lines += 1;
        self.head = None;
        DamageKind::Unreadable { bytes }
    }

    fn link(&mut self, line: &[u8], unsealed: Unsealed, bytes: u64) -> Link {
        let (hash, is_genuine) = (unsealed.hash, unsealed.is_genuine);
        let Some(entry) = Entry::new(line, unsealed) else { return Link::Bad(self.unreadable(bytes)) };
        let sequence = entry.sequence;
        if !is_genuine {
            self.unread_lines += 1;
            // Where only the content was changed, the next record still has this hash.
            self.head = (self.unread_lines == 1 && sequence == self.next_sequence).then_some(hash);
            return Link::Bad(DamageKind::Edited { sequence });
        }
        let expected = self.next_sequence.saturating_add(self.unread_lines);
        let kind = if sequence < self.next_sequence {
            Some(DamageKind::Repeated { sequence })
        } else if sequence > expected {
            Some(DamageKind::Missing { records: sequence - expected })
        } else if self.head.is_some_and(|head| head != entry.previous) {
            Some(DamageKind::Unchained)
        } else if self.has_ended {
            Some(DamageKind::AfterEnd)
        } else {
            None
        };
        self.has_ended |= entry.kind() == "run-ended";
        self.next_sequence = sequence.saturating_add(1).max(self.next_sequence);
        self.head = Some(hash);
        self.unread_lines = 0;
        match kind {
            None => Link::Good(entry),
            Some(kind) => Link::After(kind, entry),
        }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
