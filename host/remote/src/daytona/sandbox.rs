//! A sandbox of Daytona that is held.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sandpiper_core::{
    Backend as _, BoxFuture, Control, Error, Exec, Files, Image, Lack, Limits, Metrics, PortAddress, Running,
    Sandbox, SandboxRef,
};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::exec::Run;
use super::files::DaytonaFiles;
use super::toolbox::Toolbox;
use super::wire::{CREATION_LABEL, State};
use super::{Daytona, NAME, random_name};

/// Events that may wait for who takes them.
const EVENTS_WAITING: usize = 16;

/// The header that lets into a port.
const PREVIEW_HEADER: &str = "x-daytona-preview-token";

/// How long keeping a snapshot may take, which copies the sandbox's disk.
const SNAPSHOT_WITHIN: Duration = Duration::from_mins(10);

pub(super) struct DaytonaSandbox {
    daytona: Daytona,
    toolbox: Toolbox,
    limits: Limits,
    /// Nothing is to be done when this is dropped: it is closed, or somebody else's.
    let_go: AtomicBool,
}

impl DaytonaSandbox {
    pub(super) fn new(daytona: Daytona, toolbox: Toolbox, limits: Limits) -> Self {
        Self { daytona, toolbox, limits, let_go: AtomicBool::new(false) }
    }

    fn start(&self, exec: Exec) -> Result<Running, Error> {
        exec.check()?;
        if let Some(operation) = exec.for_host_alone() {
            return Err(Error::Unsupported { backend: NAME.to_owned(), operation });
        }
        let (events, received) = mpsc::channel(EVENTS_WAITING);
        let control = Control::default();
        let run = Run {
            toolbox: self.toolbox.clone(),
            exec,
            limits: self.limits.clone(),
            events,
            control: control.clone(),
        };
        Ok(Running::new(received, Box::pin(run.finish()), control))
    }

    async fn live_for(&self, lifetime: Duration) -> Result<(), Error> {
        let (control, reference) = (&self.toolbox.control, &self.toolbox.reference);
        self.daytona.capabilities(&Image::default()).check_lifetime(lifetime)?;
        control.never_stop(reference).await?;
        control.set_ttl(reference, lifetime.as_secs() / 60).await
    }

    async fn set_aside(&self) -> Result<(), Error> {
        self.daytona.offers(Lack::Pause, "pause")?;
        let (control, reference) = (&self.toolbox.control, &self.toolbox.reference);
        control.stop(reference).await?;
        let is_stopped = |state| matches!(state, State::Stopped | State::Archived | State::Paused);
        control.wait(reference, "stop a sandbox", is_stopped, self.daytona.start_within()).await.map(drop)
    }

    async fn keep(&self) -> Result<Image, Error> {
        self.daytona.offers(Lack::Snapshot, "snapshot")?;
        let (control, reference, name) = (&self.toolbox.control, &self.toolbox.reference, random_name());
        control.snapshot(reference, &name).await?;
        let is_kept = |state| !matches!(state, State::Snapshotting | State::Changing);
        control.wait(reference, "keep a snapshot", is_kept, SNAPSHOT_WITHIN).await?;
        Ok(Image::Named(name))
    }

    async fn another(&self) -> Result<Box<dyn Sandbox>, Error> {
        self.daytona.offers(Lack::Fork, "fork")?;
        let (control, reference, name) = (&self.toolbox.control, &self.toolbox.reference, random_name());
        // Known by this name until its id is known, so that it is deleted when the answer is lost.
        let mut forked =
            Forked { daytona: self.daytona.clone(), reference: Some(SandboxRef::new(NAME, name.clone())) };
        let made = match control.fork(reference, &name).await {
            Ok(made) => made,
            Err(err) => return Err(forked.failed(err).await),
        };
        let mut reference = SandboxRef::new(NAME, made.id.clone());
        reference.metadata = self.toolbox.reference.metadata.clone();
        forked.reference = Some(reference.clone());
        let ready = async {
            let mut labels = control.get(&self.toolbox.reference).await?.labels;
            labels.insert(CREATION_LABEL.to_owned(), name);
            let started = self.daytona.started(&reference).await?;
            control.set_labels(&reference, labels).await?;
            self.daytona.toolbox(reference.clone(), &started).await
        };
        match ready.await {
            Ok(toolbox) => {
                forked.reference = None;
                Ok(Box::new(Self::new(self.daytona.clone(), toolbox, self.limits.clone())))
            }
            Err(err) => Err(forked.failed(err).await),
        }
    }
}

