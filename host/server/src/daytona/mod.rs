//! Daytona's API: the half that makes sandboxes (`/api`), and the half that works inside of one (`/toolbox`).

mod activity;
mod control;
mod desk;
mod ending;
mod extract;
mod fault;
mod files;
mod git;
mod process;
mod signature;
mod system;
mod toolbox;
mod wire;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Request, State as Extracted};
use axum::http::header;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};

pub(crate) use activity::watch_activity;
pub(crate) use desk::Desk;

use crate::app::App;
use crate::failure::Failure;
use fault::{Fault, Source};
use wire::Timestamp;

/// What a handler works with.
#[derive(Clone)]
pub(crate) struct State {
    app: App,
    /// Names of sandboxes that are being made, which others must not take meanwhile.
    reserved: Arc<Mutex<BTreeSet<String>>>,
    /// When the server began.
    began: Timestamp,
}

/// The routes of both halves.
pub(crate) fn router(app: App) -> Router {
    let state = State { app, reserved: Arc::default(), began: Timestamp::now() };
    let admit = from_fn_with_state(state.clone(), admit);
    let control = control::routes().fallback(unknown).route_layer(admit.clone());
    let inside = Router::new()
        .merge(files::routes())
        .merge(git::routes())
        .merge(process::routes())
        .merge(system::routes())
        .route_layer(admit)
        .merge(files::signed_routes().route_layer(from_fn_with_state(state.clone(), toolbox::admit_signed)))
        .fallback(unknown);
    Router::new()
        .nest("/api", control.layer(from_fn(|request, next| fault::tell(Source::Control, request, next))))
        .nest(
            "/toolbox/{sandbox}",
            inside.layer(from_fn(|request, next| fault::tell(Source::Toolbox, request, next))),
        )
        .with_state(state)
}

async fn unknown(request: Request) -> Fault {
    Fault::not_found(format!(
        "there is no {} {} here; not all of Daytona's API is offered",
        request.method(),
        request.uri().path()
    ))
}

/// Lets in who has a key.
async fn admit(Extracted(state): Extracted<State>, request: Request, next: Next) -> Response {
    match state.check_key(&request) {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}

impl State {
    fn reserved(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_key(&self, request: &Request) -> Result<(), Fault> {
        let refuse = |message: &str| Err(Failure::Unauthorized(message.to_owned()).into());
        let given = request.headers().get(header::AUTHORIZATION).and_then(|given| given.to_str().ok());
        match given.and_then(|given| given.strip_prefix("Bearer ")) {
            None => refuse("no API key was given, expected the header `Authorization: Bearer KEY`"),
            Some(key) if self.app.keys.admits(key.trim()) => Ok(()),
            Some(_) => refuse("the API key is not one of this server's"),
        }
    }
}
