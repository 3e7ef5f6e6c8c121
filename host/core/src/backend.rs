//! The contract that every place where code can run fulfils.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{
    Admitted, Capabilities, Control, Error, Event, Exec, Files, Health, Image, Metrics, Outcome, PortAddress,
    SandboxInfo, SandboxRef, archive,
};

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
    /// [`Error`] when the backend cannot make it; nothing is left behind then.
    fn create(&self, spec: Admitted) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>>;

    /// Takes hold of a sandbox that another process may have made; one that is paused goes on.
    ///
    /// # Errors
    /// [`Error::Gone`] when there is none of this id; [`Error::Unsupported`] without
    /// [`Capabilities::connect`].
    fn connect<'a>(&'a self, _reference: &'a SandboxRef) -> BoxFuture<'a, Result<Box<dyn Sandbox>, Error>> {
        unsupported(self.name(), "connect")
    }

    /// The sandboxes that there are, running and paused: those that have all of `metadata`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] without [`Capabilities::connect`].
    fn list<'a>(
        &'a self,
        _metadata: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<Vec<SandboxInfo>, Error>> {
        unsupported(self.name(), "list")
    }

    /// Removes what [`Sandbox::snapshot`] has kept; sandboxes that were made of it stay. Removing twice is removing
    /// once.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where images are removed by other means.
    fn remove_snapshot<'a>(&'a self, _image: &'a Image) -> BoxFuture<'a, Result<(), Error>> {
        unsupported(self.name(), "remove a snapshot")
    }

    /// Whether the backend answers, and lets this user in.
    ///
    /// # Errors
    /// Why it does not.
    fn health(&self) -> BoxFuture<'_, Result<Health, Error>>;
}

/// A sandbox. Dropping it closes it, as far as that can be done without waiting; [`Sandbox::close`] tells
/// whether it is closed.
pub trait Sandbox: Send + Sync {
    /// A reference by which the sandbox is named in messages and journals, and found by
    /// [`Backend::connect`].
    fn reference(&self) -> SandboxRef;

    /// Starts a command; several can run at a time. Nothing runs until the end that [`Running::split`] gives
    /// is polled.
    ///
    /// # Errors
    /// [`Error`] when the command cannot be started for a reason that does not lie with the guest.
    fn spawn(&self, exec: Exec) -> BoxFuture<'_, Result<Running, Error>>;

    /// The sandbox's files; they can be worked with before, after, and while a command runs.
    fn files(&self) -> Arc<dyn Files>;

    /// Unpacks a tar archive into a directory, which is made when it is missing: files, directories and
    /// symlinks with their permission bits.
    ///
    /// # Errors
    /// [`Error::Archive`] for an archive that cannot be unpacked there.
    fn upload<'a>(&'a self, directory: &'a str, archive: Bytes) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(archive::upload(self, directory, archive))
    }

    /// Packs what is in a directory into a tar archive, with paths relative to it.
    ///
    /// # Errors
    /// [`Error::Archive`] for a directory that cannot be packed, or into no more than `limit` bytes.
    fn download<'a>(&'a self, directory: &'a str, limit: u64) -> BoxFuture<'a, Result<Bytes, Error>> {
        Box::pin(archive::download(self, directory, limit))
    }

    /// Has the sandbox end this long from now, unless that is called again.
    ///
    /// # Errors
    /// [`Error::Unsupported`] without [`Capabilities::lifetime`].
    fn set_lifetime(&self, _lifetime: Duration) -> BoxFuture<'_, Result<(), Error>> {
        unsupported(&self.reference().backend, "set the lifetime")
    }

    /// Sets the sandbox aside until [`Backend::connect`]. Its files stay; its commands end, or go on then,
    /// as [`Capabilities::pause_keeps_processes`] says.
    ///
    /// # Errors
    /// [`Error::Unsupported`] without [`Capabilities::pause`].
    fn pause(&self) -> BoxFuture<'_, Result<(), Error>> {
        unsupported(&self.reference().backend, "pause")
    }

    /// Keeps the sandbox's files as an image of the same backend.
    ///
    /// # Errors
    /// [`Error::Unsupported`] without [`Capabilities::snapshot`].
    fn snapshot(&self) -> BoxFuture<'_, Result<Image, Error>> {
        unsupported(&self.reference().backend, "snapshot")
    }

    /// Makes another sandbox with the same files and settings.
    ///
    /// # Errors
    /// [`Error::Unsupported`] without [`Capabilities::fork`].
    fn fork(&self) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        unsupported(&self.reference().backend, "fork")
    }

    /// What the sandbox uses now.
    ///
    /// # Errors
    /// [`Error::Unsupported`] without [`Capabilities::metrics`].
    fn metrics(&self) -> BoxFuture<'_, Result<Metrics, Error>> {
        unsupported(&self.reference().backend, "metrics")
    }

    /// Where a port that a command of the sandbox listens on is reached from here.
    ///
    /// # Errors
    /// [`Error::Unsupported`] without [`Capabilities::ports`].
    fn port(&self, _port: u16) -> BoxFuture<'_, Result<PortAddress, Error>> {
        unsupported(&self.reference().backend, "ports")
    }

    /// Ends what runs in the sandbox and frees it, with its files. Closing twice is closing once.
    ///
    /// # Errors
    /// [`Error`] when that is not known to have happened.
    fn close(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// Lets go of the sandbox without closing it: it lives on for [`Backend::connect`], until its lifetime
    /// ends.
    ///
    /// # Errors
    /// [`Error::Unsupported`] without [`Capabilities::connect`]; the sandbox is closed then.
    fn detach(self: Box<Self>) -> Result<SandboxRef, Error> {
        Err(Error::Unsupported { backend: self.reference().backend, operation: "detach" })
    }
}

fn unsupported<'a, T: Send + 'a>(backend: &str, operation: &'static str) -> BoxFuture<'a, Result<T, Error>> {
    let err = Error::Unsupported { backend: backend.to_owned(), operation };
    Box::pin(std::future::ready(Err(err)))
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
