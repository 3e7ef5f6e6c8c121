//! The stacks of fibers, pooled: a new one costs two system calls and a page fault for each page
//! that a guest's calls reach.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::{StackCreator, StackMemory};

use super::{Layout, platform};

/// Guard below a stack.
const GUARD_BYTES: usize = 64 << 10;
/// What stays resident of an unused stack: more than usual programs reach. A guest's deepest
/// recursion is not kept.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;
/// Unused stacks kept.
const MAX_IDLE: usize = 32;

/// Makes stacks and takes them back.
#[derive(Clone, Default)]
pub(crate) struct StackPool {
    idle: Arc<Mutex<Vec<platform::Mapping>>>,
}

impl StackPool {
    /// Unmaps the stacks that no fiber uses.
    pub(crate) fn trim(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

// SAFETY: each stack is page-aligned, guarded below, zero-filled when new, and handed out to one
// fiber at a time. A reused stack holds what the last fiber left; compiled code never reads a slot
// that it did not write.
unsafe impl StackCreator for StackPool {
    fn new_stack(&self, size: usize, zeroed: bool) -> wasmtime::Result<Box<dyn StackMemory>> {
        let layout = Layout { minimum: size, reserved: size, guard: GUARD_BYTES };
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_if(|mapping| mapping.layout() == layout && !zeroed);
        let mapping = match idle {
            Some(mapping) => mapping,
            None => platform::Mapping::new(layout, None)?,
        };
        Ok(Box::new(PooledStack { mapping: Some(mapping), pool: self.clone() }))
    }
}

struct PooledStack {
    /// `None` only while dropping.
    mapping: Option<platform::Mapping>,
    pool: StackPool,
}

impl PooledStack {
    fn mapping(&self) -> &platform::Mapping {
        self.mapping.as_ref().expect("a stack has its mapping until it is dropped")
    }
}

// SAFETY: the ranges are those of the mapping, which lives as long as this object.
unsafe impl StackMemory for PooledStack {
    fn top(&self) -> *mut u8 {
        // SAFETY: the end of the mapping's accessible part.
        unsafe { self.mapping().base().add(self.mapping().accessible()) }
    }

    fn range(&self) -> Range<usize> {
        let start = self.mapping().base().addr();
        start..start + self.mapping().accessible()
    }

    fn guard_range(&self) -> Range<*mut u8> {
        let base = self.mapping().base();
        // SAFETY: the guard lies before the base in the same mapping.
        unsafe { base.sub(GUARD_BYTES)..base }
    }
}

impl Drop for PooledStack {
    fn drop(&mut self) {
        let Some(mut mapping) = self.mapping.take() else { return };
        if mapping.discard(mapping.accessible().saturating_sub(KEEP_RESIDENT_BYTES)).is_err() {
            return;
        }
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(mapping);
        }
    }
}
