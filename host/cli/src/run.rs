//! `sandpiper run`: makes a spec and a command of the arguments, runs them, prints the outcome.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sandpiper::journal::Record;
use sandpiper::policy::{Backend, Resolved};
use sandpiper::routing::Decision;
use sandpiper::wall::{Terminal, Wall};
use sandpiper::{
    Access, Backend as _, BoxFuture, Capabilities, Captured, Clock, Engine, Exec, Exit, Image, Mount,
    Network, Outcome, Running, Sandbox, SandboxRef, Spec, Stdin, Usage, collect,
};

use crate::arguments::{BackendChoice, RunArguments, SandboxArguments, WallMode};
use crate::carrier::{self, Carrier};
use crate::elsewhere::{self, Journey};
use crate::interrupts::Interrupts;
use crate::journaled::{About, Journaled};
use crate::report::Hinted;
use crate::route::Asked;
use crate::touched::Own;
use crate::watched::{Onward, Watch};
use crate::worktree_run::Kept;
use crate::{consent, image, policy, render, report, route, runtime, wall};

/// Where the granted directory is, unless another place is named.
pub(crate) const WORKSPACE: &str = "/workspace";

/// 2000-01-01, the start of the virtual clock.
const VIRTUAL_START_NS: u64 = 946_684_800_000_000_000;

/// How long output may at least still take when the guest has ended.
const DRAIN: Duration = Duration::from_secs(2);

/// How long a command takes at most to end, when it was interrupted.
const TIME_TO_END: Duration = Duration::from_secs(5);

const OUTPUT_LOST: &str = "the guest's output was lost";

pub(crate) fn run(arguments: &RunArguments) -> Result<ExitCode> {
    if let Some(wanted) = &arguments.carry {
        return carrier::carry(arguments, wanted).map(|()| ExitCode::SUCCESS);
    }
    let json = arguments.json;
    report::or_as_json(json, execute(arguments))
}

fn execute(arguments: &RunArguments) -> Result<ExitCode> {
    let named = arguments.backend.and_then(BackendChoice::backend);
    let policy = policy::of_run(&arguments.sandbox, named, arguments.worktree.worktree)?;
    let argv = argv(arguments.script.as_deref(), &arguments.command, &arguments.sandbox.image)?;
    let exec = Exec { argv, cwd: arguments.sandbox.cwd.clone(), stdin: stdin(), ..Exec::default() };
    let mut kept = Kept::begin(&arguments.worktree)?;
    let begun = begin(arguments, &policy, exec, kept.as_ref());
    let json = arguments.json;
    let Here { ready, journaled, mut watch, is_advised } = match begun {
        Ok(Begun::Here(here)) => *here,
        Ok(Begun::Elsewhere(journey)) => {
            let arrived = journey.run();
            let succeeded = arrived.as_ref().is_ok_and(|arrived| arrived.outcome.exit.success());
            let worktree = kept.as_mut().map(|kept| kept.finish(succeeded, json)).transpose()?;
            return elsewhere::ended(&arrived?, worktree.as_ref(), json).map(ExitCode::from);
        }
        Err(err) => {
            kept.map_or(Ok(()), Kept::undo)?;
            return Err(err);
        }
    };
    let limits = policy.limits();
    ready.run(async |running: Running, wall: &Wall| {
        let mut interrupts = Interrupts::listen(None)?;
        let outcome = stop_at_interrupts(running, interrupts.clone(), async |running| match &mut watch {
            Some(watch) => watch.drive(running, json).await,
            None => drive(running, json, limits.wall).await,
        })
        .await;
        let (outcome, onward) = match (&watch, outcome) {
            (Some(watch), Ok(outcome)) => tokio::select! {
                biased;
                // Also while the person is asked.
                () = interrupts.next() => (Ok(Outcome { exit: Exit::Cancelled, ..outcome }), Onward::Over),
                onward = watch.onward(&outcome) => (Ok(outcome), onward),
            },
            (_, outcome) => (outcome, Onward::Over),
        };
        let last = match (&onward, &mut kept) {
            (Onward::To(decision, _), _) => vec![fallback(decision)],
            (_, Some(kept)) => changes(kept),
            (_, None) => Vec::new(),
        };
        let finished = journaled.finish(&last, outcome.as_ref().map(|outcome| (outcome, &limits)));
        match (onward, watch) {
            (Onward::To(decision, own), Some(watch)) => {
                finished?;
                return carry(watch, (&decision, own), &mut kept, json, interrupts).await;
            }
            (onward, watch) => {
                watch.map_or(Ok(()), Watch::release)?;
                finished?;
                if let Onward::Stuck(why) = onward {
                    kept.as_mut().map(|kept| kept.finish(false, json)).transpose()?;
                    return Err(why.into());
                }
            }
        }
        let outcome = outcome?;
        if !json {
            render::end(&outcome);
            if let Some(advice) = route::advice(&policy, &outcome).filter(|_| is_advised) {
                render::note(&advice);
            }
        }
        let worktree = kept.as_mut().map(|kept| kept.finish(outcome.exit.success(), json)).transpose()?;
        if json {
            render::line(&render::outcome_as_json(&outcome, Some(wall), worktree.as_ref())?)?;
        }
        Ok(outcome.exit.code())
    })
}

