//! Sandboxes of Daytona, over the API that its official clients speak.
//!
//! Two servers are spoken to: the API, which makes, finds and deletes sandboxes, and the daemon of each sandbox (the
//! toolbox), which runs commands and works with files. What the API does not have is not in the capabilities; its own
//! calls for git are not used, because the contract has none.
//!
//! What the wire cannot carry is carried otherwise, or refused:
//!
//! - A session's log is lines of text. Output passes as base64 (`command.rs`), so any bytes arrive as they were, the
//!   order between the two streams aside. The image needs a POSIX shell, `env`, `dd` and `base64`, as all images of
//!   Daytona have; without them a command is an error.
//! - Input has no end, and is text. Bytes are uploaded and redirected; a stream passes as base64 too. A terminal is
//!   refused.
//! - A command ends with its first process. What it has left running ends then too, as far as it is in the command's
//!   process group, which takes `setsid` in the image.
//! - That a signal has ended a command is known as far as the image's shell says so: some say nothing of `SIGINT`,
//!   `SIGPIPE` or `SIGTERM`, and the end is the code then that a shell has for it. How much CPU time and memory a command
//!   took is not known.
//! - The lifetime is counted in whole minutes. Without one, Daytona stops a sandbox when nothing has been asked of it
//!   for 15 minutes, and keeps it.
//! - The wall and output limits are enforced here, and noted as labels, so that whoever connects enforces them too.

mod command;
mod config;
mod control;
mod ending;
mod exec;
mod files;
mod follow;
mod heard;
mod multipart;
mod network;
mod sandbox;
mod script;
mod signal;
mod toolbox;
mod wire;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sandpiper_core::{
    Admitted, Backend, BoxFuture, Capabilities, Error, Health, Image, Lack, Limits, Refusal, Sandbox,
    SandboxInfo, SandboxRef, SandboxState, Spec,
};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

pub use self::config::{Base, DaytonaConfig, Resources};
use self::control::Control;
use self::sandbox::DaytonaSandbox;
use self::toolbox::Toolbox;
use self::wire::{BuildInfo, CREATION_LABEL, CreateSandbox, LANGUAGE_LABEL, State};
use crate::Secret;
use crate::http::{Client, ClientConfig, ConfigError, NoConnection, StatusCode};

/// The backend's name.
const NAME: &str = "daytona";

/// The labels that keep a sandbox's limits.
const WALL_LABEL: &str = "sandpiper-wall-ms";
const OUTPUT_LABEL: &str = "sandpiper-output-bytes";

/// The waits before each look for a sandbox whose creation was not answered, while its caller waits.
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(500), Duration::from_millis(500)];

/// The same in seconds, once nobody waits: a server may make it when what was before it has given up, after a minute
/// as gateways have it.
const LATE_LOOKS: [u64; 7] = [0, 1, 2, 4, 8, 15, 30];

/// How often a creation that is refused for now is tried.
const CREATE_TRIES: u32 = 5;

/// Daytona as a backend.
///
/// # Examples
/// ```
/// use sandpiper_core::Backend;
/// use sandpiper_remote::Secret;
/// use sandpiper_remote::daytona::{Daytona, DaytonaConfig};
///
/// let daytona = Daytona::new(DaytonaConfig::new("http://127.0.0.1:3000/api", Secret::new("key")))?;
/// assert_eq!(daytona.name(), "daytona");
/// # Ok::<(), sandpiper_remote::http::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Daytona(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    control: Control,
    config: DaytonaConfig,
}

impl Daytona {
    /// A backend; nothing is connected yet.
    ///
    /// # Errors
    /// [`ConfigError`] for an address or a key that cannot be.
    pub fn new(config: DaytonaConfig) -> Result<Self, ConfigError> {
        let client = introduced(&Client::new(ClientConfig {
            backend: NAME,
            base_url: config.api_url.clone(),
            headers: headers(&config),
            times: config.times,
            retries: config.retries,
            proxy: config.proxy.clone(),
        })?)?;
        Ok(Self(Arc::new(Shared { control: Control { client }, config })))
    }

