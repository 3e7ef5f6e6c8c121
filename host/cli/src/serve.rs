//! `sandpiper serve`: sandboxes of this machine for programs that were written for E2B or Daytona.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use sandpiper::policy::Backend as Name;
use sandpiper::server::{ApiKeys, Server, ServerConfig, ServerLimits, Template};
use sandpiper::{Image, Spec};

use crate::arguments::ServeArguments;
use crate::interrupts::Interrupts;
use crate::report::Hinted;
use crate::{backends, policy, render, run, surroundings};

/// Names that programs for E2B and Daytona ask for by themselves.
const TEMPLATES: [&str; 4] = ["base", "code-interpreter-v1", "code-interpreter", "default"];

pub(crate) fn serve(arguments: ServeArguments) -> Result<ExitCode> {
    let address = arguments.listen;
    if !address.ip().is_loopback() && !arguments.beyond_loopback {
        return Err(Hinted {
            message: format!("{address} can be reached by other machines, and speaks without encryption"),
            hint: "listen at 127.0.0.1, or say --beyond-loopback behind a proxy that encrypts".to_owned(),
        }
        .into());
    }
    let keys = keys(&arguments)?;
    let max_sandboxes = arguments.max_sandboxes;
    // Who starts a command says how long it may take, up to the life of its sandbox.
    let sandbox = arguments.template.into_sandbox(None);
    let policy = policy::of_run(&sandbox, Some(Name::Wasm), true)?;
    let spec = run::spec(&sandbox, &policy, None)?;
    let (env, _) = policy::variables(&policy, Name::Wasm)?;
    let template = Template { spec: Spec { env, ..spec } };
    let config = ServerConfig {
        backend: Arc::new(backends::local(&Image::default())?),
        keys,
        templates: BTreeMap::from(TEMPLATES.map(|name| (name.to_owned(), template.clone()))),
        default_template: "base".to_owned(),
        limits: ServerLimits { sandboxes: max_sandboxes, ..ServerLimits::default() },
    };
    let server = Server::new(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(listen(server, address))
}

async fn listen(server: Server, address: SocketAddr) -> Result<ExitCode> {
    let mut interrupts = Interrupts::listen(None)?;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen at {address}"))?;
    let own = listener.local_addr().context("cannot tell where it listens")?;
    // The one line on standard output: whoever started this waits for it.
    render::line(&format!("listening at http://{own}"))?;
    render::note(&format!(
        "E2B_API_URL=http://{own} E2B_SANDBOX_URL=http://{own} and DAYTONA_API_URL=http://{own}/api bring programs here"
    ));
    let stopped = server.serve(listener, async move { interrupts.next().await }).await;
    for failure in &stopped.failed {
        render::note(failure);
    }
    render::note(&format!("stopped, {} sandboxes closed", stopped.closed));
    Ok(if stopped.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn keys(arguments: &ServeArguments) -> Result<ApiKeys> {
    let mut keys = Vec::new();
    if let Some(path) = &arguments.key_file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the keys in {}", path.display()))?;
        keys.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    }
    keys.extend(surroundings::host_text("SANDPIPER_API_KEY")?);
    if keys.is_empty() {
        return Err(Hinted {
            message: "there is no key, so nobody would be let in".to_owned(),
            hint: "set SANDPIPER_API_KEY, or name a file with a key on each line with --key-file".to_owned(),
        }
        .into());
    }
    Ok(ApiKeys::new(keys))
}
