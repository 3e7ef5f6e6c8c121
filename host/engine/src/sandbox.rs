//! A sandbox of this process: a world of the kernel, and the commands that run in it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sandpiper_core::{
    BoxFuture, Captured, Control, Error, Exec, Exit, Files, GuestPath, Limits, Outcome, Quota, Refusal,
    Running, Sandbox, SandboxRef, Signalled, Spec, Usage,
};
use sandpiper_kernel::{Found, Process, World};
use tokio::sync::{mpsc, watch};

use crate::budget::Memory;
use crate::classify::classify;
use crate::component::{self, Command};
use crate::engine::{Engine, NAME, Program};
use crate::files::LocalFiles;
use crate::group::Group;
use crate::image::{Kind, Loaded, Start};
use crate::store::{Grant, State, new_store};
use crate::supervise::{End, supervise};

/// Output events that may wait for their reader; with 64 KiB each, 1 MiB at most.
const EVENTS_WAITING: usize = 16;

/// The variables that every command gets, before the image's and its own. A component has no home, and
/// no programs beside itself.
const ENVIRONMENT: [(&str, &str); 3] = [("PATH", "/usr/bin"), ("HOME", "/home/user"), ("LANG", "C.UTF-8")];
const ENVIRONMENT_OF_COMPONENTS: [(&str, &str); 1] = [("LANG", "C.UTF-8")];

pub(crate) struct LocalSandbox {
    engine: Engine,
    program: Arc<Program>,
    spec: Spec,
    id: u64,
    /// None once it is closed.
    open: Mutex<Option<Open>>,
}

/// What a sandbox has until it is closed.
struct Open {
    world: Arc<World>,
    /// Dropped with it, by which commands and files learn of the end.
    life: watch::Sender<()>,
}

impl LocalSandbox {
    pub(crate) fn new(engine: Engine, program: Arc<Program>, spec: Spec) -> Result<Self, Error> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let world = World::new(&spec, Arc::clone(&program.system))?;
        let open = Mutex::new(Some(Open { world, life: watch::Sender::new(()) }));
        Ok(Self { engine, program, spec, id: NEXT_ID.fetch_add(1, Ordering::Relaxed), open })
    }

    fn open(&self) -> Option<(Arc<World>, watch::Receiver<()>)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|open| (Arc::clone(&open.world), open.life.subscribe()))
    }

    async fn start(&self, exec: Exec) -> Result<Running, Error> {
        exec.check()?;
        let (world, life) = self.open().ok_or_else(|| Error::Gone { reference: self.reference() })?;
        let (events, received) = mpsc::channel(EVENTS_WAITING);
        let control = Control::default();
        let mut argv = exec.argv;
        let mut command = argv.first().cloned().unwrap_or_default();
        let cwd = exec.cwd.clone().unwrap_or_else(|| self.default_cwd());
        if !self.shows(&cwd) || world.find(&cwd) != Some(Found::Directory) {
            let what = format!("the working directory {cwd} is not a directory in the sandbox");
            return Err(Error::Refused(Refusal::Exec { what }));
        }
        let own: Vec<(String, String)> = self.spec.env.iter().cloned().chain(exec.env).collect();
        let mut selected = self.program.select(&command, &argv, &own);
        if selected.is_none()
            && let Some(script) = script(&world, &command, &cwd)
        {
            argv.splice(..1, script.interpreter);
            selected = self.program.select(&script.command, &argv, &own);
            command = script.command;
        }
        let Some(selected) = selected else {
            let outcome = not_run(why_not_run(&world, &command, &cwd));
            return Ok(Running::new(received, Box::pin(async { Ok(outcome) }), control));
        };
        let loaded = self.engine.load(&self.program, selected, self.spec.limits.metering).await?;
        check_fits(&loaded, &self.spec.limits)?;
        self.engine.tick(&loaded, self.spec.limits.metering);
        let image = &self.program.source.env;
        let limits = self.spec.limits.clone();
        let done: BoxFuture<'static, Result<Outcome, Error>> = match &loaded.start {
            Start::Module(_) => {
                let env = environment(&ENVIRONMENT, image, own, &cwd);
                let mut process =
                    Process::new(Arc::clone(&world), &argv, &env, exec.stdin, events, control.clone())?;
                process.set_start(&command, &cwd);
                process.set_git(exec.git);
                process.set_changes(exec.changes);
                if exec.stop_at_unsupported {
                    process.stop_at_unsupported();
                }
                let run = Run { loaded, limits, world };
                let program = Arc::clone(&self.program);
                Box::pin(run.module(self.engine.clone(), program, process, control.clone()))
            }
            Start::Component(_) if exec.changes.is_some() => {
                return Err(Error::Unsupported {
                    backend: NAME.to_owned(),
                    operation: "tell of changes of a component before they are made",
                });
            }
            Start::Component(_) => {
                let env = environment(&ENVIRONMENT_OF_COMPONENTS, image, own, &cwd);
                let start = component::Start { argv, env, cwd, stdin: exec.stdin };
                let guest = Command::new(Arc::clone(&world), &limits, start, events, control.clone())?;
                let run = Run { loaded, limits, world };
                Box::pin(run.component(guest, control.clone()))
            }
            Start::Nothing(reason) => {
                let exit = Exit::NotRunnable { command, reason: reason.clone() };
                Box::pin(async { Ok(not_run(exit)) })
            }
        };
        let done = Box::pin(ended_with(life, control.clone(), done));
        Ok(Running::new(received, done, control))
    }

    /// Whether the guest can reach a directory of the world: a component has the mounts alone.
    fn shows(&self, path: &str) -> bool {
        let mounts = &self.spec.mounts;
        self.program.kind == Kind::Module
            || path == "/"
            || path.parse::<GuestPath>().is_ok_and(|path| {
                mounts.iter().any(|mount| path == mount.guest || path.is_below(&mount.guest))
            })
    }

    fn default_cwd(&self) -> String {
        const WORKSPACE: &str = "/workspace";
        let mounted = self.spec.mounts.iter().any(|mount| mount.guest.as_str() == WORKSPACE);
        if mounted { WORKSPACE } else { "/" }.to_owned()
    }
}

