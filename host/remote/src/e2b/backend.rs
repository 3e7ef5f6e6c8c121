//! The backend: settings, what it offers, and what concerns no one sandbox.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandpiper_core::{
    Admitted, Backend, BoxFuture, Capabilities, Error, Health, Image, Lack, Limits, Sandbox, SandboxInfo,
    SandboxRef,
};
use serde_json::json;
use tokio::time::Instant;

use super::connect::{ENVD_PORT, Envd, repeated};
use super::sandbox::{E2bSandbox, Shared};
use super::time::system_time;
use super::wire::{CREATION, LIFETIME_SECONDS, Listed, Made, OUTPUT_BYTES, OWN_PREFIX, Version, WALL_MS};
use super::{NAME, create};
use crate::http::{Client, ClientConfig, ConfigError, Method, Retries, Secret, StatusCode, Times};

/// Most pages of a list, each of 100 sandboxes.
const MAX_PAGES: usize = 1000;

/// How E2B is reached.
#[derive(Clone, Debug)]
pub struct E2bConfig {
    /// The address of the control plane; `None` is `https://api.` and the domain.
    pub api_url: Option<String>,
    /// One address for all sandboxes, which tells them apart by headers; `None` is an address for each.
    pub sandbox_url: Option<String>,
    /// The domain of the control plane and of sandboxes that name none.
    pub domain: String,
    /// The key of the API.
    pub api_key: Secret,
    /// The template that the image `base` stands for; other images are templates by their names.
    pub template: String,
    /// The user that commands and files are of; `None` is the template's own.
    pub user: Option<String>,
    /// What the service that is reached does not offer, though E2B does.
    pub lacks: Vec<Lack>,
    /// How long a sandbox outlives the last sign of a host that holds it, unless its spec says how long it
    /// lives.
    pub lifetime: Duration,
    /// How often a command's stream shows that it lives; after four times that without anything the
    /// connection counts as broken.
    pub ping: Duration,
    /// How long is waited for what.
    pub times: Times,
    /// How often is tried.
    pub retries: Retries,
    /// The address of an HTTP proxy that all goes through.
    pub proxy: Option<String>,
}

impl E2bConfig {
    /// E2B's own cloud, with its usual template.
    pub fn new(api_key: Secret) -> Self {
        Self {
            api_url: None,
            sandbox_url: None,
            domain: "e2b.app".to_owned(),
            api_key,
            template: "base".to_owned(),
            user: None,
            lacks: Vec::new(),
            lifetime: Duration::from_mins(5),
            ping: Duration::from_secs(30),
            times: Times::default(),
            retries: Retries::default(),
            proxy: None,
        }
    }
}

/// E2B as a backend. Clones share connections.
///
/// # Examples
/// ```no_run
/// use sandpiper_core::{Backend, Exec, Spec, run};
/// use sandpiper_remote::{E2b, E2bConfig, Secret};
/// # async fn example(key: String) -> Result<(), Box<dyn std::error::Error>> {
/// let backend = E2b::new(E2bConfig::new(Secret::new(key)))?;
/// let outcome = run(&backend, Spec::default(), Exec::new(["uname", "-a"])).await?;
/// assert!(outcome.exit.success());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct E2b(Arc<Api>);

/// What all sandboxes share.
pub(super) struct Api {
    pub control: Client,
    pub config: E2bConfig,
}

impl E2b {
    /// A backend; nothing is connected yet.
    ///
    /// # Errors
    /// [`ConfigError`] for a setting that cannot be.
    pub fn new(config: E2bConfig) -> Result<Self, ConfigError> {
        let wrong = |setting, wrong| Err(ConfigError::Value { backend: NAME, setting, wrong });
        if config.api_key.expose().is_empty() {
            return wrong("API key", "empty");
        }
        if config.lifetime < Duration::from_secs(10) {
            return wrong("lifetime", "too short, expected at least 10 seconds");
        }
        if config.ping.is_zero() {
            return wrong("ping", "0, expected at least a second");
        }
        if let Some(url) = &config.sandbox_url {
            Client::new(ClientConfig::new(NAME, url.as_str()))?;
        }
        let api_url = config.api_url.clone().unwrap_or_else(|| format!("https://api.{}", config.domain));
        let control = Client::new(ClientConfig {
            backend: NAME,
            base_url: api_url,
            headers: vec![("x-api-key", config.api_key.clone())],
            times: config.times,
            retries: config.retries,
            proxy: config.proxy.clone(),
        })?;
        Ok(Self(Arc::new(Api { control, config })))
    }
}

