//! What a claim works with: the backend, and sandboxes that are closed at its end.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sandpiper_core::{Admitted, Backend, Capabilities, Limits, Network, Sandbox, SandboxRef, Spec, admit};

use crate::place::Place;
use crate::{Suite, Wrong};

/// Between two looks at something that is to become so.
const PAUSE: Duration = Duration::from_millis(50);

/// What one claim works with.
pub struct Context<'a> {
    backend: &'a dyn Backend,
    other: &'a dyn Backend,
    spec: Spec,
    capabilities: Capabilities,
    patience: Duration,
    made: Mutex<Vec<Arc<dyn Sandbox>>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(suite: &Suite<'a>) -> Self {
        let capabilities = suite.backend.capabilities(&suite.image);
        let network = if capabilities.network_nothing { Network::Nothing } else { Network::Everything };
        let spec = Spec { image: suite.image.clone(), network, ..Spec::default() };
        Self {
            backend: suite.backend,
            other: suite.other,
            spec,
            capabilities,
            patience: suite.patience,
            made: Mutex::default(),
        }
    }

    /// The backend.
    pub(crate) fn backend(&self) -> &'a dyn Backend {
        self.backend
    }

    /// Another handle of the backend, or the same.
    pub(crate) fn other(&self) -> &'a dyn Backend {
        self.other
    }

    /// The longest wait for what is to happen at once.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The least spec that the backend admits.
    pub(crate) fn spec(&self) -> Spec {
        self.spec.clone()
    }

    /// That spec, under other limits.
    pub(crate) fn limited(&self, limit: impl FnOnce(&mut Limits)) -> Spec {
        let mut spec = self.spec();
        limit(&mut spec.limits);
        spec
    }

    pub(crate) fn admit(&self, spec: Spec) -> Result<Admitted, Wrong> {
        let capabilities = self.backend.capabilities(&spec.image);
        Ok(admit(spec, self.backend.name(), capabilities)?)
    }

    /// A sandbox that the claim itself drops or closes.
    pub(crate) async fn own_sandbox(&self, spec: Spec) -> Result<Box<dyn Sandbox>, Wrong> {
        Ok(self.backend.create(self.admit(spec)?).await?)
    }

    /// A sandbox that is closed when the claim is decided.
    pub(crate) async fn sandbox_of(&self, spec: Spec) -> Result<Arc<dyn Sandbox>, Wrong> {
        Ok(self.keep(self.own_sandbox(spec).await?))
    }

    /// Has a sandbox closed when the claim is decided.
    pub(crate) fn keep(&self, sandbox: Box<dyn Sandbox>) -> Arc<dyn Sandbox> {
        let sandbox: Arc<dyn Sandbox> = sandbox.into();
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&sandbox));
        sandbox
    }

    /// A fresh directory in a fresh sandbox.
    pub(crate) async fn place(&self) -> Result<Place, Wrong> {
        self.place_of(self.spec()).await
    }

    /// A fresh directory in a fresh sandbox of a spec.
    pub(crate) async fn place_of(&self, spec: Spec) -> Result<Place, Wrong> {
        Place::new(self.sandbox_of(spec).await?, "/tmp", self.patience).await
    }

    /// A fresh directory where files stay as long as the sandbox, whoever holds it; `/tmp` may be the holder's.
    pub(crate) async fn home(&self) -> Result<Place, Wrong> {
        self.home_of(self.spec()).await
    }

    /// Such a directory in a fresh sandbox of a spec.
    pub(crate) async fn home_of(&self, spec: Spec) -> Result<Place, Wrong> {
        Place::new(self.sandbox_of(spec).await?, "/home/user", self.patience).await
    }

    /// A fresh directory in a fresh sandbox with such limits.
    pub(crate) async fn place_limited(&self, limit: impl FnOnce(&mut Limits)) -> Result<Place, Wrong> {
        self.place_of(self.limited(limit)).await
    }

    /// Waits until a sandbox cannot be connected to.
    pub(crate) async fn until_gone(&self, reference: &SandboxRef) -> Result<(), Wrong> {
        self.until_gone_within(reference, self.patience).await
    }

    /// Waits until a lifetime has ended.
    pub(crate) async fn until_over(&self, reference: &SandboxRef) -> Result<(), Wrong> {
        self.until_gone_within(reference, self.patience * 8).await
    }

    async fn until_gone_within(&self, reference: &SandboxRef, longest: Duration) -> Result<(), Wrong> {
        let what = format!("the sandbox is gone within {longest:?}");
        until(&what, longest, async || match self.other.connect(reference).await {
            Err(sandpiper_core::Error::Gone { .. }) => Ok(true),
            Err(err) => Err(err.into()),
            Ok(sandbox) => {
                // It is to end by itself, not because this hold is let go of.
                sandbox.detach()?;
                Ok(false)
            }
        })
        .await
    }

    pub(crate) async fn close(&self) -> Result<(), Wrong> {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        for sandbox in made {
            match sandbox.close().await {
                // The claim may have had it end.
                Ok(()) | Err(sandpiper_core::Error::Gone { .. }) => {}
                Err(err) => return Err(err.into()),
            }
        }
        Ok(())
    }
}

/// Waits until something is so.
pub(crate) async fn until(
    what: &str,
    longest: Duration,
    mut is_so: impl AsyncFnMut() -> Result<bool, Wrong>,
) -> Result<(), Wrong> {
    let looked = async {
        while !is_so().await? {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    };
    match tokio::time::timeout(longest, looked).await {
        Ok(done) => done,
        Err(_) => Err(Wrong::new(format!("expected that {what}, which did not happen"))),
    }
}

/// A name that nothing else has.
pub(crate) fn fresh(prefix: &str) -> String {
    format!("{prefix}-{:016x}", RandomState::new().hash_one(()))
}
