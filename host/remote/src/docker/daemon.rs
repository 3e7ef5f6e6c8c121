//! The connection to a daemon, and what its answers mean.

use std::time::Duration;

use bollard::API_DEFAULT_VERSION;
use sandpiper_core::Error;
use tokio::sync::OnceCell;

use super::config::Host;

/// The backend's name.
pub(super) const BACKEND: &str = "docker";

/// The client's own limit, beyond all that are kept here.
const CLIENT_TIMEOUT_SECONDS: u64 = 7 * 24 * 3600;

/// Most of the daemon's own words that an error repeats, in characters.
const MAX_WORDS: usize = 1000;

pub(super) struct Daemon {
    host: Host,
    /// How long an answer may take.
    timeout: Duration,
    client: OnceCell<bollard::Docker>,
}

/// An error, with the status of the answer where there was one.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: Option<u16>,
    /// Nobody was reached, so nothing was asked.
    pub(super) unsent: bool,
    pub(super) error: Error,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl Daemon {
    pub(super) fn new(host: Host, timeout: Duration) -> Self {
        Self { host, timeout, client: OnceCell::new() }
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The client. It asks without a version of the API, and is answered in the daemon's newest.
    pub(super) async fn client(&self, action: &'static str) -> Result<&bollard::Docker, Failure> {
        let open = async || self.open().map_err(|err| self.failure(action, err));
        self.client.get_or_try_init(open).await
    }

    fn open(&self) -> Result<bollard::Docker, bollard::errors::Error> {
        match &self.host {
            Host::Local(url) => {
                bollard::Docker::connect_with_socket(url, CLIENT_TIMEOUT_SECONDS, API_DEFAULT_VERSION)
            }
            Host::Tcp(url) => {
                bollard::Docker::connect_with_http(url, CLIENT_TIMEOUT_SECONDS, API_DEFAULT_VERSION)
            }
        }
    }

    /// Waits for an answer, as long as one may take.
    pub(super) async fn answer<T>(
        &self,
        action: &'static str,
        request: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, request).await {
            Ok(answer) => answer.map_err(|err| self.failure(action, err)),
            Err(_) => Err(self.slow(action)),
        }
    }

    pub(super) fn slow(&self, action: &'static str) -> Failure {
        let error = Error::Slow { backend: BACKEND.to_owned(), action, after: self.timeout };
        Failure { status: None, unsent: false, error }
    }

    pub(super) fn failure(&self, action: &'static str, err: bollard::errors::Error) -> Failure {
        use bollard::errors::Error as Client;

        let backend = BACKEND.to_owned();
        match err {
            Client::DockerResponseServerError { status_code, message } => {
                let message = words(&message);
                let error = match status_code {
                    401 | 403 => Error::Unauthorized { backend, message },
                    429 => Error::RateLimited { backend, action, retry_after: None, message },
                    // What stands before the daemon says that it is not to be had.
                    502..=504 => {
                        let source = format!("it answers {status_code}: {message}").into();
                        Error::Unreachable { backend, action, source }
                    }
                    _ if message.is_empty() => {
                        Error::Backend { backend, action, message: format!("it answers {status_code}") }
                    }
                    _ => Error::Backend { backend, action, message },
                };
                Failure { status: Some(status_code), unsent: false, error }
            }
            Client::DockerStreamError { error } => {
                let error = Error::Backend { backend, action, message: words(&error) };
                Failure { status: None, unsent: false, error }
            }
            Client::RequestTimeoutError => self.slow(action),
            Client::HyperResponseError { err } if err.is_parse() => protocol(action, err.to_string()),
            Client::IOError { .. }
            | Client::HyperResponseError { .. }
            | Client::HyperLegacyError { .. }
            | Client::SocketNotFoundError(_) => {
                let unsent = match &err {
                    Client::HyperLegacyError { err } => err.is_connect(),
                    err => matches!(err, Client::SocketNotFoundError(_)),
                };
                let error = Error::Unreachable { backend, action, source: Box::new(err) };
                Failure { status: None, unsent, error }
            }
            other => protocol(action, words(&other.to_string())),
        }
    }
}

pub(super) fn protocol(action: &'static str, what: String) -> Failure {
    let error = Error::Protocol { backend: BACKEND.to_owned(), action, what };
    Failure { status: None, unsent: false, error }
}

/// A daemon's words, of a length that fits into a message.
pub(super) fn words(text: &str) -> String {
    text.trim().chars().take(MAX_WORDS).collect()
}
