//! The sandboxes of a server, by id: made, found, set aside, gone on with, closed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use sandpiper_core::{Backend, Error, Exec, Image, Network, Sandbox, Spec, create};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::config::{ServerConfig, ServerLimits, Template};
use crate::failure::Failure;
use crate::held::{Held, Life, OnExpiry, Phase};
use crate::interpreter::Interpreters;
use crate::processes::Processes;
use crate::random;
use crate::watchers::Watchers;

/// How much longer the backend has a sandbox live that the server sets aside: the backend would close it.
const PAUSING: Duration = Duration::from_mins(1);

/// Characters of a sandbox's id.
const ID_LENGTH: usize = 20;

/// What a client asks of a new sandbox.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewSandbox {
    /// The template; `None` is the default one.
    pub(crate) template: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) env: BTreeMap<String, String>,
    /// `None` is the default of the server.
    pub(crate) lifetime: Option<Duration>,
    pub(crate) on_expiry: OnExpiry,
    /// What it may reach, where that is less than the template grants.
    pub(crate) network: Option<Network>,
    /// What a face notes about it.
    pub(crate) notes: serde_json::Map<String, serde_json::Value>,
}

/// A template that is known.
struct Known {
    template: Template,
    /// The sandbox that it is a snapshot of; `None` for one of the operator.
    of: Option<String>,
}

/// A snapshot of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Its name, which is a template's.
    pub(crate) name: String,
    /// The sandbox's id.
    pub(crate) of: String,
}

/// The table of sandboxes.
pub(crate) struct Registry {
    backend: Arc<dyn Backend>,
    pub(crate) limits: ServerLimits,
    default_template: String,
    templates: Mutex<BTreeMap<String, Known>>,
    held: Mutex<BTreeMap<String, Arc<Held>>>,
    places: Arc<Semaphore>,
    /// Rings when a life has become shorter or a sandbox is new.
    pub(crate) lives_changed: Notify,
    /// What goes on when the client that asked for it has gone.
    work: Mutex<JoinSet<()>>,
}

