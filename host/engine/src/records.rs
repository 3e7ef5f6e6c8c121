//! What is told of a command's processes when it has ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sandpiper_core::{Exit, ProcessUsage};
use sandpiper_kernel::Process;

use crate::budget::Meter;

/// Processes that are told of one by one; of the others, how many they were.
const MAX_LISTED: usize = 1000;

/// Characters of a process's arguments that are told.
const MAX_COMMAND: usize = 200;

/// The processes of a command, from the first on.
#[derive(Debug, Default)]
pub(crate) struct Records(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    started: u64,
    listed: BTreeMap<u32, Record>,
}

#[derive(Debug)]
struct Record {
    parent: u32,
    command: String,
    since: Instant,
    meter: Arc<Meter>,
    memory: Arc<AtomicU64>,
    ended: Option<(Exit, Duration)>,
}

impl Records {
    /// A process starts, with a memory that grows as `memory` says.
    pub(crate) fn start(&self, process: &Process, meter: &Arc<Meter>, memory: Arc<AtomicU64>) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.started += 1;
        if table.listed.len() == MAX_LISTED {
            return;
        }
        let record = Record {
            parent: process.process_parent(),
            command: process.shown_arguments(MAX_COMMAND),
            since: Instant::now(),
            meter: Arc::clone(meter),
            memory,
            ended: None,
        };
        table.listed.insert(process.process_id(), record);
    }

    /// A process has ended.
    pub(crate) fn end(&self, pid: u32, exit: &Exit) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = table.listed.get_mut(&pid) {
            record.ended = Some((exit.clone(), record.since.elapsed()));
        }
    }

    /// How many have started, and what the listed ones used.
    pub(crate) fn told(&self, metered: bool) -> (u64, Vec<ProcessUsage>) {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |(pid, record): (&u32, &Record)| {
            let took = record.ended.as_ref().map_or_else(|| record.since.elapsed(), |(_, took)| *took);
            ProcessUsage {
                pid: *pid,
                parent: record.parent,
                command: record.command.clone(),
                exit: record.ended.as_ref().map(|(exit, _)| exit.clone()),
                fuel: metered.then(|| record.meter.counted()),
                wall_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                peak_memory_bytes: record.memory.load(Ordering::Relaxed),
            }
        };
        (table.started, table.listed.iter().map(told).collect())
    }
}
