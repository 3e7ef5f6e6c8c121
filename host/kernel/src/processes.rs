//! The processes of a sandbox: numbers, parents, and how each ended, until its parent has asked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::Errno;
use crate::signals::{Signal, Signals};
use crate::strings::Strings;

/// The number of a process.
pub(crate) type Pid = u32;

/// The host, as guests see it: the parent of what it started, and of those whose parent has ended.
pub(crate) const HOST: Pid = 1;

/// Numbers beyond this would be negative for guests that take them as `pid_t`.
const LAST: Pid = i32::MAX.cast_unsigned();

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself.
    Exited(u8),
    /// By a signal.
    Signaled(Signal),
}

/// A process that has ended, as its parent learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) pid: Pid,
    pub(crate) status: Status,
}

/// A process as `list` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessEntry {
    /// Its number.
    pub pid: u32,
    /// The number of its parent; 1 is the host.
    pub parent: u32,
    /// Whether it only waits to be asked how it ended.
    pub ended: bool,
    /// Its arguments, each with a NUL behind it, as far as they are told.
    pub arguments: Box<[u8]>,
}

/// Bytes of a process's arguments that a list has.
const MAX_LISTED_BYTES: usize = 4096;

/// The processes of a sandbox. One that has ended counts until its parent has asked how.
pub(crate) struct Processes {
    limit: usize,
    table: Mutex<Table>,
}

struct Table {
    next: Pid,
    entries: BTreeMap<Pid, Entry>,
}

struct Entry {
    parent: Pid,
    /// The first process of its command.
    command: Pid,
    /// None of one that has ended.
    arguments: Arc<Strings>,
    signals: Arc<Signals>,
    ended: Option<Status>,
    /// Woken when a child ends.
    waiting: Vec<Waker>,
}

impl Processes {
    pub(crate) fn new(limit: u32) -> Self {
        let table = Table { next: HOST + 1, entries: BTreeMap::new() };
        Self { limit: usize::try_from(limit).unwrap_or(usize::MAX), table: Mutex::new(table) }
    }

    /// Counts a new process.
    ///
    /// # Errors
    /// `AGAIN` at the limit (POSIX `fork`).
    pub(crate) fn start(
        &self,
        parent: Pid,
        arguments: &Arc<Strings>,
        signals: &Arc<Signals>,
    ) -> Result<Pid, Errno> {
        let mut table = self.lock();
        if table.entries.len() >= self.limit || table.next > LAST {
            return Err(Errno::AGAIN);
        }
        let pid = table.next;
        table.next += 1;
        let (arguments, signals) = (Arc::clone(arguments), Arc::clone(signals));
        let command = table.entries.get(&parent).map_or(pid, |parent| parent.command);
        let entry = Entry { parent, command, arguments, signals, ended: None, waiting: Vec::new() };
        table.entries.insert(pid, entry);
        Ok(pid)
    }

    /// A process has ended. Its children get the host as parent, which asks for nothing.
    pub(crate) fn end(&self, pid: Pid, status: Status) {
        let mut table = self.lock();
        let Some(entry) = table.entries.get_mut(&pid).filter(|entry| entry.ended.is_none()) else { return };
        entry.ended = Some(status);
        entry.arguments = Arc::default();
        let parent = entry.parent;
        for child in table.entries.values_mut().filter(|child| child.parent == pid) {
            child.parent = HOST;
        }
        table.entries.retain(|_, entry| entry.parent != HOST || entry.ended.is_none());
        if let Some(parent) = table.entries.get_mut(&parent) {
            for waker in parent.waiting.drain(..) {
                waker.wake();
            }
            // Ignored unless the parent wants to know; a signal that would stop it, this is not.
            let _ = parent.signals.send(Signal::CHLD);
        }
    }

    /// Takes a child that has ended, the first to have been started of any; `None` when none has.
    ///
    /// # Errors
    /// `CHILD` when there is no such child.
    pub(crate) fn take_ended(&self, parent: Pid, child: Option<Pid>) -> Result<Option<Ended>, Errno> {
        self.lock().take_ended(parent, child)
    }

