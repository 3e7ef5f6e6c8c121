//! What goes wrong outside of a guest.

use std::time::Duration;

use crate::{BoxError, FileError, Refusal, SandboxRef};

/// A fault of the host or of a backend; what a guest does is in its [`Outcome`](crate::Outcome).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The spec asks for what the backend does not enforce or offer, or contradicts itself.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A mount's host directory cannot be opened.
    #[error("cannot mount {host} at {guest}")]
    Mount {
        /// The host directory as given.
        host: String,
        /// The guest path.
        guest: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The image is not there, or is not runnable.
    #[error("cannot use the image {image}: {reason}")]
    Image {
        /// The image as given.
        image: String,
        /// Why, in one phrase.
        reason: String,
        /// The cause.
        source: Option<BoxError>,
    },
    /// The backend does not offer an operation; its [`Capabilities`](crate::Capabilities) say so before.
    #[error("the backend {backend} does not offer this: {operation}")]
    Unsupported {
        /// The backend's name.
        backend: String,
        /// The operation.
        operation: &'static str,
    },
    /// There is no such sandbox, or it has ended: its lifetime was over, or somebody closed it.
    #[error("the sandbox {reference} is gone")]
    Gone {
        /// The sandbox.
        reference: SandboxRef,
    },
    /// The backend could not be reached, or broke off, as often as it was tried.
    #[error("the backend {backend} cannot be reached to {action}")]
    Unreachable {
        /// The backend's name.
        backend: String,
        /// What was to be done.
        action: &'static str,
        /// The cause.
        source: BoxError,
    },
    /// The backend did not answer in time; what was asked may still happen.
    #[error("the backend {backend} did not answer within {after:?} when it was to {action}")]
    Slow {
        /// The backend's name.
        backend: String,
        /// What was to be done.
        action: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The backend does not let this user in.
    #[error("the backend {backend} refuses the credentials: {message}")]
    Unauthorized {
        /// The backend's name.
        backend: String,
        /// What it says.
        message: String,
    },
    /// The user may not do more for now.
    #[error("the backend {backend} is asked too often to {action}: {message}")]
    RateLimited {
        /// The backend's name.
        backend: String,
        /// What was to be done.
        action: &'static str,
        /// When it may be tried again, from now.
        retry_after: Option<Duration>,
        /// What it says.
        message: String,
    },
    /// The backend refuses what was asked of it, or failed at it.
    #[error("the backend {backend} cannot {action}: {message}")]
    Backend {
        /// The backend's name.
        backend: String,
        /// What was to be done.
        action: &'static str,
        /// What it says.
        message: String,
    },
    /// The backend said what the protocol does not allow.
    #[error("the backend {backend} answers what is not understood when it is to {action}: {what}")]
    Protocol {
        /// The backend's name.
        backend: String,
        /// What was to be done.
        action: &'static str,
        /// What is wrong with the answer.
        what: String,
    },
    /// A tree of files could not be brought in or out.
    #[error("cannot {action} {directory}: {reason}")]
    Archive {
        /// `unpack into` or `pack`.
        action: &'static str,
        /// The guest directory.
        directory: String,
        /// Why not.
        reason: String,
    },
    /// A file of the sandbox that the host itself needs.
    #[error(transparent)]
    File(#[from] FileError),
    /// Anything else of the host's.
    #[error("{context}")]
    Host {
        /// What the host was doing.
        context: String,
        /// The cause.
        source: BoxError,
    },
}
