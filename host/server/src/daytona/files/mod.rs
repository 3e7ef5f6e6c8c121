//! `/files`: the files of a sandbox.

mod download;
mod info;
mod manage;
mod multipart;
mod search;
mod upload;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

pub(crate) use info::{OWNER, follow};

use super::State;

/// Most bytes of a file that is read or written at once: all of it is in memory then.
const FILE_BYTES: u64 = 512 << 20;

/// Most bytes of a request that uploads.
const UPLOAD_BYTES: usize = 1 << 30;

/// The routes below `/files` that the key opens.
pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/files", get(manage::list).delete(manage::delete))
        .route("/files/info", get(manage::info))
        .route("/files/folder", post(manage::make_folder))
        .route("/files/move", post(manage::rename))
        .route("/files/permissions", post(manage::set_permissions))
        .route("/files/find", get(search::find))
        .route("/files/search", get(search::search))
        .route("/files/replace", post(search::replace))
        .route("/files/bulk-download", post(download::bulk))
        .route("/files/bulk-upload", post(upload::bulk).layer(DefaultBodyLimit::max(UPLOAD_BYTES)))
}

/// The routes that the key or a signature opens.
pub(crate) fn signed_routes() -> Router<State> {
    let upload = post(upload::single).layer(DefaultBodyLimit::max(UPLOAD_BYTES));
    Router::new()
        .route("/files/download", get(download::single))
        .route("/files/upload", upload.clone())
        .route("/files/upload-v2", upload)
}
