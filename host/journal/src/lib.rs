//! What runs did, in files that are only added to.
//!
//! A [`Journal`] is a directory with a file of JSON lines for each run. Each line is a [`Record`] with its
//! number, the time, the hash of the line before and its own, so that what is missing or was changed is told.
//! A process that is killed loses no record that it has written, and leaves no reader without an answer.
//! Secrets are kept out by a [`Redactor`].
//!
//! ```
//! use std::time::SystemTime;
//! use sandpiper_core::{Exec, Exit, Spec, Usage};
//! use sandpiper_journal::{
//!     Change, Condition, Digest, FileChange, Filter, Journal, Record, Redactor, RunEnded, RunId, RunStarted,
//!     WriterOptions,
//! };
//!
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! let journal = Journal::open(directory)?;
//! let run = RunId::new(SystemTime::now(), 0x5eed);
//! let options = WriterOptions { redactor: Redactor::new(["swordfish"]), ..WriterOptions::default() };
//! let exec = Exec::new(["sh", "-c", "echo swordfish > notes.txt"]);
//! let mut writer = journal.begin(&run, options, RunStarted::of(&Spec::default(), &exec, "wasm"))?;
//! writer.append(&Record::FileChanged(FileChange {
//!     path: "notes.txt".into(),
//!     change: Change::Created,
//!     moved_from: None,
//!     before: None,
//!     after: Some(Digest::of(b"swordfish\n")),
//! }))?;
//! writer.finish(&RunEnded::with(Exit::Code { code: 0 }, Usage::default()))?;
//!
//! assert_eq!(journal.verify(&run)?.condition, Condition::Complete);
//! assert_eq!(journal.files_changed(&run)?.files.len(), 1);
//! let listed = journal.list(&Filter::default())?;
//! assert_eq!(listed[0].command, "sh -c echo [redacted] > notes.txt");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decoded;
mod digest;
mod encode;
mod error;
mod export;
mod files_changed;
mod filter;
mod follow;
mod index;
mod journal;
mod layout;
mod line;
mod names;
mod outcome;
mod path_bytes;
mod reader;
mod record;
mod redact;
mod retention;
mod room;
mod run_id;
mod run_started;
mod summary;
mod timestamp;
mod verify;
mod writer;

pub use digest::{Digest, DigestError};
pub use error::JournalError;
pub use export::ExportError;
pub use files_changed::{FilesChanged, NetChange};
pub use filter::{Ended, Filter};
pub use follow::{Follow, Followed};
pub use journal::Journal;
pub use line::Entry;
pub use path_bytes::PathBytes;
pub use reader::{Damage, DamageKind, Found, Reader, Tail};
pub use record::{Change, FileChange, Record, RunEnded, Transfer, Verdict};
pub use redact::Redactor;
pub use retention::{Collected, Retention};
pub use run_id::{RunId, RunIdError};
pub use run_started::{MountSummary, RunStarted};
pub use summary::{State, Summary};
pub use verify::{Condition, Verified};
pub use writer::{Fsync, Writer, WriterOptions};
