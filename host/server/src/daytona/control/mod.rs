//! `/api`: sandboxes are made, found, changed and ended.

mod create;
mod list;
mod lives;
mod others;
mod settings;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::routing::{any, delete, get, post, put};
use std::collections::HashMap;

pub(crate) use lives::stop_sandbox;

use self::settings::Interval;
use super::State;
use super::desk::Desk;
use super::fault::Fault;
use crate::held::Held;

/// The routes below `/api`.
pub(crate) fn routes() -> Router<State> {
    let one = Router::new()
        .route("/", get(view::get).delete(lives::delete))
        .route("/start", post(lives::start))
        .route("/stop", post(lives::stop))
        .route("/pause", post(lives::pause))
        .route("/archive", post(lives::archive))
        .route("/fork", post(lives::fork))
        .route("/snapshot", post(lives::snapshot))
        .route("/recover", post(others::recover))
        .route("/resize", post(others::resize))
        .route("/backup", post(others::backup))
        .route("/labels", put(settings::labels))
        .route("/autostop/{minutes}", Interval::AutoStop.route())
        .route("/autopause/{minutes}", Interval::AutoPause.route())
        .route("/autoarchive/{minutes}", Interval::AutoArchive.route())
        .route("/autodelete/{minutes}", Interval::AutoDelete.route())
        .route("/ttl/{minutes}", Interval::TimeToLive.route())
        .route("/public/{public}", post(settings::public))
        .route("/last-activity", post(settings::last_activity))
        .route("/network-settings", post(settings::network))
        .route("/signing-key", get(settings::signing_key))
        .route("/signing-key/rotate", post(settings::rotate_signing_key))
        .route("/toolbox-proxy-url", get(view::toolbox_proxy_url))
        .route("/ports/{port}/preview-url", get(others::preview))
        .route("/ports/{port}/signed-preview-url", get(others::preview))
        .route("/ssh-access", any(others::ssh))
        .route("/secrets", any(others::secrets));
    Router::new()
        .route("/sandbox", get(list::list).post(create::create))
        .nest("/sandbox/{sandbox}", one)
        .route("/snapshots", get(others::snapshots).post(others::make_snapshot))
        .route("/snapshots/{snapshot}", get(others::get_snapshot).delete(others::delete_snapshot))
        .route("/volumes", get(others::volumes).post(others::make_volume))
        .route("/volumes/by-name/{volume}", get(others::volume))
        .route("/volumes/{volume}", delete(others::volume))
        .route("/config", get(others::config))
}

/// The sandbox that the path names, by id or name.
pub(crate) struct Named {
    pub(crate) held: Arc<Held>,
    pub(crate) desk: Arc<Desk>,
}

impl FromRequestParts<State> for Named {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Fault> {
        let Path(names) = Path::<HashMap<String, String>>::from_request_parts(parts, state)
            .await
            .map_err(|err| Fault::bad_request(format!("the path is not valid: {}", err.body_text())))?;
        let name = names.get("sandbox").map(String::as_str).unwrap_or_default();
        let held = state.find(name)?;
        let desk = Desk::of(&held)?;
        Ok(Self { held, desk })
    }
}

/// The number of minutes that the path ends with.
pub(crate) struct Minutes(pub(crate) i64);

impl FromRequestParts<State> for Minutes {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Fault> {
        let names = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let text = names.ok().and_then(|Path(mut names)| names.remove("minutes")).unwrap_or_default();
        text.parse().map(Self).map_err(|_| Fault::bad_request(format!("`{text}` is no number of minutes")))
    }
}

impl State {
    /// A sandbox by its id or its name.
    fn find(&self, name: &str) -> Result<Arc<Held>, Fault> {
        let by_id = self.app.registry.find(name);
        if let Ok(held) = by_id {
            return Ok(held);
        }
        for held in self.app.registry.list(&std::collections::BTreeMap::new()) {
            if Desk::of(&held)?.changing().settings.name.as_deref() == Some(name) {
                return Ok(held);
            }
        }
        Ok(by_id?)
    }
}
