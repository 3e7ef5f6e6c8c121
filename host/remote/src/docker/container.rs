//! A container that is a sandbox: what all that is done with it goes through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum};
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptions, ListContainersOptions, RemoveContainerOptions,
};
use sandpiper_core::{Error, Limits, SandboxRef};

use super::daemon::{BACKEND, Daemon, Failure};
use super::record::{self, CreationId};

/// How long a container that is being removed is waited for.
const REMOVAL: Duration = Duration::from_secs(30);
/// How long a container may seem to run after what runs in it has ended.
const ENDING: Duration = Duration::from_secs(2);
/// How often that is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

pub(super) struct Container {
    pub(super) daemon: Arc<Daemon>,
    /// Docker's own id.
    pub(super) id: String,
    pub(super) creation: CreationId,
    pub(super) reference: SandboxRef,
    pub(super) limits: Limits,
    /// Variables of each command, under its own.
    pub(super) env: Vec<(String, String)>,
    /// The user and group of commands.
    pub(super) user: String,
    /// Nothing is left to be closed: it is closed, or somebody else's by now.
    pub(super) released: AtomicBool,
    /// How many processes the kernel has ended for memory, as far as was looked.
    pub(super) memory_kills: AtomicU64,
}

impl Container {
    pub(super) fn gone(&self) -> Error {
        Error::Gone { reference: self.reference.clone() }
    }

    /// What a failed request about the container means: of one that is not there or does not run, that it is
    /// gone.
    pub(super) async fn explain(&self, action: &'static str, failure: Failure) -> Error {
        match failure.status {
            Some(404) => self.gone(),
            Some(409) => match self.inspect(action).await {
                Ok(found) if is_paused(&found) => Error::Backend {
                    backend: BACKEND.to_owned(),
                    action,
                    message: "the sandbox is paused; it goes on when it is connected to".to_owned(),
                },
                Ok(_) => self.gone_or(action, failure.error).await,
                Err(err) => err,
            },
            // The daemon's words for a container that ends between two of its own steps.
            Some(500) => self.gone_or(action, failure.error).await,
            _ => failure.error,
        }
    }

    /// What an error means that comes of the container's end, perhaps: that it is gone, if it is seen to end.
    pub(super) async fn gone_or(&self, action: &'static str, err: Error) -> Error {
        let end = tokio::time::Instant::now() + ENDING;
        loop {
            match self.inspect(action).await {
                Ok(found) if !is_running(&found) => return self.gone(),
                Ok(_) if tokio::time::Instant::now() >= end => return err,
                Ok(_) => tokio::time::sleep(INTERVAL).await,
                Err(gone @ Error::Gone { .. }) => return gone,
                Err(_) => return err,
            }
        }
    }

    pub(super) async fn inspect(&self, action: &'static str) -> Result<ContainerInspectResponse, Error> {
        let client = self.daemon.client(action).await?;
        let request = client.inspect_container(&self.id, None::<InspectContainerOptions>);
        match self.daemon.answer(action, request).await {
            Err(Failure { status: Some(404), .. }) => Err(self.gone()),
            found => Ok(found?),
        }
    }

    /// Ends all that runs in it, without waiting for its removal.
    pub(super) async fn kill(&self) -> Result<(), Error> {
        const ACTION: &str = "end the sandbox";
        let client = self.daemon.client(ACTION).await?;
        let options = KillContainerOptions { signal: "SIGKILL".to_owned() };
        match self.daemon.answer(ACTION, client.kill_container(&self.id, Some(options))).await {
            // It has ended by itself.
            Err(Failure { status: Some(404 | 409), .. }) => Ok(()),
            killed => Ok(killed?),
        }
    }

    pub(super) async fn close(&self) -> Result<(), Error> {
        remove(&self.daemon, &self.id).await?;
        self.released.store(true, Ordering::Release);
        Ok(())
    }
}

impl Container {
    /// Closes it, as far as that can be done without waiting.
    pub(super) fn abandon(&self) {
        if self.released.swap(true, Ordering::AcqRel) {
            return;
        }
        // Without a runtime nothing can be sent; the keeper ends it then.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (daemon, id) = (Arc::clone(&self.daemon), self.id.clone());
            runtime.spawn(async move {
                let _ = remove(&daemon, &id).await;
            });
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.abandon();
    }
}

pub(super) fn is_running(found: &ContainerInspectResponse) -> bool {
    let state = found.state.as_ref();
    let removing = state.and_then(|state| state.status) == Some(ContainerStateStatusEnum::REMOVING);
    !removing && state.and_then(|state| state.running).unwrap_or(false)
}

pub(super) fn is_paused(found: &ContainerInspectResponse) -> bool {
    found.state.as_ref().and_then(|state| state.paused).unwrap_or(false)
}

/// Removes a container with its volumes, whether it runs or not; one that is not there is removed.
pub(super) async fn remove(daemon: &Daemon, id: &str) -> Result<(), Error> {
    const ACTION: &str = "close a sandbox";
    let client = daemon.client(ACTION).await?;
    let options = RemoveContainerOptions { v: true, force: true, link: false };
    let removed = daemon.answer(ACTION, client.remove_container(id, Some(options))).await;
    match removed {
        Err(Failure { status: Some(404), .. }) => Ok(()),
        Err(failure) if failure.status == Some(409) => {
            // Its own end removes it, and that is under way.
            let end = tokio::time::Instant::now() + REMOVAL;
            while tokio::time::Instant::now() < end {
                let look = client.inspect_container(id, None::<InspectContainerOptions>);
                match daemon.answer(ACTION, look).await {
                    Err(Failure { status: Some(404), .. }) => return Ok(()),
                    Err(failure) => return Err(failure.error),
                    Ok(_) => tokio::time::sleep(INTERVAL).await,
                }
            }
            Err(failure.error)
        }
        removed => Ok(removed?),
    }
}

/// Removes what a creation has made, though nobody has told its id; says how many containers that were.
pub(super) async fn remove_creation(daemon: &Daemon, creation: &CreationId) -> Result<usize, Error> {
    const ACTION: &str = "look for a sandbox";
    let client = daemon.client(ACTION).await?;
    let label = format!("{}={}", record::SANDBOX, creation.as_str());
    let options = ListContainersOptions {
        all: true,
        filters: Some([("label".to_owned(), vec![label])].into()),
        ..ListContainersOptions::default()
    };
    let found = daemon.answer(ACTION, client.list_containers(Some(options))).await?;
    let ids: Vec<_> = found.into_iter().filter_map(|container| container.id).collect();
    for id in &ids {
        remove(daemon, id).await?;
    }
    Ok(ids.len())
}
