//! `sandpiper sandbox ...`: sandboxes that outlive this process, by their references.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use sandpiper::policy::Backend as Name;
use sandpiper::{Backend, Error, Exec, Image, Limits, Sandbox, SandboxRef, Spec};
use serde_json::json;

use crate::arguments::{BackendChoice, SandboxCommand, SandboxCommandArguments};
use crate::interrupts::Interrupts;
use crate::report::{self, Hinted};
use crate::{backends, elsewhere, policy, render, run, runtime, slots};

/// The largest file that is read out of a sandbox.
const MAX_FILE_BYTES: u64 = 256 << 20;

pub(crate) fn sandbox(arguments: SandboxCommandArguments) -> Result<ExitCode> {
    let json = arguments.json;
    report::or_as_json(json, runtime::block_on(carry_out(arguments)))
}

async fn carry_out(arguments: SandboxCommandArguments) -> Result<ExitCode> {
    let json = arguments.json;
    match arguments.command {
        SandboxCommand::Create { template, timeout, backend, lifetime, labels } => {
            let sandbox = template.into_sandbox(timeout);
            let name = backend.and_then(BackendChoice::backend);
            let policy = policy::of_run(&sandbox, name, true)?;
            let name = name.or_else(|| policy.routing().backends.first().copied()).unwrap_or(Name::Wasm);
            let lifetime = elsewhere::lifetime(&policy, name, lifetime)?;
            let slot = slots::take(&policy, name)?;
            let (env, _) = policy::variables(&policy, name)?;
            let spec = run::spec(&sandbox, &policy, None)?;
            let (limits, metadata) = (policy.limits_of(name), labels.into_iter().collect());
            let network = if name.is_remote() { elsewhere::network(&policy, name) } else { spec.network };
            let spec = Spec { env, limits, network, lifetime: Some(lifetime), metadata, ..spec };
            let backend = backends::open(name, &policy)?;
            let reference = sandpiper::create(&*backend, spec).await?.detach()?;
            let text = if json { serde_json::to_string(&reference)? } else { reference.to_string() };
            render::line(&text)?;
            slot.map_or(Ok(()), |slot| slot.keep(&reference.to_string(), lifetime))?;
        }
        SandboxCommand::Exec { reference, cwd, env, command } => {
            let exec = Exec {
                argv: run::argv(None, &command, &Image::default())?,
                env: crate::surroundings::variables(&env)?,
                cwd,
                stdin: run::stdin(),
                ..Exec::default()
            };
            let sandbox = connect(&reference).await?;
            let outcome = async {
                let running = sandbox.spawn(exec).await?;
                let wall = Limits::default().wall;
                run::stop_at_interrupts(running, Interrupts::listen(None)?, async |running| {
                    run::drive(running, json, wall).await
                })
                .await
            };
            let outcome = outcome.await;
            // It lives on whatever became of the command.
            leave(sandbox)?;
            let outcome = outcome?;
            if json {
                render::line(&render::outcome_as_json(&outcome, None, None)?)?;
            } else {
                render::end(&outcome);
            }
            return Ok(ExitCode::from(outcome.exit.code()));
        }
        SandboxCommand::List { backend, labels, policy } => {
            let policy = policy::of_file(&policy)?;
            let name = backend.and_then(BackendChoice::backend).unwrap_or(Name::Wasm);
            for found in backends::open(name, &policy)?.list(&labels).await? {
                let text = if json {
                    serde_json::to_string(&found)?
                } else {
                    let labels: Vec<String> = found
                        .reference
                        .metadata
                        .iter()
                        .map(|(key, value)| format!("{key}={value}"))
                        .collect();
                    let state = format!("{:?}", found.state).to_lowercase();
                    format!("{}  {state:<8} {}  {}", found.reference, found.image, labels.join(" "))
                };
                render::line(&text)?;
            }
        }
        SandboxCommand::Read { reference, path } => {
            let sandbox = connect(&reference).await?;
            let content = sandbox.files().read(&path, MAX_FILE_BYTES).await;
            leave(sandbox)?;
            render::bytes(&content?)?;
        }
        SandboxCommand::Pause { reference } => {
            let sandbox = connect(&reference).await?;
            let paused = sandbox.pause().await;
            leave(sandbox)?;
            paused?;
            said(&reference, "paused", json)?;
        }
        SandboxCommand::Close { reference } => {
            connect(&reference).await?.close().await?;
            slots::free(&reference.to_string())?;
            said(&reference, "closed", json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Lets go of a sandbox, whose life may have ended meanwhile.
fn leave(sandbox: Box<dyn Sandbox>) -> Result<()> {
    match sandbox.detach() {
        Ok(_) | Err(Error::Gone { .. }) => Ok(()),
        Err(err) => Err(err.into()),
    }
}

fn said(reference: &SandboxRef, what: &str, json: bool) -> Result<()> {
    let text = if json {
        json!({ "sandbox": reference, "state": what }).to_string()
    } else {
        format!("{reference} is {what}")
    };
    Ok(render::line(&text)?)
}

async fn connect(reference: &SandboxRef) -> Result<Box<dyn Sandbox>> {
    let policy = policy::of_file(&crate::arguments::PolicyArguments::default())?;
    let name = backends::named(&reference.backend).ok_or_else(|| Hinted {
        message: format!("there is no backend {}", reference.backend),
        hint: "a sandbox is BACKEND:ID, with wasm, e2b, daytona or docker".to_owned(),
    })?;
    let backend: Arc<dyn Backend> = backends::open(name, &policy)?;
    Ok(backend.connect(reference).await?)
}