/// What a run has changed, to be written down before anybody else sees it.
fn changes(kept: &mut Kept) -> Vec<Record> {
    kept.changes().unwrap_or_else(|err| {
        render::note(&format!("the journal does not say what the run has changed: {}", report::text(&err)));
        Vec::new()
    })
}

/// Has a run done elsewhere that has met what is not here, and ends its worktree; the exit code.
async fn carry(
    watch: Watch<'_>,
    (decision, own): (&Decision, Own),
    kept: &mut Option<Kept>,
    json: bool,
    interrupts: Interrupts,
) -> Result<u8> {
    let carried = watch.carry((decision, own), json, interrupts).await;
    let succeeded = carried.as_ref().is_ok_and(|carried| carried.exit_code == 0);
    let worktree = kept.as_mut().map(|kept| kept.finish(succeeded, json)).transpose()?;
    let carried = carried?;
    if json {
        render::line(&elsewhere::with_worktree(&carried.printed, worktree.as_ref())?)?;
    }
    Ok(carried.exit_code)
}

fn fallback(decision: &Decision) -> Record {
    let to = decision.backend.clone().unwrap_or_default();
    Record::Fallback { from: Backend::Wasm.to_string(), to, because: decision.why.clone() }
}

/// A run where it was decided that it runs.
enum Begun<'a> {
    Here(Box<Here<'a>>),
    Elsewhere(Box<Journey<'a>>),
}

/// A run that begins here.
struct Here<'a> {
    ready: Ready,
    journaled: Journaled,
    watch: Option<Watch<'a>>,
    /// Whether it is said which backend has what it failed for: the person did not say that it is to be here.
    is_advised: bool,
}

/// Makes ready what was asked for, where it is to run.
fn begin<'a>(
    arguments: &RunArguments,
    policy: &'a Resolved,
    mut exec: Exec,
    kept: Option<&Kept>,
) -> Result<Begun<'a>> {
    exec.cwd = exec.cwd.or_else(|| kept.map(Kept::directory));
    exec.git = kept.and_then(Kept::git);
    let sandbox = &arguments.sandbox;
    let spec = spec(sandbox, policy, kept.map(Kept::path))?;
    exec.env = policy.plain_environment();
    let asked = Asked {
        exec: &exec,
        mounts: &spec.mounts,
        needs: arguments.needs.as_ref(),
        has_git: exec.git.is_some(),
    };
    let place = route::place(arguments.backend, policy, &asked)?;
    let task = kept.map(|_| arguments.worktree.task.clone());
    let is_named = arguments.backend.and_then(BackendChoice::backend).is_some();
    if place.backend != Backend::Wasm && !is_named {
        let because = place.decision.as_ref().map(|decision| decision.why.as_str());
        consent::ask(policy, place.backend, because)?;
    }
    if place.backend != Backend::Wasm {
        if exec.git.is_some() && route::uses_git(&asked) {
            render::note(&format!(
                "git on {} finds no repository: the worktree's is here, and a run here can use it",
                place.backend
            ));
        }
        exec.stdin = match exec.stdin {
            // As for a run that moves: few backends have a terminal for it.
            Stdin::Terminal(stdin) if !is_named => Stdin::Stream(stdin),
            stdin => stdin,
        };
        let (journal, json) = (sandbox.journal, arguments.json);
        return Ok(Begun::Elsewhere(Box::new(Journey {
            policy,
            backend: place.backend,
            because: place.decision.map(|decision| decision.why),
            exec: Exec { git: None, ..exec },
            spec,
            journal,
            task,
            json,
            caller: None,
        })));
    }
    let is_free = place.decision.is_some();
    // Of a run that could not be watched it was said why.
    let is_watched = place.decision.as_ref().is_some_and(|decision| route::is_watched(policy, decision));
    let mut watch = match place.decision {
        Some(decision) if is_watched => {
            let cwd = exec.cwd.as_deref().filter(|_| sandbox.cwd.is_none());
            let carrier = Carrier::start(kept.map(Kept::path), cwd)?;
            Watch::begin(policy, decision, carrier, &mut exec)?
        }
        _ => None,
    };
    let (env, secrets) = policy::variables(policy, Backend::Wasm)?;
    exec.env = env;
    let (ready, journaled) =
        Ready::new(&spec, exec, sandbox.wall, Terminal::LeftAlone, |exec, reference, capabilities| {
            let about = About {
                policy: policy.path().map(|path| path.display().to_string()),
                task,
                secrets,
                is_precious: kept.is_some(),
            };
            let mut journaled =
                Journaled::begin(sandbox.journal, (&spec, exec, place.backend.name()), about)?;
            journaled.note(&Record::SandboxCreated { sandbox: reference })?;
            if capabilities.tells_changes {
                // A worktree tells of its changes itself.
                journaled.follow_changes(&spec, kept.map(Kept::path), exec);
                if let Some(watch) = &mut watch {
                    watch.follow_changes(&spec, exec);
                }
            }
            Ok(journaled)
        })?;
    let is_advised = is_free && !is_watched;
    Ok(Begun::Here(Box::new(Here { ready, journaled, watch, is_advised })))
}

