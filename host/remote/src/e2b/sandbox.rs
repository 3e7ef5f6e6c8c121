//! A sandbox that is held, kept alive, and closed when it is let go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sandpiper_core::{
    BoxFuture, Error, Exec, Files, Image, Lack, Limits, Metrics, PortAddress, Running, Sandbox, SandboxRef,
};
use serde_json::json;
use tokio::task::AbortHandle;

use super::backend::{Api, is_gone, whole_seconds};
use super::connect::Envd;
use super::files::E2bFiles;
use super::wire::{Forked, Measured, Snapshot, Version};
use super::{NAME, process};
use crate::http::{Call, Method, Secret, StatusCode};

/// What commands and files of a sandbox need of it.
pub(super) struct Shared {
    pub api: Arc<Api>,
    pub reference: SandboxRef,
    pub envd: Envd,
    pub version: Version,
    pub domain: String,
    pub traffic_token: Option<Secret>,
    /// How long it was made to live, where that was said.
    pub lifetime: Option<Duration>,
    /// Commands are started as they are, and envd takes any signal ([`Made::direct_commands`](super::wire::Made)).
    pub direct_commands: bool,
    pub wall: Duration,
    pub output_bytes: u64,
}

/// How long a fork lives until it is held. It has no mark by which it would be found when the answer is lost.
const FORK_LIFETIME: Duration = Duration::from_mins(1);

const FORK: &str = "fork a sandbox";

pub(super) struct E2bSandbox {
    shared: Arc<Shared>,
    /// Keeps the sandbox alive.
    keeper: Option<AbortHandle>,
    closed: AtomicBool,
    /// It lives on without who holds it: it is let go, or paused.
    left: AtomicBool,
}

impl E2bSandbox {
    /// Holds a sandbox, and keeps it alive for as long, unless it was said how long it lives.
    pub fn new(shared: Arc<Shared>) -> Self {
        let keeper = (shared.lifetime.is_none())
            .then(|| tokio::spawn(keep_alive(Arc::downgrade(&shared))).abort_handle());
        Self { shared, keeper, closed: AtomicBool::new(false), left: AtomicBool::new(false) }
    }

