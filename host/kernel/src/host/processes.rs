//! `root`, `id`, `parent`, `spawn`, `fork-call` and `wait`.

use std::future::poll_fn;
use std::sync::Arc;

use sandpiper_core::DenialReason;

use super::Executable;
use super::canonical::{List, check, result_u32, store};
use super::text;
use crate::abi::{FileKind, Rights};
use crate::description::Description;
use crate::descriptors::{Descriptor, Descriptors, ROOT};
use crate::fault::{Attempt, Failure};
use crate::namespace::{Links, Target, resolve};
use crate::processes::{Ended, ProcessEntry, Status};
use crate::signals::Signals;
use crate::strings::Strings;
use crate::{Errno, Fault, Process};

/// Most arguments and variables of a process together, and their bytes, as for commands of the host.
const MAX_STRINGS: u32 = 100_000;
const MAX_STRING_BYTES: usize = 2 << 20;

/// Most descriptors that a process is given.
const MAX_MAPPINGS: u32 = 1024;

/// The addresses of a spawn's arguments.
struct Request {
    program: List,
    arguments: List,
    environment: List,
    directory: List,
    descriptors: List,
}

impl Process {
    /// `root`: the descriptor of the root directory.
    pub fn process_root(&mut self) -> u32 {
        ROOT
    }

    /// Makes the root directory the descriptor that [`Process::process_root`] gives, for a program that
    /// asks for it by that; else it is preopened at the lowest free number.
    pub fn place_root(&mut self, asks: bool) {
        let root = self.world.namespace().root();
        let access = self.world.namespace().access(&root);
        let description = Arc::new(Description::directory(root, access, true));
        let root = Descriptor { description, base: Rights::DIRECTORY, inheriting: Rights::ALL };
        if asks {
            self.descriptors.set_root(root);
        } else if !self.descriptors.has_preopened() {
            // At the limit the program finds no directory, as it would find no descriptor for a file.
            let _ = self.descriptors.insert(root);
        }
    }

