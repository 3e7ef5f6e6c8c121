//! `sandpiper policy ...`, and the policy that holds for a run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use sandpiper::journal::Digest;
use sandpiper::policy::{
    Authority, Backend, Finding, GuestValue, Overrides, Policy, PolicyError, Resolved, json_schema,
};
use sandpiper::{Access, Metering, Mount, Spec};
use serde_json::json;

use crate::arguments::{PolicyArguments, PolicyCommand, PolicyCommandArguments, SandboxArguments};
use crate::report::Hinted;
use crate::run::WORKSPACE;
use crate::{render, report, surroundings};

/// Where a policy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The person named it.
    Named,
    /// It was found at or above the current directory, where somebody else may have put it.
    Found,
    /// There is none.
    Nowhere,
}

/// What holds for a run: the policy, with what the command line says beside it. Without either, it gets the
/// current directory, unless it `has_workspace` of its own.
pub(crate) fn of_run(
    arguments: &SandboxArguments,
    backend: Option<Backend>,
    has_workspace: bool,
) -> Result<Resolved> {
    let (policy, source) = policy(&arguments.policy)?;
    let mut mounts = arguments.dirs.clone();
    // Of two at one place the policy would take the later.
    Spec { mounts: mounts.clone(), ..Spec::default() }
        .check()
        .map_err(sandpiper::Refusal::from)
        .map_err(sandpiper::Error::from)?;
    if source == Source::Nowhere && mounts.is_empty() && !arguments.no_dir && !has_workspace {
        mounts.push(Mount::new(".", WORKSPACE, Access::ReadWrite)?);
    }
    let overrides = Overrides {
        backend,
        metering: arguments.no_fuel.then_some(Metering::Deadline),
        fuel: arguments.fuel,
        timeout: arguments.timeout,
        memory_bytes: arguments.memory,
        tmp_bytes: arguments.tmp,
        disk_bytes: arguments.disk,
        processes: arguments.processes,
        output_bytes: arguments.max_output,
        no_mounts: arguments.no_dir,
        mounts,
        variables: surroundings::variables(&arguments.env)?,
        ..Overrides::default()
    };
    let profile = arguments.policy.profile.as_deref();
    let resolved = policy.resolve(profile, overrides, Authority::Person)?;
    if source == Source::Found {
        // As the file alone has it: what the command line says, this person says.
        let own = policy.resolve(profile, Overrides::default(), Authority::Person)?;
        ask(&own)?;
    }
    Ok(resolved)
}

/// What a policy says without a command line beside it.
pub(crate) fn of_file(arguments: &PolicyArguments) -> Result<Resolved> {
    let (policy, source) = policy(arguments)?;
    let resolved = policy.resolve(arguments.profile.as_deref(), Overrides::default(), Authority::Person)?;
    if source == Source::Found {
        ask(&resolved)?;
    }
    Ok(resolved)
}

/// Names and values.
type Variables = Vec<(String, String)>;

/// The variables of a guest, and those of their values that are secrets.
pub(crate) fn variables(policy: &Resolved, backend: Backend) -> Result<(Variables, Vec<String>)> {
    let (mut variables, mut secrets) = (Vec::new(), Vec::new());
    for variable in policy.environment(backend, surroundings::host_variable)? {
        let value = match variable.value {
            GuestValue::Text(text) => text,
            GuestValue::Secret(secret) => {
                secrets.push(secret.expose().to_owned());
                secret.expose().to_owned()
            }
        };
        variables.push((variable.name, value));
    }
    Ok((variables, secrets))
}

pub(crate) fn command(arguments: &PolicyCommandArguments) -> Result<ExitCode> {
    report::or_as_json(arguments.json, execute(arguments))
}

