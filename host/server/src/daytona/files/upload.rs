//! Brings files in, one by one or many in one request.

use std::collections::HashMap;

use axum::Json;
use axum::extract::multipart::Field;
use axum::extract::{FromRequest as _, Multipart, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sandpiper_core::Files;
use serde::{Deserialize, Serialize};

use crate::daytona::extract::Asked;
use crate::daytona::fault::{Code, Fault};
use crate::daytona::toolbox::Toolbox;
use crate::guest_path;

#[derive(Debug, Deserialize)]
pub(super) struct Single {
    path: String,
}

/// A file that was brought in.
#[derive(Debug, Serialize)]
pub(super) struct Uploaded {
    name: String,
    path: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// The body is the file, or a form whose field `file` is it.
pub(super) async fn single(
    toolbox: Toolbox,
    Asked(asked): Asked<Single>,
    request: Request,
) -> Result<Json<Uploaded>, Fault> {
    let content = if is_form(&request) {
        let mut form = form(request).await?;
        loop {
            match form.next_field().await.map_err(broken)? {
                Some(field) if field.name() == Some("file") => break field.bytes().await.map_err(broken)?,
                Some(_) => {}
                None => return Err(Fault::bad_request("the form has no field `file`")),
            }
        }
    } else {
        Bytes::from_request(request, &()).await.map_err(|err| {
            Fault::new(
                err.status(),
                Code::BadRequest,
                format!("the body was not received: {}", err.body_text()),
            )
        })?
    };
    let absolute = toolbox.path(&asked.path)?;
    write(&*toolbox.files(), &absolute, content).await?;
    Ok(Json(Uploaded { name: guest_path::name(&absolute).to_owned(), path: asked.path, kind: "file" }))
}

/// What came of a bulk upload.
#[derive(Debug, Default, Serialize)]
pub(super) struct Results {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<String>,
    files: Vec<Written>,
}

#[derive(Debug, Serialize)]
struct Written {
    path: String,
    bytes: usize,
}

/// A form of pairs of fields: `files[N].path`, then `files[N].file`. What fails leaves the others alone.
pub(super) async fn bulk(toolbox: Toolbox, request: Request) -> Result<Response, Fault> {
    let mut form = form(request).await?;
    let files = toolbox.files();
    let mut results = Results::default();
    let mut paths = HashMap::new();
    loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => break,
            Err(err) => {
                results.errors.push(format!("the form breaks off: {}", err.body_text()));
                break;
            }
        };
        match take(&toolbox, &*files, &mut paths, field).await {
            Ok(written) => results.files.extend(written),
            Err(error) => results.errors.push(error),
        }
    }
    let status = if results.errors.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    Ok((status, Json(results)).into_response())
}

async fn take(
    toolbox: &Toolbox,
    files: &dyn Files,
    paths: &mut HashMap<String, String>,
    field: Field<'_>,
) -> Result<Option<Written>, String> {
    let name = field.name().unwrap_or_default().to_owned();
    if let Some(index) = name.strip_suffix(".path") {
        let path = field.text().await.map_err(|err| format!("{name}: {}", err.body_text()))?;
        if path.trim().is_empty() {
            return Err(format!("{name}: the path is empty"));
        }
        paths.insert(index.to_owned(), path);
        return Ok(None);
    }
    let Some(index) = name.strip_suffix(".file") else {
        return Err(format!("{name}: not expected, only fields `files[N].path` and `files[N].file`"));
    };
    let Some(path) = paths.remove(index) else {
        return Err(format!("{name}: the field `{index}.path` has to come before it"));
    };
    let content = field.bytes().await.map_err(|err| format!("{path}: {}", err.body_text()))?;
    let bytes = content.len();
    let write = async { write(files, &toolbox.path(&path)?, content).await };
    write.await.map_err(|err: Fault| format!("{path}: {}", err.message))?;
    Ok(Some(Written { path, bytes }))
}

/// Writes a file, with the directories that lead to it.
async fn write(files: &dyn Files, path: &str, content: Bytes) -> Result<(), Fault> {
    files.make_directory(guest_path::parent(path)).await?;
    files.write(path, content).await?;
    Ok(())
}

fn is_form(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/form-data"))
}

async fn form(request: Request) -> Result<Multipart, Fault> {
    Multipart::from_request(request, &())
        .await
        .map_err(|err| Fault::bad_request(format!("the body is no form: {}", err.body_text())))
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn broken(err: axum::extract::multipart::MultipartError) -> Fault {
    Fault::new(err.status(), Code::BadRequest, format!("the form was not received: {}", err.body_text()))
}