/// A sandbox and a command that is to run in it, with the wall up around this process.
pub(crate) struct Ready {
    runtime: tokio::runtime::Runtime,
    sandbox: Box<dyn Sandbox>,
    exec: Exec,
    wall: Wall,
}

impl Ready {
    /// Makes the sandbox, and loads what will run in it. `before` is called before the wall is up, with the
    /// command, the sandbox's name and what can be enforced; what it gives is given.
    pub(crate) fn new<T>(
        spec: &Spec,
        mut exec: Exec,
        wall: WallMode,
        terminal: Terminal,
        before: impl FnOnce(&mut Exec, SandboxRef, &Capabilities) -> Result<T>,
    ) -> Result<(Self, T)> {
        // Refused before an image is built for it.
        spec.check().map_err(sandpiper::Refusal::from).map_err(sandpiper::Error::from)?;
        exec.check().map_err(sandpiper::Error::from)?;
        let engine = image::engine_for(&spec.image)?;
        let folders = sandpiper::wall_folders(&engine, spec)?;
        let sandbox = prepare(&engine, spec, &exec)?;
        let runtime = runtime::new()?;
        let given = before(&mut exec, sandbox.reference(), &engine.capabilities(&spec.image))?;
        let wall = wall::raise(wall, &folders, terminal)?;
        Ok((Self { runtime, sandbox, exec, wall }, given))
    }

    /// Runs the command by `drive`, which gives the exit code of this process.
    pub(crate) fn run(self, drive: impl AsyncFnOnce(Running, &Wall) -> Result<u8>) -> Result<ExitCode> {
        let Self { runtime, sandbox, exec, wall } = self;
        let code = runtime.block_on(async {
            let running = sandbox.spawn(exec).await?;
            let code = drive(running, &wall).await?;
            sandbox.close().await?;
            Ok(ExitCode::from(code))
        });
        // A read of standard input that nobody waits for any more must not keep the process.
        runtime.shutdown_background();
        code
    }
}

/// Makes the sandbox and loads what will run in it: all that takes files, and threads to compile.
/// When it returns, this thread is the process's only one, for which alone a wall may hold.
fn prepare(engine: &Engine, spec: &Spec, exec: &Exec) -> Result<Box<dyn Sandbox>> {
    runtime::block_on(async {
        let sandbox = sandpiper::create(engine, spec.clone()).await?;
        engine.prepare_for(spec, exec).await?;
        Ok(sandbox)
    })
}

/// Ends the command where it is interrupted; then it is over, though somebody who reads what it prints does not.
pub(crate) async fn stop_at_interrupts(
    running: Running,
    mut interrupts: Interrupts,
    drive: impl AsyncFnOnce(Running) -> Result<Outcome>,
) -> Result<Outcome> {
    let control = running.control().clone();
    let interrupt = async {
        interrupts.next().await;
        control.cancel();
        tokio::time::sleep(TIME_TO_END).await;
        Ok(cancelled())
    };
    tokio::select! {
        outcome = drive(running) => outcome,
        outcome = interrupt => outcome,
    }
}

/// What a command is of which nothing more is known than that it was to end.
pub(crate) fn cancelled() -> Outcome {
    Outcome {
        exit: Exit::Cancelled,
        usage: Usage::default(),
        processes: Vec::new(),
        denials: Vec::new(),
        stdout: Captured::default(),
        stderr: Captured::default(),
    }
}

/// Runs the command to its end, and prints what it prints, or keeps it. `wall` is how long that may take.
pub(crate) async fn drive(running: Running, keep: bool, wall: Duration) -> Result<Outcome> {
    if keep {
        return Ok(collect(running).await?);
    }
    let (events, done, control) = running.split();
    printing(done, render::stream(events, &control), wall).await
}

