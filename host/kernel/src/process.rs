//! A process: descriptors, arguments and environment in a sandbox.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use sandpiper_core::{Control, DenialReason, Error, Event, Git, GitRunning, Quota, Stdin};
use tokio::sync::mpsc::Sender;

use crate::abi::{ClockId, Rights};
use crate::changes::Changes;
use crate::description::{Description, Object};
use crate::descriptors::{Descriptor, Descriptors};
use crate::fault::{Attempt, Failure};
use crate::input::Input;
use crate::output::Output;
use crate::processes::{HOST, Pid, Status};
use crate::signals::Signals;
use crate::strings::Strings;
use crate::view::View;
use crate::world::World;
use crate::{Errno, Fault, Signal, Stop};

/// The mask of a process that the host starts; what the kernel makes has the bits that it leaves.
pub(crate) const UMASK: u16 = 0o022;

/// One process of a sandbox. Its methods are the functions of WASI preview 1.
///
/// # Examples
/// ```
/// use sandpiper_core::{Control, Spec, Stdin};
/// use sandpiper_kernel::{Errno, Fault, Process, SystemTree, World};
/// let world = World::new(&Spec::default(), SystemTree::builder().build().unwrap()).unwrap();
/// let (events, _receiver) = tokio::sync::mpsc::channel(16);
/// let mut process = Process::new(world, &["true".to_owned()], &[], Stdin::Empty, events, Control::default()).unwrap();
/// let mut memory = vec![0; 65_536];
/// assert_eq!(process.fd_fdstat_get(&mut memory, 3, 0), Ok(()));
/// assert_eq!(process.fd_fdstat_get(&mut memory, 4, 0), Err(Fault::Errno(Errno::BADF)));
/// ```
pub struct Process {
    pub(crate) world: Arc<World>,
    pub(crate) descriptors: Descriptors,
    pub(crate) arguments: Arc<Strings>,
    pub(crate) environment: Arc<Strings>,
    pub(crate) pid: Pid,
    pub(crate) signals: Arc<Signals>,
    /// The working directory that it was given; what it makes of it is its own.
    pub(crate) directory: Box<str>,
    /// The image's command that it runs.
    pub(crate) command: Box<str>,
    /// The permission bits that what it makes does not get.
    pub(crate) umask: u16,
    /// Who carries out git's commands, if anybody does.
    pub(crate) git: Option<Arc<dyn Git>>,
    /// The process's own command of git.
    pub(crate) running_git: Option<Box<dyn GitRunning>>,
    pub(crate) changes: Changes,
    /// Whether the command ends when it asks for what the sandbox does not offer.
    pub(crate) stops_at_unsupported: bool,
    pub(crate) started_ns: u64,
    pub(crate) waited_ns: u64,
}

impl Process {
    /// Makes a process with the standard streams at 0, 1 and 2, and the directory `/` preopened at 3.
    ///
    /// Output goes to `events`; a full channel makes the guest wait, a stream that `control` closed is
    /// a broken pipe.
    ///
    /// # Errors
    /// [`Error::Host`] for arguments or an environment that no guest could hold.
    pub fn new(
        world: Arc<World>,
        arguments: &[String],
        environment: &[(String, String)],
        stdin: Stdin,
        events: Sender<Event>,
        control: Control,
    ) -> Result<Self, Error> {
        let too_large = || Error::Host {
            context: "cannot pass the arguments and the environment".to_owned(),
            source: "they exceed 4 GiB".into(),
        };
        let argv = Strings::new(arguments.iter().map(|argument| [argument.as_str(), "", ""]));
        let environ =
            Strings::new(environment.iter().map(|(name, value)| [name.as_str(), "=", value.as_str()]));
        let input = Object::Input(Input::new(stdin));
        let [stdout, stderr] = Output::both(events, control, world.output_limit()).map(Object::Output);
        let root = world.namespace().root();
        let access = world.namespace().access(&root);
        let mut descriptors = Descriptors::new(world.open_files());
        for (description, base, inheriting) in [
            (Description::stream(input, "/dev/stdin"), Rights::INPUT, Rights::NONE),
            (Description::stream(stdout, "/dev/stdout"), Rights::OUTPUT, Rights::NONE),
            (Description::stream(stderr, "/dev/stderr"), Rights::OUTPUT, Rights::NONE),
            (Description::directory(root, access, true), Rights::DIRECTORY, Rights::ALL),
        ] {
            let descriptor = Descriptor { description: Arc::new(description), base, inheriting };
            // The spec's limit is 4 at least; a smaller one would only leave the last ones out.
            let _ = descriptors.insert(descriptor);
        }
        let signals = Arc::new(Signals::new());
        let arguments = Arc::new(argv.ok_or_else(too_large)?);
        let environment = Arc::new(environ.ok_or_else(too_large)?);
        let pid = world.processes().start(HOST, &arguments, &signals).map_err(|_| Error::Host {
            context: "cannot start a process".to_owned(),
            source: "the sandbox has as many as its limit allows".into(),
        })?;
        Ok(Self {
            started_ns: world.clock().monotonic_stamp_ns(),
            world,
            descriptors,
            arguments,
            environment,
            pid,
            signals,
            directory: "/".into(),
            command: Box::default(),
            umask: UMASK,
            git: None,
            running_git: None,
            changes: Changes::default(),
            stops_at_unsupported: false,
            waited_ns: 0,
        })
    }

