//! What holds for one run, as the types of those who enforce it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandpiper_core::{Access, Lack, Limits, Mount};

use crate::backend::{ApiUrl, Backend, RouteReason};
use crate::decimal::{Cpus, Usd};
use crate::entries::{EntryKey, MountSource, Variable};
use crate::network::Network;
use crate::secret::{Secret, SecretError, SecretReference};
use crate::settings::{Origin, Setting, Settings};
use crate::uploads::{Uploads, UploadsError};
use crate::value::Name;

/// A policy with a profile and overrides applied: what one run may do, and who said so.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub(crate) settings: Settings,
    pub(crate) path: Option<PathBuf>,
    pub(crate) profile: Option<String>,
}

/// Where runs go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    /// The backends that may run anything, the first one first; never empty.
    pub backends: Vec<Backend>,
    /// Why a run may go to the next one.
    pub on: Vec<RouteReason>,
    /// Whether the person is asked before a run leaves the machine.
    pub ask: bool,
}

/// What a run on another machine may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteCaps {
    /// The time for which a sandbox is kept.
    pub max_time: Duration,
    /// What one run may cost.
    pub max_cost: Usd,
    /// Sandboxes at one time.
    pub max_sandboxes: u32,
}

/// Settings of the E2B backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct E2b {
    /// The template of its sandboxes.
    pub template: Name,
    /// The address of its interface.
    pub api_url: ApiUrl,
    /// Where its key is found.
    pub api_key: SecretReference,
    /// What the service does not offer, though E2B does.
    pub lacks: Vec<Lack>,
}

/// Settings of the Daytona backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daytona {
    /// What its sandboxes are made of.
    pub base: DaytonaBase,
    /// The address of its interface.
    pub api_url: ApiUrl,
    /// Where its key is found.
    pub api_key: SecretReference,
    /// The region of its sandboxes.
    pub target: Name,
    /// What the service does not offer, though Daytona does.
    pub lacks: Vec<Lack>,
}

/// What Daytona's sandboxes are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaytonaBase {
    /// Its own default.
    Default,
    /// A snapshot.
    Snapshot(Name),
    /// An image.
    Image(Name),
}

/// Settings of the Docker backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Docker {
    /// The image of its containers.
    pub image: Name,
    /// The daemon's address; `None` is Docker's own default.
    pub host: Option<Name>,
    /// Processors of a container.
    pub cpus: Cpus,
    /// The network of its containers.
    pub network: Name,
}

/// A variable for the guest.
#[derive(Debug)]
pub struct GuestVariable {
    /// The name.
    pub name: String,
    /// The value.
    pub value: GuestValue,
}

/// The value of a variable for the guest.
#[derive(Debug)]
pub enum GuestValue {
    /// A text of the policy or the command line.
    Text(String),
    /// A secret, to be kept out of what is printed or recorded.
    Secret(Secret),
}

/// Why a run has no environment.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The secret may not go to that backend.
    #[error("the variable {name} may not go to {backend} ({origin})")]
    Withheld {
        /// The variable.
        name: String,
        /// The backend.
        backend: Backend,
        /// Where the policy says so.
        origin: String,
    },
    /// The secret could not be had.
    #[error("the variable {name} ({origin})")]
    Secret {
        /// The variable.
        name: String,
        /// Where the policy names the secret.
        origin: String,
        /// The cause.
        source: SecretError,
    },
}

impl Resolved {
    pub(crate) fn new(settings: Settings, path: Option<PathBuf>, profile: Option<String>) -> Self {
        Self { settings, path, profile }
    }

    /// Where runs go.
    pub fn routing(&self) -> Routing {
        let crate::settings::RoutingSettings { backends, on, ask } = &self.settings.routing;
        Routing { backends: backends.value.clone(), on: on.value.clone(), ask: ask.value }
    }

    /// The limits of the sandbox, which were checked.
    pub fn limits(&self) -> Limits {
        self.settings.limits()
    }

    /// The limits of a sandbox of that backend: in Docker, its container's memory is among them.
    pub fn limits_of(&self, backend: Backend) -> Limits {
        match backend {
            Backend::Docker => self.settings.limits_in_docker(),
            Backend::Wasm | Backend::E2b | Backend::Daytona => self.settings.limits(),
        }
    }

    /// Whether the person named the backend on their command line, rather than a policy.
    pub fn is_backend_named(&self) -> bool {
        matches!(self.settings.routing.backends.origin, Origin::CommandLine { .. })
    }

