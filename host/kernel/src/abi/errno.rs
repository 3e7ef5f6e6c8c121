//! The error numbers of WASI preview 1.

use std::fmt;

/// An error number, as the guest gets it.
///
/// # Examples
/// ```
/// use sandpiper_kernel::Errno;
/// assert_eq!(Errno::NOENT.raw(), 44);
/// assert_eq!(Errno::NOENT.to_string(), "NOENT");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(u16);

impl Errno {
    /// The number.
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// The name without the leading `E`, as in the witx.
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("UNKNOWN")
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Defines the constants and the table of names from one list, in the witx's order.
macro_rules! errnos {
    ($($name:ident $number:literal $doc:literal),* $(,)?) => {
        impl Errno {
            $(#[doc = $doc] pub const $name: Self = Self($number);)*
        }

        const NAMES: &[&str] = &["SUCCESS", $(stringify!($name)),*];
    };
}

errnos! {
    TOO_BIG 1 "Argument list too long.",
    ACCES 2 "Permission denied.",
    ADDRINUSE 3 "Address in use.",
    ADDRNOTAVAIL 4 "Address not available.",
    AFNOSUPPORT 5 "Address family not supported.",
    AGAIN 6 "Resource unavailable, or operation would block.",
    ALREADY 7 "Connection already in progress.",
    BADF 8 "Bad file descriptor.",
    BADMSG 9 "Bad message.",
    BUSY 10 "Device or resource busy.",
    CANCELED 11 "Operation canceled.",
    CHILD 12 "No child processes.",
    CONNABORTED 13 "Connection aborted.",
    CONNREFUSED 14 "Connection refused.",
    CONNRESET 15 "Connection reset.",
    DEADLK 16 "Resource deadlock would occur.",
    DESTADDRREQ 17 "Destination address required.",
    DOM 18 "Mathematics argument out of domain of function.",
    DQUOT 19 "Reserved.",
    EXIST 20 "File exists.",
    FAULT 21 "Bad address.",
    FBIG 22 "File too large.",
    HOSTUNREACH 23 "Host is unreachable.",
    IDRM 24 "Identifier removed.",
    ILSEQ 25 "Illegal byte sequence.",
    INPROGRESS 26 "Operation in progress.",
    INTR 27 "Interrupted function.",
    INVAL 28 "Invalid argument.",
    IO 29 "I/O error.",
    ISCONN 30 "Socket is connected.",
    ISDIR 31 "Is a directory.",
    LOOP 32 "Too many levels of symbolic links.",
    MFILE 33 "File descriptor value too large.",
    MLINK 34 "Too many links.",
    MSGSIZE 35 "Message too large.",
    MULTIHOP 36 "Reserved.",
    NAMETOOLONG 37 "Filename too long.",
    NETDOWN 38 "Network is down.",
    NETRESET 39 "Connection aborted by network.",
    NETUNREACH 40 "Network unreachable.",
    NFILE 41 "Too many files open in system.",
    NOBUFS 42 "No buffer space available.",
    NODEV 43 "No such device.",
    NOENT 44 "No such file or directory.",
    NOEXEC 45 "Executable file format error.",
    NOLCK 46 "No locks available.",
    NOLINK 47 "Reserved.",
    NOMEM 48 "Not enough space.",
    NOMSG 49 "No message of the desired type.",
    NOPROTOOPT 50 "Protocol not available.",
    NOSPC 51 "No space left on device.",
    NOSYS 52 "Function not supported.",
    NOTCONN 53 "The socket is not connected.",
    NOTDIR 54 "Not a directory or a symbolic link to a directory.",
    NOTEMPTY 55 "Directory not empty.",
    NOTRECOVERABLE 56 "State not recoverable.",
    NOTSOCK 57 "Not a socket.",
    NOTSUP 58 "Not supported, or operation not supported on socket.",
    NOTTY 59 "Inappropriate I/O control operation.",
    NXIO 60 "No such device or address.",
    OVERFLOW 61 "Value too large to be stored in data type.",
    OWNERDEAD 62 "Previous owner died.",
    PERM 63 "Operation not permitted.",
    PIPE 64 "Broken pipe.",
    PROTO 65 "Protocol error.",
    PROTONOSUPPORT 66 "Protocol not supported.",
    PROTOTYPE 67 "Protocol wrong type for socket.",
    RANGE 68 "Result too large.",
    ROFS 69 "Read-only file system.",
    SPIPE 70 "Invalid seek.",
    SRCH 71 "No such process.",
    STALE 72 "Reserved.",
    TIMEDOUT 73 "Connection timed out.",
    TXTBSY 74 "Text file busy.",
    XDEV 75 "Cross-device link.",
    NOTCAPABLE 76 "Extension: Capabilities insufficient.",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_own_name() {
        assert_eq!(NAMES.len(), 77);
        assert_eq!(Errno::TOO_BIG.name(), "TOO_BIG");
        assert_eq!(Errno::ROFS.name(), "ROFS");
        assert_eq!(Errno::NOTCAPABLE.name(), "NOTCAPABLE");
    }
}
