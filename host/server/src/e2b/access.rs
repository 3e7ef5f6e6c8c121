//! Who asks, and for which sandbox.

use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use sandpiper_core::Sandbox;

use crate::app::App;
use crate::e2b::answer::{self, Refused};
use crate::e2b::connect;
use crate::held::Held;
use crate::keys::same_secret;

/// The ports of envd, and of the code interpreter.
pub(super) const OWN_PORTS: [u16; 2] = [49983, 49999];

/// A client of the control plane, by its key.
pub(super) struct Client;

impl FromRequestParts<App> for Client {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let key = text(&parts.headers, "x-api-key").or_else(|| {
            text(&parts.headers, header::AUTHORIZATION.as_str())
                .and_then(|value| value.strip_prefix("Bearer "))
        });
        match key {
            Some(key) if app.keys.admits(key) => Ok(Self),
            Some(_) => {
                Err(Refused::of_client(StatusCode::UNAUTHORIZED, "the API key is not one of this server's"))
            }
            None => Err(Refused::of_client(
                StatusCode::UNAUTHORIZED,
                "an API key is needed in the header X-API-Key",
            )),
        }
    }
}

/// The sandbox that a request names, whoever asks.
pub(super) struct Place {
    pub(super) held: Arc<Held>,
}

impl FromRequestParts<App> for Place {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let id = port(&parts.headers).map(|(id, _)| id).unwrap_or_default();
        match app.registry.find(&id) {
            Ok(held) => Ok(Self { held }),
            Err(_) => Err(answer::not_running(&id).into_response()),
        }
    }
}

impl OptionalFromRequestParts<App> for Place {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Self::Rejection> {
        match port(&parts.headers) {
            None => Ok(None),
            Some(_) => <Self as FromRequestParts<App>>::from_request_parts(parts, app).await.map(Some),
        }
    }
}

/// The answer to one who is not let in.
#[derive(Debug)]
pub(super) struct Denied(Box<Response>);

impl Denied {
    pub(super) fn new(answer: impl IntoResponse) -> Self {
        Self(Box::new(answer.into_response()))
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// What the holder of a sandbox's token works with: one that runs.
pub(super) struct Envd {
    pub(super) held: Arc<Held>,
    pub(super) sandbox: Arc<dyn Sandbox>,
}

impl Envd {
    /// Lets in who may work with a sandbox that is there.
    pub(super) fn of(held: Arc<Held>, headers: &HeaderMap) -> Result<Self, Denied> {
        let tokens = ["x-access-token", "e2b-traffic-access-token"];
        let admitted = tokens
            .iter()
            .filter_map(|name| text(headers, name))
            .fold(false, |admitted, token| admitted | same_secret(token, &held.token));
        if !admitted {
            let message = "the sandbox's token is needed in the header X-Access-Token";
            return Err(refused(headers, &unauthenticated(message)));
        }
        Self::trusted(held, headers)
    }

    /// Lets in who has shown otherwise that they may.
    pub(super) fn trusted(held: Arc<Held>, headers: &HeaderMap) -> Result<Self, Denied> {
        check_user(basic_user(headers).as_deref())
            .map_err(|message| refused(headers, &unauthenticated(&message)))?;
        match held.running() {
            Ok(sandbox) => Ok(Self { held, sandbox }),
            Err(_) => Err(Denied::new(answer::not_running(&held.id))),
        }
    }
}

impl FromRequestParts<App> for Envd {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let place =
            <Place as FromRequestParts<App>>::from_request_parts(parts, app).await.map_err(Denied::new)?;
        Self::of(place.held, &parts.headers)
    }
}

fn unauthenticated(message: &str) -> Refused {
    Refused::of_envd(StatusCode::UNAUTHORIZED, "unauthenticated", message)
}

/// The answer to one who is not let in: whoever wants a stream looks for the reason in there.
fn refused(headers: &HeaderMap, refused: &Refused) -> Denied {
    let kind = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    if kind.starts_with("application/connect+") {
        Denied::new(connect::stream(stream::iter([connect::last_frame(Some(refused.body.clone()))])))
    } else {
        Denied::new(refused.clone())
    }
}

/// Refuses users that no sandbox has.
pub(super) fn check_user(user: Option<&str>) -> Result<(), String> {
    match user {
        None | Some("" | "user" | "root") => Ok(()),
        Some(user) => {
            Err(format!("invalid username: '{user}'; a sandbox has one user, who is `user` and `root`"))
        }
    }
}

/// The user of an `Authorization: Basic` header.
fn basic_user(headers: &HeaderMap) -> Option<String> {
    let encoded = text(headers, header::AUTHORIZATION.as_str())?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    decoded.split_once(':').map(|(user, _)| user.to_owned())
}

/// The sandbox and the port that a request is for: by headers, or by a host name such as `49983-ID.example.org`.
pub(super) fn port(headers: &HeaderMap) -> Option<(String, u16)> {
    if let Some(id) = text(headers, "e2b-sandbox-id") {
        let port = text(headers, "e2b-sandbox-port").and_then(|port| port.parse().ok());
        return Some((id.to_owned(), port.unwrap_or(OWN_PORTS[0])));
    }
    let host = text(headers, header::HOST.as_str())?;
    let (port, id) = host.split_once('.')?.0.split_once('-')?;
    Some((id.to_owned(), port.parse().ok()?))
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_sandbox_is_named_by_headers_or_by_the_host() {
        let with = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            port(&pairs.collect::<HeaderMap>())
        };
        assert_eq!(
            with(&[("e2b-sandbox-id", "a"), ("e2b-sandbox-port", "8080")]),
            Some(("a".to_owned(), 8080))
        );
        assert_eq!(with(&[("e2b-sandbox-id", "a")]), Some(("a".to_owned(), 49983)));
        assert_eq!(with(&[("host", "3000-abc.example.org")]), Some(("abc".to_owned(), 3000)));
        for host in ["127.0.0.1:80", "localhost:49983", "api.example.org", "my-host.example.org"] {
            assert_eq!(with(&[("host", host)]), None, "{host}");
        }
    }
}