    fn control(&self) -> &Control {
        &self.0.control
    }

    fn offers(&self, capability: Lack, operation: &'static str) -> Result<(), Error> {
        capability.refuse(&self.0.config.lacks, NAME, operation)
    }

    fn start_within(&self) -> Duration {
        self.0.config.start_within
    }

    async fn make(&self, spec: Spec) -> Result<Box<dyn Sandbox>, Error> {
        let creation = random_name();
        let request = self.request(&spec, &creation)?;
        // From here on there may be a sandbox, also when this future is dropped.
        let mut lost = Lost { daytona: self.clone(), creation: Some(creation), reference: None };
        let made = self.made(&request, &spec, &mut lost).await;
        match made {
            Ok(toolbox) => {
                lost.creation = None;
                Ok(Box::new(DaytonaSandbox::new(self.clone(), toolbox, spec.limits)))
            }
            Err(err) => Err(lost.delete(err).await),
        }
    }

    async fn made(&self, request: &CreateSandbox, spec: &Spec, lost: &mut Lost) -> Result<Toolbox, Error> {
        let made = self.create_until(request).await?;
        let mut reference = SandboxRef::new(NAME, made.id.clone());
        reference.metadata = spec.metadata.clone();
        lost.reference = Some(reference.clone());
        is_walled(request, &made)?;
        let started = if made.state == State::Started { made } else { self.started(&reference).await? };
        self.toolbox(reference, &started).await
    }

    /// Creates, and again when the server says that it has not.
    async fn create_until(&self, request: &CreateSandbox) -> Result<wire::Sandbox, Error> {
        let deadline = Instant::now() + self.start_within();
        let mut tried = 1;
        loop {
            let answer = self.control().create(request).await?;
            let status = answer.status;
            let err = match answer.json::<wire::Sandbox>() {
                Ok(made) => return Ok(made),
                Err(err) => err,
            };
            let Error::RateLimited { retry_after, .. } = &err else {
                return Err(self.explain(err, status, request).await);
            };
            let wait = retry_after.unwrap_or(Duration::from_secs(1));
            if tried == CREATE_TRIES || Instant::now() + wait >= deadline {
                return Err(err);
            }
            sleep(wait).await;
            tried += 1;
        }
    }

    /// What it means that nothing is made: the snapshot may not be there, which has no status of its own.
    async fn explain(&self, err: Error, status: StatusCode, request: &CreateSandbox) -> Error {
        let may_be = status.is_client_error() && matches!(err, Error::Backend { .. });
        let Some(name) = request.snapshot.as_ref().filter(|_| may_be) else { return err };
        match self.control().has_snapshot(name).await {
            Ok(false) => Error::Image {
                image: name.clone(),
                reason: "daytona has no snapshot of this name".to_owned(),
                source: Some(err.into()),
            },
            Ok(true) | Err(_) => err,
        }
    }

