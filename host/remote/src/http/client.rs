//! A server by its address and the headers that let in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::{Call, Retries, Secret};

/// The slowest line that a body passes over.
const MIN_BYTES_PER_SECOND: u32 = 128 << 10;

/// The time that a body of this size has.
pub(super) fn on_the_line(bytes: usize) -> Duration {
    Duration::from_secs(bytes as u64) / MIN_BYTES_PER_SECOND
}

/// How long is waited for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// From a request that is sent to the first byte of its answer.
    pub first_byte: Duration,
    /// Between two pieces of an answer's body.
    pub between_bytes: Duration,
    /// For a call whose answer is taken as a whole, with all tries and the waits between them. What is sent
    /// and what comes has time beyond that by its size, at 128 KiB a second. A call whose answer is a stream
    /// has to have begun in this time.
    pub whole: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            // Backends make a sandbox while the request to do so waits.
            first_byte: Duration::from_mins(1),
            between_bytes: Duration::from_secs(30),
            whole: Duration::from_mins(2),
        }
    }
}

/// A server, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The backend's name, for errors.
    pub backend: &'static str,
    /// The address below which all paths are.
    pub base_url: String,
    /// Headers of each request.
    pub headers: Vec<(&'static str, Secret)>,
    /// How long is waited for what.
    pub times: Times,
    /// How often is tried.
    pub retries: Retries,
    /// The address of an HTTP proxy that all goes through.
    pub proxy: Option<String>,
}

impl ClientConfig {
    /// A server without headers, with the usual times.
    pub fn new(backend: &'static str, base_url: impl Into<String>) -> Self {
        Self {
            backend,
            base_url: base_url.into(),
            headers: Vec::new(),
            times: Times::default(),
            retries: Retries::default(),
            proxy: None,
        }
    }
}

/// A setting of a backend that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An address that is none.
    #[error("`{value}` is not the address of the backend {backend}, expected {expected}")]
    Address {
        /// The backend's name.
        backend: &'static str,
        /// The value given, without what could be a password.
        value: String,
        /// What would work.
        expected: &'static str,
    },
    /// A value that cannot be sent, which is not shown, because it may be a secret.
    #[error("the {setting} of the backend {backend} is {wrong}")]
    Value {
        /// The backend's name.
        backend: &'static str,
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// The TLS of this program cannot be set up.
    #[error("the connection to the backend {backend} cannot be set up: {reason}")]
    Setup {
        /// The backend's name.
        backend: &'static str,
        /// Why not.
        reason: String,
    },
}

/// Speaks to one server. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    pub(super) http: reqwest::Client,
    pub(super) server: Arc<Server>,
}

#[derive(Clone)]
pub(super) struct Server {
    pub backend: &'static str,
    pub base: Url,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub secrets: Vec<Secret>,
    pub times: Times,
    pub retries: Retries,
}

impl Client {
    /// A client of a server; nothing is connected yet.
    ///
    /// # Errors
    /// [`ConfigError`] for an address or a header that cannot be.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        let backend = config.backend;
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(config.times.connect)
            .tcp_nodelay(true)
            .user_agent(concat!("sandpiper/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &config.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|_| ConfigError::Value {
                backend,
                setting: "proxy",
                wrong: "not an address, expected one such as http://proxy:3128",
            })?;
            builder = builder.proxy(proxy);
        }
        let http = builder
            .build()
            .map_err(|err| ConfigError::Setup { backend, reason: err.without_url().to_string() })?;
        Ok(Self { http, server: Arc::new(Server::new(config)?) })
    }

    /// A client of another server, with the same connections, times and tries, and other headers.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn at(&self, base_url: &str, headers: Vec<(&'static str, Secret)>) -> Result<Self, ConfigError> {
        let config = ClientConfig {
            backend: self.server.backend,
            base_url: base_url.to_owned(),
            headers,
            times: self.server.times,
            retries: self.server.retries,
            proxy: None,
        };
        Ok(Self { http: self.http.clone(), server: Arc::new(Server::new(config)?) })
    }

    /// The same client with one more header of each request. It is no secret: what a server says may have its value.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for a header that cannot be.
    pub fn with_header(&self, name: &'static str, value: &str) -> Result<Self, ConfigError> {
        let mut server = Server::clone(&self.server);
        server.headers.push(header(server.backend, name, value)?);
        Ok(Self { http: self.http.clone(), server: Arc::new(server) })
    }

    /// A call of `method`, for the path of these segments; `action` completes "cannot ..." in errors.
    pub fn call(&self, method: Method, segments: &[&str], action: &'static str) -> Call {
        Call::new(self, method, segments, action)
    }

    /// The backend's name.
    pub fn backend(&self) -> &'static str {
        self.server.backend
    }

    /// How long is waited for what.
    pub fn times(&self) -> Times {
        self.server.times
    }

    /// The address below which all paths are.
    pub fn base_url(&self) -> &str {
        self.server.base.as_str()
    }
}