fn execute(arguments: &PolicyCommandArguments) -> Result<ExitCode> {
    if let PolicyCommand::Schema = arguments.command {
        render::bytes(json_schema().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let policy = match policy(&arguments.policy) {
        Ok((policy, _)) => policy,
        Err(err) => return mistakes(err, arguments),
    };
    let profile = arguments.policy.profile.as_deref();
    let resolved = policy.resolve(profile, Overrides::default(), Authority::Person)?;
    match &arguments.command {
        PolicyCommand::Check => check(&policy, &resolved, arguments.json)?,
        PolicyCommand::Show => render::bytes(resolved.show().as_bytes())?,
        PolicyCommand::Explain { key } => {
            for found in resolved.explain(key)? {
                let text = if arguments.json {
                    let before: Vec<_> = found
                        .before
                        .iter()
                        .map(|(value, origin)| json!({ "value": value, "origin": origin.to_string() }))
                        .collect();
                    json!({
                        "key": found.key,
                        "about": found.about,
                        "value": found.value,
                        "origin": found.origin.to_string(),
                        "before": before,
                    })
                    .to_string()
                } else {
                    found.to_string()
                };
                render::line(&text)?;
            }
        }
        PolicyCommand::Allow => allow(&policy)?,
        PolicyCommand::Schema => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells all mistakes of a policy, each on a line of its own.
fn mistakes(err: anyhow::Error, arguments: &PolicyCommandArguments) -> Result<ExitCode> {
    let is_check = matches!(arguments.command, PolicyCommand::Check);
    match err.downcast_ref::<PolicyError>() {
        Some(PolicyError::Invalid { findings }) if is_check => {
            for finding in findings {
                let text =
                    if arguments.json { finding_as_json(finding).to_string() } else { finding.to_string() };
                render::line(&text)?;
            }
            Ok(ExitCode::from(report::REFUSED))
        }
        _ => Err(err),
    }
}

fn finding_as_json(finding: &Finding) -> serde_json::Value {
    json!({
        "path": finding.place.file().display().to_string(),
        "line": finding.place.line(),
        "column": finding.place.column(),
        "message": finding.message,
        "hint": finding.hint,
    })
}

fn check(policy: &Policy, resolved: &Resolved, json: bool) -> Result<()> {
    let warnings: Vec<String> = resolved.warnings().iter().map(ToString::to_string).collect();
    let reaches: Vec<String> = resolved.reaches().iter().map(ToString::to_string).collect();
    let path = resolved.path().map(|path| path.display().to_string());
    if json {
        let profiles: Vec<&str> = policy.profiles().collect();
        let report = json!({ "path": path, "profiles": profiles, "warnings": warnings, "reaches": reaches });
        return Ok(render::line(&report.to_string())?);
    }
    render::line(&path.map_or_else(
        || "there is no policy: commands get the current directory, and nothing else".to_owned(),
        |path| format!("{path} is sound"),
    ))?;
    for warning in warnings {
        render::line(&format!("  doubtful: {warning}"))?;
    }
    for reach in reaches {
        render::line(&format!("  reaches:  {reach}"))?;
    }
    Ok(())
}

fn policy(arguments: &PolicyArguments) -> Result<(Policy, Source)> {
    if arguments.no_policy {
        return Ok((Policy::empty(), Source::Nowhere));
    }
    if let Some(path) = arguments.policy.clone().or_else(surroundings::policy_file) {
        let path = std::path::absolute(&path).with_context(|| format!("cannot find {}", path.display()))?;
        return Ok((Policy::load(&path)?, Source::Named));
    }
    Ok(match Policy::discover(&surroundings::directory()?)? {
        Some(policy) => (policy, Source::Found),
        None => (Policy::empty(), Source::Nowhere),
    })
}

/// Refuses a policy that came from anywhere and reaches out of its directory, until the person allows it.
fn ask(policy: &Resolved) -> Result<()> {
    let reaches = policy.reaches();
    let Some(path) = policy.path().filter(|_| !reaches.is_empty()) else { return Ok(()) };
    if allowance(path)?.exists() {
        return Ok(());
    }
    let mut message = format!("{} reaches out of its directory:", path.display());
    for reach in &reaches {
        // Writing to a string cannot fail.
        let _ = write!(message, "\n  {reach}");
    }
    let hint = "if that is what you want: sandpiper policy allow (until the file is changed); or --no-policy";
    Err(Hinted { message, hint: hint.to_owned() }.into())
}

fn allow(policy: &Policy) -> Result<()> {
    let resolved = policy.resolve(None, Overrides::default(), Authority::Person)?;
    let path = resolved.path().ok_or_else(|| Hinted {
        message: "there is no policy to allow".to_owned(),
        hint: "name one with --policy".to_owned(),
    })?;
    let allowance = allowance(path)?;
    let directory = allowance.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    std::fs::write(&allowance, path.as_os_str().as_encoded_bytes())
        .with_context(|| format!("cannot write {}", allowance.display()))?;
    Ok(render::line(&format!("{} is followed until it is changed", path.display()))?)
}

/// The file that says that a policy is followed as it is now, at this place.
fn allowance(path: &Path) -> Result<PathBuf> {
    let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut named = path.as_os_str().as_encoded_bytes().to_vec();
    named.push(0);
    named.extend(content);
    Ok(surroundings::allowed_policies()?.join(Digest::of(&named).to_string()))
}