impl Registry {
    pub(crate) fn new(config: ServerConfig) -> Arc<Self> {
        Arc::new(Self {
            backend: config.backend,
            places: Arc::new(Semaphore::new(config.limits.sandboxes)),
            limits: config.limits,
            default_template: config.default_template,
            templates: Mutex::new(
                config
                    .templates
                    .into_iter()
                    .map(|(name, template)| (name, Known { template, of: None }))
                    .collect(),
            ),
            held: Mutex::default(),
            lives_changed: Notify::new(),
            work: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_templates(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.templates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sandbox by its id.
    pub(crate) fn find(&self, id: &str) -> Result<Arc<Held>, Failure> {
        self.lock().get(id).cloned().ok_or_else(|| Failure::no_sandbox(id))
    }

    /// The sandboxes that have all of `metadata`, the oldest first.
    pub(crate) fn list(&self, metadata: &BTreeMap<String, String>) -> Vec<Arc<Held>> {
        let mut found: Vec<_> = self.lock().values().filter(|held| held.has(metadata)).cloned().collect();
        found.sort_by(|left, right| (left.created, &left.id).cmp(&(right.created, &right.id)));
        found
    }

    /// A template by its name.
    pub(crate) fn template(&self, name: &str) -> Result<Template, Failure> {
        let templates = self.lock_templates();
        templates.get(name).map(|known| known.template.clone()).ok_or_else(|| {
            let known = templates.keys().cloned().collect::<Vec<_>>().join(", ");
            Failure::NotFound(format!("template {name:?} not found, expected one of: {known}"))
        })
    }

    /// All templates, by the order of their names, and of those that are snapshots, of which sandbox.
    pub(crate) fn templates(&self) -> Vec<(String, Template, Option<String>)> {
        let templates = self.lock_templates();
        let all = templates.iter();
        all.map(|(name, known)| (name.clone(), known.template.clone(), known.of.clone())).collect()
    }

    /// The name of the template of a client that names none.
    pub(crate) fn default_template(&self) -> &str {
        &self.default_template
    }

    /// Makes a sandbox.
    pub(crate) async fn create(self: &Arc<Self>, new: NewSandbox) -> Result<Arc<Held>, Failure> {
        let registry = Arc::clone(self);
        self.carry_out(async move { registry.make(new).await }).await
    }

    async fn make(self: &Arc<Self>, new: NewSandbox) -> Result<Arc<Held>, Failure> {
        let place = self.place()?;
        let name = new.template.as_deref().unwrap_or(&self.default_template).to_owned();
        let made_of = self.template(&name)?.spec;
        let mut spec = made_of.clone();
        self.check_size("metadata", &new.metadata)?;
        self.check_env(&new.env)?;
        let lifetime = self.lifetime(new.lifetime)?;
        if let Some(network) = new.network {
            spec.network = tightened(&spec.network, network)?;
        }
        spec.env.extend(new.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        // Who starts a command says how long it may take; the sandbox's life bounds it anyway.
        spec.limits.wall = self.limits.max_lifetime;
        let env = spec.env.iter().cloned().collect();
        let network = spec.network.clone();
        let capabilities = self.backend.capabilities(&spec.image);
        if capabilities.metadata {
            spec.metadata.extend(new.metadata.clone());
        }
        // The server ends it anyway; the backend does when the server no longer can.
        spec.lifetime = capabilities.lifetime.then(|| of_backend(lifetime, new.on_expiry));
        let sandbox = create(&*self.backend, spec).await?;
        self.hold(
            sandbox,
            place,
            HeldAs {
                template: name,
                made_of,
                metadata: new.metadata,
                env,
                life: Life::new(lifetime, new.on_expiry),
                network,
                capabilities,
                notes: new.notes,
            },
        )
    }

    fn hold(
        &self,
        sandbox: Box<dyn Sandbox>,
        place: OwnedSemaphorePermit,
        known: HeldAs,
    ) -> Result<Arc<Held>, Failure> {
        let limits = &self.limits;
        let held = Arc::new(Held {
            id: random::name(ID_LENGTH)?,
            template: known.template,
            made_of: known.made_of,
            metadata: Mutex::new(known.metadata),
            env: known.env,
            token: random::token()?,
            created: SystemTime::now(),
            network: known.network,
            capabilities: known.capabilities,
            notes: Mutex::new(known.notes),
            daytona: OnceLock::new(),
            processes: Processes::new(limits.processes, limits.output_bytes, known.capabilities.signals),
            watchers: Watchers::new(limits.watchers),
            interpreters: Interpreters::new(limits.interpreters),
            life: Mutex::new(known.life),
            sandbox: Mutex::new(Arc::from(sandbox)),
            _place: place,
        });
        self.lock().insert(held.id.clone(), Arc::clone(&held));
        self.lives_changed.notify_one();
        Ok(held)
    }

    /// Closes a sandbox, with all that runs in it.
    pub(crate) async fn close(self: &Arc<Self>, id: &str) -> Result<(), Failure> {
        let (registry, id) = (Arc::clone(self), id.to_owned());
        self.carry_out(async move {
            let held = registry.lock().remove(&id).ok_or_else(|| Failure::no_sandbox(&id))?;
            held.end_all("the sandbox was closed");
            let closed = held.sandbox().close().await;
            if closed.is_err() {
                // What may still be there stays in the list, so that it can be closed again.
                registry.lock().insert(id, held);
            }
            Ok(closed?)
        })
        .await
    }

    /// Closes all sandboxes and removes all snapshots, and says which could not be.
    pub(crate) async fn close_all(self: &Arc<Self>) -> (usize, Vec<String>) {
        let ids: Vec<String> = self.lock().keys().cloned().collect();
        let closing = ids.iter().map(|id| async move { (id, self.close(id).await) });
        let results = futures_util::future::join_all(closing).await;
        let mut failed = Vec::new();
        for (id, result) in &results {
            match result {
                Ok(()) | Err(Failure::NotFound(_)) => {}
                Err(err) => failed.push(format!("{id}: {err}")),
            }
        }
        let closed = results.len() - failed.len();
        for snapshot in self.snapshots() {
            if let Err(err) = self.forget_snapshot(&snapshot.name).await {
                failed.push(format!("{}: {err}", snapshot.name));
            }
        }
        (closed, failed)
    }

    /// Sets a sandbox aside. Where the backend cannot, the server holds it as it is, if nothing runs in it.
    ///
    /// # Errors
    /// [`Failure::Conflict`] for one that is set aside; [`Failure::Unsupported`] while commands run that the
    /// backend cannot keep.
    pub(crate) async fn pause(self: &Arc<Self>, id: &str) -> Result<(), Failure> {
        self.pause_after(id, |_| {}).await
    }

    /// Sets a sandbox aside when something has been done in it, for which it is told to be on its way already.
    ///
    /// # Errors
    /// As [`Registry::pause`].
    pub(crate) async fn pause_after(
        self: &Arc<Self>,
        id: &str,
        before: impl FnOnce(&Held) + Send + 'static,
    ) -> Result<(), Failure> {
        let held = self.find(id)?;
        self.carry_out(async move {
            let change = held.change()?;
            if change.before == Phase::Paused {
                return Err(Failure::Conflict(format!("the sandbox {} is paused already", held.id)));
            }
            before(&held);
            if !held.capabilities.pause_keeps_processes && held.is_busy() {
                return Err(Failure::Unsupported(format!(
                    "the backend {} cannot keep what runs in the sandbox {} while it is paused; end its \
                     processes before",
                    held.sandbox().reference().backend,
                    held.id
                )));
            }
            if held.capabilities.pause {
                held.sandbox().pause().await?;
            }
            change.done(Phase::Paused);
            Ok(())
        })
        .await
    }

    /// Goes on with a sandbox that was set aside, and has it live anew; says whether it had been. One that ends
    /// whatever it does has the end that it had.
    pub(crate) async fn resume(
        self: &Arc<Self>,
        id: &str,
        lifetime: Option<Duration>,
    ) -> Result<(Arc<Held>, bool), Failure> {
        let (registry, held) = (Arc::clone(self), self.find(id)?);
        let lifetime = self.lifetime(lifetime)?;
        self.carry_out(async move {
            let change = held.change()?;
            let paused = change.before == Phase::Paused;
            if paused && held.capabilities.pause && held.capabilities.connect {
                let reference = held.sandbox().reference();
                let sandbox = registry.backend.connect(&reference).await?;
                *held.sandbox.lock().unwrap_or_else(PoisonError::into_inner) = Arc::from(sandbox);
            }
            let life = held.life();
            let left = life.ends_at.saturating_duration_since(tokio::time::Instant::now());
            match (paused, life.on_expiry) {
                (true, OnExpiry::Destroy) => registry.live(&held, left, Lives::Until).await?,
                (false, OnExpiry::Destroy) => {}
                (true, _) => registry.live(&held, lifetime, Lives::Until).await?,
                (false, _) => registry.live(&held, lifetime, Lives::AtLeast).await?,
            }
            change.done(Phase::Running);
            Ok((held, paused))
        })
        .await
    }

    /// Has a sandbox end this long from now.
    pub(crate) async fn set_lifetime(
        &self,
        id: &str,
        lifetime: Duration,
        lives: Lives,
    ) -> Result<(), Failure> {
        let lifetime = self.lifetime(Some(lifetime))?;
        let held = self.find(id)?;
        held.running()?;
        self.live(&held, lifetime, lives).await
    }

    /// Has a sandbox be closed this long from now whatever it does, or, without a time, be kept where it is set aside.
    pub(crate) async fn set_time_to_live(&self, id: &str, time: Option<Duration>) -> Result<(), Failure> {
        let lifetime = self.lifetime(Some(time.unwrap_or(self.limits.max_lifetime)))?;
        let held = self.find(id)?;
        held.lock_life().on_expiry = if time.is_some() { OnExpiry::Destroy } else { OnExpiry::Close };
        self.live(&held, lifetime, Lives::Until).await
    }

    async fn live(&self, held: &Held, lifetime: Duration, lives: Lives) -> Result<(), Failure> {
        let now = Life::new(lifetime, OnExpiry::Close);
        let before = held.life();
        if lives == Lives::AtLeast && before.ends_at >= now.ends_at {
            return Ok(());
        }
        // One that is set aside has none with the backend until it goes on.
        if held.capabilities.lifetime && (before.phase != Phase::Paused || !held.capabilities.pause) {
            held.sandbox().set_lifetime(of_backend(lifetime, before.on_expiry)).await?;
        }
        let mut life = held.lock_life();
        (life.ends_at, life.ends) = (now.ends_at, now.ends);
        drop(life);
        self.lives_changed.notify_one();
        Ok(())
    }

    /// Keeps a sandbox's files as a template of a new name.
    pub(crate) async fn snapshot(self: &Arc<Self>, id: &str, name: &str) -> Result<(), Failure> {
        let (registry, held, name) = (Arc::clone(self), self.find(id)?, name.to_owned());
        self.carry_out(async move {
            {
                let templates = registry.lock_templates();
                if templates.contains_key(&name) {
                    return Err(Failure::Conflict(format!("there is a template {name:?} already")));
                }
                if templates.values().filter(|known| known.of.is_some()).count() >= registry.limits.snapshots
                {
                    let limit = registry.limits.snapshots;
                    return Err(Failure::Limit(format!("there are {limit} snapshots; delete one before")));
                }
            }
            let image: Image = held.running()?.snapshot().await?;
            let spec = Spec { image, ..held.made_of.clone() };
            let template = Template { spec };
            registry.lock_templates().insert(name, Known { template, of: Some(held.id.clone()) });
            Ok(())
        })
        .await
    }

    /// Makes another sandbox of one.
    pub(crate) async fn fork(
        self: &Arc<Self>,
        id: &str,
        lifetime: Option<Duration>,
    ) -> Result<Arc<Held>, Failure> {
        let (registry, held) = (Arc::clone(self), self.find(id)?);
        let lifetime = self.lifetime(lifetime)?;
        self.carry_out(async move {
            let place = registry.place()?;
            let sandbox = held.running()?.fork().await?;
            if held.capabilities.lifetime {
                sandbox.set_lifetime(of_backend(lifetime, held.life().on_expiry)).await?;
            }
            registry.hold(
                sandbox,
                place,
                HeldAs {
                    template: held.template.clone(),
                    made_of: held.made_of.clone(),
                    metadata: held.metadata(),
                    env: held.env.clone(),
                    life: Life::new(lifetime, held.life().on_expiry),
                    network: held.network.clone(),
                    capabilities: held.capabilities,
                    notes: serde_json::Map::new(),
                },
            )
        })
        .await
    }

    /// The names of the snapshots.
    pub(crate) fn snapshots(&self) -> Vec<Snapshot> {
        let templates = self.lock_templates();
        let known = templates.iter().filter_map(|(name, template)| Some((name, template.of.as_ref()?)));
        known.map(|(name, of)| Snapshot { name: name.clone(), of: of.clone() }).collect()
    }

    /// Removes a snapshot; the templates of the operator stay, and so does what a backend keeps that cannot remove it.
    pub(crate) async fn forget_snapshot(self: &Arc<Self>, name: &str) -> Result<(), Failure> {
        let (registry, name) = (Arc::clone(self), name.to_owned());
        self.carry_out(async move {
            let known = registry.take_snapshot(&name)?;
            match registry.backend.remove_snapshot(&known.template.spec.image).await {
                Ok(()) | Err(Error::Unsupported { .. }) => Ok(()),
                Err(err) => {
                    // What may still be there stays in the list, so that it can be removed again.
                    registry.lock_templates().insert(name, known);
                    Err(err.into())
                }
            }
        })
        .await
    }

    fn take_snapshot(&self, name: &str) -> Result<Known, Failure> {
        let mut templates = self.lock_templates();
        let not_found = || Failure::NotFound(format!("template {name:?} not found"));
        match templates.remove(name).ok_or_else(not_found)? {
            known if known.of.is_some() => Ok(known),
            known => {
                templates.insert(name.to_owned(), known);
                Err(Failure::Invalid(format!("the template {name:?} is the operator's, no snapshot")))
            }
        }
    }

    /// Sandboxes whose life is over, and when the next one's is.
    pub(crate) fn expired(&self) -> (Vec<Arc<Held>>, Option<tokio::time::Instant>) {
        let now = tokio::time::Instant::now();
        let held = self.lock();
        let ends = |life: Life| match life.phase {
            Phase::Running => true,
            Phase::Paused => life.on_expiry == OnExpiry::Destroy,
            Phase::Changing => false,
        };
        let ending = held.values().filter(|held| ends(held.life()));
        let (over, alive): (Vec<_>, Vec<_>) = ending.cloned().partition(|held| held.life().ends_at <= now);
        let next = alive.iter().map(|held| held.life().ends_at).min();
        (over, next)
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let limit = self.limits.sandboxes;
            Failure::Limit(format!(
                "the server holds {limit} sandboxes, and may hold no more; close one before"
            ))
        })
    }

    fn lifetime(&self, asked: Option<Duration>) -> Result<Duration, Failure> {
        let lifetime = asked.unwrap_or(self.limits.default_lifetime);
        if lifetime > self.limits.max_lifetime {
            return Err(Failure::Invalid(format!(
                "a sandbox may live {} seconds at most, not {}",
                self.limits.max_lifetime.as_secs(),
                lifetime.as_secs()
            )));
        }
        Ok(lifetime)
    }

    pub(crate) fn check_size(&self, what: &str, entries: &BTreeMap<String, String>) -> Result<(), Failure> {
        let size: usize = entries.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > self.limits.metadata_bytes {
            let limit = self.limits.metadata_bytes;
            return Err(Failure::Invalid(format!("the {what} has {size} bytes, expected at most {limit}")));
        }
        Ok(())
    }

    /// Whether these can be variables of commands.
    pub(crate) fn check_env(&self, env: &BTreeMap<String, String>) -> Result<(), Failure> {
        self.check_size("environment", env)?;
        let env = env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Exec { env, ..Exec::new(["true"]) }.check().map_err(Error::from)?)
    }

    /// Does something to its end, also when who waits for it goes away.
    async fn carry_out<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let (tx, rx) = oneshot::channel();
        {
            let mut working = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            while working.try_join_next().is_some() {}
            working.spawn(async move {
                // Without a receiver nobody wants to know.
                let _ = tx.send(work.await);
            });
        }
        rx.await.unwrap_or_else(|_| Err(Failure::Internal("the server is stopping".to_owned())))
    }
}

/// What is noted of a sandbox that is new in the table.
struct HeldAs {
    template: String,
    made_of: Spec,
    metadata: BTreeMap<String, String>,
    env: BTreeMap<String, String>,
    life: Life,
    network: Network,
    capabilities: sandpiper_core::Capabilities,
    notes: serde_json::Map<String, serde_json::Value>,
}

/// How a lifetime is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lives {
    /// It ends then.
    Until,
    /// It ends then, or later when that was set before.
    AtLeast,
}

