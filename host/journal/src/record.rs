//! What a journal holds: one record for each thing that happened in a run.

use std::collections::BTreeMap;

use sandpiper_core::{Denial, Exit, ProcessUsage, SandboxRef, Usage};
use serde::{Deserialize, Serialize};

use crate::{Digest, PathBytes, RunStarted};

/// One thing that happened. In JSON its fields stand beside `kind`, which is the variant in kebab-case.
///
/// Kinds and fields are only ever added: a reader that does not know a kind still has all of it
/// ([`Entry::fields`](crate::Entry::fields)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Record {
    /// The run began; the first record, written by [`Journal::begin`](crate::Journal::begin).
    RunStarted(Box<RunStarted>),
    /// A sandbox was made.
    SandboxCreated {
        /// The sandbox.
        sandbox: SandboxRef,
    },
    /// A sandbox was closed.
    SandboxClosed {
        /// The sandbox.
        sandbox: SandboxRef,
    },
    /// The host did something for the run that has no kind of its own: a merge, a snapshot.
    Operation {
        /// What, as the command line calls it.
        operation: String,
        /// On what; empty where there is nothing to name.
        subject: String,
    },
    /// A policy was asked.
    PolicyDecision {
        /// What was to be done.
        operation: String,
        /// On what: a guest path, a host name.
        subject: String,
        /// The rule that decided; none where it was the default.
        rule: Option<String>,
        /// What was decided.
        verdict: Verdict,
    },
    /// The guest was refused something.
    Denial(Denial),
    /// A limit was reached.
    LimitReached {
        /// The limit's name, as the command line spells it.
        limit: String,
        /// Its value, in the limit's unit.
        value: u64,
    },
    /// Something else was taken than what was asked for.
    Fallback {
        /// What was asked for: a backend, an image.
        from: String,
        /// What was taken.
        to: String,
        /// Why, in one phrase.
        because: String,
    },
    /// A process of the guest began.
    ProcessStarted {
        /// Its number.
        pid: u32,
        /// The number of the process that started it.
        parent: u32,
        /// Its arguments.
        argv: Vec<String>,
    },
    /// A process of the guest ended.
    ProcessEnded(ProcessUsage),
    /// A file changed.
    FileChanged(FileChange),
    /// None of the changes that were told before was made.
    ChangesNotMade {
        /// Why, in one phrase.
        because: String,
    },
    /// Files were brought into a sandbox.
    Uploaded(Transfer),
    /// Files were brought out of a sandbox.
    Downloaded(Transfer),
    /// What was used up to now.
    Usage(Usage),
    /// The journal met its size: from here on records are missing. Written when the first is left out, and
    /// again before the end.
    Truncated {
        /// How many records of each kind were not written up to here.
        not_written: BTreeMap<String, u64>,
    },
    /// The run ended; the last record, written by [`Writer::finish`](crate::Writer::finish).
    RunEnded(RunEnded),
}

impl Record {
    /// Whether [`Fsync::AtPoints`](crate::Fsync::AtPoints) waits for the disk after it: what a person
    /// asks about after a crash, and what comes seldom.
    pub(crate) fn is_sync_point(&self) -> bool {
        matches!(
            self,
            Self::SandboxCreated { .. }
                | Self::Fallback { .. }
                | Self::FileChanged(_)
                | Self::ChangesNotMade { .. }
                | Self::Truncated { .. }
                | Self::RunEnded(_)
        )
    }

    /// Whether a guest makes as many as it likes of them, and nothing is lost with one that is only counted.
    pub(crate) fn is_chatter(&self) -> bool {
        matches!(
            self,
            Self::Operation { .. }
                | Self::PolicyDecision { .. }
                | Self::Denial(_)
                | Self::ProcessStarted { .. }
                | Self::ProcessEnded(_)
                | Self::Usage(_)
        )
    }
}

/// What a policy decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It may be done.
    Allowed,
    /// It may not.
    Denied,
}

/// A change of one file, directory or link.
///
/// To be able to say after a crash which files a run had changed, append it before others can see the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Where it is, in the guest or relative to the worktree, the same in all of a run.
    pub path: PathBytes,
    /// What happened.
    pub change: Change,
    /// Where it was before, if it was moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<PathBytes>,
    /// The content at `path` before; none where there was none or it is not known, as for directories.
    #[serde(default)]
    pub before: Option<Digest>,
    /// The content at `path` after; none where there is none or it is not known.
    #[serde(default)]
    pub after: Option<Digest>,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was made where nothing was.
    Created,
    /// Its content changed.
    Modified,
    /// It was removed.
    Removed,
    /// It came from `moved_from`; what was at its path before is gone.
    Moved,
    /// Mode or times changed, and not its content.
    Attributes,
}

/// Files that were brought from one place to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The sandbox.
    pub sandbox: SandboxRef,
    /// The file or directory in it.
    pub path: PathBytes,
    /// How many files.
    pub files: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnded {
    /// How the guest ended; none where the host failed before.
    pub exit: Option<Exit>,
    /// What it used, if that is known.
    pub usage: Option<Usage>,
    /// The fault of the host, if there was one.
    pub error: Option<String>,
}

impl RunEnded {
    /// The end of a guest.
    pub fn with(exit: Exit, usage: Usage) -> Self {
        Self { exit: Some(exit), usage: Some(usage), error: None }
    }

    /// The end by a fault of the host.
    pub fn failed(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::default() }
    }
}
