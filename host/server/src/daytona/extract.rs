//! What requests say, parsed; what does not parse is answered as Daytona answers it.

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::fault::{Code, Fault};

/// The query of a request.
#[derive(Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Fault> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(asked)| Self(asked))
            .map_err(|err| Fault::bad_request(format!("the query is not valid: {}", err.body_text())))
    }
}

/// The JSON in the body of a request. Without a body it is an empty object.
#[derive(Debug)]
pub(crate) struct Given<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Given<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|err| Fault::new(err.status(), Code::InvalidRequestBody, err.body_text()))?;
        let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
        serde_json::from_slice(text).map(Self).map_err(|err| {
            let message = format!("the body is not what is expected: {err}");
            Fault::new(StatusCode::BAD_REQUEST, Code::InvalidRequestBody, message)
        })
    }
}
