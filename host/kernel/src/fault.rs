//! How a call of the guest can fail: an error number, a recorded refusal, or the guest's end.

use sandpiper_core::{DenialReason, Quota};

use crate::{Errno, Signal};

/// What a call gives instead of success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The number that the guest gets as the call's result.
    Errno(Errno),
    /// The guest ends here.
    Stop(Stop),
}

/// Why a guest ends inside a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The guest asked to end with this status, or raised a signal (128 + its number).
    Exit(u8),
    /// A quota that ends the guest was reached; what fitted was written.
    Quota(Quota),
    /// A signal that the guest caused ends it: a write to a pipe that nobody reads.
    Signal(Signal),
    /// The guest asked for what the sandbox does not offer, and its host wants it to end there.
    Unsupported {
        /// The kind of what it asked for.
        operation: Box<str>,
        /// What it was for.
        subject: Box<str>,
    },
    /// The address for a result is outside of the memory, which traps in the canonical ABI.
    BadAddress,
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// A failure inside the kernel, before it is known to which call and path a refusal belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// An ordinary error.
    Errno(Errno),
    /// A refusal that is to be recorded; without a subject, the call's own is taken.
    Denied { errno: Errno, reason: DenialReason, subject: Option<Box<str>> },
    /// The sandbox does not offer it: told as a guest tells of that itself.
    Unsupported { errno: Errno, feature: &'static str, subject: Box<str> },
    /// A quota that ends the guest.
    Quota(Quota),
    /// A signal that ends the guest.
    Signal(Signal),
}

/// The result of an operation inside the kernel.
pub(crate) type Attempt<T> = Result<T, Failure>;

impl Failure {
    pub(crate) const fn denied(errno: Errno, reason: DenialReason) -> Self {
        Self::Denied { errno, reason, subject: None }
    }

    /// A change in what is read-only.
    pub(crate) const fn read_only() -> Self {
        Self::denied(Errno::ROFS, DenialReason::ReadOnly)
    }

    /// Names the thing that was refused, unless it is named already.
    pub(crate) fn on(self, name: impl FnOnce() -> String) -> Self {
        match self {
            Self::Denied { errno, reason, subject: None } => {
                Self::Denied { errno, reason, subject: Some(name().into_boxed_str()) }
            }
            other => other,
        }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}