    fn request(&self, spec: &Spec, creation: &str) -> Result<CreateSandbox, Error> {
        let config = &self.0.config;
        let base = match &spec.image {
            Image::Named(name) if name == "base" => config.base.clone(),
            Image::Named(name) => Base::Snapshot(name.clone()),
            Image::File(path) => {
                return Err(Error::Image {
                    image: path.display().to_string(),
                    reason: "daytona runs no WebAssembly files; name a snapshot".to_owned(),
                    source: None,
                });
            }
        };
        let refused = |what| Error::Refused(Refusal::Exec { what });
        let network = network::settings(&spec.network).map_err(refused)?;
        let mut labels = spec.metadata.clone();
        for own in [CREATION_LABEL, WALL_LABEL, OUTPUT_LABEL, LANGUAGE_LABEL] {
            if labels.contains_key(own) {
                return Err(refused(format!("the metadata `{own}` is sandpiper's own; take another name")));
            }
        }
        labels.insert(CREATION_LABEL.to_owned(), creation.to_owned());
        labels.insert(WALL_LABEL.to_owned(), spec.limits.wall.as_millis().to_string());
        labels.insert(OUTPUT_LABEL.to_owned(), spec.limits.output_bytes.to_string());
        let ttl_minutes = spec.lifetime.map(|lifetime| lifetime.as_secs() / 60);
        let (snapshot, build_info, resources) = match base {
            Base::Usual => (None, None, Resources::default()),
            Base::Snapshot(name) => (Some(name), None, Resources::default()),
            Base::Image(name) => {
                let dockerfile_content = format!("FROM {name}\n");
                (None, Some(BuildInfo { dockerfile_content }), config.resources)
            }
        };
        Ok(CreateSandbox {
            snapshot,
            build_info,
            env: spec.env.iter().cloned().collect(),
            labels,
            target: config.target.clone(),
            cpu: resources.cpus,
            memory: resources.memory_gib,
            disk: resources.disk_gib,
            // It would end a sandbox before its lifetime does.
            auto_stop_interval: ttl_minutes.map(|_| 0),
            ttl_minutes,
            network_block_all: network.block_all,
            network_allow_list: network.ranges,
            domain_allow_list: network.domains,
        })
    }

    async fn started(&self, reference: &SandboxRef) -> Result<wire::Sandbox, Error> {
        let is_started = |state| state == State::Started;
        self.control().wait(reference, "start a sandbox", is_started, self.start_within()).await
    }

    async fn toolbox(&self, reference: SandboxRef, sandbox: &wire::Sandbox) -> Result<Toolbox, Error> {
        let control = self.control();
        let url = match sandbox.toolbox_proxy_url.as_str() {
            "" => control.toolbox_url(&reference).await?,
            url => url.to_owned(),
        };
        let url = format!("{}/{}", url.trim_end_matches('/'), reference.id);
        let client = control.client.at(&url, headers(&self.0.config));
        let client = client.and_then(|client| introduced(&client)).map_err(|err| Error::Protocol {
            backend: NAME.to_owned(),
            action: "look at a sandbox",
            what: err.to_string(),
        })?;
        Ok(Toolbox { control: control.clone(), client, reference })
    }

    async fn take_hold(&self, reference: &SandboxRef) -> Result<Box<dyn Sandbox>, Error> {
        let control = self.control();
        let is_settled =
            |state| matches!(state, State::Started | State::Stopped | State::Archived | State::Paused);
        let found = control.wait(reference, "connect to a sandbox", is_settled, self.start_within()).await?;
        let mut reference = SandboxRef::new(NAME, found.id.clone());
        reference.metadata = metadata(&found.labels);
        let started = if found.state == State::Started {
            found
        } else {
            control.start(&reference).await?;
            self.started(&reference).await?
        };
        let limits = limits(&started.labels);
        let toolbox = self.toolbox(reference, &started).await?;
        Ok(Box::new(DaytonaSandbox::new(self.clone(), toolbox, limits)))
    }

    async fn all(&self, wanted: &[(String, String)]) -> Result<Vec<SandboxInfo>, Error> {
        let labels: BTreeMap<String, String> = wanted.iter().cloned().collect();
        let mut infos = Vec::new();
        for sandbox in self.control().list(&labels).await? {
            let has_all = labels.iter().all(|(name, value)| sandbox.labels.get(name) == Some(value));
            let state = match sandbox.state {
                State::Started => SandboxState::Running,
                State::Stopped | State::Archived | State::Paused => SandboxState::Paused,
                State::Error | State::BuildFailed => SandboxState::Failed,
                State::Changing | State::Snapshotting => SandboxState::Changing,
                State::Destroying | State::Destroyed => continue,
            };
            if !has_all {
                continue;
            }
            infos.push(SandboxInfo {
                state,
                image: sandbox.snapshot.clone().unwrap_or_default(),
                created: time(sandbox.created_at.as_deref())?,
                expires: time(sandbox.auto_destroy_at.as_deref())?,
                reference: SandboxRef {
                    backend: NAME.to_owned(),
                    id: sandbox.id,
                    metadata: metadata(&sandbox.labels),
                },
            });
        }
        Ok(infos)
    }
}