    /// As [`Processes::take_ended`], waiting for one.
    pub(crate) fn poll_ended(
        &self,
        parent: Pid,
        child: Option<Pid>,
        context: &Context<'_>,
    ) -> Poll<Result<Ended, Errno>> {
        let mut table = self.lock();
        match table.take_ended(parent, child) {
            Ok(Some(ended)) => Poll::Ready(Ok(ended)),
            Err(errno) => Poll::Ready(Err(errno)),
            Ok(None) => {
                if let Some(entry) = table.entries.get_mut(&parent)
                    && !entry.waiting.iter().any(|waker| waker.will_wake(context.waker()))
                {
                    entry.waiting.push(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// Sends a signal; `None` only asks whether there is such a process. One that has ended is one, and
    /// nothing comes of it (POSIX `kill`).
    ///
    /// # Errors
    /// `SRCH` when there is no such process, `NOTSUP` for a signal that would stop it.
    pub(crate) fn kill(&self, pid: Pid, signal: Option<Signal>) -> Result<(), Errno> {
        let table = self.lock();
        let entry = table.entries.get(&pid).ok_or(Errno::SRCH)?;
        match signal {
            Some(signal) if entry.ended.is_none() => entry.signals.send(signal),
            _ => Ok(()),
        }
    }

    /// Sends a signal to all of a command that run.
    pub(crate) fn kill_command(&self, first: Pid, signal: Signal) {
        let table = self.lock();
        for entry in table.entries.values().filter(|entry| entry.command == first && entry.ended.is_none()) {
            // One that would stop it is the only one that cannot be sent.
            let _ = entry.signals.send(signal);
        }
    }

    /// All processes, by the order of their numbers.
    pub(crate) fn list(&self) -> Vec<ProcessEntry> {
        let table = self.lock();
        let listed = |(pid, entry): (&Pid, &Entry)| ProcessEntry {
            pid: *pid,
            parent: entry.parent,
            ended: entry.ended.is_some(),
            arguments: entry.arguments.first_bytes(MAX_LISTED_BYTES).into(),
        };
        table.entries.iter().map(listed).collect()
    }

    /// The parent of a process.
    pub(crate) fn parent(&self, pid: Pid) -> Pid {
        self.lock().entries.get(&pid).map_or(HOST, |entry| entry.parent)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn take_ended(&mut self, parent: Pid, child: Option<Pid>) -> Result<Option<Ended>, Errno> {
        let mut children = self
            .entries
            .iter()
            .filter(|(pid, entry)| entry.parent == parent && child.is_none_or(|child| child == **pid))
            .peekable();
        children.peek().ok_or(Errno::CHILD)?;
        let ended = children.find_map(|(pid, entry)| Some(Ended { pid: *pid, status: entry.ended? }));
        if let Some(ended) = ended {
            self.entries.remove(&ended.pid);
        }
        Ok(ended)
    }
}

impl fmt::Debug for Processes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Processes").field("count", &self.lock().entries.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXITED: Status = Status::Exited(3);

    fn start(processes: &Processes, parent: Pid) -> Pid {
        processes.start(parent, &Arc::default(), &Arc::new(Signals::new())).unwrap()
    }

    #[test]
    fn a_child_is_taken_once_by_its_parent_alone() {
        let processes = Processes::new(10);
        let parent = start(&processes, HOST);
        let child = start(&processes, parent);
        assert_eq!(processes.take_ended(parent, None), Ok(None));
        assert_eq!(processes.take_ended(child, None), Err(Errno::CHILD));
        assert_eq!(processes.take_ended(parent, Some(parent)), Err(Errno::CHILD));
        processes.end(child, EXITED);
        assert_eq!(processes.take_ended(parent, Some(child)), Ok(Some(Ended { pid: child, status: EXITED })));
        assert_eq!(processes.take_ended(parent, Some(child)), Err(Errno::CHILD));
    }

    #[test]
    fn the_limit_counts_those_that_nobody_asked_for_yet() {
        let processes = Processes::new(2);
        let parent = start(&processes, HOST);
        let child = start(&processes, parent);
        let signals = Arc::new(Signals::new());
        assert_eq!(processes.start(parent, &Arc::default(), &signals), Err(Errno::AGAIN));
        processes.end(child, EXITED);
        assert_eq!(processes.start(parent, &Arc::default(), &signals), Err(Errno::AGAIN));
        processes.take_ended(parent, None).unwrap();
        assert!(processes.start(parent, &Arc::default(), &signals).is_ok());
    }

    #[test]
    fn orphans_belong_to_the_host_which_forgets_them() {
        let processes = Processes::new(3);
        let parent = start(&processes, HOST);
        let (running, ended) = (start(&processes, parent), start(&processes, parent));
        processes.end(ended, EXITED);
        processes.end(parent, EXITED);
        assert_eq!(processes.parent(running), HOST);
        assert_eq!(processes.kill(ended, None), Err(Errno::SRCH));
        processes.end(running, EXITED);
        assert_eq!(processes.kill(running, None), Err(Errno::SRCH));
        assert_eq!(format!("{processes:?}"), "Processes { count: 0, .. }");
    }

    #[test]
    fn a_signal_for_a_command_is_for_all_of_it_and_for_no_other() {
        let processes = Processes::new(10);
        let signals = || Arc::new(Signals::new());
        let begin =
            |parent, signals: &Arc<Signals>| processes.start(parent, &Arc::default(), signals).unwrap();
        let (ours, child, orphan, other) = (signals(), signals(), signals(), signals());
        let first = begin(HOST, &ours);
        let middle = begin(first, &child);
        begin(middle, &orphan);
        begin(HOST, &other);
        processes.end(middle, EXITED);
        processes.kill_command(first, Signal::INT);
        assert_eq!(
            [ours, orphan, other].map(|signals| signals.ended_by()),
            [Some(Signal::INT), Some(Signal::INT), None]
        );
        assert_eq!(child.ended_by(), None);
    }

    #[test]
    fn numbers_are_not_given_twice() {
        let processes = Processes::new(1);
        let mut last = HOST;
        for _ in 0..100 {
            let pid = start(&processes, HOST);
            assert!(pid > last);
            processes.end(pid, EXITED);
            last = pid;
        }
    }

    #[test]
    fn a_parent_that_wants_to_know_is_told_by_a_signal() {
        let processes = Processes::new(10);
        let signals = Arc::new(Signals::new());
        signals.act(Signal::CHLD, crate::signals::Action::Note).unwrap();
        let parent = processes.start(HOST, &Arc::default(), &signals).unwrap();
        let child = start(&processes, parent);
        processes.end(child, EXITED);
        assert_eq!(signals.take(), 1 << 16);
    }

    #[test]
    fn the_list_has_arguments_until_the_end() {
        let processes = Processes::new(10);
        let mut arguments = Strings::default();
        arguments.push(b"cat").unwrap();
        arguments.push(&[b'x'; 2 * MAX_LISTED_BYTES]).unwrap();
        let parent = processes.start(HOST, &Arc::new(arguments), &Arc::new(Signals::new())).unwrap();
        let child = start(&processes, parent);
        processes.end(child, EXITED);
        let list = processes.list();
        assert_eq!(list.len(), 2);
        assert_eq!((list[0].pid, list[0].parent, list[0].ended), (parent, HOST, false));
        assert!(list[0].arguments.starts_with(b"cat\0xxx") && list[0].arguments.len() == MAX_LISTED_BYTES);
        let zombie = ProcessEntry { pid: child, parent, ended: true, arguments: [].into() };
        assert_eq!(list[1], zombie);
        processes.end(parent, EXITED);
        assert_eq!(processes.list(), []);
    }
}
