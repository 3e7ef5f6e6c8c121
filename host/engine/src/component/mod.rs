//! Components: WASI 0.2 commands, served by wasmtime-wasi under the kernel's mounts, clocks, randomness
//! and quotas.
//!
//! wasmtime-wasi brings the resources, the path sandbox and the shape of each interface. What it would
//! decide by itself is decided here in front of it: nothing is ever written (`files`), output goes through
//! the quota (`streams`), times and randomness are the sandbox's (`clocks`, `random`), and there is no
//! network (`sockets`). None of this starts a thread: a wall that was raised holds for all there is.

mod clocks;
mod files;
mod random;
mod sockets;
mod streams;

use std::fs::File;
use std::sync::Arc;

use sandpiper_core::{Control, DenialReason, Error, Event, Limits, Stdin};
use sandpiper_kernel::{Input, OutputQueue, Stop, World};
use tokio::sync::mpsc::Sender;
use wasmtime::Store;
use wasmtime::component::{Linker, ResourceTable, ResourceTableError};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::p2::bindings::{self as wasi, CommandPre};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_io::IoView;

use crate::classify::{Misuse, Stopped};
use crate::limiter::Parts;
use crate::store::{Guest, State};

/// Most instances of modules that a component is made of: toolchains make three or four.
pub(crate) const MAX_INSTANCES: usize = 256;
/// Most memories, each of which takes four gibibytes of addresses; toolchains make one.
const MAX_MEMORIES: usize = 16;
/// Most bytes that the host copies out of a guest in one call. A write passes 4 KiB, a path less.
const MAX_CALL_BYTES: usize = 16 << 20;
/// Most handles that a guest holds, those of its own resources included; 32 bytes of the host each.
const MAX_HANDLES: usize = 100_000;

/// A guest that is a component, with what its imports work on.
pub(crate) struct Command {
    world: Arc<World>,
    wasi: WasiCtx,
    table: ResourceTable,
    /// The mounts, by their guest paths.
    directories: Vec<(String, Arc<File>)>,
    /// Listings of directories that are open.
    listings: usize,
    timers: clocks::Timers,
    stdout: Arc<OutputQueue>,
    stderr: Arc<OutputQueue>,
}

/// What a command is started with.
pub(crate) struct Start {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: String,
    pub(crate) stdin: Stdin,
}

impl Command {
    /// A guest that has not begun.
    ///
    /// # Errors
    /// [`Error::Host`] when a mount cannot be opened once more.
    pub(crate) fn new(
        world: Arc<World>,
        limits: &Limits,
        start: Start,
        events: Sender<Event>,
        control: Control,
    ) -> Result<Self, Error> {
        let directories = world.host_directories().map_err(|err| Error::Host {
            context: "cannot open the mounts for a component".to_owned(),
            source: err.into(),
        })?;
        let [stdout, stderr] = OutputQueue::both(events, control, &world).map(Arc::new);
        let input = Arc::new(Input::new(start.stdin));
        let wasi = WasiCtx::builder()
            .args(&start.argv)
            .envs(&start.env)
            .initial_cwd(&start.cwd)
            .stdin(streams::Stdin::new(input, Arc::clone(&world)))
            .stdout(streams::Stdout::new(Arc::clone(&stdout)))
            .stderr(streams::Stdout::new(Arc::clone(&stderr)))
            .wall_clock(clocks::WallClock::new(Arc::clone(&world)))
            .allow_blocking_current_thread(true)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let mut table = ResourceTable::new();
        // A file that is open has an entry here at least, its own or its stream's.
        table.set_max_capacity(usize::try_from(limits.descriptors).unwrap_or(usize::MAX));
        Ok(Self {
            world,
            wasi,
            table,
            directories: directories.into_iter().map(|(path, file)| (path, Arc::new(file))).collect(),
            listings: 0,
            timers: clocks::Timers::default(),
            stdout,
            stderr,
        })
    }
}

impl Guest for Command {
    const PARTS: Parts = Parts { instances: MAX_INSTANCES, memories: MAX_MEMORIES };
    const HOOKED: bool = true;
    const MAX_CALL_BYTES: usize = MAX_CALL_BYTES;
    const MAX_HANDLES: usize = MAX_HANDLES;
}

impl WasiView for State<Command> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.guest.wasi, table: &mut self.guest.table }
    }
}

impl IoView for State<Command> {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.guest.table
    }
}

