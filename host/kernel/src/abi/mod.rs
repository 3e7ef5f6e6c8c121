//! The vocabulary of WASI preview 1: error numbers, rights, flags and memory layouts, by the witx.

mod errno;
mod flags;
mod layout;
mod rights;

pub use errno::Errno;
pub(crate) use flags::{Advice, ClockId, FdFlags, FileKind, LookupFlags, OpenFlags, TimeFlags, Whence};
pub(crate) use layout::{
    DIRENT_BYTES, EVENT_BYTES, EventKind, FILESTAT_BYTES, SUBSCRIPTION_BYTES, Subscription, Wait, dirent,
    event, fdstat, filestat, subscription,
};
pub(crate) use rights::Rights;
