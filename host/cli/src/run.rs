//! `sandpiper run`: makes a spec and a command of the arguments, runs them, prints the outcome.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use sandpiper::wall::{Terminal, Wall};
use sandpiper::{
    Access, Backend, BoxFuture, Clock, Engine, Exec, Exit, Image, Limits, Metering, Mount, Outcome, Running,
    Sandbox, Spec, Stdin, admit, collect,
};

use crate::arguments::{RunArguments, SandboxArguments, WallMode};
use crate::report::Hinted;
use crate::worktree_run::Kept;
use crate::{image, render, report, surroundings, wall};

/// Where the granted directory is, unless another place is named.
pub(crate) const WORKSPACE: &str = "/workspace";

/// 2000-01-01, the start of the virtual clock.
const VIRTUAL_START_NS: u64 = 946_684_800_000_000_000;

/// How long output may still take when the guest has ended: a reader that does not read would keep
/// the command alive beyond its deadline.
const DRAIN: Duration = Duration::from_secs(2);

const OUTPUT_LOST: &str = "the guest's output was lost";

pub(crate) fn run(arguments: &RunArguments) -> Result<ExitCode> {
    let json = arguments.json;
    match execute(arguments) {
        Ok(code) => Ok(code),
        Err(err) if json => {
            let error = serde_json::json!({ "message": report::text(&err), "hint": report::hint(&err) });
            render::line(&serde_json::json!({ "error": error }).to_string())?;
            Ok(ExitCode::from(report::REFUSED))
        }
        Err(err) => Err(err),
    }
}

fn execute(arguments: &RunArguments) -> Result<ExitCode> {
    let mut exec = exec(arguments)?;
    let mut kept = Kept::begin(&arguments.worktree)?;
    exec.cwd = exec.cwd.or_else(|| kept.as_ref().map(Kept::directory));
    exec.git = kept.as_ref().and_then(Kept::git);
    let directory = kept.as_ref().map(Kept::path);
    let ready = spec(&arguments.sandbox, directory, &Limits::default())
        .and_then(|spec| Ready::new(&spec, exec, arguments.sandbox.wall, Terminal::LeftAlone));
    let ready = match ready {
        Ok(ready) => ready,
        Err(err) => {
            kept.map_or(Ok(()), Kept::undo)?;
            return Err(err);
        }
    };
    let json = arguments.json;
    ready.run(async |running: Running, wall: &Wall| {
        let outcome = stop_at_interrupts(running, |running| drive(running, json)).await?;
        if !json {
            render::end(&outcome);
        }
        let worktree = kept.as_mut().map(|kept| kept.finish(outcome.exit.success(), json)).transpose()?;
        if json {
            render::line(&render::outcome_as_json(&outcome, wall, worktree.as_ref())?)?;
        }
        Ok(outcome)
    })
}

/// A sandbox and a command that is to run in it, with the wall up around this process.
pub(crate) struct Ready {
    runtime: tokio::runtime::Runtime,
    sandbox: Box<dyn Sandbox>,
    exec: Exec,
    wall: Wall,
}

impl Ready {
    /// Makes the sandbox, and loads what will run in it.
    pub(crate) fn new(spec: &Spec, exec: Exec, wall: WallMode, terminal: Terminal) -> Result<Self> {
        // Refused before an image is built for it.
        spec.check().map_err(sandpiper::Refusal::from).map_err(sandpiper::Error::from)?;
        exec.check().map_err(sandpiper::Error::from)?;
        let engine = image::engine_for(&spec.image)?;
        let folders = sandpiper::wall_folders(&engine, spec)?;
        let sandbox = prepare(&engine, spec, &exec)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let wall = wall::raise(wall, &folders, terminal)?;
        Ok(Self { runtime, sandbox, exec, wall })
    }

    /// Runs the command by `drive`; its exit code is that of this process.
    pub(crate) fn run(self, drive: impl AsyncFnOnce(Running, &Wall) -> Result<Outcome>) -> Result<ExitCode> {
        let Self { runtime, mut sandbox, exec, wall } = self;
        let code = runtime.block_on(async {
            let running = sandbox.spawn(exec).await?;
            let outcome = drive(running, &wall).await?;
            sandbox.close().await?;
            Ok(ExitCode::from(outcome.exit.code()))
        });
        // A read of standard input that nobody waits for any more must not keep the process.
        runtime.shutdown_background();
        code
    }
}

