//! Flags and small enumerations of the witx; parsing refuses what the witx does not name.

use super::Errno;

/// Defines a set of flags over an integer: constants, strict parsing, and tests of membership.
macro_rules! flags {
    ($(#[$doc:meta])* $name:ident: $repr:ty { $($flag:ident = $bit:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $name($repr);

        #[allow(dead_code, reason = "the sets are the witx's, whether or not the kernel acts on a flag")]
        impl $name {
            $(pub(crate) const $flag: Self = Self(1 << $bit);)*
            const KNOWN: $repr = 0 $(| 1 << $bit)*;

            /// The flags of a guest's value.
            ///
            /// # Errors
            /// `INVAL` for a bit that the witx does not name.
            pub(crate) fn parse(raw: u32) -> Result<Self, Errno> {
                match <$repr>::try_from(raw) {
                    Ok(raw) if raw & !Self::KNOWN == 0 => Ok(Self(raw)),
                    _ => Err(Errno::INVAL),
                }
            }

            pub(crate) const fn has(self, flag: Self) -> bool {
                self.0 & flag.0 != 0
            }

            pub(crate) const fn raw(self) -> $repr {
                self.0
            }
        }
    };
}

flags! {
    /// `lookupflags`.
    LookupFlags: u32 { SYMLINK_FOLLOW = 0 }
}

flags! {
    /// `oflags`.
    OpenFlags: u16 { CREAT = 0, DIRECTORY = 1, EXCL = 2, TRUNC = 3 }
}

flags! {
    /// `fdflags`.
    FdFlags: u16 { APPEND = 0, DSYNC = 1, NONBLOCK = 2, RSYNC = 3, SYNC = 4 }
}

flags! {
    /// `fstflags`.
    TimeFlags: u16 { ATIM = 0, ATIM_NOW = 1, MTIM = 2, MTIM_NOW = 3 }
}

impl FdFlags {
    /// The flags of a number that [`FdFlags::raw`] gave.
    pub(crate) const fn from_known(raw: u16) -> Self {
        Self(raw & Self::KNOWN)
    }

    /// Whether a write must have reached the disk when it returns.
    pub(crate) const fn synchronous(self) -> bool {
        self.has(Self::SYNC) || self.has(Self::DSYNC)
    }
}

/// `filetype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Unknown,
    BlockDevice,
    CharacterDevice,
    Directory,
    RegularFile,
    Socket,
    SymbolicLink,
}

impl FileKind {
    pub(crate) const fn raw(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::BlockDevice => 1,
            Self::CharacterDevice => 2,
            Self::Directory => 3,
            Self::RegularFile => 4,
            Self::Socket => 6,
            Self::SymbolicLink => 7,
        }
    }
}

/// `whence`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whence {
    Start,
    Current,
    End,
}

impl Whence {
    /// # Errors
    /// `INVAL` for a number that the witx does not name.
    pub(crate) fn parse(raw: u32) -> Result<Self, Errno> {
        match raw {
            0 => Ok(Self::Start),
            1 => Ok(Self::Current),
            2 => Ok(Self::End),
            _ => Err(Errno::INVAL),
        }
    }
}

/// `clockid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockId {
    Realtime,
    Monotonic,
    ProcessCpu,
    ThreadCpu,
}

impl ClockId {
    /// # Errors
    /// `INVAL` for a number that the witx does not name.
    pub(crate) fn parse(raw: u32) -> Result<Self, Errno> {
        match raw {
            0 => Ok(Self::Realtime),
            1 => Ok(Self::Monotonic),
            2 => Ok(Self::ProcessCpu),
            3 => Ok(Self::ThreadCpu),
            _ => Err(Errno::INVAL),
        }
    }
}

/// `advice`; only its validity matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advice;

impl Advice {
    /// # Errors
    /// `INVAL` for a number that the witx does not name.
    pub(crate) fn parse(raw: u32) -> Result<Self, Errno> {
        if raw <= 5 { Ok(Self) } else { Err(Errno::INVAL) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_flags_are_invalid() {
        assert_eq!(OpenFlags::parse(0b1111).map(OpenFlags::raw), Ok(0b1111));
        assert_eq!(OpenFlags::parse(0b1_0000), Err(Errno::INVAL));
        assert_eq!(FdFlags::parse(0b10_0000), Err(Errno::INVAL));
        assert_eq!(FdFlags::parse(0x1_0000), Err(Errno::INVAL));
        assert_eq!(Whence::parse(3), Err(Errno::INVAL));
        assert_eq!(ClockId::parse(4), Err(Errno::INVAL));
        assert_eq!(Advice::parse(6), Err(Errno::INVAL));
    }
}
