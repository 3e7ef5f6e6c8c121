//! Which descriptors are the script's, and which the shell's own.

use std::collections::BTreeSet;

use crate::system::{self, Mapping, Result};

/// The shell keeps its own descriptors from here on, above those that scripts name.
pub const INTERNAL_LOWEST: u32 = 64;

/// Descriptors of `{name}>` and their like are given from here on.
pub const NAMED_LOWEST: u32 = 10;

/// A descriptor that a process inherits is looked for below this.
const INHERITED_END: u32 = 32;

#[derive(Debug, Default, Clone)]
pub struct Descriptors {
    /// Those that the script sees.
    pub open: BTreeSet<u32>,
}

impl Descriptors {
    pub fn inherited() -> Self {
        Descriptors { open: (0..INHERITED_END).filter(|&fd| system::is_open(fd)).collect() }
    }

    /// The script's descriptors, each as it is.
    pub fn mappings(&self) -> Vec<Mapping> {
        self.open.iter().map(|&fd| Mapping { from: fd, to: fd }).collect()
    }

    /// The same, with others in some places.
    pub fn mappings_with(&self, others: &[Mapping]) -> Vec<Mapping> {
        let mut mappings: Vec<Mapping> = self
            .open
            .iter()
            .filter(|&&fd| others.iter().all(|other| other.to != fd))
            .map(|&fd| Mapping { from: fd, to: fd })
            .collect();
        mappings.extend_from_slice(others);
        mappings
    }
}

/// Moves a descriptor of the shell's own to where scripts do not name it.
pub fn out_of_the_way(fd: u32) -> Result<u32> {
    let moved = system::dup(fd, INTERNAL_LOWEST)?;
    system::close(fd).ok();
    Ok(moved)
}

/// A pipe with both ends out of the way.
pub fn pipe() -> Result<(u32, u32)> {
    let (reading, writing) = system::pipe()?;
    Ok((out_of_the_way(reading)?, out_of_the_way(writing)?))
}