impl fmt::Debug for E2b {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("E2b").field("api", &self.0.control.base_url()).finish_non_exhaustive()
    }
}

impl Backend for E2b {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self, _image: &Image) -> Capabilities {
        Capabilities {
            deadline_metering: true,
            network_nothing: true,
            network_rules: true,
            network_everything: true,
            lifetime: true,
            lifetime_in_seconds: true,
            metadata: true,
            signals: true,
            connect: true,
            pause: true,
            pause_keeps_processes: true,
            snapshot: true,
            fork: true,
            ports: true,
            metrics: true,
            ..Capabilities::default()
        }
        .without(&self.0.config.lacks)
    }

    fn create(&self, spec: Admitted) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(create::create(Arc::clone(&self.0), spec.into_spec()))
    }

    fn connect<'a>(&'a self, reference: &'a SandboxRef) -> BoxFuture<'a, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(self.0.connect(reference))
    }

    fn list<'a>(
        &'a self,
        metadata: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<Vec<SandboxInfo>, Error>> {
        Box::pin(async move {
            let listed = self.0.list(metadata).await?;
            Ok(listed.into_iter().map(Listed::into_info).collect())
        })
    }

    fn health(&self) -> BoxFuture<'_, Result<Health, Error>> {
        Box::pin(async move {
            let begun = Instant::now();
            let call = self.0.control.call(Method::GET, &["v2", "sandboxes"], "look at sandboxes");
            call.query("limit", "1").send().await?.json::<Vec<Listed>>()?;
            Ok(Health { latency: begun.elapsed(), version: None })
        })
    }
}

/// Whether an answer of the control plane about a sandbox means that it is gone.
pub(super) fn is_gone(status: StatusCode, _body: &[u8]) -> bool {
    status == StatusCode::NOT_FOUND
}

impl Api {
    async fn connect(self: &Arc<Self>, reference: &SandboxRef) -> Result<Box<dyn Sandbox>, Error> {
        const ACTION: &str = "connect to a sandbox";
        let (listed, now) = self.look_at(reference, ACTION).await?;
        let number = |key: &str| listed.metadata.as_ref()?.get(key)?.parse().ok();
        let lifetime = number(LIFETIME_SECONDS).map(Duration::from_secs);
        let timeout = match lifetime {
            None => whole_seconds(self.config.lifetime),
            // The time of one that is paused stands still, and E2B does not tell what is left of it.
            Some(lifetime) if listed.state == "paused" => whole_seconds(lifetime),
            // To connect never shortens a life (E2B's API, `connect`), and is not to make it longer: what is left, less
            // the second by which the server's clock, which tells whole ones, may be behind.
            Some(_) => {
                let left = system_time(&listed.end_at).and_then(|end| end.duration_since(now).ok());
                left.unwrap_or_default().as_secs().saturating_sub(1)
            }
        };
        let call = self.control.call(Method::POST, &["v2", "sandboxes", &reference.id, "connect"], ACTION);
        // To connect twice is to connect once.
        let call = call.of(reference, is_gone).json(&json!({"timeout": timeout})).repeatable();
        let made: Made = call.send().await?.json()?;
        let mut limits = Limits::default();
        if let Some(milliseconds) = number(WALL_MS) {
            limits.wall = Duration::from_millis(milliseconds);
        }
        if let Some(bytes) = number(OUTPUT_BYTES) {
            limits.output_bytes = bytes;
        }
        let metadata = listed.metadata.unwrap_or_default();
        let mut noted = SandboxRef::new(NAME, &reference.id);
        noted.metadata = metadata.into_iter().filter(|(key, _)| !key.starts_with(OWN_PREFIX)).collect();
        Ok(Box::new(E2bSandbox::new(self.sandbox(made, noted, &limits, lifetime)?)))
    }

    /// What the control plane knows of a sandbox.
    pub async fn look(&self, reference: &SandboxRef, action: &'static str) -> Result<Listed, Error> {
        self.look_at(reference, action).await.map(|(listed, _)| listed)
    }

    /// The same, and when that was by the server's clock, where it tells.
    async fn look_at(
        &self,
        reference: &SandboxRef,
        action: &'static str,
    ) -> Result<(Listed, SystemTime), Error> {
        let call = self.control.call(Method::GET, &["sandboxes", &reference.id], action);
        let answer = call.of(reference, is_gone).send().await?;
        let now = answer.date().unwrap_or_else(SystemTime::now);
        Ok((answer.json()?, now))
    }

