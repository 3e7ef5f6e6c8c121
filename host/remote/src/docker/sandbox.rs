//! A sandbox that is a container.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::{KillContainerOptions, RenameContainerOptions, StatsOptions};
use bytes::Bytes;
use futures_util::StreamExt;
use sandpiper_core::{
    BoxFuture, Control, Error, Exec, Files, Image, Metrics, PortAddress, Running, Sandbox, SandboxRef,
};
use tokio::sync::mpsc;

use super::container::Container;
use super::daemon::{BACKEND, Failure, protocol};
use super::exec;
use super::files::DockerFiles;
use super::script::Script;
use super::shape::port_name;

const LIFETIME: &str = include_str!("scripts/lifetime.sh");
/// Events that wait for somebody to take them.
const EVENTS_WAITING: usize = 16;

pub(super) struct DockerSandbox(Arc<Container>);

impl DockerSandbox {
    pub(super) fn new(container: Container) -> Self {
        Self(Arc::new(container))
    }
}

impl Drop for DockerSandbox {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Sandbox for DockerSandbox {
    fn reference(&self) -> SandboxRef {
        self.0.reference.clone()
    }

    fn spawn(&self, exec: Exec) -> BoxFuture<'_, Result<Running, Error>> {
        Box::pin(async move {
            exec::check(&exec, self.0.daemon.host())?;
            let (events, receiver) = mpsc::channel(EVENTS_WAITING);
            let control = Control::default();
            let done = exec::follow(Arc::clone(&self.0), exec, events, control.clone());
            Ok(Running::new(receiver, Box::pin(done), control))
        })
    }

    fn files(&self) -> Arc<dyn Files> {
        Arc::new(DockerFiles::new(&self.0))
    }

    fn upload<'a>(&'a self, directory: &'a str, archive: Bytes) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.0.upload(directory, archive))
    }

    fn download<'a>(&'a self, directory: &'a str, limit: u64) -> BoxFuture<'a, Result<Bytes, Error>> {
        Box::pin(self.0.download(directory, limit))
    }

    fn set_lifetime(&self, lifetime: Duration) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.0.set_lifetime(lifetime))
    }

    fn pause(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            const ACTION: &str = "pause a sandbox";
            let client = self.0.daemon.client(ACTION).await?;
            match self.0.daemon.answer(ACTION, client.pause_container(&self.0.id)).await {
                Err(failure) => Err(self.0.explain(ACTION, failure).await),
                Ok(()) => Ok(()),
            }
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Image, Error>> {
        Box::pin(self.0.snapshot())
    }

    fn metrics(&self) -> BoxFuture<'_, Result<Metrics, Error>> {
        Box::pin(self.0.metrics())
    }

    fn port(&self, port: u16) -> BoxFuture<'_, Result<PortAddress, Error>> {
        Box::pin(self.0.port(port))
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.0.close())
    }

    fn detach(self: Box<Self>) -> Result<SandboxRef, Error> {
        self.0.released.store(true, Ordering::Release);
        Ok(self.0.reference.clone())
    }
}

impl Container {
    async fn set_lifetime(&self, lifetime: Duration) -> Result<(), Error> {
        const ACTION: &str = "set a lifetime";
        let seconds = lifetime.as_secs().max(1).to_string();
        let told = self.script(ACTION, Script::new("0:0", LIFETIME, &[&seconds]), None, 0).await?;
        if told.code != 0 {
            return Err(Error::Backend { backend: BACKEND.to_owned(), action: ACTION, message: told.stderr });
        }
        let client = self.daemon.client(ACTION).await?;
        let options = KillContainerOptions { signal: "SIGUSR1".to_owned() };
        if let Err(failure) = self.daemon.answer(ACTION, client.kill_container(&self.id, Some(options))).await
        {
            return Err(self.explain(ACTION, failure).await);
        }
        let name = self.creation.container_name(SystemTime::now() + lifetime);
        let options = RenameContainerOptions { name };
        match self.daemon.answer(ACTION, client.rename_container(&self.id, options)).await {
            // It is refused when it has that name already: the same second was set before.
            Ok(()) | Err(Failure { status: Some(400), .. }) => Ok(()),
            Err(failure) => Err(self.explain(ACTION, failure).await),
        }
    }

