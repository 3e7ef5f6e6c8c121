//! `sandpiper route`, and where a run goes: what it needs against what the backends offer and the policy permits.

use std::process::ExitCode;

use anyhow::Result;
use sandpiper::policy::{Backend, Resolved, RouteReason};
use sandpiper::routing::{
    self, Command, Decision, Declared, MountedFiles, Need, Needs, Offer, Permission, Verdict, What, analyze,
    decide, need_of_run,
};
use sandpiper::{Exec, Mount, Network, Outcome};

use crate::arguments::{BackendChoice, RouteArguments};
use crate::report::{self, Hinted};
use crate::run::{self, WORKSPACE};
use crate::{backends, consent, elsewhere, policy, render};

/// What to do where no backend is known to have it.
const CHOOSE: &str =
    "name an image that has it in sandpiper.toml: docker.image, e2b.template or daytona.snapshot";

/// Of a worktree's repository the host does its work.
const GIT: &str = "git";

/// Where a run goes.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) backend: Backend,
    /// Why, where that was not said by the person.
    pub(crate) decision: Option<Decision>,
}

/// What is looked at.
pub(crate) struct Asked<'a> {
    pub(crate) exec: &'a Exec,
    pub(crate) mounts: &'a [Mount],
    /// What the person says that it needs.
    pub(crate) needs: Option<&'a Declared>,
    /// Whether git's commands are carried out for it.
    pub(crate) has_git: bool,
}

/// Decides where a command runs.
///
/// # Errors
/// Where it needs what no backend has to which the policy lets it go, with the line that would.
pub(crate) fn place(choice: Option<BackendChoice>, policy: &Resolved, asked: &Asked<'_>) -> Result<Place> {
    let backends = policy.routing().backends;
    let first = first(policy);
    let is_free = choice == Some(BackendChoice::Auto) || (choice.is_none() && backends.len() > 1);
    if !is_free || first != Backend::Wasm {
        return Ok(Place { backend: first, decision: None });
    }
    let decision = decision(policy, asked);
    let Some(backend) = decision.backend.as_deref().and_then(backends::named) else {
        return Err(refusal(decision));
    };
    Ok(Place { backend, decision: Some(decision) })
}

/// What `sandpiper route` prints.
pub(crate) fn route(arguments: &RouteArguments) -> Result<ExitCode> {
    report::or_as_json(arguments.json, execute(arguments))
}

fn execute(arguments: &RouteArguments) -> Result<ExitCode> {
    let policy = policy::of_run(&arguments.sandbox, None, false)?;
    let argv = run::argv(arguments.script.as_deref(), &arguments.command, &arguments.sandbox.image)?;
    let env = policy.plain_environment();
    let exec = Exec { argv, env, cwd: arguments.sandbox.cwd.clone(), ..Exec::default() };
    let mounts = policy.mounts();
    let asked = Asked { exec: &exec, mounts: &mounts, needs: arguments.needs.as_ref(), has_git: false };
    let decision = decision(&policy, &asked);
    if arguments.json {
        render::line(&serde_json::to_string(&decision)?)?;
    } else {
        render::bytes(decision.to_string().as_bytes())?;
    }
    let runs = decision.backend.is_some();
    Ok(if runs { ExitCode::SUCCESS } else { ExitCode::from(report::REFUSED) })
}

fn decision(policy: &Resolved, asked: &Asked<'_>) -> Decision {
    let mut image = routing::Image::default();
    if asked.has_git {
        image.commands.insert(GIT.to_owned());
    }
    let permission = permission(policy, RouteReason::Needs);
    let decision = decide(needs(asked, &image), &offers(policy), &permission);
    let first = first(policy);
    if first != Backend::Wasm && elsewhere::is_paid_for(policy, first) {
        let why = format!("the policy has {first} before all others");
        let backend = Some(first.to_string());
        return Decision { verdict: Verdict::Routed, backend, why, hint: None, ..decision };
    }
    let hint = match decision.verdict {
        Verdict::Forbidden => {
            let fits = decision.compared.iter().find(|backend| backend.lacks.is_empty());
            fits.map(|fits| {
                let lines = lines(policy, &fits.backend, &[RouteReason::Needs], false);
                format!("to let it go there, write into sandpiper.toml:{lines}")
            })
        }
        Verdict::Nowhere => Some(hint_of_network(policy, &decision).unwrap_or_else(|| CHOOSE.to_owned())),
        Verdict::Local | Verdict::LocalWatched | Verdict::Routed => decision.hint,
    };
    Decision { hint, ..decision }
}

/// The backend to which commands go for which nobody says another.
fn first(policy: &Resolved) -> Backend {
    policy.routing().backends.first().copied().unwrap_or(Backend::Wasm)
}

/// What would let a command go where the network is, if all that no backend has is that.
fn hint_of_network(policy: &Resolved, decision: &Decision) -> Option<String> {
    let open = decide(decision.needs.clone(), &open(policy), &Permission::Any);
    let lines = lines(policy, open.backend.as_deref()?, &[RouteReason::Needs], true);
    Some(format!("to let it go there and reach the network, write into sandpiper.toml:{lines}"))
}

/// Whether a command is seen to use git.
pub(crate) fn uses_git(asked: &Asked<'_>) -> bool {
    let uses = |need: &Need| matches!(&need.what, What::Tool { name } if name == GIT);
    needs(asked, &routing::Image::default()).needs.iter().any(uses)
}

