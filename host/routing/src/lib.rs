//! The router: what a command needs, told before it runs from its text and the files that it sees, and which
//! backend offers that.
//!
//! [`analyze`] reads and never executes; [`decide`] compares its [`Needs`] with what backends offer. A need that
//! is only [`Certainty::Possible`] routes nothing: the command runs here, and [`need_of_run`] tells from how it
//! ended and from what it was refused whether it has to run elsewhere after all.

mod analysis;
mod commands;
mod decide;
mod declared;
mod executable;
mod files;
mod image;
mod interpreters;
pub mod limits;
mod mounted;
mod need;
mod offer;
mod path;
mod programs;
mod python;
mod shell;
mod watch;

pub use analysis::{Command, analyze};
pub use decide::{Comparison, Decision, Permission, Verdict, decide};
pub use declared::{Declared, DeclaredError};
pub use files::{FileKind, Files, MemoryFiles};
pub use image::{Image, is_missing_module};
pub use mounted::MountedFiles;
pub use need::{Certainty, Evidence, ModuleLack, Need, Needs, What};
pub use offer::{Offer, PythonModules};
pub use watch::need_of_run;