/// A linker with everything that a component may import.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State<Command>>> {
    let mut linker = Linker::new(engine);
    let to = &mut linker;
    wasmtime_wasi_io::add_to_linker_async(to)?;
    wasi::cli::environment::add_to_linker::<_, WasiCli>(to, State::cli)?;
    wasi::cli::exit::add_to_linker::<_, WasiCli>(to, State::cli)?;
    wasi::cli::stdin::add_to_linker::<_, WasiCli>(to, State::cli)?;
    wasi::cli::stdout::add_to_linker::<_, WasiCli>(to, State::cli)?;
    wasi::cli::stderr::add_to_linker::<_, WasiCli>(to, State::cli)?;
    wasi::cli::terminal_input::add_to_linker::<_, WasiCli>(to, State::cli)?;
    wasi::cli::terminal_output::add_to_linker::<_, WasiCli>(to, State::cli)?;
    wasi::cli::terminal_stdin::add_to_linker::<_, WasiCli>(to, State::cli)?;
    wasi::cli::terminal_stdout::add_to_linker::<_, WasiCli>(to, State::cli)?;
    wasi::cli::terminal_stderr::add_to_linker::<_, WasiCli>(to, State::cli)?;
    wasi::clocks::wall_clock::add_to_linker::<_, WasiClocks>(to, State::clocks)?;
    wasi::clocks::monotonic_clock::add_to_linker::<_, clocks::Clocks>(to, clocks::view)?;
    wasi::filesystem::preopens::add_to_linker::<_, files::Files>(to, files::view)?;
    wasi::filesystem::types::add_to_linker::<_, files::Files>(to, files::view)?;
    wasi::random::random::add_to_linker::<_, random::Random>(to, random::view)?;
    wasi::random::insecure::add_to_linker::<_, random::Random>(to, random::view)?;
    wasi::random::insecure_seed::add_to_linker::<_, random::Random>(to, random::view)?;
    // No socket is ever made, so what works on sockets cannot be called.
    let options = wasi::sockets::network::LinkOptions::default();
    wasi::sockets::network::add_to_linker::<_, WasiSockets>(to, &options, State::sockets)?;
    wasi::sockets::instance_network::add_to_linker::<_, WasiSockets>(to, State::sockets)?;
    wasi::sockets::tcp::add_to_linker::<_, WasiSockets>(to, State::sockets)?;
    wasi::sockets::udp::add_to_linker::<_, WasiSockets>(to, State::sockets)?;
    wasi::sockets::tcp_create_socket::add_to_linker::<_, sockets::Sockets>(to, sockets::view)?;
    wasi::sockets::udp_create_socket::add_to_linker::<_, sockets::Sockets>(to, sockets::view)?;
    wasi::sockets::ip_name_lookup::add_to_linker::<_, sockets::Sockets>(to, sockets::view)?;
    Ok(linker)
}

/// Runs a component to its end.
///
/// # Errors
/// [`Stopped`] for a status other than 0 and for quotas, [`wasmtime::Trap`], [`Misuse`] for anything else.
pub(crate) async fn run(
    command: &CommandPre<State<Command>>,
    store: &mut Store<State<Command>>,
) -> wasmtime::Result<()> {
    let ended = async {
        let command = command.instantiate_async(&mut *store).await?;
        command.wasi_cli_run().call_run(&mut *store).await
    };
    let ended = ended.await;
    let Command { stdout, stderr, world, .. } = &store.data().guest;
    let (stdout, stderr, world) = (Arc::clone(stdout), Arc::clone(stderr), Arc::clone(world));
    stdout.drain().await;
    stderr.drain().await;
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(())) => Err(Stopped(Stop::Exit(1)).into()),
        Err(err) => Err(classified(err, &world)),
    }
}

fn classified(err: wasmtime::Error, world: &World) -> wasmtime::Error {
    if let Some(I32Exit(status)) = err.downcast_ref() {
        // A component gives a byte, or success and failure.
        let [low, ..] = status.to_le_bytes();
        return Stopped(Stop::Exit(low)).into();
    }
    if err.downcast_ref::<Stopped>().is_some() || err.downcast_ref::<wasmtime::Trap>().is_some() {
        return err;
    }
    if let Some(ResourceTableError::Full) = err.downcast_ref() {
        world.deny("resource", "", DenialReason::DescriptorLimit);
    }
    Misuse(format!("{err:#}")).into()
}
