//! The limits on a store's memories and tables.

use sandpiper_core::Limits;
use wasmtime::ResourceLimiter;

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
    memory_bytes: u64,
    table_elements: u64,
    memory_held: u64,
    peak_memory_bytes: u64,
    tables_held: u64,
    refused_memory: Option<u64>,
    refused_table: Option<u64>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits, parts: Parts) -> Self {
        Self {
            parts,
            memory_bytes: limits.memory_bytes,
            table_elements: u64::from(limits.table_elements),
            memory_held: 0,
            peak_memory_bytes: 0,
            tables_held: 0,
            refused_memory: None,
            refused_table: None,
        }
    }

    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        self.peak_memory_bytes
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

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let held = self.memory_held.saturating_add(u64::try_from(desired.saturating_sub(current))?);
        if held > self.memory_bytes {
            self.refused_memory = Some(held);
            return Ok(false);
        }
        if maximum.is_none_or(|maximum| desired <= maximum) {
            self.memory_held = held;
            self.peak_memory_bytes = self.peak_memory_bytes.max(held);
        }
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
