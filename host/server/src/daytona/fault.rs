//! What goes wrong, as Daytona's API tells it.

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sandpiper_core::{Error, FileError, FileErrorKind};
use serde::Serialize;

use super::wire::Timestamp;
use crate::failure::Failure;

/// Which half of the API answers: the SDKs look a code up by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Source {
    /// What makes and ends sandboxes.
    #[serde(rename = "DAYTONA_API")]
    Control,
    /// What works inside of one.
    #[serde(rename = "DAYTONA_DAEMON")]
    Toolbox,
}

/// The codes by which the SDKs choose a class of exception; where none fits better, the HTTP status says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Code {
    BadRequest,
    InvalidRequestBody,
    Unauthorized,
    NotFound,
    Conflict,
    InternalServerError,
    FileNotFound,
    FileAccessDenied,
    InvalidFilePath,
    FileReadFailed,
    ProcessExecutionTimeout,
    ProcessNotFound,
    SessionEnded,
    CommandAlreadyCompleted,
    GitAuthFailed,
    GitRepoNotFound,
    GitBranchNotFound,
    GitBranchExists,
    GitPushRejected,
    GitDirtyWorktree,
    GitMergeConflict,
    GitTransportFailed,
    /// What this server does not offer, which has no code of Daytona's.
    NotImplemented,
    /// A limit of the sandbox, which has none either.
    LimitReached,
}

/// An error answer, before it is known for which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::BadRequest, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, Code::Conflict, message)
    }

    /// What Daytona has, and a sandbox here has not.
    pub(crate) fn not_offered(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, Code::NotImplemented, message)
    }

    pub(crate) fn timeout(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, Code::ProcessExecutionTimeout, message)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<FileError> for Fault {
    fn from(err: FileError) -> Self {
        use FileErrorKind as Kind;

        let (status, code) = match &err.kind {
            Kind::NotFound => (StatusCode::NOT_FOUND, Code::FileNotFound),
            Kind::ReadOnly | Kind::Refused => (StatusCode::FORBIDDEN, Code::FileAccessDenied),
            Kind::AlreadyExists => (StatusCode::CONFLICT, Code::Conflict),
            Kind::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, Code::FileReadFailed),
            Kind::Quota => (StatusCode::INSUFFICIENT_STORAGE, Code::LimitReached),
            Kind::Gone => (StatusCode::NOT_FOUND, Code::NotFound),
            Kind::Unreachable(_) | Kind::Backend(_) => (StatusCode::BAD_GATEWAY, Code::InternalServerError),
            Kind::NotADirectory | Kind::IsADirectory | Kind::NotAFile | Kind::NotASymlink => {
                (StatusCode::BAD_REQUEST, Code::InvalidFilePath)
            }
            _ => (StatusCode::BAD_REQUEST, Code::BadRequest),
        };
        Self::new(status, code, err.to_string())
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let (status, code) = match &failure {
            Failure::NotFound(_) => (StatusCode::NOT_FOUND, Code::NotFound),
            Failure::Invalid(_) => (StatusCode::BAD_REQUEST, Code::BadRequest),
            Failure::Conflict(_) => (StatusCode::CONFLICT, Code::Conflict),
            Failure::Limit(_) => (StatusCode::TOO_MANY_REQUESTS, Code::LimitReached),
            Failure::Unsupported(_) => (StatusCode::NOT_IMPLEMENTED, Code::NotImplemented),
            Failure::Unauthorized(_) => (StatusCode::UNAUTHORIZED, Code::Unauthorized),
            Failure::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, Code::InternalServerError),
            Failure::File(err) => return err.clone().into(),
        };
        Self::new(status, code, failure.to_string())
    }
}

impl From<Error> for Fault {
    fn from(err: Error) -> Self {
        Failure::from(err).into()
    }
}

/// The body of an error answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    status_code: u16,
    message: &'a str,
    code: Code,
    timestamp: Timestamp,
    path: &'a str,
    method: &'a str,
    source: Source,
}

/// Gives the [`Fault`] of an answer its body.
pub(crate) async fn tell(source: Source, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let Some(fault) = response.extensions_mut().remove::<Fault>() else { return response };
    let body = Body {
        status_code: fault.status.as_u16(),
        message: &fault.message,
        code: fault.code,
        timestamp: Timestamp::now(),
        path: &path,
        method: method.as_str(),
        source,
    };
    (fault.status, Json(body)).into_response()
}
