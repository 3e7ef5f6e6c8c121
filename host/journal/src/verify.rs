//! Whether a run's journal is what was written, and what is lost.

use std::collections::BTreeMap;

use crate::error::At;
use crate::index::Content;
use crate::{Damage, DamageKind, Digest, Found, Journal, JournalError, Record, RunId, Tail};

/// What verifying a run's journal has shown.
///
/// The chain of hashes tells accidents, and changes by whoever does not know it. Who can write the files can
/// make a chain anew: against that, keep [`Verified::head`] where they cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The run.
    pub run: RunId,
    /// The result in one word.
    pub condition: Condition,
    /// How many whole records there are.
    pub records: u64,
    /// The number of the last of them.
    pub last_sequence: Option<u64>,
    /// The hash of the last of them, which is over all before.
    pub head: Option<Digest>,
    /// What is not as it was written, the first 1000 of it.
    pub damage: Vec<Damage>,
    /// What is behind the last line.
    pub tail: Tail,
    /// How many records of each kind were left out because the journal met its size.
    pub not_written: BTreeMap<String, u64>,
}

/// How a run's journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All is there, from the start to the end.
    Complete,
    /// All is there so far, and it is being written.
    Running,
    /// All is there, and there is no end: the writer was killed between two records.
    Unfinished,
    /// All whole records are there, and a part of one more: the writer was killed while it wrote.
    Torn,
    /// Something that was written is not there, or not as it was written.
    Damaged,
}

impl Journal {
    /// Whether the journal of a run is what was written.
    ///
    /// # Errors
    /// As [`Journal::read`]. What is damaged is no error.
    pub fn verify(&self, run: &RunId) -> Result<Verified, JournalError> {
        const MOST_DAMAGE: usize = 1000;
        let path = self.layout().run(run);
        // Before reading: what is written in between is more than was known, and not less.
        let is_running = self.layout().is_written(run)?;
        let known = Content::read(self.layout())?.summaries.remove(run).filter(|known| known.records > 0);
        let known_last = known.as_ref().map(|known| known.records - 1);
        let mut reader = self.read(run)?;
        let mut verified = Verified {
            run: run.clone(),
            condition: Condition::Unfinished,
            records: 0,
            last_sequence: None,
            head: None,
            damage: Vec::new(),
            tail: Tail::Whole,
            not_written: BTreeMap::new(),
        };
        let (mut has_ended, mut is_damaged) = (false, false);
        let mut hash_of_known = None;
        for found in &mut reader {
            match found.at("read", &path)? {
                Found::Record(entry) => {
                    verified.records += 1;
                    verified.last_sequence = Some(entry.sequence());
                    verified.head = Some(entry.hash());
                    has_ended = entry.kind() == "run-ended";
                    if known_last == Some(entry.sequence()) {
                        hash_of_known = Some(entry.hash());
                    }
                    if entry.kind() == "truncated"
                        && let Some(Record::Truncated { not_written }) = entry.record()
                    {
                        verified.not_written = not_written;
                    }
                }
                Found::Damage(damage) => {
                    is_damaged = true;
                    if verified.damage.len() < MOST_DAMAGE {
                        verified.damage.push(damage);
                    }
                }
            }
        }
        verified.tail = reader.tail();
        if let Some(known) = known {
            let after_sequence = verified.last_sequence;
            let there = after_sequence.map_or(0, |last| last.saturating_add(1));
            let kind = match known.records.checked_sub(there) {
                Some(records @ 1..) => Some(DamageKind::Missing { records }),
                // A record that cannot be read has been told already.
                _ => hash_of_known.filter(|hash| Some(*hash) != known.head).map(|_| DamageKind::Unchained),
            };
            if let Some(kind) = kind {
                is_damaged = true;
                verified.damage.push(Damage { offset: reader.whole_bytes(), after_sequence, kind });
            }
        }
        verified.condition = match verified.tail {
            _ if is_damaged => Condition::Damaged,
            _ if is_running && !has_ended => Condition::Running,
            Tail::Torn { .. } => Condition::Torn,
            Tail::Whole if has_ended => Condition::Complete,
            Tail::Whole => Condition::Unfinished,
        };
        Ok(verified)
    }
}
