//! How a sandbox is made; what of it was made is removed when it does not come to its end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bollard::query_parameters::{CreateContainerOptions, CreateImageOptions, StartContainerOptions};
use futures_util::StreamExt;
use sandpiper_core::{Access, Error, Limits, SandboxRef, Spec};

use super::config::{DockerConfig, Pull};
use super::container::{Container, remove_creation};
use super::daemon::{BACKEND, Daemon, Failure};
use super::record::{self, CreationId};
use super::script::{Ended, Script};
use super::shape::{KEPT, MEMORY, Shape, image_name, not_enforced, shape};

const ACTION: &str = "make a sandbox";
const PREPARE: &str = include_str!("scripts/prepare.sh");
const RESTORE: &str = include_str!("scripts/restore.sh");
/// Most that the first of them says.
const MAX_SAID_BYTES: usize = 16;

/// How often, and how long apart, it is looked for what a lost creation has left.
const LOOKS: u32 = 5;
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// The same for one that nobody waits for, after that.
const LATE_LOOKS: u32 = 12;
const LATE_INTERVAL: Duration = Duration::from_secs(5);

pub(super) async fn create(
    daemon: &Arc<Daemon>,
    config: &DockerConfig,
    spec: &Spec,
) -> Result<Container, Error> {
    check_uncounted(spec)?;
    let creation = CreationId::random();
    let labels = record::labels(&creation, spec).map_err(|err| Error::Host {
        context: "cannot note what a sandbox is".to_owned(),
        source: Box::new(err),
    })?;
    let lifetime = spec.lifetime.unwrap_or(config.lifetime);
    let Shape { body, writable } = shape(config, spec, labels, lifetime)?;
    let client = daemon.client(ACTION).await?;
    let image = image_name(&spec.image, config)?;
    if config.pull == Pull::Missing {
        pull_if_missing(daemon, image).await?;
    }
    let name = creation.container_name(SystemTime::now() + lifetime);
    let options = CreateContainerOptions { name: Some(name), ..CreateContainerOptions::default() };
    let mut lost = Lost { daemon: Arc::clone(daemon), creation: Some(creation.clone()) };
    let made = match daemon.answer(ACTION, client.create_container(Some(options), body)).await {
        Ok(made) => made,
        Err(Failure { status: Some(404), error, .. }) => {
            lost.creation = None;
            return Err(no_image(image, config.pull, error));
        }
        Err(Failure { status: Some(400..=499), error, .. } | Failure { unsent: true, error, .. }) => {
            lost.creation = None;
            return Err(error);
        }
        // What the daemon says has failed has made what there will be; without its answer, it may still come about.
        Err(Failure { status, error, .. }) => {
            let is_over = status.is_some_and(|status| !(502..=504).contains(&status));
            return Err(lost.remove(error, if is_over { 1 } else { LOOKS }).await);
        }
    };
    let (user, group) = config.user;
    let reference =
        SandboxRef { metadata: spec.metadata.clone(), ..SandboxRef::new(BACKEND, made.id.clone()) };
    // From here on dropping the container removes it.
    lost.creation = None;
    let container = Container {
        daemon: Arc::clone(daemon),
        id: made.id,
        creation,
        reference,
        limits: spec.limits.clone(),
        env: spec.env.clone(),
        user: format!("{user}:{group}"),
        released: false.into(),
        memory_kills: 0.into(),
    };
    match begin(&container, user, &writable).await {
        Ok(()) => Ok(container),
        Err(err) => {
            // Where that fails, dropping it tries again, and its keeper ends what was started.
            let _ = container.close().await;
            Err(err)
        }
    }
}

async fn begin(container: &Container, user: u32, writable: &[String]) -> Result<(), Error> {
    let daemon = &container.daemon;
    let client = daemon.client(ACTION).await?;
    daemon.answer(ACTION, client.start_container(&container.id, None::<StartContainerOptions>)).await?;
    let user = user.to_string();
    let arguments: Vec<_> =
        [user.as_str(), KEPT].into_iter().chain(writable.iter().map(String::as_str)).collect();
    let script = Script::new("0:0", PREPARE, &arguments);
    let prepared = container.script(ACTION, script, None, MAX_SAID_BYTES).await?;
    well(&prepared)?;
    if !prepared.stdout.is_empty() && writable.iter().any(|path| path == MEMORY) {
        let script = Script::new(&container.user, RESTORE, &[KEPT, MEMORY]);
        well(&container.script(ACTION, script, None, 0).await?)?;
    }
    Ok(())
}

