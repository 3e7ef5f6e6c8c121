//! The processes of one command: each an instance of its own, run by turns, under one budget.
//!
//! They run on one thread, in the order in which they became ready, so that what they do does not
//! depend on the machine. When the first of them ends, the others are ended with it.

use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::Poll;

use futures_util::stream::{FuturesUnordered, Stream};
use sandpiper_core::{BoxFuture, Error, Exit, Limits, Trap};
use sandpiper_kernel::{Process, Signal, Status, World};
use wasmtime::{Store, TypedFunc};

use crate::budget::{Fuel, Memory, Meter};
use crate::classify::classify;
use crate::engine::{Engine, Program};
use crate::image::{ENTRY_POINT, Loaded, Start};
use crate::limiter::Parts;
use crate::records::Records;
use crate::stillness::Stillness;
use crate::store::{Grant, Guest, State, new_store};
use crate::supervise::End;

/// Ends of processes that are taken before the supervisor looks at the clock.
const ENDS_PER_POLL: usize = 64;

/// What the processes of a command have in common.
pub(crate) struct Group {
    pub(crate) engine: Engine,
    pub(crate) program: Arc<Program>,
    pub(crate) world: Arc<World>,
    pub(crate) limits: Limits,
    /// The number of the process that the host started.
    first: u32,
    pub(crate) fuel: Fuel,
    pub(crate) memory: Arc<Memory>,
    pub(crate) records: Records,
    pub(crate) stillness: Stillness,
    /// New processes. The kernel's limit of processes bounds how many wait here.
    births: mpsc::Sender<Run>,
}

/// A process as it runs: ready with how it ended.
pub(crate) type Run = BoxFuture<'static, Result<Ended, Error>>;

pub(crate) struct Ended {
    pid: u32,
    exit: Exit,
}

