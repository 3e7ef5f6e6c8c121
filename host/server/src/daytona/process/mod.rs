//! `/process`: commands of a sandbox, run once or in sessions.

mod execute;
mod follow;
mod interpreter;
mod pty;
mod session;
mod session_routes;

use axum::Router;
use axum::routing::{any, delete, get, post};

pub(crate) use session::Session;

use super::State;

/// The routes below `/process`.
pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/process/execute", post(execute::execute))
        .route("/process/code-run", post(execute::run_code))
        .route("/process/session", get(session_routes::list).post(session_routes::create))
        .route("/process/session/entrypoint", get(session_routes::entrypoint))
        .route("/process/session/entrypoint/logs", get(session_routes::entrypoint_logs))
        .route("/process/session/{session}", get(session_routes::get).delete(session_routes::delete))
        .route("/process/session/{session}/exec", post(session_routes::execute))
        .route("/process/session/{session}/command/{command}", get(session_routes::command))
        .route("/process/session/{session}/command/{command}/logs", get(follow::logs))
        .route("/process/session/{session}/command/{command}/input", post(session_routes::input))
        .route("/process/interpreter/context", get(interpreter::list).post(interpreter::create))
        .route("/process/interpreter/context/{context}", delete(interpreter::delete))
        .route("/process/interpreter/execute", get(interpreter::execute))
        .route("/process/pty", any(pty::refuse))
        .route("/process/pty/{*rest}", any(pty::refuse))
}
