//! The processes of one sandbox, by number and tag.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sandpiper_core::Sandbox;

use crate::failure::Failure;
use crate::output::Subscription;
use crate::process::{Command, Process};

/// A process with what it was started as.
#[derive(Debug)]
pub(crate) struct Listed {
    /// Its number for clients; guests see others.
    pub(crate) pid: u32,
    /// What its starter calls it.
    pub(crate) tag: Option<String>,
    /// What was started.
    pub(crate) command: Command,
    /// The process.
    pub(crate) process: Process,
}

/// The table. When it is full, what has ended first gives way.
#[derive(Debug)]
pub(crate) struct Processes {
    limit: usize,
    output_bytes: usize,
    signals: bool,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    last_pid: u32,
    /// Places of processes that are being started.
    starting: usize,
    listed: BTreeMap<u32, Arc<Listed>>,
}

impl Processes {
    pub(crate) fn new(limit: usize, output_bytes: usize, signals: bool) -> Self {
        Self { limit, output_bytes, signals, table: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a command that goes on when its starter does not.
    pub(crate) async fn start(
        &self,
        sandbox: &Arc<dyn Sandbox>,
        command: Command,
        tag: Option<String>,
    ) -> Result<(Arc<Listed>, Subscription), Failure> {
        let place = Place::take(self)?;
        let (process, subscription) = self.start_unlisted(sandbox, command.clone()).await?;
        let mut table = self.lock();
        table.last_pid += 1;
        let pid = table.last_pid;
        let listed = Arc::new(Listed { pid, tag, command, process });
        table.listed.insert(pid, Arc::clone(&listed));
        drop(table);
        drop(place);
        Ok((listed, subscription))
    }

    /// Starts a command that is in no list, and ends when it is dropped.
    pub(crate) async fn start_unlisted(
        &self,
        sandbox: &Arc<dyn Sandbox>,
        command: Command,
    ) -> Result<(Process, Subscription), Failure> {
        Process::start(sandbox, command, self.signals, self.output_bytes).await
    }

    /// A process by its number, running or not.
    pub(crate) fn find(&self, pid: u32) -> Option<Arc<Listed>> {
        self.lock().listed.get(&pid).cloned()
    }

    /// The latest running process with a tag.
    pub(crate) fn tagged(&self, tag: &str) -> Option<Arc<Listed>> {
        let mut running = self.running();
        running.retain(|listed| listed.tag.as_deref() == Some(tag));
        running.pop()
    }

    /// What runs, in the order of numbers.
    pub(crate) fn running(&self) -> Vec<Arc<Listed>> {
        let table = self.lock();
        table.listed.values().filter(|listed| listed.process.ended().is_none()).cloned().collect()
    }

    /// Forgets a process, and with that ends it.
    pub(crate) fn remove(&self, pid: u32) -> Option<Arc<Listed>> {
        self.lock().listed.remove(&pid)
    }

    /// Ends all processes, and says why to who listens.
    pub(crate) fn end_all(&self, reason: &str) {
        let listed = std::mem::take(&mut self.lock().listed);
        for listed in listed.values() {
            listed.process.abandon(reason);
        }
    }
}

/// A place in the table for a process that is being started.
struct Place<'a>(&'a Processes);

impl<'a> Place<'a> {
    fn take(processes: &'a Processes) -> Result<Self, Failure> {
        let mut table = processes.lock();
        if table.listed.len() + table.starting >= processes.limit {
            let ended = table.listed.iter().find(|(_, listed)| listed.process.ended().is_some());
            let Some(pid) = ended.map(|(pid, _)| *pid) else {
                let limit = processes.limit;
                return Err(Failure::Limit(format!(
                    "the sandbox has {limit} processes, and may have no more"
                )));
            };
            table.listed.remove(&pid);
        }
        table.starting += 1;
        Ok(Self(processes))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().starting -= 1;
    }
}