impl Group {
    /// Runs a process, and those that it makes, to its end. `loaded` is the module of its command.
    ///
    /// # Errors
    /// [`Error::Host`] for what no guest can cause.
    pub(crate) async fn run(
        self: &Arc<Self>,
        first: Process,
        loaded: Arc<Loaded>,
        births: mpsc::Receiver<Run>,
    ) -> Result<Exit, Error> {
        let mut running: FuturesUnordered<Run> = FuturesUnordered::new();
        running.push(Box::pin(Arc::clone(self).run_program(first, loaded)));
        std::future::poll_fn(move |context| {
            for _ in 0..ENDS_PER_POLL {
                running.extend(births.try_iter());
                match pin!(&mut running).poll_next(context) {
                    Poll::Ready(Some(Ok(ended))) => {
                        let all =
                            matches!(ended.exit, Exit::Fuel | Exit::Quota { .. } | Exit::Unsupported { .. });
                        if all || ended.pid == self.first {
                            return Poll::Ready(Ok(ended.exit));
                        }
                    }
                    Poll::Ready(Some(Err(err))) => return Poll::Ready(Err(err)),
                    Poll::Ready(None) | Poll::Pending => break,
                }
            }
            if self.fuel.is_used_up() {
                return Poll::Ready(Ok(Exit::Fuel));
            }
            // What was born in this poll is run in the next, or processes that make processes would keep
            // the supervisor from looking at the clock.
            let before = running.len();
            running.extend(births.try_iter());
            if running.len() > before {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }

    /// What is to be run for a new group, and where its processes come in.
    pub(crate) fn new(
        engine: Engine,
        program: Arc<Program>,
        world: Arc<World>,
        limits: Limits,
        first: u32,
    ) -> (Arc<Self>, mpsc::Receiver<Run>) {
        let (births, received) = mpsc::channel();
        let fuel = Fuel::new(&limits);
        let memory = Arc::new(Memory::new(&limits));
        let records = Records::default();
        let stillness = Stillness::default();
        let group = Self { engine, program, world, limits, first, fuel, memory, records, stillness, births };
        (Arc::new(group), received)
    }

    /// Has a process run that another has spawned.
    pub(crate) fn spawn(self: &Arc<Self>, process: Process) {
        let group = Arc::clone(self);
        self.bear(async move {
            let (arguments, environment) = (process.arguments(), process.environment());
            let selected = group
                .program
                .select(process.process_command(), &arguments, &environment)
                .ok_or_else(another_kind)?;
            let loaded = group.engine.load(&group.program, selected, group.limits.metering).await?;
            group.run_program(process, loaded).await
        });
    }

    /// Has a forked process run, whose memory is made.
    pub(crate) fn fork(self: &Arc<Self>, store: Store<State>, entry: TypedFunc<u32, ()>, argument: u32) {
        let group = Arc::clone(self);
        self.bear(group.run_forked(store, entry, argument));
    }

    fn bear(&self, run: impl Future<Output = Result<Ended, Error>> + Send + 'static) {
        // Without a receiver the command has ended, and this process with it.
        let _ = self.births.send(Box::pin(run));
    }

    async fn run_program(self: Arc<Self>, process: Process, loaded: Arc<Loaded>) -> Result<Ended, Error> {
        let Start::Module(pre) = &loaded.start else { return Err(another_kind()) };
        let mut store = self.store(process, &loaded)?;
        let watch = Watch::of(&store);
        let work = async {
            let instance = pre.instantiate_async(&mut store).await?;
            store.data_mut().memory = instance.get_memory(&mut store, crate::bindings::MEMORY);
            let entry = instance.get_typed_func::<(), ()>(&mut store, ENTRY_POINT)?;
            entry.call_async(&mut store, ()).await
        };
        let end = self.by_turns(work, watch).await;
        self.conclude(&store, end)
    }

    async fn run_forked(
        self: Arc<Self>,
        mut store: Store<State>,
        entry: TypedFunc<u32, ()>,
        argument: u32,
    ) -> Result<Ended, Error> {
        let watch = Watch::of(&store);
        let work = entry.call_async(&mut store, argument);
        let end = self.by_turns(work, watch).await;
        self.conclude(&store, end)
    }

    /// A store for a process of a module.
    pub(crate) fn store(
        self: &Arc<Self>,
        mut process: Process,
        loaded: &Arc<Loaded>,
    ) -> Result<Store<State>, Error> {
        process.place_root(loaded.knows_processes);
        self.engine.tick(loaded, self.limits.metering);
        let meter = self.fuel.meter();
        let grant = Grant { fuel: meter.given(), memory: Arc::clone(&self.memory) };
        let group = Some((Arc::clone(self), Arc::clone(loaded)));
        let member = Member { process, meter, group };
        let store = new_store(&loaded.engine, member, &self.limits, grant)?;
        let State { guest: Member { process, meter, .. }, limiter, .. } = store.data();
        self.records.start(process, meter, limiter.memory_held());
        Ok(store)
    }

    /// Polls a process to its end, or to that by a signal, and counts what its turns took.
    async fn by_turns(
        &self,
        work: impl Future<Output = wasmtime::Result<()>>,
        watch: Watch,
    ) -> Result<wasmtime::Result<()>, Signal> {
        let Watch { pid, meter, killed } = watch;
        let (mut work, mut killed) = (pin!(work), killed);
        std::future::poll_fn(|context| {
            if !self.stillness.lets_move(pid, context) {
                return Poll::Pending;
            }
            if let Poll::Ready(signal) = killed.as_mut().poll(context) {
                return Poll::Ready(Err(signal));
            }
            let polled = work.as_mut().poll(context).map(Ok);
            if polled.is_pending() {
                self.fuel.count_turn(&meter);
            }
            polled
        })
        .await
    }

    /// Tells how a process ended, to its parent too.
    fn conclude(
        &self,
        store: &Store<State>,
        end: Result<wasmtime::Result<()>, Signal>,
    ) -> Result<Ended, Error> {
        let State { guest: Member { process, meter, .. }, limiter, .. } = store.data();
        let left = store.get_fuel().ok();
        self.fuel.count_end(meter, left);
        let exit = match end {
            Ok(result) => match classify(End::Finished(result), limiter, left) {
                // What the host starts was looked at before; what a guest starts ends as one that starved.
                Err(Error::Refused(_)) if process.process_id() != self.first => Exit::Memory,
                exit => exit?,
            },
            Err(signal) => Exit::Signal { signal: signal.raw() },
        };
        limiter.record_refusals(&self.world);
        self.records.end(process.process_id(), &exit);
        process.ended(status(&exit));
        Ok(Ended { pid: process.process_id(), exit })
    }
}

/// What is looked at while a process runs, beside it.
struct Watch {
    pid: u32,
    meter: Arc<Meter>,
    killed: BoxFuture<'static, Signal>,
}

impl Watch {
    fn of(store: &Store<State>) -> Self {
        let Member { process, meter, .. } = &store.data().guest;
        Self { pid: process.process_id(), meter: Arc::clone(meter), killed: Box::pin(process.killed()) }
    }
}

/// A process of a group, as a store has it.
pub(crate) struct Member {
    pub(crate) process: Process,
    pub(crate) meter: Arc<Meter>,
    /// The group and the module; none while a module is initialised, which starts no process.
    pub(crate) group: Option<(Arc<Group>, Arc<Loaded>)>,
}

impl Guest for Member {
    const PARTS: Parts = Parts { instances: 1, memories: 1 };
    const HOOKED: bool = false;
    const MAX_CALL_BYTES: usize = 0;
    const MAX_HANDLES: usize = 0;
}

/// How a process's end looks to its parent.
fn status(exit: &Exit) -> Status {
    const ABORTED: u8 = 6;
    const SEGMENT: u8 = 11;
    let signal = match exit {
        Exit::Code { code } => return Status::Exited(*code),
        Exit::Signal { signal } => *signal,
        Exit::Trap { trap: Trap::MemoryOutOfBounds | Trap::StackOverflow } => SEGMENT,
        Exit::Trap { .. } => ABORTED,
        _ => Signal::KILL.raw(),
    };
    Status::Signaled(Signal::from_raw(u32::from(signal)).unwrap_or(Signal::KILL))
}

/// A bug of the host: only modules are started here.
fn another_kind() -> Error {
    Error::Host { context: "cannot start a process".to_owned(), source: "its image is no module".into() }
}