    /// Whether the person has chosen what a backend's machines are made of: its template, snapshot or image.
    pub fn is_base_chosen(&self, backend: Backend) -> bool {
        let Settings { e2b, daytona, docker, .. } = &self.settings;
        match backend {
            Backend::Wasm => false,
            Backend::E2b => e2b.template.origin != Origin::Default,
            Backend::Daytona => daytona.snapshot.value.is_some() || daytona.image.value.is_some(),
            Backend::Docker => docker.image.origin != Origin::Default,
        }
    }

    /// The mounts of the sandbox.
    pub fn mounts(&self) -> Vec<Mount> {
        let mount = |(guest, setting): (&sandpiper_core::GuestPath, &Setting<MountSource>)| {
            let MountSource { host, access, git } = setting.value.clone();
            Mount { host, guest: guest.clone(), access, git }
        };
        self.settings.mounts.iter().map(mount).collect()
    }

    /// The variables of a guest that are no secrets, wherever it runs: what may be looked at to decide where.
    pub fn plain_environment(&self) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for (name, setting) in &self.settings.environment {
            if let Variable::Text(text) = &setting.value {
                variables.push((name.as_text().to_owned(), text.clone()));
            }
        }
        variables
    }

    /// The variables of a guest of that backend, with secrets looked up now; `environment` gives the host's
    /// variables.
    ///
    /// # Errors
    /// [`EnvironmentError`] names the variable. A secret that may not go to the backend is an error, because
    /// a guest without it would fail later and elsewhere.
    pub fn environment(
        &self,
        backend: Backend,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Vec<GuestVariable>, EnvironmentError> {
        let mut variables = Vec::new();
        for (name, setting) in &self.settings.environment {
            let (name, origin) = (name.as_text().to_owned(), &setting.origin);
            let value = match &setting.value {
                Variable::Text(text) => GuestValue::Text(text.clone()),
                Variable::Secret { backends, .. } if !backends.contains(&backend) => {
                    return Err(EnvironmentError::Withheld { name, backend, origin: origin.to_string() });
                }
                Variable::Secret { reference, .. } => match reference.look_up(&environment) {
                    Ok(secret) => GuestValue::Secret(secret),
                    Err(source) => {
                        return Err(EnvironmentError::Secret { name, origin: origin.to_string(), source });
                    }
                },
            };
            variables.push(GuestVariable { name, value });
        }
        Ok(variables)
    }

    /// What a guest may reach.
    pub fn network(&self) -> Network {
        self.settings.network()
    }

    /// What may leave the machine.
    ///
    /// # Errors
    /// [`UploadsError`] where the patterns cannot be compiled together; then nothing may leave.
    pub fn uploads(&self) -> Result<Uploads, UploadsError> {
        let crate::settings::UploadSettings { allow, deny, max_bytes, max_files } = &self.settings.uploads;
        Uploads::new(allow.value.clone(), deny.value.clone(), max_bytes.value.0, max_files.value)
    }

    /// What a run on another machine may take.
    pub fn remote(&self) -> RemoteCaps {
        let crate::settings::RemoteSettings { max_time, max_cost, max_sandboxes } = &self.settings.remote;
        RemoteCaps { max_time: max_time.value, max_cost: max_cost.value, max_sandboxes: max_sandboxes.value }
    }

    /// Settings of the E2B backend.
    pub fn e2b(&self) -> E2b {
        let crate::settings::E2bSettings { template, api_url, api_key, lacks } = self.settings.e2b.clone();
        E2b { template: template.value, api_url: api_url.value, api_key: api_key.value, lacks: lacks.value }
    }

    /// Settings of the Daytona backend.
    pub fn daytona(&self) -> Daytona {
        let settings = self.settings.daytona.clone();
        let crate::settings::DaytonaSettings { snapshot, image, api_url, api_key, target, lacks } = settings;
        let base = match (snapshot.value, image.value) {
            (Some(snapshot), _) => DaytonaBase::Snapshot(snapshot),
            (None, Some(image)) => DaytonaBase::Image(image),
            (None, None) => DaytonaBase::Default,
        };
        Daytona {
            base,
            api_url: api_url.value,
            api_key: api_key.value,
            target: target.value,
            lacks: lacks.value,
        }
    }

    /// Settings of the Docker backend.
    pub fn docker(&self) -> Docker {
        let settings = self.settings.docker.clone();
        // The memory is a limit of the sandbox.
        let crate::settings::DockerSettings { image, host, memory: _, cpus, network } = settings;
        Docker { image: image.value, host: host.value, cpus: cpus.value, network: network.value }
    }

    /// The policy file, where there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl Settings {
    pub(crate) fn limits(&self) -> Limits {
        let crate::settings::LimitSettings {
            metering,
            fuel,
            timeout,
            memory,
            table_elements,
            tmp,
            disk,
            files,
            descriptors,
            processes,
            output,
        } = &self.limits;
        Limits {
            metering: metering.value,
            fuel: fuel.value,
            wall: timeout.value,
            memory_bytes: memory.value.0,
            table_elements: table_elements.value,
            tmp_bytes: tmp.value.0,
            disk_bytes: disk.value.0,
            files: files.value,
            descriptors: descriptors.value,
            processes: processes.value,
            output_bytes: output.value.0,
        }
    }

    /// The limits of a sandbox of Docker. Of its memory, what is said holds, and the less of two; where nothing is said,
    /// what a container usually gets.
    pub(crate) fn limits_in_docker(&self) -> Limits {
        let (limit, container) = (&self.limits.memory, &self.docker.memory);
        let memory = match (&limit.origin, &container.origin) {
            (Origin::Default, _) => container.value,
            (_, Origin::Default) => limit.value,
            _ => limit.value.min(container.value),
        };
        Limits { memory_bytes: memory.0, ..self.limits() }
    }

    pub(crate) fn network(&self) -> Network {
        Network { allow: self.network.allow.value.clone(), deny: self.network.deny.value.clone() }
    }

    /// What no single value shows: the messages, and where the later of two values is said.
    pub(crate) fn contradictions(&self) -> Vec<(Origin, String)> {
        let mut found = Vec::new();
        let (limits, usual) = (self.limits(), Limits::default());
        let own = &self.limits;
        // One at a time, so that each is told.
        for (limits, origin) in [
            (Limits { wall: limits.wall, ..usual.clone() }, &own.timeout.origin),
            (Limits { metering: limits.metering, fuel: limits.fuel, ..usual.clone() }, &own.fuel.origin),
            (Limits { memory_bytes: limits.memory_bytes, ..usual.clone() }, &own.memory.origin),
            (Limits { descriptors: limits.descriptors, ..usual.clone() }, &own.descriptors.origin),
            (Limits { processes: limits.processes, ..usual.clone() }, &own.processes.origin),
        ] {
            if let Err(err) = limits.check() {
                let message = format!("`limits.{}` is {}, expected {}", err.limit, err.value, err.expected);
                found.push((origin.clone(), message));
            }
        }
        if let Err(err) = limits.check().and(self.limits_in_docker().check())
            && found.is_empty()
        {
            let message = format!("`docker.memory` is {}, expected {}", err.value, err.expected);
            found.push((self.docker.memory.origin.clone(), message));
        }
        if self.routing.backends.value.is_empty() {
            let message = "`routing.backends` is empty, expected at least one".to_owned();
            found.push((self.routing.backends.origin.clone(), message));
        }
        if self.daytona.snapshot.value.is_some() && self.daytona.image.value.is_some() {
            let message =
                "`daytona.snapshot` and `daytona.image` are both set, expected one of them".to_owned();
            found.push((later(&self.daytona.snapshot.origin, &self.daytona.image.origin), message));
        }
        let network = self.docker.network.value.as_str();
        if network == "host" || network.starts_with("container:") {
            let message = format!(
                "`docker.network` is \"{network}\", which would give the guest the network of this machine or of another container"
            );
            found.push((self.docker.network.origin.clone(), message));
        } else if network != "none" && !self.network().is_everything() {
            let message = format!(
                "`docker.network` is \"{network}\", and Docker cannot enforce rules, expected `network.allow` to be [\"*\"] and nothing denied"
            );
            found.push((self.docker.network.origin.clone(), message));
        }
        found
    }

    /// Mounts into which a guest may write.
    pub(crate) fn writable(
        &self,
    ) -> impl Iterator<Item = (&sandpiper_core::GuestPath, &Setting<MountSource>)> {
        self.mounts.iter().filter(|(_, setting)| setting.value.access == Access::ReadWrite)
    }
}

/// The place further down of two in a file.
fn later(first: &Origin, second: &Origin) -> Origin {
    match (first, second) {
        (Origin::File { place: one, .. }, Origin::File { place: other, .. }) if one > other => first.clone(),
        (Origin::File { .. }, Origin::Default) => first.clone(),
        _ => second.clone(),
    }
}
