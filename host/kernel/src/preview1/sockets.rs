//! `sock_*`: no descriptor is a socket, so each says so.
//!
//! None of them waits, so none is `async`.

use crate::fault::Attempt;
use crate::{Errno, Fault, Process};

impl Process {
    /// # Errors
    /// `NOTSOCK`, or `BADF` for a descriptor that is not open.
    pub fn sock_accept(&mut self, fd: u32, _flags: u32, _accepted: u32) -> Result<(), Fault> {
        self.no_socket(fd)
    }

    /// # Errors
    /// As [`Process::sock_accept`].
    pub fn sock_recv(
        &mut self,
        fd: u32,
        _vectors: u32,
        _count: u32,
        _flags: u32,
        _received: u32,
        _received_flags: u32,
    ) -> Result<(), Fault> {
        self.no_socket(fd)
    }

    /// # Errors
    /// As [`Process::sock_accept`].
    pub fn sock_send(
        &mut self,
        fd: u32,
        _vectors: u32,
        _count: u32,
        _flags: u32,
        _sent: u32,
    ) -> Result<(), Fault> {
        self.no_socket(fd)
    }

    /// # Errors
    /// As [`Process::sock_accept`].
    pub fn sock_shutdown(&mut self, fd: u32, _how: u32) -> Result<(), Fault> {
        self.no_socket(fd)
    }

    fn no_socket(&self, fd: u32) -> Result<(), Fault> {
        let result: Attempt<()> =
            self.descriptors.get(fd).map_err(Into::into).and(Err(Errno::NOTSOCK.into()));
        self.settle("sock", Some(fd), result)
    }
}
