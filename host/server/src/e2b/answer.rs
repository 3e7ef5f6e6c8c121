//! How errors are told to clients.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sandpiper_core::{FileError, FileErrorKind};
use serde_json::{Value, json};

use crate::failure::Failure;

/// An answer that says why not.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refused {
    status: StatusCode,
    pub(super) body: Value,
    /// Whether the SDK is to leave it at that, rather than to ask again.
    is_final: bool,
}

impl Refused {
    /// For the control plane and what is beside the services: the code is the status.
    pub(super) fn of_client(status: StatusCode, message: impl Into<String>) -> Self {
        let body = json!({ "code": status.as_u16(), "message": message.into() });
        Self { status, body, is_final: status == StatusCode::TOO_MANY_REQUESTS }
    }

    /// For the services of envd: the code is Connect's.
    pub(super) fn of_envd(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, body: json!({ "code": code, "message": message.into() }), is_final: false }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if self.is_final {
            let name = HeaderName::from_static("should-retry");
            response.headers_mut().insert(name, HeaderValue::from_static("false"));
        }
        response
    }
}

/// What the proxy before envd says of a sandbox that is gone, or set aside; SDKs look for these words.
pub(super) fn not_running(id: &str) -> Refused {
    let body = json!({ "sandboxId": id, "message": "The sandbox was not found", "code": 502 });
    Refused { status: StatusCode::BAD_GATEWAY, body, is_final: false }
}

/// What it says of a port that nothing listens on.
pub(super) fn port_closed(id: &str, port: u16) -> Refused {
    let message =
        format!("The sandbox is running but port is not open: this server passes on no port, {port} neither");
    let body = json!({ "sandboxId": id, "message": message, "port": port, "code": 502 });
    Refused { status: StatusCode::BAD_GATEWAY, body, is_final: false }
}

/// A failure of the control plane.
#[derive(Debug)]
pub(super) struct ControlError(Failure);

impl<E: Into<Failure>> From<E> for ControlError {
    fn from(err: E) -> Self {
        Self(err.into())
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        Refused::of_client(status(&self.0), message(&self.0)).into_response()
    }
}

/// What is said of a failure: of one of the system, what Go says, because clients tell them apart by these words.
pub(super) fn message(failure: &Failure) -> String {
    let Failure::File(FileError { operation, path, kind }) = failure else { return failure.to_string() };
    let words = match kind {
        FileErrorKind::NotFound => "no such file or directory",
        FileErrorKind::AlreadyExists => "file exists",
        FileErrorKind::NotADirectory => "not a directory",
        FileErrorKind::IsADirectory => "is a directory",
        FileErrorKind::NotEmpty => "directory not empty",
        FileErrorKind::ReadOnly => "read-only file system",
        FileErrorKind::OtherMount => "invalid cross-device link",
        _ => return failure.to_string(),
    };
    format!("{operation} {path}: {words}")
}

/// The status of a failure.
pub(super) fn status(failure: &Failure) -> StatusCode {
    match failure {
        Failure::NotFound(_) => StatusCode::NOT_FOUND,
        Failure::Invalid(_) => StatusCode::BAD_REQUEST,
        Failure::Conflict(_) => StatusCode::CONFLICT,
        Failure::Limit(_) => StatusCode::TOO_MANY_REQUESTS,
        Failure::Unsupported(_) => StatusCode::NOT_IMPLEMENTED,
        Failure::Unauthorized(_) => StatusCode::UNAUTHORIZED,
        Failure::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        Failure::File(err) => match err.kind {
            FileErrorKind::NotFound => StatusCode::NOT_FOUND,
            FileErrorKind::Quota => StatusCode::INSUFFICIENT_STORAGE,
            FileErrorKind::Refused | FileErrorKind::ReadOnly => StatusCode::FORBIDDEN,
            FileErrorKind::Gone => StatusCode::BAD_GATEWAY,
            FileErrorKind::Unreachable(_) | FileErrorKind::Backend(_) | FileErrorKind::Other(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::BAD_REQUEST,
        },
    }
}

/// A failure of one of envd's services, as Connect tells it.
#[derive(Debug)]
pub(super) struct EnvdError(Failure);

impl<E: Into<Failure>> From<E> for EnvdError {
    fn from(err: E) -> Self {
        Self(err.into())
    }
}

impl EnvdError {
    fn code(&self) -> (StatusCode, &'static str) {
        match &self.0 {
            Failure::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Failure::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_argument"),
            Failure::Conflict(_) => (StatusCode::BAD_REQUEST, "failed_precondition"),
            Failure::Limit(_) => (StatusCode::TOO_MANY_REQUESTS, "resource_exhausted"),
            Failure::Unsupported(_) => (StatusCode::NOT_IMPLEMENTED, "unimplemented"),
            Failure::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Failure::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Failure::File(err) => match err.kind {
                FileErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
                FileErrorKind::AlreadyExists => (StatusCode::CONFLICT, "already_exists"),
                FileErrorKind::Refused | FileErrorKind::ReadOnly => {
                    (StatusCode::FORBIDDEN, "permission_denied")
                }
                FileErrorKind::Quota => (StatusCode::TOO_MANY_REQUESTS, "resource_exhausted"),
                FileErrorKind::Gone | FileErrorKind::Unreachable(_) => {
                    (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
                }
                FileErrorKind::Backend(_) | FileErrorKind::Other(_) => {
                    (StatusCode::INTERNAL_SERVER_ERROR, "internal")
                }
                _ => (StatusCode::BAD_REQUEST, "invalid_argument"),
            },
        }
    }

    /// As the error of a stream that has begun.
    pub(super) fn in_stream(&self) -> Value {
        json!({ "code": self.code().1, "message": message(&self.0) })
    }
}

impl IntoResponse for EnvdError {
    fn into_response(self) -> Response {
        let (status, code) = self.code();
        Refused::of_envd(status, code, message(&self.0)).into_response()
    }
}
