//! `args_*` and `environ_*`.

use crate::{Fault, Process};

impl Process {
    /// Writes the arguments at `buffer` and their addresses at `pointers`.
    ///
    /// # Errors
    /// `FAULT`.
    pub fn args_get(&mut self, memory: &mut [u8], pointers: u32, buffer: u32) -> Result<(), Fault> {
        Ok(self.arguments.write(memory, pointers, buffer)?)
    }

    /// Writes how many arguments there are, and the bytes that they need.
    ///
    /// # Errors
    /// `FAULT`.
    pub fn args_sizes_get(&mut self, memory: &mut [u8], count: u32, bytes: u32) -> Result<(), Fault> {
        Ok(self.arguments.sizes(memory, count, bytes)?)
    }

    /// Writes the variables as `NAME=value` at `buffer` and their addresses at `pointers`.
    ///
    /// # Errors
    /// `FAULT`.
    pub fn environ_get(&mut self, memory: &mut [u8], pointers: u32, buffer: u32) -> Result<(), Fault> {
        Ok(self.environment.write(memory, pointers, buffer)?)
    }

    /// Writes how many variables there are, and the bytes that they need.
    ///
    /// # Errors
    /// `FAULT`.
    pub fn environ_sizes_get(&mut self, memory: &mut [u8], count: u32, bytes: u32) -> Result<(), Fault> {
        Ok(self.environment.sizes(memory, count, bytes)?)
    }
}
