//! What the outcome of a run says, as records.

use sandpiper_core::{Exit, Limits, Outcome, Quota};

use crate::{Record, RunEnded};

impl Record {
    /// What an outcome says of the way to the end: the processes, what was refused, and the limit that was
    /// reached. The end itself is [`RunEnded::of`].
    pub fn of_outcome(outcome: &Outcome, limits: &Limits) -> Vec<Self> {
        let processes = outcome.processes.iter().cloned().map(Self::ProcessEnded);
        let denials = outcome.denials.iter().cloned().map(Self::Denial);
        processes.chain(denials).chain(limit_reached(&outcome.exit, limits)).collect()
    }
}

impl RunEnded {
    /// The end of a run by its outcome.
    pub fn of(outcome: &Outcome) -> Self {
        Self::with(outcome.exit.clone(), outcome.usage)
    }
}

fn limit_reached(exit: &Exit, limits: &Limits) -> Option<Record> {
    let (limit, value) = match exit {
        Exit::Timeout => ("timeout", u64::try_from(limits.wall.as_millis()).unwrap_or(u64::MAX)),
        Exit::Fuel => ("fuel", limits.fuel),
        Exit::Memory => ("memory", limits.memory_bytes),
        Exit::Quota { quota: Quota::Output } => ("max-output", limits.output_bytes),
        Exit::Quota { quota: Quota::Disk } => ("disk", limits.disk_bytes),
        _ => return None,
    };
    Some(Record::LimitReached { limit: limit.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use sandpiper_core::{Captured, Denial, DenialReason, Usage};

    use super::*;

    fn outcome(exit: Exit) -> Outcome {
        let denial = Denial {
            operation: "path_open".to_owned(),
            subject: "/a".to_owned(),
            reason: DenialReason::ReadOnly,
            count: 2,
        };
        Outcome {
            exit,
            usage: Usage::default(),
            processes: Vec::new(),
            denials: vec![denial],
            stdout: Captured::default(),
            stderr: Captured::default(),
        }
    }

    #[test]
    fn an_outcome_says_what_was_refused_and_which_limit_was_reached() {
        let outcome = outcome(Exit::Timeout);
        let records = Record::of_outcome(&outcome, &Limits::default());
        let limit = Record::LimitReached { limit: "timeout".to_owned(), value: 30_000 };
        assert_eq!(records, [Record::Denial(outcome.denials[0].clone()), limit]);
    }

    #[test]
    fn an_end_without_a_limit_has_none() {
        let outcome = outcome(Exit::Code { code: 0 });
        assert_eq!(Record::of_outcome(&outcome, &Limits::default()).len(), 1);
        assert_eq!(RunEnded::of(&outcome).exit, Some(Exit::Code { code: 0 }));
    }
}