    async fn port(&self, port: u16) -> Result<PortAddress, Error> {
        const ACTION: &str = "reach a port";
        let found = self.inspect(ACTION).await?;
        let ports = found.network_settings.and_then(|network| network.ports).unwrap_or_default();
        if ports.values().all(Option::is_none) {
            return Err(Error::Unsupported { backend: BACKEND.to_owned(), operation: ACTION });
        }
        let bound = ports.get(&port_name(port)).and_then(Option::as_ref).and_then(|bound| bound.first());
        let bound = bound.and_then(|bound| bound.host_port.as_deref()).filter(|bound| !bound.is_empty());
        match bound {
            Some(bound) => Ok(PortAddress { url: format!("http://127.0.0.1:{bound}"), header: None }),
            None => Err(Error::Backend {
                backend: BACKEND.to_owned(),
                action: ACTION,
                message: format!(
                    "the port {port} was not opened when the sandbox was made; that takes a network, and the port \
                     in `DockerConfig::ports`"
                ),
            }),
        }
    }

    async fn metrics(&self) -> Result<Metrics, Error> {
        const ACTION: &str = "measure a sandbox";
        let client = self.daemon.client(ACTION).await?;
        let mut stats = client.stats(&self.id, Some(StatsOptions { stream: false, one_shot: false }));
        let stats = match tokio::time::timeout(self.daemon.timeout(), stats.next()).await {
            Ok(Some(Ok(stats))) => stats,
            Ok(Some(Err(err))) => {
                let failure = self.daemon.failure(ACTION, err);
                return Err(self.explain(ACTION, failure).await);
            }
            Ok(None) => return Err(protocol(ACTION, "no figures".to_owned()).error),
            Err(_) => return Err(self.daemon.slow(ACTION).error),
        };
        let cpus = self.inspect(ACTION).await?.host_config.and_then(|host| host.nano_cpus);
        #[expect(clippy::cast_precision_loss, reason = "some billions")]
        let cpus = cpus.filter(|cpus| *cpus > 0).map(|cpus| cpus as f64 / 1e9);
        let memory = stats.memory_stats.clone().unwrap_or_default();
        Ok(Metrics {
            cpus,
            cpu_percent: cpu_percent(&stats),
            memory_bytes: memory.usage.map(|usage| usage.saturating_sub(reclaimable(&stats))),
            memory_limit_bytes: memory.limit,
            disk_bytes: None,
            disk_limit_bytes: None,
        })
    }
}

/// Memory that only keeps files that nobody has used lately, which `docker stats` does not count either.
fn reclaimable(stats: &ContainerStatsResponse) -> u64 {
    let figures = stats.memory_stats.as_ref().and_then(|memory| memory.stats.as_ref());
    let figure = |name| figures.and_then(|figures| figures.get(name)).copied();
    figure("total_inactive_file").or_else(|| figure("inactive_file")).unwrap_or(0)
}

/// The share of one processor that was used between two looks of the daemon.
fn cpu_percent(stats: &ContainerStatsResponse) -> Option<f64> {
    let (now, before) = (stats.cpu_stats.as_ref()?, stats.precpu_stats.as_ref()?);
    let used = now.cpu_usage.as_ref()?.total_usage?.checked_sub(before.cpu_usage.as_ref()?.total_usage?)?;
    let system = now.system_cpu_usage?.checked_sub(before.system_cpu_usage?)?;
    let cpus = f64::from(now.online_cpus?);
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds between two looks")]
    let (used, system) = (used as f64, system as f64);
    (system > 0.0).then_some(used / system * cpus * 100.0)
}
