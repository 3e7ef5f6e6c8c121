//! Sandboxes that are containers of a Docker daemon.
//!
//! A container has a read-only root, no capabilities, no network unless that is granted, and limits of memory,
//! processes and descriptors. Its first process is a keeper that lives as long as the sandbox may, as root, which
//! commands are not: an orphan ends by itself, and is removed with its volumes. Commands are started in it by the
//! daemon (`exec`); their limits of time and output are kept from here.
//!
//! - `/workspace` and `/home/user` are volumes on the daemon's disk, which nothing bounds; `/tmp` is in memory, and
//!   is what `tmp_bytes` bounds.
//! - A process that makes a session of its own outlives its command, until the sandbox ends.
//! - While nobody takes the output of a command that has ended, the daemon (seen with 20.10) may let other commands
//!   of the sandbox wait for their end.
//! - The daemon tells the end of a command as an exit code, of which 129, 130, 137, 141 and 143 count as the signals
//!   that they stand for ([`Exit::code`](sandpiper_core::Exit::code) is the same), and others as codes.

mod archive;
mod config;
mod container;
mod create;
mod daemon;
mod ending;
mod exec;
mod files;
mod mark;
mod record;
mod sandbox;
mod script;
mod search;
mod shape;
mod snapshot;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, UNIX_EPOCH};

use bollard::models::{ContainerInspectResponse, ContainerSummary, ContainerSummaryStateEnum as State};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptions};
use sandpiper_core::{
    Admitted, Backend, BoxFuture, Capabilities, Error, Health, Image, Sandbox, SandboxInfo, SandboxRef,
    SandboxState,
};

pub use config::{DockerConfig, DockerConfigError, Pull, WritableMounts};
use container::{Container, is_paused, is_running};
use daemon::{BACKEND, Daemon, Failure};
use sandbox::DockerSandbox;

/// The backend `docker`.
pub struct Docker {
    config: DockerConfig,
    daemon: Arc<Daemon>,
}

impl Docker {
    /// A backend with these settings; the daemon is not asked before it is needed.
    ///
    /// # Errors
    /// [`DockerConfigError`] names the setting, its value and what would work.
    pub fn new(config: DockerConfig) -> Result<Self, DockerConfigError> {
        let host = config.check()?;
        let daemon = Arc::new(Daemon::new(host, config.timeout));
        Ok(Self { config, daemon })
    }

    fn user(&self) -> String {
        let (user, group) = self.config.user;
        format!("{user}:{group}")
    }

    async fn connect_to(&self, reference: &SandboxRef) -> Result<Box<dyn Sandbox>, Error> {
        const ACTION: &str = "connect to a sandbox";
        let gone = || Error::Gone { reference: reference.clone() };
        if reference.backend != BACKEND {
            return Err(gone());
        }
        let client = self.daemon.client(ACTION).await?;
        let request = client.inspect_container(&reference.id, None::<InspectContainerOptions>);
        let found = match self.daemon.answer(ACTION, request).await {
            Err(Failure { status: Some(404), .. }) => return Err(gone()),
            found => found?,
        };
        let container = self.known(&found).ok_or_else(gone)?;
        // What goes wrong from here on must not close it.
        container.released.store(true, Ordering::Release);
        if !is_running(&found) {
            return Err(gone());
        }
        if is_paused(&found) {
            match self.daemon.answer(ACTION, client.unpause_container(&container.id)).await {
                // Somebody else has let it go on.
                Err(Failure { status: Some(409 | 500), .. })
                    if !is_paused(&container.inspect(ACTION).await?) => {}
                unpaused => unpaused?,
            }
        }
        let kills = container.count_memory_kills().await?;
        container.memory_kills.store(kills, Ordering::Relaxed);
        container.released.store(false, Ordering::Release);
        Ok(Box::new(DockerSandbox::new(container)))
    }