impl Sandbox for LocalSandbox {
    fn reference(&self) -> SandboxRef {
        SandboxRef::new(NAME, self.id.to_string())
    }

    fn spawn(&self, exec: Exec) -> BoxFuture<'_, Result<Running, Error>> {
        Box::pin(self.start(exec))
    }

    fn files(&self) -> Arc<dyn Files> {
        Arc::new(LocalFiles::new(self.open()))
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(open);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Polls a command to its end, which is that of its sandbox at the latest.
async fn ended_with(
    mut life: watch::Receiver<()>,
    control: Control,
    done: BoxFuture<'static, Result<Outcome, Error>>,
) -> Result<Outcome, Error> {
    let closed = async {
        // Nothing is ever sent: it fails when the sandbox is gone.
        while life.changed().await.is_ok() {}
        control.cancel();
        std::future::pending().await
    };
    tokio::select! {
        biased;
        outcome = done => outcome,
        outcome = closed => outcome,
    }
}

/// A script that is named as the command, by the interpreter of its first line (`execve(2)`).
struct Script {
    command: String,
    /// What takes the place of the first argument.
    interpreter: Vec<String>,
}

fn script(world: &World, command: &str, cwd: &str) -> Option<Script> {
    let executable = command.contains('/').then(|| world.executable(cwd, command))??;
    let words = executable.interpreter.into_iter().map(String::from_utf8);
    let interpreter: Vec<String> = words.collect::<Result<_, _>>().ok()?;
    // What is found without one is a command of the image by another path.
    (!interpreter.is_empty()).then(|| Script { command: executable.command.into(), interpreter })
}

/// Why a command that the image does not offer cannot be run, as bash tells the two apart.
fn why_not_run(world: &World, command: &str, cwd: &str) -> Exit {
    let path = if command.starts_with('/') { command.to_owned() } else { format!("{cwd}/{command}") };
    let command = command.to_owned();
    if command.contains('/') && world.find(&path).is_some() {
        Exit::NotRunnable { command, reason: "is no program of this image".to_owned() }
    } else {
        Exit::NotFound { command }
    }
}

/// What a run needs besides its guest.
struct Run {
    loaded: Arc<Loaded>,
    limits: Limits,
    world: Arc<World>,
}

impl Run {
    async fn module(
        self,
        engine: Engine,
        program: Arc<Program>,
        process: Process,
        control: Control,
    ) -> Result<Outcome, Error> {
        let start = Instant::now();
        let (world, limits) = (Arc::clone(&self.world), self.limits.clone());
        let first = process.process_id();
        let (group, births) = Group::new(engine, program, world, limits, first);
        let work = group.run(process, Arc::clone(&self.loaded), births);
        let work = async {
            tokio::select! {
                biased;
                exit = work => exit,
                () = control.signalled(|signalled| self.send(first, signalled)) => std::future::pending().await,
            }
        };
        let (end, cpu) = supervise(work, start + self.limits.wall, &control).await;
        let exit = match end {
            End::Finished(exit) => exit?,
            End::Deadline => Exit::Timeout,
            End::Cancelled => Exit::Cancelled,
        };
        let fuel = group.fuel.used();
        let (processes, listed) = group.records.told(fuel.is_some());
        let mut outcome = self.outcome(exit, fuel, group.memory.peak(), start, cpu);
        outcome.usage.processes = processes;
        outcome.processes = listed;
        Ok(outcome)
    }

    async fn component(self, guest: Command, control: Control) -> Result<Outcome, Error> {
        let Start::Component(command) = &self.loaded.start else { return Err(another_start()) };
        let start = Instant::now();
        let memory = Arc::new(Memory::new(&self.limits));
        let grant = Grant { fuel: self.limits.fuel, memory: Arc::clone(&memory) };
        let mut store = new_store(&self.loaded.engine, guest, &self.limits, grant)?;
        let work = component::run(command, &mut store);
        let (end, cpu) = supervise(work, start + self.limits.wall, &control).await;
        let left = store.get_fuel().ok();
        let State { limiter, .. } = store.data();
        let exit = classify(end, limiter, left)?;
        limiter.record_refusals(&self.world);
        let fuel = left.map(|left| self.limits.fuel.saturating_sub(left));
        Ok(self.outcome(exit, fuel, memory.peak(), start, cpu))
    }

    fn send(&self, first: u32, signalled: Signalled) {
        match signalled {
            Signalled::Interrupt => self.world.interrupt(first),
            Signalled::Signal(signal) => self.world.signal(first, signal),
        }
    }

    fn outcome(
        &self,
        exit: Exit,
        fuel: Option<u64>,
        peak_memory_bytes: u64,
        start: Instant,
        cpu: Duration,
    ) -> Outcome {
        let world = &self.world;
        let usage = Usage {
            fuel,
            wall_ms: milliseconds(start.elapsed()),
            cpu_ms: milliseconds(cpu),
            peak_memory_bytes,
            bytes_read: world.bytes_read(),
            bytes_written: world.bytes_written(),
            processes: 1,
        };
        let cut = exit == Exit::Quota { quota: Quota::Output };
        Outcome {
            exit,
            usage,
            processes: Vec::new(),
            denials: world.take_denials(),
            stdout: Captured { bytes: Vec::new(), cut },
            stderr: Captured { bytes: Vec::new(), cut },
        }
    }
}

/// A bug of the host: what is started is looked at just before.
fn another_start() -> Error {
    Error::Host { context: "cannot start the guest".to_owned(), source: "it is of another kind".into() }
}

/// Refuses limits below what the image starts with: a run could only fail.
fn check_fits(loaded: &Loaded, limits: &Limits) -> Result<(), Error> {
    let refuse = |what: String| Err(Error::Refused(Refusal::Exec { what }));
    if loaded.minimum_memory_bytes > limits.memory_bytes {
        return refuse(format!(
            "the memory limit is {} bytes, but the image starts with {} bytes",
            limits.memory_bytes, loaded.minimum_memory_bytes
        ));
    }
    if loaded.minimum_table_elements > u64::from(limits.table_elements) {
        return refuse(format!(
            "the limit of table elements is {}, but the image starts with {}",
            limits.table_elements, loaded.minimum_table_elements
        ));
    }
    Ok(())
}

fn environment(
    general: &[(&str, &str)],
    image: &[(String, String)],
    own: Vec<(String, String)>,
    cwd: &str,
) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = Vec::with_capacity(general.len() + image.len() + own.len() + 1);
    let general = general.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let pwd = ("PWD".to_owned(), cwd.to_owned());
    for (name, value) in general.chain(image.iter().cloned()).chain(own).chain([pwd]) {
        match env.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => env.push((name, value)),
        }
    }
    env
}

fn not_run(exit: Exit) -> Outcome {
    Outcome {
        exit,
        usage: Usage::default(),
        processes: Vec::new(),
        denials: Vec::new(),
        stdout: Captured::default(),
        stderr: Captured::default(),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