impl Sandbox for DaytonaSandbox {
    fn reference(&self) -> SandboxRef {
        self.toolbox.reference.clone()
    }

    fn spawn(&self, exec: Exec) -> BoxFuture<'_, Result<Running, Error>> {
        Box::pin(std::future::ready(self.start(exec)))
    }

    fn files(&self) -> Arc<dyn Files> {
        Arc::new(DaytonaFiles { toolbox: self.toolbox.clone() })
    }

    fn set_lifetime(&self, lifetime: Duration) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.live_for(lifetime))
    }

    fn pause(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.set_aside())
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Image, Error>> {
        Box::pin(self.keep())
    }

    fn fork(&self) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(self.another())
    }

    fn metrics(&self) -> BoxFuture<'_, Result<Metrics, Error>> {
        Box::pin(async {
            self.daytona.offers(Lack::Metrics, "metrics")?;
            let used = self.toolbox.metrics().await?;
            Ok(Metrics {
                cpus: used.cpu_count,
                // The API's is of all processors together.
                cpu_percent: used
                    .cpu_used_pct
                    .map(|percent| percent * used.cpu_count.unwrap_or(1.0).max(1.0)),
                memory_bytes: used.mem_used,
                memory_limit_bytes: used.mem_total,
                disk_bytes: used.disk_used,
                disk_limit_bytes: used.disk_total,
            })
        })
    }

    fn port(&self, port: u16) -> BoxFuture<'_, Result<PortAddress, Error>> {
        Box::pin(async move {
            self.daytona.offers(Lack::Ports, "ports")?;
            let preview = self.toolbox.control.preview_url(&self.toolbox.reference, port).await?;
            let header = (!preview.token.is_empty()).then(|| (PREVIEW_HEADER.to_owned(), preview.token));
            Ok(PortAddress { url: preview.url, header })
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async {
            if self.let_go.load(Ordering::Acquire) {
                return Ok(());
            }
            self.toolbox.control.delete(&self.toolbox.reference).await?;
            self.let_go.store(true, Ordering::Release);
            Ok(())
        })
    }

    fn detach(self: Box<Self>) -> Result<SandboxRef, Error> {
        self.let_go.store(true, Ordering::Release);
        Ok(self.toolbox.reference.clone())
    }
}

impl Drop for DaytonaSandbox {
    fn drop(&mut self) {
        if !self.let_go.swap(true, Ordering::AcqRel) {
            delete_in_background(&self.daytona, self.toolbox.reference.clone());
        }
    }
}

impl fmt::Debug for DaytonaSandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DaytonaSandbox")
            .field("reference", &self.toolbox.reference)
            .finish_non_exhaustive()
    }
}

/// A sandbox that is being made of another. Dropping it deletes the sandbox.
struct Forked {
    daytona: Daytona,
    reference: Option<SandboxRef>,
}

impl Forked {
    async fn failed(&mut self, err: Error) -> Error {
        if let Some(reference) = &self.reference {
            // What cannot be deleted now is found by its labels.
            let _ = self.daytona.control().delete(reference).await;
        }
        self.reference = None;
        err
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        if let Some(reference) = self.reference.take() {
            delete_in_background(&self.daytona, reference);
        }
    }
}

fn delete_in_background(daytona: &Daytona, reference: SandboxRef) {
    let Ok(runtime) = Handle::try_current() else { return };
    let control = daytona.control().clone();
    runtime.spawn(async move { control.delete(&reference).await });
}
