//! What the SDKs of E2B speak: the control plane, and within each sandbox what its `envd` and its code interpreter
//! answer, all on one port.
//!
//! What the service has and this does not is refused with the reason: terminals, volumes, workload identities, MCP
//! gateways, building of templates. The users `user` and `root` are both the one user that a sandbox has.

mod access;
mod answer;
mod connect;
mod control;
mod entries;
mod filesystem;
mod interpreter;
mod process;
mod snapshots;
mod transfer;
mod words;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};

use crate::app::App;
use crate::e2b::access::{Client, Place};
use crate::e2b::answer::Refused;

/// The version of envd whose behaviour this is: with uploads of plain bytes, without metadata of files.
const ENVD_VERSION: &str = "0.5.7";

/// The routes.
pub(crate) fn router(app: App) -> Router {
    let control = Router::new()
        .route("/v2/sandboxes", get(control::list).post(control::create))
        .route("/sandboxes", get(control::list_running).post(control::create))
        .route("/v2/sandboxes/{id}/connect", post(control::connect))
        .route("/sandboxes/{id}/connect", post(control::connect))
        .route("/sandboxes/{id}/resume", post(control::resume))
        .route("/sandboxes/{id}", get(control::get).delete(control::kill))
        .route("/sandboxes/{id}/timeout", post(control::set_timeout))
        .route("/sandboxes/{id}/refreshes", post(control::refresh))
        .route("/sandboxes/{id}/pause", post(control::pause))
        .route("/sandboxes/{id}/metrics", get(control::metrics))
        .route("/sandboxes/{id}/logs", get(control::logs))
        .route("/v2/sandboxes/{id}/logs", get(control::logs))
        .route("/sandboxes/{id}/network", put(control::set_network))
        .route("/sandboxes/{id}/snapshots", post(snapshots::create))
        .route("/sandboxes/{id}/fork", post(snapshots::fork))
        .route("/snapshots", get(snapshots::list))
        .route("/templates/{name}", delete(snapshots::delete))
        .route_layer(middleware::from_extractor_with_state::<Client, App>(app.clone()));
    let envd = Router::new()
        .route("/process.Process/List", post(process::list))
        .route("/process.Process/Start", post(process::start))
        .route("/process.Process/Connect", post(process::connect))
        .route("/process.Process/Update", post(process::update))
        .route("/process.Process/StreamInput", post(process::stream_input))
        .route("/process.Process/SendInput", post(process::send_input))
        .route("/process.Process/SendSignal", post(process::send_signal))
        .route("/process.Process/CloseStdin", post(process::close_stdin))
        .route("/filesystem.Filesystem/Stat", post(filesystem::stat))
        .route("/filesystem.Filesystem/MakeDir", post(filesystem::make_directory))
        .route("/filesystem.Filesystem/Move", post(filesystem::rename))
        .route("/filesystem.Filesystem/ListDir", post(filesystem::list))
        .route("/filesystem.Filesystem/Remove", post(filesystem::remove))
        .route("/filesystem.Filesystem/WatchDir", post(filesystem::watch))
        .route("/filesystem.Filesystem/CreateWatcher", post(filesystem::create_watcher))
        .route("/filesystem.Filesystem/GetWatcherEvents", post(filesystem::watcher_events))
        .route("/filesystem.Filesystem/RemoveWatcher", post(filesystem::remove_watcher))
        .route("/metrics", get(control::own_metrics))
        .route("/envs", get(control::own_envs))
        .route("/execute", post(interpreter::execute))
        .route("/contexts", get(interpreter::list).post(interpreter::create))
        .route("/contexts/{id}", delete(interpreter::remove))
        .route("/contexts/{id}/restart", post(interpreter::restart));
    let open = Router::new()
        .route("/files", get(transfer::read).post(transfer::write))
        .route("/health", get(health));
    Router::new()
        .merge(control)
        .merge(envd)
        .merge(open)
        .fallback(nothing)
        .layer(middleware::from_fn(no_other_ports))
        .with_state(app)
}

/// Whether a sandbox runs. Without a sandbox, whether the server does.
async fn health(place: Option<Place>) -> Response {
    match place.map(|place| place.held.running()) {
        None | Some(Ok(_)) => StatusCode::NO_CONTENT.into_response(),
        Some(Err(_)) => answer::not_running("").into_response(),
    }
}

async fn nothing(request: Request) -> Refused {
    let (method, path) = (request.method(), request.uri().path());
    Refused::of_client(StatusCode::NOT_FOUND, format!("{method} {path} is not offered by this server"))
}

/// Answers for ports of sandboxes other than those of envd and of the code interpreter as for closed ones.
async fn no_other_ports(request: Request, next: Next) -> Response {
    match access::port(request.headers()) {
        Some((id, port)) if !access::OWN_PORTS.contains(&port) => {
            answer::port_closed(&id, port).into_response()
        }
        _ => next.run(request).await,
    }
}
