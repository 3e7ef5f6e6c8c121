//! How a sandbox is made so that none is left behind, whatever is lost on the way.

use std::sync::Arc;
use std::time::Duration;

use sandpiper_core::{Error, Image, Network, Refusal, Sandbox, SandboxRef, Spec};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::NAME;
use super::backend::{Api, whole_seconds};
use super::sandbox::E2bSandbox;
use super::wire::{CREATION, LIFETIME_SECONDS, Made, OUTPUT_BYTES, OWN_PREFIX, WALL_MS};
use crate::http::{Method, StatusCode};

const ACTION: &str = "make a sandbox";

/// When it is looked for a sandbox whose making was not answered: it may be listed a little later.
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(500), Duration::from_secs(2)];

/// When it is looked for on, for whom nobody waits: a server may make for a minute what was given up.
const LATER_SECONDS: [u64; 5] = [2, 4, 8, 16, 30];

/// Makes a sandbox in a task of its own: when the caller goes away meanwhile, it is made and closed.
pub(super) async fn create(api: Arc<Api>, spec: Spec) -> Result<Box<dyn Sandbox>, Error> {
    let creation = random_id()?;
    let body = body(&api, &spec, &creation)?;
    let task = tokio::spawn(make(api, spec, creation, body));
    let stopped = |err: tokio::task::JoinError| Error::Host {
        context: format!("the making of a sandbox of {NAME} was stopped"),
        source: err.into(),
    };
    Ok(Box::new(task.await.map_err(stopped)??))
}

async fn make(api: Arc<Api>, spec: Spec, creation: String, body: Value) -> Result<E2bSandbox, Error> {
    let call = api.control.call(Method::POST, &["v2", "sandboxes"], ACTION);
    let answer = match call.idempotency_key(&creation).json(&body).send().await {
        Ok(answer) => answer,
        Err(err) => return Err(remove_made(&api, &creation, err).await),
    };
    let tries = answer.tries;
    // A refusal is an answer; what else went wrong may have come after the sandbox was made.
    if answer.status.is_client_error() && tries == 1 {
        return Err(match answer.status {
            StatusCode::NOT_FOUND => no_image(&spec.image, answer.error()),
            _ => answer.error(),
        });
    }
    let made = match answer.json::<Made>() {
        Ok(made) => made,
        Err(err) => return Err(remove_made(&api, &creation, err).await),
    };
    let mut reference = SandboxRef::new(NAME, made.sandbox_id.as_str());
    reference.metadata = spec.metadata.clone();
    let shared = match api.sandbox(made, reference.clone(), &spec.limits, spec.lifetime) {
        Ok(shared) => shared,
        Err(err) => {
            api.kill(&reference).await?;
            return Err(err);
        }
    };
    let sandbox = E2bSandbox::new(shared);
    if tries > 1 {
        for other in api.of_creation(&creation).await? {
            if other.id != reference.id {
                api.kill(&other).await?;
            }
        }
    }
    Ok(sandbox)
}

/// Ends what a creation may have made, and gives back why it failed.
async fn remove_made(api: &Arc<Api>, creation: &str, err: Error) -> Error {
    for wait in LOOKS {
        sleep(wait).await;
        match remove_listed(api, creation).await {
            Ok(false) => {}
            Ok(true) => return err,
            Err(_) => break,
        }
    }
    let (api, later) = (Arc::clone(api), creation.to_owned());
    tokio::spawn(async move {
        for wait in LATER_SECONDS {
            sleep(Duration::from_secs(wait)).await;
            if matches!(remove_listed(&api, &later).await, Ok(true)) {
                return;
            }
        }
    });
    with_remains(err, creation)
}

/// Ends what a creation is seen to have made, and says whether that is anything.
async fn remove_listed(api: &Api, creation: &str) -> Result<bool, Error> {
    let made = api.of_creation(creation).await?;
    for reference in &made {
        api.kill(reference).await?;
    }
    Ok(!made.is_empty())
}

/// The error, which says what may be left unless it is a refusal; a sandbox that nobody holds ends by itself.
fn with_remains(err: Error, creation: &str) -> Error {
    let remains =
        format!("a sandbox with the metadata {CREATION}={creation} may be left until its time is over");
    match err {
        Error::Unreachable { backend, action, source } => {
            Error::Unreachable { backend, action, source: format!("{source}; {remains}").into() }
        }
        // Which has no room for it.
        Error::Slow { backend, action, after } => {
            let source = format!("it did not answer within {after:?}; {remains}");
            Error::Unreachable { backend, action, source: source.into() }
        }
        Error::Protocol { backend, action, what } => {
            Error::Protocol { backend, action, what: format!("{what}; {remains}") }
        }
        err => err,
    }
}

fn no_image(image: &Image, err: Error) -> Error {
    let image = match image {
        Image::Named(name) => name.clone(),
        Image::File(path) => path.display().to_string(),
    };
    Error::Image { image, reason: "E2B has no such template".to_owned(), source: Some(err.into()) }
}

fn body(api: &Api, spec: &Spec, creation: &str) -> Result<Value, Error> {
    let refuse = |field| Error::Refused(Refusal::NotEnforced { backend: NAME.to_owned(), field });
    let template = match &spec.image {
        named @ Image::Named(_) if *named == Image::default() => api.config.template.as_str(),
        Image::Named(name) => name.as_str(),
        Image::File(_) => return Err(refuse("image")),
    };
    if spec.metadata.keys().any(|key| key.starts_with(OWN_PREFIX)) {
        return Err(refuse("metadata"));
    }
    let mut metadata = spec.metadata.clone();
    metadata.insert(CREATION.to_owned(), creation.to_owned());
    metadata.insert(WALL_MS.to_owned(), spec.limits.wall.as_millis().to_string());
    metadata.insert(OUTPUT_BYTES.to_owned(), spec.limits.output_bytes.to_string());
    if let Some(lifetime) = spec.lifetime {
        metadata.insert(LIFETIME_SECONDS.to_owned(), whole_seconds(lifetime).to_string());
    }
    let variables: serde_json::Map<_, _> =
        spec.env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    // Ports are reached with a token only.
    let mut network = json!({"allowPublicTraffic": false});
    let internet = match &spec.network {
        Network::Nothing => false,
        Network::Everything => true,
        Network::Rules { allow, deny } => {
            if deny.iter().any(|denied| !allow.contains(denied)) {
                return Err(refuse("network.deny"));
            }
            let allow: Vec<_> = allow.iter().filter(|allowed| !deny.contains(allowed)).collect();
            if allow.is_empty() {
                false
            } else {
                network["allowOut"] = json!(allow);
                network["denyOut"] = json!(["0.0.0.0/0"]);
                true
            }
        }
    };
    Ok(json!({
        "templateID": template,
        "timeout": whole_seconds(spec.lifetime.unwrap_or(api.config.lifetime)),
        "metadata": metadata,
        "envVars": variables,
        "secure": true,
        "autoPause": false,
        "allow_internet_access": internet,
        "network": network,
    }))
}

/// 128 random bits, as idempotency keys are written.
pub(super) fn random_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|err| Error::Host {
        context: "cannot get random bytes".to_owned(),
        source: err.to_string().into(),
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