fn well(ended: &Ended) -> Result<(), Error> {
    match ended.code {
        0 => Ok(()),
        code => Err(Error::Backend {
            backend: BACKEND.to_owned(),
            action: ACTION,
            message: format!("its directories cannot be prepared: {} (exit code {code})", ended.stderr),
        }),
    }
}

/// Refuses limits that were asked for and that nothing counts: writable mounts are allowed without.
fn check_uncounted(spec: &Spec) -> Result<(), Error> {
    let usual = Limits::default();
    let writable = spec.mounts.iter().any(|mount| mount.access == Access::ReadWrite);
    match (&spec.limits, writable) {
        (limits, true) if limits.disk_bytes != usual.disk_bytes => Err(not_enforced("disk_bytes")),
        (limits, true) if limits.files != usual.files => Err(not_enforced("files")),
        _ => Ok(()),
    }
}

fn no_image(image: &str, pull: Pull, source: Error) -> Error {
    let reason = match pull {
        Pull::Never => "the daemon does not have it; `docker pull` brings it, or `Pull::Missing`",
        Pull::Missing => "the daemon does not have it, though it was pulled",
    };
    Error::Image { image: image.to_owned(), reason: reason.to_owned(), source: Some(Box::new(source)) }
}

async fn pull_if_missing(daemon: &Daemon, image: &str) -> Result<(), Error> {
    const ACTION: &str = "pull an image";
    let client = daemon.client(ACTION).await?;
    match daemon.answer(ACTION, client.inspect_image(image)).await {
        Err(Failure { status: Some(404), .. }) => {}
        found => return Ok(found.map(drop)?),
    }
    // Without a tag the daemon would bring all of them.
    let name = image.rsplit('/').next().unwrap_or(image);
    let tag = (!name.contains([':', '@'])).then(|| "latest".to_owned());
    let options =
        CreateImageOptions { from_image: Some(image.to_owned()), tag, ..CreateImageOptions::default() };
    let mut steps = client.create_image(Some(options), None, None);
    loop {
        let step = match tokio::time::timeout(daemon.timeout(), steps.next()).await {
            Ok(Some(step)) => step.map_err(|err| daemon.failure(ACTION, err)),
            Ok(None) => return Ok(()),
            Err(_) => Err(daemon.slow(ACTION)),
        };
        step.map_err(|failure| match failure.status {
            Some(_) => Error::Image {
                image: image.to_owned(),
                reason: "it cannot be pulled".to_owned(),
                source: Some(Box::new(failure.error)),
            },
            None => failure.error,
        })?;
    }
}

/// A creation that nobody may have been told of. Dropped without an answer, it is looked for and removed.
struct Lost {
    daemon: Arc<Daemon>,
    creation: Option<CreationId>,
}

impl Lost {
    /// Removes what was made; gives the error that is to be told. What is not found soon is looked for on.
    async fn remove(&mut self, cause: Error, looks: u32) -> Error {
        let Some(creation) = self.creation.clone() else { return cause };
        let looked = look(&self.daemon, &creation, looks, LOOK_INTERVAL).await;
        let is_late = matches!(looked, Ok(false)) && looks > 1;
        if !is_late {
            self.creation = None;
        }
        match looked {
            Ok(_) => cause,
            Err(err) => Error::Host {
                context: format!(
                    "a container may be left of what failed ({cause}); it has the label {}={}",
                    record::SANDBOX,
                    creation.as_str()
                ),
                source: Box::new(err),
            },
        }
    }
}

impl Drop for Lost {
    fn drop(&mut self) {
        let Some(creation) = self.creation.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let daemon = Arc::clone(&self.daemon);
        runtime.spawn(async move {
            if let Ok(false) = look(&daemon, &creation, LOOKS, LOOK_INTERVAL).await {
                let _ = look(&daemon, &creation, LATE_LOOKS, LATE_INTERVAL).await;
            }
        });
    }
}

/// Looks for a creation until it is found and removed, or long enough for it to have come about; whether it was found.
async fn look(daemon: &Daemon, creation: &CreationId, looks: u32, interval: Duration) -> Result<bool, Error> {
    for look in 0..looks {
        if look > 0 {
            tokio::time::sleep(interval).await;
        }
        if remove_creation(daemon, creation).await? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}
