//! `/git`: repositories in a sandbox, worked on by the sandbox's own `git`.
//!
//! Where it has none, or its `git` is for one repository of the host's alone, the answer is an error that says so.

mod config;
mod history;
mod local;
mod remote;
mod run;
mod status;

use axum::Router;
use axum::routing::{get, post};

use super::State;

/// The routes.
pub(crate) fn routes() -> Router<State> {
    let branches = get(local::branches).post(local::make_branch).delete(local::delete_branch);
    Router::new()
        .route("/git/status", get(status::status))
        .route("/git/history", get(history::history))
        .route("/git/init", post(local::init))
        .route("/git/add", post(local::add))
        .route("/git/commit", post(local::commit))
        .route("/git/branches", branches)
        .route("/git/checkout", post(local::checkout))
        .route("/git/reset", post(local::reset))
        .route("/git/restore", post(local::restore))
        .route("/git/clone", post(remote::clone))
        .route("/git/push", post(remote::push))
        .route("/git/pull", post(remote::pull))
        .route("/git/remotes", get(remote::list).post(remote::add))
        .route("/git/config", get(config::get).post(config::set))
        .route("/git/config/user", post(config::set_user))
        .route("/git/credentials", post(config::refuse_credentials))
}