    /// From now on the sandbox ends when it was told to.
    fn stop_keeping(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

/// Extends the time of a sandbox, so often that two failures in a row do not end it.
async fn keep_alive(shared: Weak<Shared>) {
    let Some(lifetime) = shared.upgrade().map(|shared| shared.api.config.lifetime) else { return };
    loop {
        tokio::time::sleep(lifetime / 4).await;
        let Some(shared) = shared.upgrade() else { return };
        if let Err(Error::Gone { .. }) = shared.set_timeout(lifetime).await {
            return;
        }
    }
}

impl Shared {
    fn offers(&self, capability: Lack, operation: &'static str) -> Result<(), Error> {
        capability.refuse(&self.api.config.lacks, NAME, operation)
    }

    fn control(&self, method: Method, operation: &str, action: &'static str) -> Call {
        let call = self.api.control.call(method, &["sandboxes", &self.reference.id, operation], action);
        call.of(&self.reference, is_gone)
    }

    /// Holds the one sandbox that was to be made; what cannot be held is ended.
    async fn forked(&self, forked: Vec<Forked>) -> Result<E2bSandbox, Error> {
        let made = forked.iter().filter_map(|fork| fork.sandbox.as_ref());
        let made: Vec<_> = made.map(|made| SandboxRef::new(NAME, made.sandbox_id.as_str())).collect();
        let shared = self.of_fork(forked);
        if shared.is_err() {
            for reference in &made {
                // The failure is what counts; what is not reached ends by itself.
                let _ = self.api.kill(reference).await;
            }
        }
        shared.map(E2bSandbox::new)
    }

    fn of_fork(&self, forked: Vec<Forked>) -> Result<Arc<Self>, Error> {
        let count = forked.len();
        let [fork] = <[Forked; 1]>::try_from(forked).map_err(|_| Error::Protocol {
            backend: NAME.to_owned(),
            action: FORK,
            what: format!("{count} sandboxes instead of one"),
        })?;
        let said = fork.error.map(|err| err.message).unwrap_or_default();
        let made = fork.sandbox.ok_or_else(|| Error::Backend {
            backend: NAME.to_owned(),
            action: FORK,
            message: self.envd.repeated(&said),
        })?;
        let mut reference = SandboxRef::new(NAME, made.sandbox_id.as_str());
        reference.metadata = self.reference.metadata.clone();
        let limits = Limits { wall: self.wall, output_bytes: self.output_bytes, ..Limits::default() };
        self.api.sandbox(made, reference, &limits, self.lifetime)
    }

    async fn set_timeout(&self, lifetime: Duration) -> Result<(), Error> {
        let call = self.control(Method::POST, "timeout", "set the lifetime of a sandbox");
        let call = call.json(&json!({"timeout": whole_seconds(lifetime)})).repeatable();
        call.send().await?.checked().map(drop)
    }
}

impl Sandbox for E2bSandbox {
    fn reference(&self) -> SandboxRef {
        self.shared.reference.clone()
    }

    fn spawn(&self, exec: Exec) -> BoxFuture<'_, Result<Running, Error>> {
        Box::pin(std::future::ready(process::spawn(&self.shared, exec)))
    }

    fn files(&self) -> Arc<dyn Files> {
        Arc::new(E2bFiles::new(Arc::clone(&self.shared)))
    }

    fn set_lifetime(&self, lifetime: Duration) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.stop_keeping();
            self.shared.set_timeout(lifetime).await
        })
    }

    fn pause(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.shared.offers(Lack::Pause, "pause")?;
            self.stop_keeping();
            let call = self.shared.control(Method::POST, "pause", "pause a sandbox");
            // Where what runs is not kept, E2B has that said.
            let keeps = self.shared.offers(Lack::PauseKeepsProcesses, "keep what runs").is_ok();
            let body = if keeps { json!({}) } else { json!({"memory": false}) };
            let answer = call.json(&body).repeatable().send().await?;
            // It is paused already.
            if answer.status != StatusCode::CONFLICT {
                answer.checked()?;
            }
            self.left.store(true, Ordering::Release);
            Ok(())
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Image, Error>> {
        Box::pin(async move {
            self.shared.offers(Lack::Snapshot, "snapshot")?;
            let call = self.shared.control(Method::POST, "snapshots", "keep a snapshot of a sandbox");
            let snapshot: Snapshot = call.json(&json!({})).send().await?.json()?;
            Ok(Image::Named(snapshot.snapshot_id))
        })
    }

    fn fork(&self) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        // A task of its own, as with one that is made: nobody may be there to hold it when it is.
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            shared.offers(Lack::Fork, "fork")?;
            let forking = tokio::spawn(async move {
                let lifetime = shared.lifetime.unwrap_or(shared.api.config.lifetime);
                let timeout = whole_seconds(lifetime.min(FORK_LIFETIME));
                let call = shared.control(Method::POST, "fork", FORK);
                let forked: Vec<Forked> =
                    call.json(&json!({"timeout": timeout, "count": 1})).send().await?.json()?;
                let fork = shared.forked(forked).await?;
                if lifetime > FORK_LIFETIME {
                    fork.shared.set_timeout(lifetime).await?;
                }
                Ok::<_, Error>(fork)
            });
            let stopped = |err: tokio::task::JoinError| Error::Host {
                context: format!("the forking of a sandbox of {NAME} was stopped"),
                source: err.into(),
            };
            let sandbox: Box<dyn Sandbox> = Box::new(forking.await.map_err(stopped)??);
            Ok(sandbox)
        })
    }

    fn metrics(&self) -> BoxFuture<'_, Result<Metrics, Error>> {
        Box::pin(async move {
            self.shared.offers(Lack::Metrics, "metrics")?;
            let call = self.shared.control(Method::GET, "metrics", "measure a sandbox");
            let used: Vec<Measured> = call.send().await?.json()?;
            let Some(last) = used.into_iter().max_by_key(|used| used.timestamp_unix) else {
                return Ok(Metrics::default());
            };
            Ok(Metrics {
                cpus: last.cpu_count,
                // E2B's is of all processors together.
                cpu_percent: last.cpu_used_pct.zip(last.cpu_count).map(|(percent, count)| percent * count),
                memory_bytes: last.mem_used,
                memory_limit_bytes: last.mem_total,
                disk_bytes: last.disk_used,
                disk_limit_bytes: last.disk_total,
            })
        })
    }

    fn port(&self, port: u16) -> BoxFuture<'_, Result<PortAddress, Error>> {
        let plain = self.shared.api.config.sandbox_url.as_deref().is_some_and(|url| url.starts_with("http:"));
        let scheme = if plain { "http" } else { "https" };
        let url = format!("{scheme}://{port}-{}.{}", self.shared.reference.id, self.shared.domain);
        let token = self.shared.traffic_token.as_ref();
        let header = token.map(|token| ("e2b-traffic-access-token".to_owned(), token.expose().to_owned()));
        let offered = self.shared.offers(Lack::Ports, "ports");
        Box::pin(std::future::ready(offered.map(|()| PortAddress { url, header })))
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.stop_keeping();
            if self.closed.load(Ordering::Acquire) {
                return Ok(());
            }
            self.shared.api.kill(&self.shared.reference).await?;
            self.closed.store(true, Ordering::Release);
            Ok(())
        })
    }

    fn detach(self: Box<Self>) -> Result<SandboxRef, Error> {
        self.left.store(true, Ordering::Release);
        Ok(self.shared.reference.clone())
    }
}

impl Drop for E2bSandbox {
    fn drop(&mut self) {
        self.stop_keeping();
        if self.closed.load(Ordering::Acquire) || self.left.load(Ordering::Acquire) {
            return;
        }
        // Without a runtime nothing can be sent: the sandbox ends when its time is over.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let shared = Arc::clone(&self.shared);
            runtime.spawn(async move { shared.api.kill(&shared.reference).await });
        }
    }
}
