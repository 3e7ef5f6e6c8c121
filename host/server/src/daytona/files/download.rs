//! Takes files out, one by one or many in one answer.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use sandpiper_core::{FileErrorKind, Files};
use serde::Deserialize;

use super::info::follow;
use super::{FILE_BYTES, multipart};
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
    let paths = paths.into_iter();
    let parts = stream::unfold((files, Some(paths)), |(files, paths)| async move {
        let mut paths = paths?;
        Some(match paths.next() {
            Some((absolute, path)) => (part(&files, &absolute, &path).await, (files, Some(paths))),
            None => (Ok(multipart::end()), (files, None)),
        })
    });
    Ok(([(header::CONTENT_TYPE, multipart::CONTENT_TYPE)], Body::from_stream(parts)).into_response())
}

async fn part(files: &Arc<dyn Files>, absolute: &str, path: &str) -> Result<Bytes, std::io::Error> {
    Ok(multipart::part(path, read(&**files, absolute).await))
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
