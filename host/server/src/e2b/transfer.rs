//! `GET` and `POST /files` of envd: whole files, by token or by signature.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::e2b::access::{self, Denied, Envd, check_user, text};
use crate::e2b::answer::{self, Refused};
use crate::failure::Failure;
use crate::guest_path::{HOME, absolute, name, parent};
use crate::held::Held;
use crate::keys::same_secret;

/// Most files of one upload.
const MAX_FILES: usize = 1000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FileQuery {
    path: Option<String>,
    username: Option<String>,
    signature: Option<String>,
    signature_expiration: Option<i64>,
}

/// An error of these calls: envd tells the status as the code.
#[derive(Debug)]
struct TransferError(Failure);

impl<E: Into<Failure>> From<E> for TransferError {
    fn from(err: E) -> Self {
        Self(err.into())
    }
}

impl IntoResponse for TransferError {
    fn into_response(self) -> Response {
        Refused::of_client(answer::status(&self.0), answer::message(&self.0)).into_response()
    }
}

/// `GET /files?path=`: the content of a file.
pub(super) async fn read(
    State(app): State<App>,
    Query(query): Query<FileQuery>,
    headers: HeaderMap,
) -> Response {
    match envd(&app, &query, &headers, "read") {
        Ok(envd) => {
            read_file(&envd, &app, &query, &headers).await.unwrap_or_else(IntoResponse::into_response)
        }
        Err(denied) => denied.into_response(),
    }
}

async fn read_file(
    envd: &Envd,
    app: &App,
    query: &FileQuery,
    headers: &HeaderMap,
) -> Result<Response, TransferError> {
    let limits = &app.registry.limits;
    let path = absolute(query.path.as_deref().unwrap_or_default(), HOME, limits.path_bytes)?;
    let limit = u64::try_from(limits.body_bytes).unwrap_or(u64::MAX);
    let content = envd.sandbox.files().read(&path, limit).await?;
    let quoted: String = name(&path)
        .chars()
        .map(|letter| if letter.is_ascii_graphic() && letter != '"' { letter } else { '_' })
        .collect();
    let disposition = HeaderValue::from_str(&format!("inline; filename=\"{quoted}\""))
        .unwrap_or(HeaderValue::from_static("inline"));
    let kind = HeaderValue::from_static("application/octet-stream");
    let mut response = if takes_gzip(headers) {
        let mut response = compressed(&content)?.into_response();
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        content.into_response()
    };
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    Ok(response)
}

/// Whether the client asks for gzip alone, as SDKs do when they are told to; many say that they take it, and are
/// better served without.
fn takes_gzip(headers: &HeaderMap) -> bool {
    text(headers, header::ACCEPT_ENCODING.as_str()) == Some("gzip")
}

fn compressed(content: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(content).and_then(|()| encoder.finish());
    written.map_err(|err| Failure::Internal(format!("the file cannot be compressed: {err}")))
}

/// `POST /files`: one file as the body, or several as a form.
pub(super) async fn write(
    State(app): State<App>,
    Query(query): Query<FileQuery>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let envd = match envd(&app, &query, &headers, "write") {
        Ok(envd) => envd,
        Err(denied) => return denied.into_response(),
    };
    let uploads = match uploads(&app, &query, &headers, request).await {
        Ok(uploads) => uploads,
        Err(err) => return err.into_response(),
    };
    let written = write_files(&envd, &app, uploads).await;
    written.map_or_else(IntoResponse::into_response, |written| Json(written).into_response())
}

/// The files of an upload, by the paths that the client gives them.
async fn uploads(
    app: &App,
    query: &FileQuery,
    headers: &HeaderMap,
    request: Request,
) -> Result<Vec<(String, Bytes)>, TransferError> {
    let limit = app.registry.limits.body_bytes;
    let kind = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    if kind.starts_with("multipart/form-data") {
        return Ok(form(query, request).await?);
    }
    if !kind.starts_with("application/octet-stream") {
        let what = "expected multipart/form-data or application/octet-stream";
        return Err(Failure::Invalid(format!("the content type is {kind:?}, {what}")).into());
    }
    let path = query.path.clone().ok_or_else(|| Failure::Invalid("`path` is missing".to_owned()))?;
    let body =
        Bytes::from_request(request, &()).await.map_err(|err| too_large_or(&err.body_text(), limit))?;
    let content = match text(headers, header::CONTENT_ENCODING.as_str()) {
        None | Some("identity") => body,
        Some("gzip") => decompressed(&body, limit)?,
        Some(other) => {
            return Err(Failure::Invalid(format!(
                "the content encoding is {other:?}, expected gzip or none"
            ))
            .into());
        }
    };
    Ok(vec![(path, content)])
}