    /// Its arguments, joined by spaces, as far as so many characters show them; what is not UTF-8 is replaced.
    pub fn shown_arguments(&self, most: usize) -> String {
        const MAX_CHARACTER_BYTES: usize = 4;
        let bytes = self.arguments.first_bytes(most.saturating_mul(MAX_CHARACTER_BYTES));
        let text = String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes));
        text.chars().take(most).map(|sign| if sign == '\0' { ' ' } else { sign }).collect()
    }

    /// Its arguments; what is not UTF-8 is replaced.
    pub fn arguments(&self) -> Vec<String> {
        self.arguments.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }

    /// Its variables; what is not UTF-8 is replaced, and what is no `NAME=value` left out.
    pub fn environment(&self) -> Vec<(String, String)> {
        let texts = self.environment.iter().map(String::from_utf8_lossy);
        texts
            .filter_map(|text| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect()
    }

    /// `directory`: the working directory that the process was given.
    pub fn process_directory(&self) -> &str {
        &self.directory
    }

    /// `command`: the image's command that the process runs.
    pub fn process_command(&self) -> &str {
        &self.command
    }

    /// Sets the command and the working directory of a process that the host starts.
    pub fn set_start(&mut self, command: &str, directory: &str) {
        self.command = command.into();
        self.directory = directory.into();
    }

    /// `id`: the process's own number.
    pub fn process_id(&self) -> u32 {
        self.pid
    }

    /// `parent`: the number of its parent; 1 is the host.
    pub fn process_parent(&self) -> u32 {
        self.world.processes().parent(self.pid)
    }

    /// `list`: the processes of the sandbox, by the order of their numbers.
    pub fn process_list(&self) -> Vec<ProcessEntry> {
        self.world.processes().list()
    }

    /// `spawn`: makes a process of a program, which the caller runs.
    ///
    /// # Errors
    /// In the result: see the WIT. [`Stop::BadAddress`](crate::Stop::BadAddress).
    #[expect(clippy::too_many_arguments, reason = "the WIT's signature, flattened")]
    pub fn process_spawn(
        &mut self,
        memory: &mut [u8],
        program: u32,
        program_length: u32,
        arguments: u32,
        arguments_length: u32,
        environment: u32,
        environment_length: u32,
        directory: u32,
        directory_length: u32,
        descriptors: u32,
        descriptors_length: u32,
        result: u32,
    ) -> Result<Option<Self>, Fault> {
        check(memory, result, 8)?;
        let list = |address, length| List { address, length };
        let request = Request {
            program: list(program, program_length),
            arguments: list(arguments, arguments_length),
            environment: list(environment, environment_length),
            directory: list(directory, directory_length),
            descriptors: list(descriptors, descriptors_length),
        };
        let spawned = self.spawn(memory, &request);
        self.started("spawn", spawned, memory, result)
    }

    /// `fork-call`: makes a process like this one, which the caller runs on a copy of the memory, where
    /// `available_bytes` are enough for that.
    ///
    /// # Errors
    /// In the result: see the WIT. [`Stop::BadAddress`](crate::Stop::BadAddress).
    pub fn process_fork(
        &mut self,
        memory: &mut [u8],
        descriptors: u32,
        descriptors_length: u32,
        result: u32,
        available_bytes: u64,
    ) -> Result<Option<Self>, Fault> {
        check(memory, result, 8)?;
        let list = List { address: descriptors, length: descriptors_length };
        let forked = if u64::try_from(memory.len()).is_ok_and(|bytes| bytes <= available_bytes) {
            self.fork(memory, list)
        } else {
            Err(Failure::denied(Errno::NOMEM, DenialReason::MemoryLimit))
        };
        self.started("fork-call", forked, memory, result)
    }

    /// Tells the caller the number of a process that was made, or why none was.
    fn started(
        &mut self,
        call: &'static str,
        made: Attempt<Self>,
        memory: &mut [u8],
        result: u32,
    ) -> Result<Option<Self>, Fault> {
        let made = self.answered(call, None, made)?;
        let pid = made.as_ref().map(|process| process.pid).map_err(|errno| *errno);
        store(memory, result, &result_u32(pid))?;
        Ok(made.ok())
    }

    /// `wait`: takes the end of a child, the one of this number where `is_one` is not 0.
    ///
    /// # Errors
    /// In the result: `CHILD`, `INTR`. [`Stop::BadAddress`](crate::Stop::BadAddress).
    pub async fn process_wait(
        &mut self,
        memory: &mut [u8],
        is_one: u32,
        child: u32,
        block: u32,
        result: u32,
    ) -> Result<(), Fault> {
        check(memory, result, 16)?;
        let child = (is_one != 0).then_some(child);
        let (world, pid) = (Arc::clone(&self.world), self.pid);
        let ended = if block == 0 {
            world.processes().take_ended(pid, child)
        } else {
            let waited =
                self.wait_unless_noted(poll_fn(|context| world.processes().poll_ended(pid, child, context)));
            waited.await.and_then(|ended| ended.map(Some))
        };
        let mut bytes = [0; 16];
        match ended {
            Ok(None) => {}
            Ok(Some(Ended { pid, status })) => {
                let (tag, value) = match status {
                    Status::Exited(code) => (0, code),
                    Status::Signaled(signal) => (1, signal.raw()),
                };
                let [a, b, c, d] = pid.to_le_bytes();
                bytes[4..14].copy_from_slice(&[1, 0, 0, 0, a, b, c, d, tag, value]);
            }
            Err(errno) => bytes[..8].copy_from_slice(&result_u32(Err(errno))),
        }
        store(memory, result, &bytes)
    }

    /// The process has ended, and its parent can learn how. Without this it was ended by `KILL`.
    pub fn ended(&self, status: Status) {
        self.world.processes().end(self.pid, status);
    }

    /// Ready when a signal has ended the process from outside.
    pub fn killed(&self) -> impl Future<Output = crate::Signal> + Send + use<> {
        let signals = Arc::clone(&self.signals);
        poll_fn(move |context| signals.poll_ended(context))
    }

    fn spawn(&self, memory: &[u8], request: &Request) -> Attempt<Self> {
        let path = text(request.program.bytes(memory)?)?;
        let directory = text(request.directory.bytes(memory)?)?;
        if path.is_empty() {
            return Err(Errno::NOENT.into());
        }
        if !directory.starts_with('/') {
            return Err(Errno::INVAL.into());
        }
        let count = request.arguments.length.saturating_add(request.environment.length);
        if count > MAX_STRINGS {
            return Err(Errno::TOO_BIG.into());
        }
        let Executable { command, interpreter } = self.executable(directory, path)?;
        self.check_directory(directory)?;
        let given = usize::from(!interpreter.is_empty());
        let arguments = strings(request.arguments.lists(memory)?.skip(given), &interpreter)?;
        let environment = strings(request.environment.lists(memory)?, &[])?;
        let descriptors = self.mapped(memory, request.descriptors)?;
        let mut process =
            self.child(Arc::new(self.signals.spawned()), descriptors, arguments, environment)?;
        process.directory = directory.into();
        process.command = command;
        Ok(process)
    }

    fn fork(&self, memory: &[u8], descriptors: List) -> Attempt<Self> {
        let descriptors = self.mapped(memory, descriptors)?;
        let (arguments, environment) = (self.arguments.clone(), self.environment.clone());
        self.child(Arc::new(self.signals.forked()), descriptors, arguments, environment)
    }

    fn child(
        &self,
        signals: Arc<Signals>,
        descriptors: Descriptors,
        arguments: Arc<Strings>,
        environment: Arc<Strings>,
    ) -> Attempt<Self> {
        let pid = self
            .world
            .processes()
            .start(self.pid, &arguments, &signals)
            .map_err(|errno| Failure::denied(errno, DenialReason::ProcessLimit))?;
        Ok(Self {
            started_ns: self.world.clock().monotonic_stamp_ns(),
            waited_ns: 0,
            world: Arc::clone(&self.world),
            pid,
            signals,
            descriptors,
            arguments,
            environment,
            directory: self.directory.clone(),
            command: self.command.clone(),
            umask: self.umask,
            git: self.git.clone(),
            running_git: None,
            changes: self.changes.like(),
            stops_at_unsupported: self.stops_at_unsupported,
        })
    }

    /// The descriptors of a child: duplicates of those named, each at its number.
    fn mapped(&self, memory: &[u8], list: List) -> Attempt<Descriptors> {
        if list.length > MAX_MAPPINGS {
            return Err(Errno::MFILE.into());
        }
        let mut descriptors = self.descriptors.like();
        for (from, to) in list.pairs(memory)? {
            descriptors.put(to, self.descriptors.get(from)?.clone())?;
        }
        Ok(descriptors)
    }

    fn check_directory(&self, directory: &str) -> Attempt<()> {
        let view = self.view();
        match resolve(&view, &view.world.namespace().root(), directory, Links::Follow)? {
            Target::Directory { .. } => Ok(()),
            Target::Name(name) if name.existing()?.is(FileKind::Directory) => Ok(()),
            Target::Name(_) => Err(Errno::NOTDIR.into()),
        }
    }
}

/// Collects strings of the guest after those that are known, within the bound.
fn strings<'a>(
    list: impl Iterator<Item = Result<&'a [u8], Errno>>,
    before: &'a [Vec<u8>],
) -> Attempt<Arc<Strings>> {
    let mut strings = Strings::default();
    for text in before.iter().map(|text| Ok(text.as_slice())).chain(list) {
        let text = text?;
        if text.contains(&0) {
            return Err(Errno::INVAL.into());
        }
        strings.push(text)?;
        if strings.bytes() > MAX_STRING_BYTES {
            return Err(Errno::TOO_BIG.into());
        }
    }
    Ok(Arc::new(strings))
}