    /// All sandboxes with this metadata.
    pub async fn list(&self, metadata: &[(String, String)]) -> Result<Vec<Listed>, Error> {
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let call = self.control.call(Method::GET, &["v2", "sandboxes"], "list sandboxes");
            let mut call = call.query("state", "running,paused").query("limit", "100");
            if !metadata.is_empty() {
                let pairs: Vec<_> = metadata
                    .iter()
                    .map(|(key, value)| format!("{}={}", escaped(key), escaped(value)))
                    .collect();
                call = call.query("metadata", &pairs.join("&"));
            }
            if let Some(token) = &next {
                call = call.query("nextToken", token);
            }
            let answer = call.send().await?.checked()?;
            let token = answer.headers.get("x-next-token").and_then(|value| value.to_str().ok());
            next = token.filter(|token| !token.is_empty()).map(str::to_owned);
            let page: Vec<Listed> = answer.json()?;
            // Servers that ignore a filter would have others' sandboxes counted as found.
            found.extend(page.into_iter().filter(|listed| {
                metadata.iter().all(|(key, value)| {
                    listed.metadata.as_ref().and_then(|noted| noted.get(key)) == Some(value)
                })
            }));
            if next.is_none() {
                return Ok(found);
            }
        }
        Err(Error::Protocol {
            backend: NAME.to_owned(),
            action: "list sandboxes",
            what: format!("the list has more than {MAX_PAGES} pages"),
        })
    }

    /// Those that a creation has made.
    pub async fn of_creation(&self, creation: &str) -> Result<Vec<SandboxRef>, Error> {
        let listed = self.list(&[(CREATION.to_owned(), creation.to_owned())]).await?;
        Ok(listed.into_iter().map(|listed| SandboxRef::new(NAME, listed.sandbox_id)).collect())
    }

    /// Ends a sandbox; one that is gone is ended.
    pub async fn kill(&self, reference: &SandboxRef) -> Result<(), Error> {
        let call = self.control.call(Method::DELETE, &["sandboxes", &reference.id], "close a sandbox");
        match call.of(reference, is_gone).send().await?.checked() {
            Ok(_) | Err(Error::Gone { .. }) => Ok(()),
            Err(err) => Err(err),
        }
    }

    /// How a sandbox that was made is spoken to.
    pub fn sandbox(
        self: &Arc<Self>,
        made: Made,
        reference: SandboxRef,
        limits: &Limits,
        lifetime: Option<Duration>,
    ) -> Result<Arc<Shared>, Error> {
        let protocol =
            |what: String| Error::Protocol { backend: NAME.to_owned(), action: "speak to a sandbox", what };
        let token = made.envd_access_token.map(Secret::new);
        let traffic_token = made.traffic_access_token.map(Secret::new);
        let secrets = [token.clone(), traffic_token.clone(), Some(self.config.api_key.clone())];
        let secrets: Vec<_> = secrets.into_iter().flatten().collect();
        let version =
            Version::parse(&made.envd_version).filter(|version| *version >= Version::OLDEST).ok_or_else(
                || protocol(format!("envd has the version `{}`", repeated(&made.envd_version, &secrets))),
            )?;
        let domain =
            made.domain.filter(|domain| !domain.is_empty()).unwrap_or_else(|| self.config.domain.clone());
        let url = match &self.config.sandbox_url {
            Some(url) => url.clone(),
            None => format!("https://{ENVD_PORT}-{}.{domain}", reference.id),
        };
        let headers = token.into_iter().map(|token| ("x-access-token", token)).collect();
        let client = self.control.at(&url, headers).map_err(|err| protocol(err.to_string()))?;
        let usual = (version < Version::DEFAULT_USER).then(|| "user".to_owned());
        let user = self.config.user.clone().or(usual);
        let envd = Envd {
            client,
            reference: reference.clone(),
            user: user.map(|user| format!("Basic {}", STANDARD.encode(format!("{user}:")))),
            ping: self.config.ping,
            secrets,
        };
        Ok(Arc::new(Shared {
            api: Arc::clone(self),
            reference,
            envd,
            version,
            domain,
            traffic_token,
            lifetime,
            direct_commands: made.direct_commands,
            wall: limits.wall,
            output_bytes: limits.output_bytes,
        }))
    }
}

/// Whole seconds, as E2B has times; never less than asked for.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A key or value of metadata as it is in the text that is itself a parameter.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            let digit = |digit: u8| char::from_digit(digit.into(), 16).unwrap_or_default();
            escaped.extend([byte >> 4, byte & 15].map(digit));
        }
        escaped
    })
}
