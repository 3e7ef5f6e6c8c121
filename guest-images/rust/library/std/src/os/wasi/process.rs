//! WASIp1-specific extensions to primitives in the [`std::process`] module, as those of Unix.
//!
//! [`std::process`]: crate::process

#![stable(feature = "rust1", since = "1.0.0")]

use crate::ffi::OsStr;
use crate::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use crate::process;
use crate::sys::{AsInner, AsInnerMut, FromInner, IntoInner};

/// Extensions to the [`process::Command`] builder.
#[stable(feature = "rust1", since = "1.0.0")]
pub trait CommandExt {
    /// Sets the first argument that the program gets, which otherwise is its name.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut process::Command;
}

#[stable(feature = "rust1", since = "1.0.0")]
impl CommandExt for process::Command {
    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut process::Command {
        self.as_inner_mut().set_arg_0(arg.as_ref());
        self
    }
}

/// Extensions to [`process::ExitStatus`].
#[stable(feature = "rust1", since = "1.0.0")]
pub trait ExitStatusExt {
    /// The signal that ended the process, if one did.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn signal(&self) -> Option<i32>;
}

#[stable(feature = "rust1", since = "1.0.0")]
impl ExitStatusExt for process::ExitStatus {
    fn signal(&self) -> Option<i32> {
        self.as_inner().signal()
    }
}

#[stable(feature = "rust1", since = "1.0.0")]
impl From<OwnedFd> for process::Stdio {
    fn from(fd: OwnedFd) -> process::Stdio {
        let fd = crate::sys::fd::FileDesc::from_inner(fd);
        process::Stdio::from_inner(crate::sys::process::Stdio::Fd(fd))
    }
}

macro_rules! descriptors {
    ($($name:ident)*) => {$(
        #[stable(feature = "rust1", since = "1.0.0")]
        impl AsRawFd for process::$name {
            fn as_raw_fd(&self) -> RawFd {
                self.as_inner().as_raw_fd()
            }
        }

        #[stable(feature = "rust1", since = "1.0.0")]
        impl AsFd for process::$name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.as_inner().as_fd()
            }
        }

        #[stable(feature = "rust1", since = "1.0.0")]
        impl IntoRawFd for process::$name {
            fn into_raw_fd(self) -> RawFd {
                self.into_inner().into_raw_fd()
            }
        }

        #[stable(feature = "rust1", since = "1.0.0")]
        impl From<process::$name> for OwnedFd {
            fn from(pipe: process::$name) -> OwnedFd {
                pipe.into_inner().into_inner()
            }
        }
    )*};
}

descriptors! { ChildStdin ChildStdout ChildStderr }
