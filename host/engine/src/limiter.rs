//! The limits on a store's memories and tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sandpiper_core::{DenialReason, Limits};
use sandpiper_kernel::World;
use wasmtime::ResourceLimiter;

use crate::budget::Memory;

/// How many of what is not limited by size a guest may be made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    pub(crate) instances: usize,
    /// Each reserves the whole address space of a 32-bit guest.
    pub(crate) memories: usize,
}

/// Counts what a guest's instances hold, refuses what is above the limits, and remembers that it did.
#[derive(Debug)]
pub(crate) struct Limiter {
    parts: Parts,
    memory: Arc<Memory>,
    /// Of the memory, what this guest has, which never gets less.
    memory_held: Arc<AtomicU64>,
    table_elements: u64,
    tables_held: u64,
    refused_memory: Option<u64>,
    refused_table: Option<u64>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits, parts: Parts, memory: Arc<Memory>) -> Self {
        Self {
            parts,
            memory,
            memory_held: Arc::default(),
            table_elements: u64::from(limits.table_elements),
            tables_held: 0,
            refused_memory: None,
            refused_table: None,
        }
    }

    /// The memory that the guest has, as it grows.
    pub(crate) fn memory_held(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.memory_held)
    }

    /// The size last asked for above the memory limit, in bytes.
    pub(crate) fn refused_memory(&self) -> Option<u64> {
        self.refused_memory
    }

    /// The limit of table elements.
    pub(crate) fn table_elements(&self) -> u64 {
        self.table_elements
    }

    /// The number of table elements last asked for above the limit.
    pub(crate) fn refused_table(&self) -> Option<u64> {
        self.refused_table
    }
}

impl Limiter {
    /// Records in a sandbox what was refused.
    pub(crate) fn record_refusals(&self, world: &World) {
        if let Some(bytes) = self.refused_memory {
            world.deny("memory.grow", &format!("{bytes} bytes"), DenialReason::MemoryLimit);
        }
        if let Some(elements) = self.refused_table {
            world.deny("table.grow", &format!("{elements} elements"), DenialReason::TableLimit);
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // Refused by the memory's own type.
            return Ok(true);
        }
        let more = u64::try_from(desired.saturating_sub(current))?;
        if let Err(would_be) = self.memory.take(more) {
            self.refused_memory = Some(would_be);
            return Ok(false);
        }
        self.memory_held.fetch_add(more, Ordering::Relaxed);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let held = self.tables_held + u64::try_from(desired.saturating_sub(current))?;
        if held > self.table_elements {
            self.refused_table = Some(held);
            return Ok(false);
        }
        self.tables_held = held;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.parts.instances
    }

    fn memories(&self) -> usize {
        self.parts.memories
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.memory.give(self.memory_held.load(Ordering::Relaxed));
    }
}