impl Backend for Daytona {
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
            lifetime_in_seconds: false,
            metadata: true,
            signals: true,
            connect: true,
            pause: true,
            snapshot: true,
            fork: true,
            ports: true,
            metrics: true,
            ..Capabilities::default()
        }
        .without(&self.0.config.lacks)
    }

    fn create(&self, spec: Admitted) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(self.make(spec.into_spec()))
    }

    fn connect<'a>(&'a self, reference: &'a SandboxRef) -> BoxFuture<'a, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(self.take_hold(reference))
    }

    fn list<'a>(
        &'a self,
        metadata: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<Vec<SandboxInfo>, Error>> {
        Box::pin(self.all(metadata))
    }

    fn health(&self) -> BoxFuture<'_, Result<Health, Error>> {
        Box::pin(async {
            let begun = Instant::now();
            self.control().probe().await?;
            Ok(Health { latency: begun.elapsed(), version: None })
        })
    }
}

/// A sandbox that may have been made, and that nobody has. Dropping it deletes the sandbox.
struct Lost {
    daytona: Daytona,
    creation: Option<String>,
    reference: Option<SandboxRef>,
}

impl Lost {
    /// Deletes what was made, when creating it ended in this error; gives the error that is to be told.
    async fn delete(&mut self, err: Error) -> Error {
        let Some(creation) = self.creation.clone() else { return err };
        let deleted = match &self.reference {
            Some(reference) => self.daytona.control().delete(reference).await.is_ok(),
            None if is_refusal(&err) => true,
            None => look(&self.daytona, &creation).await || !is_unanswered(&err),
        };
        if deleted {
            // Only now: this future may be dropped before.
            self.creation = None;
            return err;
        }
        // It is looked for on, when this is dropped.
        with_remains(err, &creation)
    }
}

impl Drop for Lost {
    fn drop(&mut self) {
        let (Some(creation), Ok(runtime)) = (self.creation.take(), Handle::try_current()) else { return };
        let (daytona, reference) = (self.daytona.clone(), self.reference.take());
        runtime.spawn(async move {
            let control = daytona.control();
            for seconds in LATE_LOOKS {
                sleep(Duration::from_secs(seconds)).await;
                let deleted = match &reference {
                    Some(reference) => control.delete(reference).await.is_ok(),
                    None => delete(control, &creation).await.unwrap_or_default(),
                };
                if deleted {
                    return;
                }
            }
        });
    }
}

/// Whether an error says that nothing was made.
fn is_refusal(err: &Error) -> bool {
    match err {
        Error::Unauthorized { .. } | Error::RateLimited { .. } | Error::Refused(_) | Error::Image { .. } => {
            true
        }
        Error::Unreachable { source, .. } => source.is::<NoConnection>(),
        _ => false,
    }
}

/// Whether a creation that ended so may still go on.
fn is_unanswered(err: &Error) -> bool {
    matches!(err, Error::Unreachable { .. } | Error::Slow { .. } | Error::Protocol { .. })
}

/// The error, which says how to find what may be left.
fn with_remains(err: Error, creation: &str) -> Error {
    let remains = format!("a sandbox with the label {CREATION_LABEL}={creation} may be left");
    match err {
        Error::Unreachable { backend, action, source } => {
            Error::Unreachable { backend, action, source: format!("{source}; {remains}").into() }
        }
        // It has no words of its own.
        Error::Slow { backend, action, after } => {
            let source = format!("no answer within {after:?}; {remains}").into();
            Error::Unreachable { backend, action, source }
        }
        Error::Protocol { backend, action, what } => {
            Error::Protocol { backend, action, what: format!("{what}; {remains}") }
        }
        Error::Backend { backend, action, message } => {
            Error::Backend { backend, action, message: format!("{message}; {remains}") }
        }
        err => err,
    }
}

