//! A sandbox: mounts, budgets, clock, randomness and denials, shared by its processes.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

use sandpiper_core::{Access, Denial, DenialLog, DenialReason, Error, GitDirectory, GuestPath, Spec};

use crate::Errno;
use crate::abi::FileKind;
use crate::budget::Budgets;
use crate::clock::Clock;
use crate::descriptors::{Descriptors, OpenFiles};
use crate::file_system::{Directory, HostDirectory, MemoryTree, SYSTEM_ROOT, SystemTree};
use crate::namespace::{Links, Namespace, Target, resolve};
use crate::processes::Processes;
use crate::random::Random;
use crate::signals::Signal;
use crate::view::View;

/// One sandbox.
///
/// # Examples
/// ```
/// use sandpiper_core::Spec;
/// use sandpiper_kernel::{SystemTree, World};
/// let system = SystemTree::builder().commands(["python3"]).build().unwrap();
/// let world = World::new(&Spec::default(), system).unwrap();
/// assert!(world.take_denials().is_empty());
/// ```
pub struct World {
    system: Arc<SystemTree>,
    namespace: Namespace,
    budgets: Arc<Budgets>,
    output_limit: u64,
    clock: Clock,
    random: Mutex<Random>,
    denials: Mutex<DenialLog>,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    open_files: Arc<OpenFiles>,
    processes: Processes,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A directory.
    Directory,
    /// Anything else.
    File,
}

impl World {
    /// Makes a sandbox of a spec: opens its mounts, and makes `/tmp` and `/home/user` empty.
    ///
    /// # Errors
    /// [`Error::Mount`] for a directory that cannot be opened.
    pub fn new(spec: &Spec, system: Arc<SystemTree>) -> Result<Arc<Self>, Error> {
        let budgets = Arc::new(Budgets::new(&spec.limits));
        let clock = Clock::new(spec.clock);
        let now_ns = clock.stamp_ns();
        let mut namespace = Namespace::new(Directory::System(SYSTEM_ROOT));
        for (path, directory) in system.directories() {
            namespace.add(path, Directory::Host(Arc::clone(directory)), Access::ReadOnly);
        }
        let memory = MemoryTree::new(Arc::clone(&budgets));
        for path in ["/tmp", "/home/user"] {
            if let Ok(path) = path.parse::<GuestPath>() {
                namespace.add(&path, Directory::Memory(memory.root(now_ns)), Access::ReadWrite);
            }
        }
        for mount in &spec.mounts {
            let directory = HostDirectory::open_ambient(&mount.host).map_err(|source| Error::Mount {
                host: mount.host.display().to_string(),
                guest: mount.guest.to_string(),
                source,
            })?;
            namespace.add(&mount.guest, Directory::Host(Arc::new(directory)), mount.access);
            if mount.git == GitDirectory::Hidden {
                namespace.hide_git_in_last();
            }
        }
        let mut world = Self {
            system,
            namespace,
            budgets,
            output_limit: spec.limits.output_bytes,
            clock,
            random: Mutex::new(Random::new(spec.seed)),
            denials: Mutex::new(DenialLog::default()),
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            open_files: Arc::new(OpenFiles::new(spec.limits.descriptors)),
            processes: Processes::new(spec.limits.processes),
        };
        let mut namespace = std::mem::replace(&mut world.namespace, Namespace::new(Directory::Way));
        namespace.pin(&View { world: &world, descriptors: &Descriptors::none() });
        world.namespace = namespace;
        Ok(Arc::new(world))
    }

    /// What an absolute guest path leads to, symlinks followed; `None` when there is nothing, or
    /// nothing that could be reached.
    pub fn find(&self, path: &str) -> Option<Found> {
        let view = View { world: self, descriptors: &Descriptors::none() };
        let target = resolve(&view, &self.namespace.root(), path, Links::Follow).ok()?;
        match target {
            Target::Directory { .. } => Some(Found::Directory),
            Target::Name(name) if name.existing().ok()?.is(FileKind::Directory) => Some(Found::Directory),
            Target::Name(_) => Some(Found::File),
        }
    }

    /// Bytes that the guest has read from files and standard input.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Bytes that the guest has written to files and output streams.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_written.load(Ordering::Relaxed)
    }

    /// Takes out what was refused so far.
    pub fn take_denials(&self) -> Vec<Denial> {
        self.denials.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Records a refusal that was decided outside of the kernel, as a memory limit's.
    pub fn deny(&self, operation: &str, subject: &str, reason: DenialReason) {
        self.denials.lock().unwrap_or_else(PoisonError::into_inner).record(operation, subject, reason);
    }

    /// Sends `INT` to all processes of the command whose first one this is, as a terminal does.
    pub fn interrupt(&self, first: u32) {
        self.processes.kill_command(first, Signal::INT);
    }

    /// Sends a signal to a process, as `kill(2)` does; of no effect where it has ended, and for a signal that
    /// would stop it or is none.
    pub fn signal(&self, pid: u32, signal: u8) {
        if let Ok(signal) = Signal::from_raw(signal.into()) {
            // There is nobody to tell that it did not come.
            let _ = self.processes.kill(pid, Some(signal));
        }
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Fills `bytes` from the sandbox's random stream.
    ///
    /// # Errors
    /// `IO` when the host has no entropy to give.
    pub fn random(&self, bytes: &mut [u8]) -> Result<(), Errno> {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.fill(bytes).map_err(|_| Errno::IO)
    }

    /// Counts bytes that the guest read.
    pub fn count_read(&self, bytes: usize) {
        self.bytes_read.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The host directories that are mounted, each by its guest path and opened anew, for a guest whose
    /// files another implementation serves.
    ///
    /// # Errors
    /// The host's.
    pub fn host_directories(&self) -> io::Result<Vec<(String, File)>> {
        self.namespace.host_directories()
    }

    pub(crate) fn system(&self) -> &SystemTree {
        &self.system
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(crate) fn budgets(&self) -> &Arc<Budgets> {
        &self.budgets
    }

    /// Bytes that a command may write to stdout and stderr.
    pub(crate) fn output_limit(&self) -> u64 {
        self.output_limit
    }

    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
    }

    pub(crate) fn open_files(&self) -> &Arc<OpenFiles> {
        &self.open_files
    }

    /// The guest's real time, for what the kernel itself stamps.
    pub(crate) fn now_ns(&self) -> u64 {
        self.clock.stamp_ns()
    }

    pub(crate) fn count_written(&self, bytes: usize) {
        self.bytes_written.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl fmt::Debug for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("World").field("budgets", &self.budgets).finish_non_exhaustive()
    }
}
