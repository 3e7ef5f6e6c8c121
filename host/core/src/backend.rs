//! The contract that every place where code can run fulfils.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::{Admitted, Capabilities, Control, Event, Exec, Files, Image, Outcome, Refusal};

/// A boxed future, as traits that are used as objects need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A boxed source error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A place where sandboxes are made.
pub trait Backend: Send + Sync {
    /// The backend's name, for messages and references.
    fn name(&self) -> &'static str;

    /// What the backend can enforce and offer for an image; for one that is not there, which
    /// [`Backend::create`] refuses, anything.
    fn capabilities(&self, image: &Image) -> Capabilities;

    /// Makes a sandbox of an admitted spec.
    ///
    /// # Errors
    /// [`Error`] when the host cannot make it; nothing is left behind then.
    fn create(&self, spec: Admitted) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>>;
}

/// A sandbox. Dropping it closes it.
pub trait Sandbox: Send {
    /// A reference by which the sandbox can be named in messages and journals.
    fn reference(&self) -> SandboxRef;

    /// Starts a command. Nothing runs until the end that [`Running::split`] gives is polled.
    ///
    /// # Errors
    /// [`Error`] when the command cannot be started for a reason that lies with the host.
    fn spawn(&mut self, exec: Exec) -> BoxFuture<'_, Result<Running, Error>>;

    /// The sandbox's files; they can be worked with before, after, and while a command runs.
    fn files(&self) -> Arc<dyn Files>;

    /// Ends what runs in the sandbox and frees it. Closing twice is closing once.
    fn close(&mut self) -> BoxFuture<'_, Result<(), Error>>;
}

/// A small serialisable name of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxRef {
    /// The backend's name.
    pub backend: String,
    /// The backend's own id.
    pub id: String,
}

/// A command that runs: events come out of one half while the other is polled to the end.
///
/// Dropping it ends the guest.
pub struct Running {
    events: mpsc::Receiver<Event>,
    done: BoxFuture<'static, Result<Outcome, Error>>,
    control: Control,
}

impl Running {
    /// Puts a running command together; for backends.
    pub fn new(
        events: mpsc::Receiver<Event>,
        done: BoxFuture<'static, Result<Outcome, Error>>,
        control: Control,
    ) -> Self {
        Self { events, done, control }
    }

    /// The control, also of the parts after [`Running::split`].
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Splits into the events, the end, and the control. The end makes progress only while it is
    /// polled, and waits while nobody takes events.
    pub fn split(self) -> (mpsc::Receiver<Event>, BoxFuture<'static, Result<Outcome, Error>>, Control) {
        (self.events, self.done, self.control)
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Running").finish_non_exhaustive()
    }
}

/// A fault of the host; a guest cannot cause one.
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
    /// Anything else of the host's.
    #[error("{context}")]
    Host {
        /// What the host was doing.
        context: String,
        /// The cause.
        source: BoxError,
    },
}
