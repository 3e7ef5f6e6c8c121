//! Takes files out, one by one or many in one answer.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use sandpiper_core::{FileErrorKind, Files};
use serde::Deserialize;

use super::FILE_BYTES;
use super::info::follow;
use super::multipart::Boundary;
use crate::daytona::extract::{Asked, Given};
use crate::daytona::fault::{Code, Fault};
use crate::daytona::toolbox::Toolbox;

#[derive(Debug, Deserialize)]
pub(super) struct Single {
    path: String,
}

pub(super) async fn single(toolbox: Toolbox, Asked(asked): Asked<Single>) -> Result<Response, Fault> {
    let content = read(&*toolbox.files(), &toolbox.path(&asked.path)?).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], content).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct Bulk {
    paths: Vec<String>,
}

/// The files are read one after the other, as the client takes them.
pub(super) async fn bulk(toolbox: Toolbox, Given(given): Given<Bulk>) -> Result<Response, Fault> {
    if given.paths.is_empty() {
        return Err(Fault::bad_request("no paths are given"));
    }
    let files = toolbox.files();
    let mut paths = Vec::with_capacity(given.paths.len());
    for path in given.paths {
        paths.push((toolbox.path(&path)?, path));
    }
    let (boundary, paths) = (Boundary::new()?, paths.into_iter());
    let kind = boundary.content_type();
    let parts = stream::unfold((files, boundary, Some(paths)), |(files, boundary, paths)| async move {
        let mut paths = paths?;
        let (part, paths) = match paths.next() {
            Some((absolute, path)) => (boundary.part(&path, read(&*files, &absolute).await), Some(paths)),
            None => (boundary.end(), None),
        };
        Some((Ok::<_, Infallible>(part), (files, boundary, paths)))
    });
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(parts)).into_response())
}

async fn read(files: &dyn Files, path: &str) -> Result<Bytes, Fault> {
    match files.read(path, FILE_BYTES).await {
        // A backend may call a directory by another name.
        Err(err) if matches!(err.kind, FileErrorKind::IsADirectory | FileErrorKind::NotAFile) => {
            follow(files, path).await?;
            let message = format!("{path} is no regular file");
            Err(Fault::new(axum::http::StatusCode::BAD_REQUEST, Code::InvalidFilePath, message))
        }
        read => Ok(read?),
    }
}
