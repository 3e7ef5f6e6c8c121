//! A backend under test, and the run of the claims over it.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use sandpiper_core::{Backend, Image};

use crate::{Claim, Context, Report, Verdict, claims};

/// The longest that one claim takes.
const MAX_TIME: Duration = Duration::from_mins(3);

/// The longest wait for what is to happen at once, on a machine that may be far and busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// Claims that are checked at a time.
const AT_A_TIME: usize = 4;

/// A backend, and how it is to be tried.
#[derive(Clone)]
pub struct Suite<'a> {
    pub(crate) backend: &'a dyn Backend,
    pub(crate) other: &'a dyn Backend,
    pub(crate) image: Image,
    pub(crate) patience: Duration,
    at_a_time: usize,
}

impl<'a> Suite<'a> {
    /// A suite over a backend, with its usual image.
    pub fn new(backend: &'a dyn Backend) -> Self {
        Self { backend, other: backend, image: Image::default(), patience: PATIENCE, at_a_time: AT_A_TIME }
    }

    /// Takes hold of sandboxes by another handle of the same backend, as another process would.
    #[must_use]
    pub fn other_handle(mut self, other: &'a dyn Backend) -> Self {
        self.other = other;
        self
    }

    /// Takes another image; it has bash, coreutils, tar and Python 3.11 or later.
    #[must_use]
    pub fn image(mut self, image: Image) -> Self {
        self.image = image;
        self
    }

    /// Waits this long for what is to happen at once, and eight times as long for the end of a lifetime.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Checks this many claims at a time.
    #[must_use]
    pub fn at_a_time(mut self, count: usize) -> Self {
        self.at_a_time = count.max(1);
        self
    }

    /// Checks all claims whose names contain `only`, at a time as many as was said.
    pub async fn run(&self, only: Option<&str>) -> Report {
        let chosen = claims().filter(|claim| only.is_none_or(|only| claim.name.contains(only)));
        let verdicts = stream::iter(chosen.enumerate())
            .map(async |(index, claim)| (index, (claim.name, self.check(claim).await)));
        // Not in their order: a claim that waits would have the others wait.
        let mut verdicts: Vec<_> = verdicts.buffer_unordered(self.at_a_time).collect().await;
        verdicts.sort_by_key(|(index, _)| *index);
        Report { verdicts: verdicts.into_iter().map(|(_, verdict)| verdict).collect() }
    }

    /// Checks one claim, with sandboxes of its own, which are closed then.
    pub async fn check(&self, claim: &Claim) -> Verdict {
        if let Some(need) = claim.unmet(&self.backend.capabilities(&self.image)) {
            return Verdict::NotApplicable(need);
        }
        let context = Context::new(self);
        let checked = tokio::time::timeout(MAX_TIME, (claim.check)(&context)).await;
        let closed = tokio::time::timeout(MAX_TIME, context.close()).await;
        match (checked, closed) {
            (Ok(Ok(())), Ok(Ok(()))) => Verdict::Kept,
            (Ok(Err(wrong)), _) => Verdict::Broken(wrong.to_string()),
            (Err(_), _) => Verdict::Broken(format!("it was not decided within {MAX_TIME:?}")),
            (_, Ok(Err(wrong))) => Verdict::Broken(wrong.at("closing what the claim has made").to_string()),
            (_, Err(_)) => Verdict::Broken(format!("its sandboxes were not closed within {MAX_TIME:?}")),
        }
    }
}