fn too_large_or(words: &str, limit: usize) -> Failure {
    Failure::Invalid(format!("the body cannot be taken, of which {limit} bytes are the most: {words}"))
}

fn decompressed(body: &[u8], limit: usize) -> Result<Bytes, Failure> {
    let mut content = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = MultiGzDecoder::new(body).take(most).read_to_end(&mut content);
    read.map_err(|err| Failure::Invalid(format!("the body is no gzip: {err}")))?;
    if content.len() > limit {
        return Err(Failure::Invalid(format!(
            "the body has more than {limit} bytes when it is decompressed"
        )));
    }
    Ok(content.into())
}

/// The fields `file` of a form; of a single one the query may say the path, else it is the file's name.
async fn form(query: &FileQuery, request: Request) -> Result<Vec<(String, Bytes)>, Failure> {
    let wrong = |what: String| Failure::Invalid(format!("the form is not understood: {what}"));
    let mut form = Multipart::from_request(request, &()).await.map_err(|err| wrong(err.body_text()))?;
    let mut uploads = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|err| wrong(err.body_text()))? {
        if field.name() != Some("file") {
            continue;
        }
        let path = query.path.clone().or_else(|| field.file_name().map(str::to_owned));
        let path = path.ok_or_else(|| wrong("a file has no name, and the query no path".to_owned()))?;
        let content = field.bytes().await.map_err(|err| wrong(err.body_text()))?;
        if uploads.len() == MAX_FILES {
            return Err(Failure::Invalid(format!("the form has more than {MAX_FILES} files")));
        }
        uploads.push((path, content));
    }
    if query.path.is_some() && uploads.len() > 1 {
        return Err(wrong(format!("it has {} files, and the query one path for them", uploads.len())));
    }
    Ok(uploads)
}

/// Writes files, and makes the directories that lead to them.
async fn write_files(
    envd: &Envd,
    app: &App,
    uploads: Vec<(String, Bytes)>,
) -> Result<Vec<Value>, TransferError> {
    let files = envd.sandbox.files();
    let mut written = Vec::new();
    for (path, content) in uploads {
        let path = absolute(&path, HOME, app.registry.limits.path_bytes)?;
        files.make_directory(parent(&path)).await?;
        files.write(&path, content).await?;
        written.push(json!({ "path": path, "name": name(&path), "type": "file" }));
    }
    Ok(written)
}

/// Lets in who has the token of the sandbox, or a signature that was made with it. Signed addresses may name no
/// sandbox: it is the one whose token gives that signature.
fn envd(app: &App, query: &FileQuery, headers: &HeaderMap, operation: &str) -> Result<Envd, Denied> {
    let refused = |message: &str| Denied::new(TransferError(Failure::Unauthorized(message.to_owned())));
    check_user(query.username.as_deref()).map_err(|message| refused(&message))?;
    let named = access::port(headers).map(|(id, _)| id);
    let not_running = |id: &str| Denied::new(answer::not_running(id));
    let Some(signature) = query.signature.as_deref() else {
        let id = named.unwrap_or_default();
        let held = app.registry.find(&id).map_err(|_| not_running(&id))?;
        return Envd::of(held, headers);
    };
    let has_signed = |held: &Arc<Held>| same_secret(signature, &signed(query, operation, &held.token));
    let held = match named {
        Some(id) => {
            let held = app.registry.find(&id).map_err(|_| not_running(&id))?;
            has_signed(&held).then_some(held)
        }
        None => app.registry.list(&std::collections::BTreeMap::new()).into_iter().find(has_signed),
    };
    let held = held.ok_or_else(|| refused("invalid signature"))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    if query
        .signature_expiration
        .is_some_and(|until| u64::try_from(until).is_ok_and(|until| until < now) || until < 0)
    {
        return Err(refused("signature is already expired"));
    }
    Envd::trusted(held, headers)
}

/// The signature of a path for an operation.
fn signed(query: &FileQuery, operation: &str, token: &str) -> String {
    let path = query.path.as_deref().unwrap_or_default();
    let user = query.username.as_deref().unwrap_or_default();
    let until = query.signature_expiration.map(|until| format!(":{until}")).unwrap_or_default();
    let digest = Sha256::digest(format!("{path}:{operation}:{user}:{token}{until}"));
    format!("v1_{}", STANDARD_NO_PAD.encode(digest))
}