fn needs(asked: &Asked<'_>, image: &routing::Image) -> Needs {
    let Asked { exec, mounts, needs, .. } = asked;
    let command = Command {
        argv: exec.argv.clone(),
        cwd: exec.cwd.clone().unwrap_or_else(|| WORKSPACE.to_owned()),
        env: exec.env.clone(),
        declared: needs.cloned().unwrap_or_default(),
    };
    analyze(&command, &MountedFiles::new(mounts), image)
}

/// Whether a run that begins here is watched: it may need what is not here, and may go where that is.
pub(crate) fn is_watched(policy: &Resolved, decision: &Decision) -> bool {
    decision.verdict == Verdict::LocalWatched
        && permission(policy, RouteReason::Unsupported) != Permission::LocalOnly
        && consent::is_possible(policy)
}

/// Decides anew, with a need that the run here has told.
pub(crate) fn again(policy: &Resolved, decision: &Decision, need: Need) -> Decision {
    let mut needs = decision.needs.clone();
    needs.needs.retain(|known| known.what != need.what);
    needs.needs.insert(0, need);
    decide(needs, &offers(policy), &permission(policy, RouteReason::Unsupported))
}

/// What to say of a run that has failed here for want of what another backend has, and could not go there.
pub(crate) fn advice(policy: &Resolved, outcome: &Outcome) -> Option<String> {
    let need = need_of_run(&outcome.exit, &outcome.denials)?;
    let offer =
        open(policy).into_iter().find(|offer| offer.name != Backend::Wasm.name() && offer.has(&need))?;
    let (what, name) = (need.what.phrase(), &offer.name);
    let is_closed = !offers(policy).iter().any(|offer| offer.name == *name && offer.has(&need));
    let lines = lines(policy, name, &[RouteReason::Needs, RouteReason::Unsupported], is_closed);
    Some(if lines.is_empty() {
        format!("it needs {what}, which {name} has; to run it there: --backend {name}")
    } else {
        format!(
            "it needs {what}, which {name} has; to let a run that meets that begin anew there, write into \
             sandpiper.toml:{lines}"
        )
    })
}

/// The lines that a policy lacks, for commands to go to a backend for these reasons, and to reach the network there.
fn lines(policy: &Resolved, backend: &str, reasons: &[RouteReason], with_network: bool) -> String {
    let mut lines = missing_lines(policy, backend, reasons);
    if reasons.contains(&RouteReason::Unsupported) && !consent::is_possible(policy) {
        lines.push_str("\n    ask = false");
    }
    if !lines.is_empty() {
        lines.insert_str(0, "\n    [routing]");
    }
    if with_network {
        lines.push_str("\n    [network]\n    allow = [\"*\"]");
    }
    if backends::named(backend).is_some_and(|backend| !elsewhere::is_paid_for(policy, backend)) {
        lines.push_str("\n    [remote]\n    max_cost = \"0.50\"");
    }
    lines
}

/// The lines below `[routing]` that a policy lacks, for a backend to be gone to for these reasons.
fn missing_lines(policy: &Resolved, backend: &str, reasons: &[RouteReason]) -> String {
    let permitted = policy.routing();
    let mut lines = Vec::new();
    let mut backends: Vec<&str> = permitted.backends.iter().map(|backend| backend.name()).collect();
    if !backends.contains(&backend) {
        backends.push(backend);
        lines.push(format!("\n    backends = {backends:?}"));
    }
    let known = permitted.on.len();
    let mut on = permitted.on;
    on.extend(reasons.iter().filter(|reason| !on.contains(reason)).copied().collect::<Vec<_>>());
    if on.len() > known {
        let name = |reason: &RouteReason| match reason {
            RouteReason::Needs => "needs",
            RouteReason::Unsupported => "unsupported",
        };
        let on: Vec<&str> = on.iter().map(name).collect();
        lines.push(format!("\n    on = {on:?}"));
    }
    lines.concat()
}

/// Where a policy lets commands go for a reason.
fn permission(policy: &Resolved, reason: RouteReason) -> Permission {
    let permitted = policy.routing();
    if permitted.on.contains(&reason) {
        let paid_for = permitted.backends.iter().filter(|backend| elsewhere::is_paid_for(policy, **backend));
        Permission::Named(paid_for.map(ToString::to_string).collect())
    } else {
        Permission::LocalOnly
    }
}

/// What the backends have, the policy's own first, in its order.
fn offers(policy: &Resolved) -> Vec<Offer> {
    let mut offers = vec![Offer::local(Backend::Wasm.name())];
    for backend in policy.routing().backends.iter().chain(&backends::ALL) {
        if !offers.iter().any(|offer| offer.name == backend.name()) {
            offers.push(offer(policy, *backend));
        }
    }
    offers
}

/// The same, if the policy let commands reach the network.
fn open(policy: &Resolved) -> Vec<Offer> {
    let mut offers = offers(policy);
    for offer in offers.iter_mut().skip(1) {
        offer.network = true;
    }
    offers
}

fn offer(policy: &Resolved, backend: Backend) -> Offer {
    let name = backend.name();
    let offer = match backend {
        _ if policy.is_base_chosen(backend) => Offer::unknown(name),
        Backend::Docker => Offer::slim(name),
        Backend::Wasm | Backend::E2b | Backend::Daytona => Offer::linux(name),
    };
    let network = match run::network(policy) {
        Network::Nothing => false,
        Network::Everything => true,
        // Docker has no way to enforce them.
        Network::Rules { .. } => backend != Backend::Docker,
    };
    Offer { network, ..offer }
}

fn refusal(decision: Decision) -> anyhow::Error {
    let hint = decision.hint.clone().unwrap_or_else(|| "see `sandpiper route`".to_owned());
    let message = Decision { hint: None, ..decision }.to_string();
    Hinted { message: message.trim_end().to_owned(), hint }.into()
}
