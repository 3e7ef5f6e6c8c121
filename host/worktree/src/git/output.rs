//! What a command prints, on its way to whoever reads it.

use super::Reply;
use super::failure::{Failure, Result};
use sandpiper_core::Stream;
use std::io;

/// So much is collected before it is handed over: what a pipe holds.
const MUCH_BYTES: usize = 64 * 1024;
/// The exit code of a program that a closed pipe ended, as a shell tells it.
const BROKEN_PIPE: u8 = 128 + 13;

/// Where a command's output goes.
pub trait Output {
    /// Takes output.
    ///
    /// # Errors
    /// Any, when nobody wants more; the command ends then.
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()>;
}

impl Output for Reply {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        match stream {
            Stream::Stdout => self.stdout.extend_from_slice(bytes),
            Stream::Stderr => self.stderr.extend_from_slice(bytes),
        }
        Ok(())
    }
}

/// Output that is not handed over yet, in the order in which it was printed.
pub(super) struct Pending<'a> {
    output: &'a mut dyn Output,
    parts: Vec<(Stream, Vec<u8>)>,
    bytes: usize,
}

impl<'a> Pending<'a> {
    pub(super) fn new(output: &'a mut dyn Output) -> Self {
        Self { output, parts: Vec::new(), bytes: 0 }
    }

    pub(super) fn add(&mut self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len();
        match self.parts.last_mut() {
            Some((last, part)) if *last == stream => part.extend_from_slice(bytes),
            _ => self.parts.push((stream, bytes.to_vec())),
        }
    }

    /// Hands everything over; an error when nobody takes it.
    pub(super) fn hand_over(&mut self) -> Result<()> {
        self.bytes = 0;
        for (stream, bytes) in self.parts.drain(..) {
            for chunk in bytes.chunks(MUCH_BYTES) {
                self.output.write(stream, chunk).map_err(|_| Failure::silent(BROKEN_PIPE))?;
            }
        }
        Ok(())
    }

    /// The same if it is much.
    pub(super) fn hand_over_much(&mut self) -> Result<()> {
        if self.bytes < MUCH_BYTES { Ok(()) } else { self.hand_over() }
    }
}
