//! What is set for a sandbox: labels, intervals, keys.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State as Extracted};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{MethodRouter, post};
use serde::{Deserialize, Serialize};

use super::view::{View, answer};
use super::{Minutes, Named};
use crate::daytona::State;
use crate::daytona::extract::Given;
use crate::daytona::fault::Fault;

/// Minutes of an interval, as a client gives them.
pub(super) fn minutes(given: i64) -> Result<u32, Fault> {
    u32::try_from(given).map_err(|_| {
        Fault::bad_request(format!("an interval of {given} minutes is not valid, expected 0 or more"))
    })
}

/// The same of the interval until a sandbox is deleted: a negative one is never.
pub(super) fn auto_delete(given: i64) -> Result<Option<u32>, Fault> {
    if given < 0 { Ok(None) } else { minutes(given).map(Some) }
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Labels {
    labels: BTreeMap<String, String>,
}

pub(super) async fn labels(
    Extracted(state): Extracted<State>,
    named: Named,
    Given(given): Given<Labels>,
) -> Result<Json<Labels>, Fault> {
    state.app.registry.check_size("labels", &given.labels)?;
    named.held.metadata.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&given.labels);
    named.desk.set(|_| {});
    Ok(Json(given))
}

/// What is set by a number of minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interval {
    AutoStop,
    AutoPause,
    AutoArchive,
    AutoDelete,
    /// From now on, whatever it does; with 0 it runs as long as the server allows, and is kept where it does not run.
    TimeToLive,
}

impl Interval {
    /// The handler that sets it.
    pub(super) fn route(self) -> MethodRouter<State> {
        post(
            async move |Extracted(state): Extracted<State>,
                        named: Named,
                        Minutes(given): Minutes,
                        headers: HeaderMap| {
                self.set(&state, &named, given).await?;
                answer(&named, &headers)
            },
        )
    }

    async fn set(self, state: &State, named: &Named, given: i64) -> Result<(), Fault> {
        match self {
            Self::AutoDelete => {
                let minutes = auto_delete(given)?;
                named.desk.set(|settings| settings.auto_delete = minutes);
            }
            Self::AutoPause if given == 0 => {}
            Self::AutoPause => {
                return Err(Fault::not_offered("sandboxes here are not paused by themselves; use autostop"));
            }
            Self::AutoStop => {
                let minutes = minutes(given)?;
                named.desk.set(|settings| settings.auto_stop = minutes);
            }
            Self::AutoArchive => {
                let minutes = minutes(given)?;
                named.desk.set(|settings| settings.auto_archive = minutes);
            }
            Self::TimeToLive => {
                let time = Some(minutes(given)?).filter(|minutes| *minutes > 0);
                let time = time.map(|minutes| Duration::from_mins(minutes.into()));
                state.app.registry.set_time_to_live(&named.held.id, time).await?;
            }
        }
        Ok(())
    }
}

pub(super) async fn public(
    named: Named,
    Path((_, public)): Path<(String, bool)>,
    headers: HeaderMap,
) -> Result<Json<View>, Fault> {
    if public {
        return Err(Fault::not_offered(
            "no port of a sandbox here is reached from outside, so none is public",
        ));
    }
    answer(&named, &headers)
}

pub(super) async fn last_activity(named: Named) -> StatusCode {
    drop(named.desk.use_it());
    StatusCode::CREATED
}

pub(super) async fn network(_named: Named) -> Fault {
    Fault::not_offered(
        "what a sandbox here may reach is decided when it is made; give `networkBlockAll`, \
         `networkAllowList` or `domainAllowList` then",
    )
}

pub(super) async fn signing_key(named: Named) -> Json<String> {
    Json(named.desk.signing_key())
}

pub(super) async fn rotate_signing_key(named: Named) -> Result<Json<String>, Fault> {
    Ok(Json(named.desk.rotate_signing_key()?))
}
