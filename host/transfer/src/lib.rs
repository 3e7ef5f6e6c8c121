//! A workspace directory taken to another machine, and what changed there brought back.
//!
//! [`pack`] makes a tar archive of a directory and a [`Manifest`] of what was in it. The archive is unpacked
//! elsewhere, things happen, and all of it is packed there again. [`Changes::between`] tells from both what
//! happened, and [`Changes::apply`] does the same here: all of it or nothing. [`recover`] puts back what an
//! apply has left that was killed. See [`Changes`] for an example.

mod apply;
mod archive;
mod changes;
mod digest;
mod error;
mod limits;
mod look;
mod manifest;
mod mark;
mod names;
mod pack;
mod path;
mod platform;
mod writer;

pub use apply::{Applied, Recovered, recover};
pub use changes::{Change, ChangeKind, Changes, LeftOut, WhyLeftOut};
pub use digest::Digest;
pub use error::{ArchiveFault, TransferError};
pub use limits::PackLimits;
pub use manifest::{EntryKind, Keep, Manifest, ManifestEntry, State};
pub use mark::Mark;
pub use pack::{Packed, pack};
pub use path::{PathFault, RelativePath};