/// Deletes what a creation has made; whether it has. A server that was cut off may make it a little later.
async fn look(daytona: &Daytona, creation: &str) -> bool {
    for pause in LOOKS {
        sleep(pause).await;
        match delete(daytona.control(), creation).await {
            Ok(false) => {}
            Ok(true) => return true,
            Err(_) => return false,
        }
    }
    false
}

/// Deletes what a creation has made by now; whether there was something.
async fn delete(control: &Control, creation: &str) -> Result<bool, Error> {
    let labels = BTreeMap::from([(CREATION_LABEL.to_owned(), creation.to_owned())]);
    let mut deleted = false;
    for sandbox in control.list(&labels).await? {
        if sandbox.labels.get(CREATION_LABEL) == labels.get(CREATION_LABEL) {
            control.delete(&SandboxRef::new(NAME, sandbox.id)).await?;
            deleted = true;
        }
    }
    Ok(deleted)
}

/// A server that does not know a setting ignores it; a sandbox that is not walled in is none.
fn is_walled(request: &CreateSandbox, made: &wire::Sandbox) -> Result<(), Error> {
    let list = |text: &Option<String>| {
        let mut rules: Vec<String> =
            text.iter().flat_map(|text| text.split(',')).map(|rule| rule.trim().to_owned()).collect();
        rules.sort();
        rules
    };
    let kept = (!request.network_block_all || made.network_block_all)
        && list(&request.network_allow_list) == list(&made.network_allow_list)
        && list(&request.domain_allow_list) == list(&made.domain_allow_list);
    if kept {
        return Ok(());
    }
    Err(Error::Backend {
        backend: NAME.to_owned(),
        action: "make a sandbox",
        message: "its server has not taken over the network's rules".to_owned(),
    })
}

fn headers(config: &DaytonaConfig) -> Vec<(&'static str, Secret)> {
    let mut headers = vec![("authorization", Secret::new(format!("Bearer {}", config.api_key.expose())))];
    if let Some(organization) = &config.organization {
        headers.push(("x-daytona-organization-id", Secret::new(organization)));
    }
    headers
}

/// The client, which says what it is.
fn introduced(client: &Client) -> Result<Client, ConfigError> {
    let client = client.with_header("x-daytona-source", NAME)?;
    // Without it, a client that is not an official one gets both streams as one.
    client.with_header("x-daytona-split-output", "true")
}

/// The limits that are noted with a sandbox; the usual ones where others have made it.
fn limits(labels: &BTreeMap<String, String>) -> Limits {
    let number = |name| labels.get(name).and_then(|value| value.parse::<u64>().ok());
    let usual = Limits::default();
    Limits {
        wall: number(WALL_LABEL).map_or(usual.wall, Duration::from_millis),
        output_bytes: number(OUTPUT_LABEL).unwrap_or(usual.output_bytes),
        ..usual
    }
}

