//! The backends, put together of the policy and the environment: one line each in [`open`].

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use sandpiper::policy::{ApiUrl, Backend as Name, DaytonaBase, Resolved, SecretReference};
use sandpiper::remote::daytona::Base;
use sandpiper::remote::{Daytona, DaytonaConfig, Docker, DockerConfig, E2b, E2bConfig, Secret};
use sandpiper::{Backend, Capabilities, Health, Image, Local};
use serde_json::json;

use crate::arguments::BackendsArguments;
use crate::report::{self, Hinted};
use crate::{image, policy, render, runtime, surroundings};

/// All there are, in the order in which they are shown.
pub(crate) const ALL: [Name; 4] = [Name::Wasm, Name::E2b, Name::Daytona, Name::Docker];

/// Makes a backend; nothing is connected yet.
///
/// # Errors
/// Where its key is not there, or its settings are not sound.
pub(crate) fn open(name: Name, policy: &Resolved) -> Result<Arc<dyn Backend>> {
    Ok(match name {
        Name::Wasm => Arc::new(local(&Image::default())?),
        Name::E2b => Arc::new(e2b(policy)?),
        Name::Daytona => Arc::new(daytona(policy)?),
        Name::Docker => Arc::new(docker(policy)?),
    })
}

/// The backend of this name.
pub(crate) fn named(name: &str) -> Option<Name> {
    ALL.into_iter().find(|backend| backend.name() == name)
}

/// Sandboxes of this machine that outlive this process.
pub(crate) fn local(image: &Image) -> Result<Local> {
    Ok(Local::open(image::engine_for(image)?, &surroundings::sandbox_directory()?)?)
}

fn e2b(policy: &Resolved) -> Result<E2b> {
    let settings = policy.e2b();
    let mut config = E2bConfig::new(key(&settings.api_key, Name::E2b)?);
    config.api_url = Some(address("E2B_API_URL")?.unwrap_or_else(|| settings.api_url.as_str().to_owned()));
    config.sandbox_url = address("E2B_SANDBOX_URL")?;
    settings.template.as_str().clone_into(&mut config.template);
    config.lacks = settings.lacks;
    Ok(E2b::new(config)?)
}

fn daytona(policy: &Resolved) -> Result<Daytona> {
    let settings = policy.daytona();
    let address = address("DAYTONA_API_URL")?.unwrap_or_else(|| settings.api_url.as_str().to_owned());
    let mut config = DaytonaConfig::new(address, key(&settings.api_key, Name::Daytona)?);
    let target = surroundings::host_text("DAYTONA_TARGET")?;
    let target = target.unwrap_or_else(|| settings.target.as_str().to_owned());
    config.target = Some(target).filter(|target| !target.is_empty());
    config.lacks = settings.lacks;
    config.base = match settings.base {
        DaytonaBase::Snapshot(name) => Base::Snapshot(name.as_str().to_owned()),
        DaytonaBase::Image(name) => Base::Image(name.as_str().to_owned()),
        DaytonaBase::Default => Base::Usual,
    };
    Ok(Daytona::new(config)?)
}

fn docker(policy: &Resolved) -> Result<Docker> {
    let settings = policy.docker();
    let mut config = DockerConfig::new(settings.image.as_str());
    let host = settings.host.map(|host| host.as_str().to_owned());
    config.host = host.map_or_else(|| surroundings::host_text("DOCKER_HOST"), |host| Ok(Some(host)))?;
    #[expect(clippy::cast_precision_loss, reason = "a machine has not so many")]
    let cpus = settings.cpus.thousandths() as f64 / 1000.0;
    config.cpus = cpus;
    if settings.network.as_str() != "none" {
        settings.network.as_str().clone_into(&mut config.network);
    }
    Ok(Docker::new(config)?)
}

/// The address that a variable has in place of the policy's, held to the same: a key is sent there.
fn address(variable: &str) -> Result<Option<String>> {
    let Some(text) = surroundings::host_text(variable)? else { return Ok(None) };
    let url = ApiUrl::parse(&text).ok_or_else(|| Hinted {
        message: format!(
            "{variable} is not the address of an interface, expected https://HOST[:PORT][/PATH]"
        ),
        hint: "http is for this machine alone, because a key is sent there".to_owned(),
    })?;
    Ok(Some(url.as_str().to_owned()))
}

fn key(reference: &SecretReference, backend: Name) -> Result<Secret> {
    let secret = reference.look_up(surroundings::host_variable).map_err(|err| Hinted {
        message: format!("the backend {backend} needs a key: {err}"),
        hint: format!("set the variable, or name the key's place in sandpiper.toml: [{backend}] api_key = {{ file = \"...\" }}"),
    })?;
    Ok(Secret::new(secret.expose()))
}

/// `sandpiper backends`: which answer, how fast, and what they can do.
pub(crate) fn backends(arguments: &BackendsArguments) -> Result<ExitCode> {
    report::or_as_json(arguments.json, execute(arguments))
}

fn execute(arguments: &BackendsArguments) -> Result<ExitCode> {
    let policy = policy::of_file(&arguments.policy)?;
    let runtime = runtime::new()?;
    for name in ALL {
        let asked = open(name, &policy).and_then(|backend| {
            let health = runtime.block_on(backend.health())?;
            Ok((health, backend.capabilities(&Image::default())))
        });
        let text = match (&asked, arguments.json) {
            (Ok((health, capabilities)), true) => {
                let latency_ms = health.latency.as_secs_f64() * 1000.0;
                json!({
                    "name": name.name(),
                    "healthy": true,
                    "latency_ms": latency_ms,
                    "version": health.version,
                    "capabilities": capabilities,
                })
                .to_string()
            }
            (Err(err), true) => {
                json!({ "name": name.name(), "healthy": false, "error": report::as_json(err) }).to_string()
            }
            (Ok((health, capabilities)), false) => healthy(name, health, capabilities)?,
            (Err(err), false) => format!("{:<8} not ready: {}", name.name(), report::text(err)),
        };
        render::line(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn healthy(name: Name, health: &Health, capabilities: &Capabilities) -> Result<String> {
    let table = serde_json::to_value(capabilities)?;
    let table = table.as_object().into_iter().flatten();
    let has: Vec<&str> =
        table.filter(|(_, has)| has.as_bool() == Some(true)).map(|(name, _)| name.as_str()).collect();
    let version = health.version.as_deref().map(|version| format!(", version {version}")).unwrap_or_default();
    Ok(format!(
        "{:<8} ready in {:.1} ms{version}\n         {}",
        name.name(),
        health.latency.as_secs_f64() * 1000.0,
        has.join(" ")
    ))
}