/// Polls a command to its end, and what prints its output beside it. A reader of that output that does not read, such
/// as a pager, is waited for until the time for both is over: it would keep the process for good.
pub(crate) async fn printing(
    mut done: BoxFuture<'static, Result<Outcome, sandpiper::Error>>,
    print: impl Future<Output = std::io::Result<()>>,
    wall: Duration,
) -> Result<Outcome> {
    let started = Instant::now();
    let mut print = std::pin::pin!(print);
    let mut printed = None;
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut done => break outcome,
            result = &mut print, if printed.is_none() => printed = Some(result),
        }
    };
    let printed = if let Some(printed) = printed {
        printed
    } else {
        // What is still on its way; given up when nobody takes it.
        let left = wall.saturating_sub(started.elapsed()).max(DRAIN);
        tokio::time::timeout(left, print).await.unwrap_or_else(|_| {
            Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "its reader does not read"))
        })
    };
    let outcome = outcome?;
    match printed {
        // Whoever trusts the guest's own exit code has to hear of it.
        Err(err) if matches!(outcome.exit, Exit::Code { .. }) => Err(err).context(OUTPUT_LOST),
        Err(err) => {
            render::note(&format!("{OUTPUT_LOST}: {err}"));
            Ok(outcome)
        }
        Ok(()) => Ok(outcome),
    }
}

/// The arguments of the command that is asked for.
pub(crate) fn argv(script: Option<&str>, command: &[String], image: &Image) -> Result<Vec<String>> {
    let mut argv = command.to_vec();
    if let Some(script) = script {
        argv.splice(..0, ["bash".to_owned(), "-c".to_owned(), script.to_owned()]);
    }
    if let Image::File(path) = image {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        argv.insert(0, name.into_owned());
    }
    if argv.is_empty() {
        return Err(Hinted {
            message: "no command was given".to_owned(),
            hint: "put it after two dashes: sandpiper run -- python3 -c 'print(1)'".to_owned(),
        }
        .into());
    }
    Ok(argv)
}

/// Standard input, as the guest asks for it.
pub(crate) fn stdin() -> Stdin {
    let stdin: Box<tokio::io::Stdin> = Box::new(tokio::io::stdin());
    if std::io::stdin().is_terminal() { Stdin::Terminal(stdin) } else { Stdin::Stream(stdin) }
}

/// The sandbox that is asked for as it is here, where nobody reaches a network, with a worktree as its workspace or none.
pub(crate) fn spec(arguments: &SandboxArguments, policy: &Resolved, worktree: Option<&Path>) -> Result<Spec> {
    let mut mounts = policy.mounts();
    if let Some(path) = worktree {
        // It stands for the policy's; one of the command line beside it is a mistake that is told.
        mounts.retain(|mount| mount.guest.as_str() != WORKSPACE || arguments.dirs.contains(mount));
        mounts.push(Mount::new(path, WORKSPACE, Access::ReadWrite)?.hiding_git());
    }
    let clock =
        if arguments.virtual_clock { Clock::Virtual { start_ns: VIRTUAL_START_NS } } else { Clock::Host };
    Ok(Spec {
        image: arguments.image.clone(),
        mounts,
        limits: policy.limits(),
        clock,
        seed: arguments.seed,
        ..Spec::default()
    })
}

/// What the policy lets commands reach on machines that have a network.
pub(crate) fn network(policy: &Resolved) -> Network {
    let rules = policy.network();
    match () {
        () if rules.is_none() => Network::Nothing,
        () if rules.is_everything() => Network::Everything,
        () => Network::Rules {
            allow: rules.allow.iter().map(ToString::to_string).collect(),
            deny: rules.deny.iter().map(ToString::to_string).collect(),
        },
    }
}

/// What the exit of a guest means, for a person at the terminal; nothing where the guest ended by
/// itself.
pub(crate) fn explanation(exit: &Exit) -> Option<String> {
    match exit {
        Exit::Timeout => Some("the wall-clock limit was reached (--timeout)".to_owned()),
        Exit::Fuel => Some("the fuel was used up (--fuel)".to_owned()),
        Exit::Memory => Some("the guest needed more memory than the limit (--memory)".to_owned()),
        Exit::Quota { quota: sandpiper::Quota::Output } => {
            Some("the output limit was reached (--max-output)".to_owned())
        }
        Exit::Quota { quota: sandpiper::Quota::Disk } => {
            Some("the disk limit was reached (--disk)".to_owned())
        }
        Exit::Signal { signal } => Some(format!("the guest was ended by signal {signal}")),
        Exit::Trap { trap } => Some(format!("the guest trapped: {trap:?}")),
        Exit::NotRunnable { command, reason } if command.contains('/') => {
            Some(format!("{command}: {reason} (a Python script runs as: python3 {command})"))
        }
        Exit::NotRunnable { command, reason } => Some(format!("{command}: {reason}")),
        Exit::Unsupported { operation, subject } => {
            Some(format!("the guest needs what this sandbox does not offer: {operation} ({subject})"))
        }
        Exit::NotFound { command } => Some(format!("{command}: command not found in this image")),
        _ => None,
    }
}