    /// The host itself, as it works with the sandbox's files: no process of the table, with nothing open.
    pub(crate) fn of_host(world: Arc<World>) -> Self {
        let none = || Arc::new(Strings::default());
        Self {
            started_ns: world.clock().monotonic_stamp_ns(),
            world,
            descriptors: Descriptors::none(),
            arguments: none(),
            environment: none(),
            pid: HOST,
            signals: Arc::new(Signals::new()),
            directory: "/".into(),
            command: Box::default(),
            umask: UMASK,
            git: None,
            running_git: None,
            changes: Changes::default(),
            stops_at_unsupported: false,
            waited_ns: 0,
        }
    }

    /// The sandbox.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    pub(crate) fn view(&self) -> View<'_> {
        View { world: &self.world, descriptors: &self.descriptors }
    }

    /// The time on a clock. CPU time is the time that the process did not wait; the kernel does not
    /// know when the engine suspended it.
    pub(crate) fn time_ns(&self, clock: ClockId) -> u64 {
        match clock {
            ClockId::Realtime => self.world.clock().realtime_ns(),
            ClockId::Monotonic => self.world.clock().monotonic_ns(),
            ClockId::ProcessCpu | ClockId::ThreadCpu => self
                .world
                .clock()
                .monotonic_ns()
                .saturating_sub(self.started_ns)
                .saturating_sub(self.waited_ns),
        }
    }

    /// As [`Process::time_ns`], without counting as a reading of a virtual clock.
    pub(crate) fn stamp_ns(&self, clock: ClockId) -> u64 {
        let stamps = self.world.clock();
        match clock {
            ClockId::Realtime => stamps.stamp_ns(),
            ClockId::Monotonic => stamps.monotonic_stamp_ns(),
            ClockId::ProcessCpu | ClockId::ThreadCpu => {
                stamps.monotonic_stamp_ns().saturating_sub(self.started_ns).saturating_sub(self.waited_ns)
            }
        }
    }

    /// Waits for a future, and counts the time as not used.
    pub(crate) async fn wait_for<T>(&mut self, future: impl Future<Output = T>) -> T {
        let start_ns = self.world.clock().monotonic_stamp_ns();
        let value = future.await;
        self.waited_ns += self.world.clock().monotonic_stamp_ns().saturating_sub(start_ns);
        value
    }

    /// As [`Process::wait_for`], until a noted signal comes.
    ///
    /// # Errors
    /// `INTR` for the signal.
    pub(crate) async fn wait_unless_noted<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Errno> {
        let signals = Arc::clone(&self.signals);
        let mut future = pin!(future);
        let either = poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => signals.poll_noted(context).map(|()| Err(Errno::INTR)),
        });
        self.wait_for(either).await
    }

    /// Counts a sleep of the virtual clock.
    pub(crate) fn skip(&mut self, sleep_ns: u64) {
        self.world.clock().skip(sleep_ns);
        self.waited_ns = self.waited_ns.saturating_add(sleep_ns);
    }

    /// Turns the result of a call into what the guest sees, recording what was refused. Without a
    /// subject of its own, a refusal is recorded on the descriptor.
    pub(crate) fn settle<T>(&self, operation: &str, fd: Option<u32>, result: Attempt<T>) -> Result<T, Fault> {
        self.changes.settle();
        let failure = match result {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let shown = || match fd.map(|fd| self.descriptors.get(fd)) {
            Some(Ok(descriptor)) => descriptor.description.shown(),
            _ => String::new(),
        };
        match failure {
            Failure::Errno(errno) => Err(Fault::Errno(errno)),
            Failure::Signal(signal) => Err(Fault::Stop(Stop::Signal(signal))),
            Failure::Denied { errno, reason, subject } => {
                let subject = subject.map_or_else(shown, String::from);
                self.world.deny(operation, &subject, reason);
                Err(Fault::Errno(errno))
            }
            Failure::Unsupported { errno, feature, subject } => {
                self.tell_unsupported(feature, &subject)?;
                Err(Fault::Errno(errno))
            }
            Failure::Quota(quota) => {
                let reason = match quota {
                    Quota::Output => DenialReason::OutputLimit,
                    Quota::Disk => DenialReason::DiskLimit,
                };
                self.world.deny(operation, &shown(), reason);
                Err(Fault::Stop(Stop::Quota(quota)))
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Of no effect where its end was told.
        self.world.processes().end(self.pid, Status::Signaled(Signal::KILL));
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Process").field("descriptors", &self.descriptors).finish_non_exhaustive()
    }
}
