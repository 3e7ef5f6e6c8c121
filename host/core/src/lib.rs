//! The vocabulary and the contract of sandpiper.
//!
//! Plain data and two traits ([`Backend`], [`Sandbox`]); no input or output, no engine. A host
//! describes a sandbox by a [`Spec`], a command by an [`Exec`], and gets an [`Outcome`]. [`run`] is
//! the one path from the first to the last.

mod admit;
mod backend;
mod control;
mod denial;
mod exec;
mod exit;
mod files;
mod git;
mod git_name;
mod limits;
mod outcome;
mod run;
mod size;
mod spec;

pub use admit::{Admitted, Capabilities, Refusal, admit};
pub use backend::{Backend, BoxError, BoxFuture, Error, Running, Sandbox, SandboxRef};
pub use control::Control;
pub use denial::{Denial, DenialLog, DenialReason};
pub use exec::{Exec, Stdin};
pub use exit::{Exit, Quota, Trap};
pub use files::{
    DirectoryEntry, Edit, FileError, FileErrorKind, FileStat, FileType, Files, FindQuery, FoundFile,
    FoundLine, Results, SearchQuery,
};
pub use git::{Git, GitCommand, GitEvent, GitOutput, GitRunning};
pub use git_name::is_git_directory_name;
pub use limits::{Limits, LimitsError, Metering};
pub use outcome::{Captured, Event, Outcome, ProcessUsage, Stream, Usage};
pub use run::{collect, run};
pub use size::{ParseSizeError, parse_size};
pub use spec::{Access, Clock, GitDirectory, GuestPath, GuestPathError, Image, Mount, Spec, SpecError};