/// Makes the sandbox and loads what will run in it: all that takes files, and threads to compile.
/// When it returns, this thread is the process's only one, for which alone a wall may hold.
fn prepare(engine: &Engine, spec: &Spec, exec: &Exec) -> Result<Box<dyn Sandbox>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().context("cannot start the runtime")?;
    runtime.block_on(async {
        let capabilities = engine.capabilities(&spec.image);
        let admitted = admit(spec.clone(), engine.name(), capabilities).map_err(sandpiper::Error::from)?;
        let sandbox = engine.create(admitted).await?;
        engine.prepare_for(spec, exec).await?;
        Ok(sandbox)
    })
}

/// Ends the command at Ctrl-C.
async fn stop_at_interrupts<F: Future<Output = Result<Outcome>>>(
    running: Running,
    drive: impl FnOnce(Running) -> F,
) -> Result<Outcome> {
    let control = running.control().clone();
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        control.cancel();
        std::future::pending::<Result<Outcome>>().await
    };
    tokio::select! {
        outcome = drive(running) => outcome,
        outcome = interrupt => outcome,
    }
}

/// Runs the command to its end, and prints what it prints, or keeps it.
async fn drive(running: Running, keep: bool) -> Result<Outcome> {
    if keep {
        return Ok(collect(running).await?);
    }
    let (events, done, control) = running.split();
    printing(done, render::stream(events, &control)).await
}

/// Polls a command to its end, and what prints its output beside it.
pub(crate) async fn printing(
    mut done: BoxFuture<'static, Result<Outcome, sandpiper::Error>>,
    print: impl Future<Output = std::io::Result<()>>,
) -> Result<Outcome> {
    let mut print = std::pin::pin!(print);
    let mut printed = None;
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut done => break outcome,
            result = &mut print, if printed.is_none() => printed = Some(result),
        }
    };
    let printed = match printed {
        Some(printed) => printed,
        // What is still on its way; given up when nobody takes it.
        None => tokio::time::timeout(DRAIN, print).await.unwrap_or_else(|_| {
            Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "its reader does not read"))
        }),
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

fn exec(arguments: &RunArguments) -> Result<Exec> {
    let mut argv = arguments.command.clone();
    if let Some(script) = &arguments.script {
        argv.splice(..0, ["bash".to_owned(), "-c".to_owned(), script.clone()]);
    }
    if let Image::File(path) = &arguments.sandbox.image {
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
    Ok(Exec {
        argv,
        env: surroundings::variables(&arguments.sandbox.env)?,
        cwd: arguments.sandbox.cwd.clone(),
        stdin: stdin(),
        git: None,
    })
}

/// Standard input, as the guest asks for it.
pub(crate) fn stdin() -> Stdin {
    let stdin: Box<tokio::io::Stdin> = Box::new(tokio::io::stdin());
    if std::io::stdin().is_terminal() { Stdin::Terminal(stdin) } else { Stdin::Stream(stdin) }
}

/// The sandbox that is asked for, with a worktree as its workspace or none; `defaults` says what was left
/// open.
pub(crate) fn spec(arguments: &SandboxArguments, worktree: Option<&Path>, defaults: &Limits) -> Result<Spec> {
    let mut mounts = arguments.dirs.clone();
    match worktree {
        Some(path) => mounts.push(Mount::new(path, WORKSPACE, Access::ReadWrite)?.hiding_git()),
        None if mounts.is_empty() && !arguments.no_dir => {
            mounts.push(Mount::new(".", WORKSPACE, Access::ReadWrite)?);
        }
        None => {}
    }
    let limits = Limits {
        metering: if arguments.no_fuel { Metering::Deadline } else { Metering::Fuel },
        fuel: arguments.fuel.unwrap_or(defaults.fuel),
        wall: arguments.timeout.unwrap_or(defaults.wall),
        memory_bytes: arguments.memory,
        tmp_bytes: arguments.tmp,
        disk_bytes: arguments.disk,
        output_bytes: arguments.max_output.unwrap_or(defaults.output_bytes),
        processes: arguments.processes,
        ..defaults.clone()
    };
    let clock =
        if arguments.virtual_clock { Clock::Virtual { start_ns: VIRTUAL_START_NS } } else { Clock::Host };
    Ok(Spec { image: arguments.image.clone(), mounts, limits, clock, seed: arguments.seed })
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
        Exit::NotFound { command } => Some(format!("{command}: command not found in this image")),
        _ => None,
    }
}