    /// The sandbox that a container is; `None` for any other container.
    fn known(&self, found: &ContainerInspectResponse) -> Option<Container> {
        let labels = found.config.as_ref()?.labels.as_ref()?;
        let record::Noted { creation, limits, env } = record::read(labels)?;
        let id = found.id.clone()?;
        let reference =
            SandboxRef { metadata: record::metadata(labels), ..SandboxRef::new(BACKEND, id.clone()) };
        Some(Container {
            daemon: Arc::clone(&self.daemon),
            id,
            creation,
            reference,
            limits,
            env,
            user: self.user(),
            released: false.into(),
            memory_kills: 0.into(),
        })
    }

    async fn list_all(&self, metadata: &[(String, String)]) -> Result<Vec<SandboxInfo>, Error> {
        const ACTION: &str = "list sandboxes";
        let client = self.daemon.client(ACTION).await?;
        let options = ListContainersOptions {
            all: true,
            filters: Some([("label".to_owned(), vec![record::SANDBOX.to_owned()])].into()),
            ..ListContainersOptions::default()
        };
        let found = self.daemon.answer(ACTION, client.list_containers(Some(options))).await?;
        let has = |info: &SandboxInfo| {
            metadata.iter().all(|(key, value)| info.reference.metadata.get(key) == Some(value))
        };
        Ok(found.into_iter().filter_map(info).filter(has).collect())
    }
}

/// What the list tells of a sandbox; `None` for one that has ended.
fn info(found: ContainerSummary) -> Option<SandboxInfo> {
    let labels = found.labels?;
    record::read(&labels)?;
    let state = match found.state? {
        State::RUNNING => SandboxState::Running,
        State::PAUSED => SandboxState::Paused,
        State::EXITED | State::REMOVING => return None,
        State::DEAD => SandboxState::Failed,
        _ => SandboxState::Changing,
    };
    let reference = SandboxRef { metadata: record::metadata(&labels), ..SandboxRef::new(BACKEND, found.id?) };
    let created = found.created.and_then(|seconds| u64::try_from(seconds).ok());
    Some(SandboxInfo {
        reference,
        state,
        image: found.image.unwrap_or_default(),
        created: created.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))),
        expires: found.names.iter().flatten().find_map(|name| record::expires(name)),
    })
}

impl Backend for Docker {
    fn name(&self) -> &'static str {
        BACKEND
    }

    fn capabilities(&self, _image: &Image) -> Capabilities {
        let local = self.daemon.host().is_local();
        let uncounted = self.config.writable_mounts == WritableMounts::Uncounted;
        Capabilities {
            mounts: local,
            // Allowed by the one who has set up the backend, though nothing is counted; `create` refuses the
            // limits that are then asked for.
            disk_bytes: uncounted,
            files: uncounted,
            deadline_metering: true,
            memory: true,
            tmp_bytes: true,
            descriptors: true,
            processes: true,
            network_nothing: true,
            network_everything: true,
            lifetime: true,
            lifetime_in_seconds: true,
            metadata: true,
            signals: true,
            connect: true,
            pause: true,
            pause_keeps_processes: true,
            snapshot: true,
            ports: local && !self.config.ports.is_empty(),
            metrics: true,
            ..Capabilities::default()
        }
    }

    fn create(&self, spec: Admitted) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(async move {
            let container = create::create(&self.daemon, &self.config, spec.spec()).await?;
            Ok(Box::new(DockerSandbox::new(container)) as Box<dyn Sandbox>)
        })
    }

    fn connect<'a>(&'a self, reference: &'a SandboxRef) -> BoxFuture<'a, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(self.connect_to(reference))
    }

    fn list<'a>(
        &'a self,
        metadata: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<Vec<SandboxInfo>, Error>> {
        Box::pin(self.list_all(metadata))
    }

    fn health(&self) -> BoxFuture<'_, Result<Health, Error>> {
        Box::pin(async move {
            const ACTION: &str = "say how it is";
            let client = self.daemon.client(ACTION).await?;
            let asked = Instant::now();
            let version = self.daemon.answer(ACTION, client.version()).await?;
            Ok(Health { latency: asked.elapsed(), version: version.version })
        })
    }
}

impl fmt::Debug for Docker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Docker").field("config", &self.config).finish_non_exhaustive()
    }
}