/// The labels that are not ours or an official client's.
fn metadata(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = [CREATION_LABEL, WALL_LABEL, OUTPUT_LABEL, LANGUAGE_LABEL];
    labels
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn time(text: Option<&str>) -> Result<Option<SystemTime>, Error> {
    let Some(text) = text else { return Ok(None) };
    let time = humantime::parse_rfc3339_weak(text).map_err(|_| Error::Protocol {
        backend: NAME.to_owned(),
        action: "list sandboxes",
        what: format!("`{}` is no time", text.escape_debug()),
    })?;
    Ok(Some(time))
}

/// A name that nobody else has.
fn random_name() -> String {
    use std::hash::{BuildHasher as _, RandomState};

    let mut bytes = [0_u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // A system without randomness still has addresses and times, which this is made of.
        bytes = (u128::from(RandomState::new().hash_one(0)) << 64
            | u128::from(RandomState::new().hash_one(1)))
        .to_le_bytes();
    }
    let mut name = "sandpiper-".to_owned();
    for byte in bytes {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daytona() -> Daytona {
        Daytona::new(DaytonaConfig::new("http://127.0.0.1:1/api", Secret::new("swordfish"))).unwrap()
    }

    #[test]
    fn a_key_is_not_printed() {
        assert!(!format!("{:?}", daytona()).contains("swordfish"));
    }

    #[test]
    fn a_spec_is_a_request() {
        let spec = Spec {
            env: vec![("A".to_owned(), "1".to_owned()), ("A".to_owned(), "2".to_owned())],
            lifetime: Some(Duration::from_mins(5)),
            metadata: [("task".to_owned(), "7".to_owned())].into(),
            ..Spec::default()
        };
        let request = daytona().request(&spec, "x").unwrap();
        assert_eq!(
            serde_json::to_value(&request).unwrap(),
            serde_json::json!({
                "env": {"A": "2"},
                "labels": {
                    "sandpiper-creation": "x", "sandpiper-output-bytes": "16777216", "sandpiper-wall-ms": "30000",
                    "task": "7",
                },
                "autoStopInterval": 0,
                "ttlMinutes": 5,
                "networkBlockAll": true,
            })
        );
    }

    #[test]
    fn what_a_sandbox_is_made_of_is_said_once() {
        let mut config = DaytonaConfig::new("http://127.0.0.1:1/api", Secret::new("key"));
        config.base = Base::Image("debian:12".to_owned());
        config.resources = Resources { cpus: Some(2), memory_gib: Some(4), disk_gib: None };
        let daytona = Daytona::new(config).unwrap();
        let of = |image: &str| {
            let spec = Spec { image: Image::Named(image.to_owned()), ..Spec::default() };
            let request = serde_json::to_value(daytona.request(&spec, "x").unwrap()).unwrap();
            ["snapshot", "buildInfo", "cpu", "memory", "disk"]
                .map(|key| request.get(key).cloned().unwrap_or_default())
        };
        let null = serde_json::Value::Null;
        let build = serde_json::json!({"dockerfileContent": "FROM debian:12\n"});
        assert_eq!(of("base"), [null.clone(), build, 2.into(), 4.into(), null.clone()]);
        assert_eq!(of("mine"), ["mine".into(), null.clone(), null.clone(), null.clone(), null]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refusal = |spec: Spec| daytona().request(&spec, "x").unwrap_err().to_string();
        assert_eq!(
            refusal(Spec {
                metadata: [(CREATION_LABEL.to_owned(), String::new())].into(),
                ..Spec::default()
            }),
            "the metadata `sandpiper-creation` is sandpiper's own; take another name"
        );
        assert_eq!(
            refusal(Spec { image: Image::File("/a.wasm".into()), ..Spec::default() }),
            "cannot use the image /a.wasm: daytona runs no WebAssembly files; name a snapshot"
        );
    }

    #[test]
    fn what_may_be_left_is_named_in_any_error() {
        let (backend, action) = (NAME.to_owned(), "make a sandbox");
        let err = with_remains(Error::Slow { backend, action, after: Duration::from_secs(5) }, "x");
        let Error::Unreachable { source, .. } = err else { panic!("{err:?}") };
        let expected = "no answer within 5s; a sandbox with the label sandpiper-creation=x may be left";
        assert_eq!(source.to_string(), expected);
    }

    #[test]
    fn limits_are_kept_in_labels() {
        let labels = [(WALL_LABEL, "1500"), (OUTPUT_LABEL, "7"), ("task", "1")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let limits = limits(&labels);
        assert_eq!((limits.wall, limits.output_bytes), (Duration::from_millis(1500), 7));
        assert_eq!(metadata(&labels), [("task".to_owned(), "1".to_owned())].into());
    }
}
