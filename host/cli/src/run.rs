//! `sandpiper run`: makes a spec and a command of the arguments, runs them, prints the outcome.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use sandpiper::wall::Wall;
use sandpiper::{
    Access, Backend, Clock, Engine, Exec, Exit, Image, Limits, Metering, Mount, Outcome, Sandbox, Spec,
    Stdin, admit, collect,
};

use crate::arguments::RunArguments;
use crate::report::Hinted;
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
    let exec = exec(arguments)?;
    let spec = spec(arguments)?;
    // Refused before an image is built for it.
    spec.check().map_err(sandpiper::Refusal::from).map_err(sandpiper::Error::from)?;
    exec.check().map_err(sandpiper::Error::from)?;
    let engine = image::engine_for(&spec.image)?;
    let folders = sandpiper::wall_folders(&engine, &spec)?;
    let sandbox = prepare(&engine, &spec, &exec)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let wall = wall::raise(arguments.wall, &folders)?;
    let code = runtime.block_on(drive(sandbox, exec, arguments.json.then_some(&wall)));
    // A read of standard input that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    code
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

/// Runs the command; with a wall to tell of, the outcome is printed as JSON.
async fn drive(mut sandbox: Box<dyn Sandbox>, exec: Exec, json: Option<&Wall>) -> Result<ExitCode> {
    let running = sandbox.spawn(exec).await?;
    let control = running.control().clone();
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        control.cancel();
        std::future::pending::<Result<Outcome>>().await
    };
    let outcome = async {
        if json.is_some() {
            return anyhow::Ok(collect(running).await?);
        }
        let (events, mut done, control) = running.split();
        let mut print = std::pin::pin!(render::stream(events, &control));
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
    };
    let outcome = tokio::select! {
        outcome = outcome => outcome?,
        outcome = interrupt => outcome?,
    };
    sandbox.close().await?;
    match json {
        Some(wall) => render::line(&render::outcome_as_json(&outcome, wall)?)?,
        None => render::end(&outcome),
    }
    Ok(ExitCode::from(outcome.exit.code()))
}

fn exec(arguments: &RunArguments) -> Result<Exec> {
    let mut argv = arguments.command.clone();
    if let Some(script) = &arguments.script {
        argv.splice(..0, ["bash".to_owned(), "-c".to_owned(), script.clone()]);
    }
    if let Image::File(path) = &arguments.image {
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
    let stdin: Box<tokio::io::Stdin> = Box::new(tokio::io::stdin());
    let terminal = std::io::stdin().is_terminal();
    Ok(Exec {
        argv,
        env: surroundings::variables(&arguments.env)?,
        cwd: arguments.cwd.clone(),
        stdin: if terminal { Stdin::Terminal(stdin) } else { Stdin::Stream(stdin) },
    })
}

fn spec(arguments: &RunArguments) -> Result<Spec> {
    let mounts = if arguments.dirs.is_empty() && !arguments.no_dir {
        vec![Mount::new(".", WORKSPACE, Access::ReadWrite)?]
    } else {
        arguments.dirs.clone()
    };
    let limits = Limits {
        metering: if arguments.no_fuel { Metering::Deadline } else { Metering::Fuel },
        fuel: arguments.fuel.unwrap_or(Limits::default().fuel),
        wall: arguments.timeout,
        memory_bytes: arguments.memory,
        tmp_bytes: arguments.tmp,
        disk_bytes: arguments.disk,
        output_bytes: arguments.max_output,
        processes: arguments.processes,
        ..Limits::default()
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
