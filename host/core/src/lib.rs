//! The vocabulary and the contract of sandpiper.
//!
//! Plain data and two traits ([`Backend`], [`Sandbox`]); no input or output, no engine. A host
//! describes a sandbox by a [`Spec`], a command by an [`Exec`], and gets an [`Outcome`]. [`run`] is
//! the one path from the first to the last.

mod admit;
mod archive;
mod backend;
mod change;
mod control;
mod denial;
mod error;
mod exec;
mod exit;
mod files;
mod git;
mod git_name;
mod lack;
mod limits;
mod machine_code;
mod network;
mod outcome;
mod reference;
mod run;
pub mod search;
mod size;
mod spec;
mod watch;
mod windows_name;

pub use admit::{Admitted, Capabilities, Refusal, admit};
pub use backend::{Backend, BoxError, BoxFuture, Running, Sandbox};
pub use change::ChangeObserver;
pub use control::{Control, Signalled};
pub use denial::{Denial, DenialLog, DenialReason};
pub use error::Error;
pub use exec::{Exec, Stdin};
pub use exit::{Exit, Quota, Trap};
pub use files::{
    DirectoryEntry, Edit, FileError, FileErrorKind, FileStat, FileType, Files, FindQuery, FoundFile,
    FoundLine, Results, SearchQuery,
};
pub use git::{Git, GitCommand, GitEvent, GitOutput, GitRunning};
pub use git_name::is_git_directory_name;
pub use lack::Lack;
pub use limits::{Limits, LimitsError, Metering};
pub use machine_code::is_machine_code;
pub use network::Network;
pub use outcome::{Captured, Event, Outcome, ProcessUsage, Stream, Usage};
pub use reference::{Health, Metrics, PortAddress, SandboxInfo, SandboxRef, SandboxRefError, SandboxState};
pub use run::{collect, create, run};
pub use size::{ParseSizeError, parse_size};
pub use spec::{Access, Clock, GitDirectory, GuestPath, GuestPathError, Image, Mount, Spec, SpecError};
pub use watch::{FileEvent, FileEventKind, Watch};
pub use windows_name::is_reserved_windows_name;