/// How long the backend has a sandbox live that the server ends after `lifetime`.
fn of_backend(lifetime: Duration, on_expiry: OnExpiry) -> Duration {
    match on_expiry {
        OnExpiry::Close | OnExpiry::Destroy => lifetime,
        OnExpiry::Pause => lifetime + PAUSING,
    }
}

/// What is granted when a client asks for less than a template has.
fn tightened(template: &Network, asked: Network) -> Result<Network, Failure> {
    match (template, asked) {
        (_, Network::Nothing) => Ok(Network::Nothing),
        (Network::Everything, asked) => Ok(asked),
        (template, asked) if *template == asked => Ok(asked),
        (template, asked) => Err(Failure::Invalid(format!(
            "the network of this server's sandboxes is {template:?}, so {asked:?} cannot be granted"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_takes_network_away_and_adds_none() {
        let rules = || Network::Rules { allow: vec!["a.org".to_owned()], deny: Vec::new() };
        for (template, asked, expected) in [
            (Network::Everything, Network::Nothing, Some(Network::Nothing)),
            (Network::Everything, rules(), Some(rules())),
            (rules(), Network::Nothing, Some(Network::Nothing)),
            (rules(), rules(), Some(rules())),
            (rules(), Network::Everything, None),
            (Network::Nothing, rules(), None),
            (Network::Nothing, Network::Everything, None),
        ] {
            assert_eq!(tightened(&template, asked).ok(), expected);
        }
    }
}