impl Server {
    fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        let backend = config.backend;
        let mut headers = Vec::new();
        let mut secrets = Vec::new();
        for (name, secret) in config.headers {
            let (name, mut value) = header(backend, name, secret.expose())?;
            value.set_sensitive(true);
            headers.push((name, value));
            // A server may repeat the key without the scheme before it, as in `Bearer`.
            secrets.extend(secret.expose().split_once(' ').map(|(_, key)| Secret::new(key)));
            secrets.push(secret);
        }
        let base = parse_base(backend, &config.base_url)?;
        Ok(Self { backend, base, headers, secrets, times: config.times, retries: config.retries })
    }
}

fn header(
    backend: &'static str,
    name: &'static str,
    value: &str,
) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let wrong = |wrong| ConfigError::Value { backend, setting: name, wrong };
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("no name of a header"))?;
    let value = HeaderValue::from_str(value).map_err(|_| wrong("not a value that a header can have"))?;
    Ok((header, value))
}

fn parse_base(backend: &'static str, text: &str) -> Result<Url, ConfigError> {
    let refuse =
        |value: &str, expected| Err(ConfigError::Address { backend, value: value.to_owned(), expected });
    let Ok(url) = text.parse::<Url>() else {
        return refuse(text, "one such as https://api.example.org");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse(url.host_str().unwrap_or_default(), "one without a user and a password");
    }
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return refuse(text, "one that begins with https:// or http://");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse(text, "one without `?` and `#`");
    }
    Ok(url)
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("backend", &self.server.backend)
            .field("base_url", &self.server.base.as_str())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_a_web_server() {
        let client = |address: &str| Client::new(ClientConfig::new("test", address));
        assert_eq!(client("http://127.0.0.1:1/api").unwrap().base_url(), "http://127.0.0.1:1/api");
        let refusal = |address: &str| client(address).unwrap_err().to_string();
        assert_eq!(
            refusal("example.org"),
            "`example.org` is not the address of the backend test, expected one such as https://api.example.org"
        );
        assert_eq!(
            refusal("ftp://example.org"),
            "`ftp://example.org` is not the address of the backend test, expected one that begins with https:// or http://"
        );
        assert_eq!(
            refusal("http://me:swordfish@example.org"),
            "`example.org` is not the address of the backend test, expected one without a user and a password"
        );
        assert_eq!(
            refusal("http://example.org?a"),
            "`http://example.org?a` is not the address of the backend test, expected one without `?` and `#`"
        );
    }

    #[test]
    fn a_key_that_no_header_can_have_is_refused_and_not_shown() {
        let mut config = ClientConfig::new("test", "http://127.0.0.1:1");
        config.headers.push(("x-api-key", Secret::new("sword\nfish")));
        assert!(!format!("{config:?}").contains("fish"));
        assert_eq!(
            Client::new(config).unwrap_err().to_string(),
            "the x-api-key of the backend test is not a value that a header can have"
        );
    }
}
