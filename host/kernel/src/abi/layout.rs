//! Memory layouts of the witx's records, written and read byte by byte in little endian.

use super::{ClockId, Errno, FdFlags, FileKind, Rights};
use crate::file_system::Stat;

pub(crate) const FILESTAT_BYTES: usize = 64;
pub(crate) const FDSTAT_BYTES: usize = 24;
pub(crate) const DIRENT_BYTES: usize = 24;
pub(crate) const SUBSCRIPTION_BYTES: usize = 48;
pub(crate) const EVENT_BYTES: usize = 32;

/// A `filestat` of a file on the device numbered `device`.
pub(crate) fn filestat(device: u64, stat: &Stat) -> [u8; FILESTAT_BYTES] {
    let mut record = Record::new();
    record.put(&device.to_le_bytes());
    record.put(&stat.ino.to_le_bytes());
    record.put(&[stat.kind.raw(), 0, 0, 0, 0, 0, 0, 0]);
    record.put(&stat.links.to_le_bytes());
    record.put(&stat.size.to_le_bytes());
    record.put(&stat.accessed_ns.to_le_bytes());
    record.put(&stat.modified_ns.to_le_bytes());
    record.put(&stat.changed_ns.to_le_bytes());
    record.bytes
}

/// A `fdstat`.
pub(crate) fn fdstat(kind: FileKind, flags: FdFlags, base: Rights, inheriting: Rights) -> [u8; FDSTAT_BYTES] {
    let mut record = Record::new();
    record.put(&[kind.raw(), 0]);
    record.put(&flags.raw().to_le_bytes());
    record.put(&[0; 4]);
    record.put(&base.raw().to_le_bytes());
    record.put(&inheriting.raw().to_le_bytes());
    record.bytes
}

/// A `dirent`, which the name follows.
pub(crate) fn dirent(next_cookie: u64, ino: u64, name_bytes: u32, kind: FileKind) -> [u8; DIRENT_BYTES] {
    let mut record = Record::new();
    record.put(&next_cookie.to_le_bytes());
    record.put(&ino.to_le_bytes());
    record.put(&name_bytes.to_le_bytes());
    record.put(&[kind.raw(), 0, 0, 0]);
    record.bytes
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    Clock,
    Read,
    Write,
}

/// An `event`.
pub(crate) fn event(
    userdata: u64,
    outcome: Result<u64, Errno>,
    kind: EventKind,
    hangup: bool,
) -> [u8; EVENT_BYTES] {
    let tag = match kind {
        EventKind::Clock => 0,
        EventKind::Read => 1,
        EventKind::Write => 2,
    };
    let mut record = Record::new();
    record.put(&userdata.to_le_bytes());
    record.put(&outcome.err().map_or(0, Errno::raw).to_le_bytes());
    record.put(&[tag, 0, 0, 0, 0, 0]);
    record.put(&outcome.unwrap_or(0).to_le_bytes());
    record.put(&[u8::from(hangup), 0, 0, 0, 0, 0, 0, 0]);
    record.bytes
}

/// A parsed `subscription`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) userdata: u64,
    pub(crate) wait: Wait,
}

/// What a subscription waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A time on a clock; `clock` is an error where the guest named none of the witx.
    Clock { clock: Result<ClockId, Errno>, timeout_ns: u64, absolute: bool },
    /// A descriptor that can be read.
    Read { fd: u32 },
    /// A descriptor that can be written.
    Write { fd: u32 },
}

/// Reads a `subscription`.
///
/// # Errors
/// `INVAL` for a tag or flags that the witx does not name.
pub(crate) fn subscription(bytes: &[u8; SUBSCRIPTION_BYTES]) -> Result<Subscription, Errno> {
    let word = |at| u32::from_le_bytes(part(bytes, at));
    let wait = match u8::from_le_bytes(part(bytes, 8)) {
        0 => Wait::Clock {
            clock: ClockId::parse(word(16)),
            timeout_ns: u64::from_le_bytes(part(bytes, 24)),
            absolute: match u16::from_le_bytes(part(bytes, 40)) {
                0 => false,
                1 => true,
                _ => return Err(Errno::INVAL),
            },
        },
        1 => Wait::Read { fd: word(16) },
        2 => Wait::Write { fd: word(16) },
        _ => return Err(Errno::INVAL),
    };
    Ok(Subscription { userdata: u64::from_le_bytes(part(bytes, 0)), wait })
}

/// `N` bytes of a record from `at` on; offsets are the layout's own constants.
fn part<const N: usize>(bytes: &[u8; SUBSCRIPTION_BYTES], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|part| part.try_into().ok()).unwrap_or([0; N])
}

/// A record that is filled from its start.
struct Record<const N: usize> {
    bytes: [u8; N],
    filled: usize,
}

impl<const N: usize> Record<N> {
    fn new() -> Self {
        Self { bytes: [0; N], filled: 0 }
    }

    fn put(&mut self, field: &[u8]) {
        let end = self.filled + field.len();
        debug_assert!(end <= N, "a layout's fields fit its size");
        if let Some(place) = self.bytes.get_mut(self.filled..end) {
            place.copy_from_slice(field);
        }
        self.filled = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filestat_has_its_fields_where_the_witx_says() {
        let stat = Stat {
            kind: FileKind::RegularFile,
            ino: 2,
            device: 0,
            links: 3,
            mode: 0,
            size: 4,
            accessed_ns: 5,
            modified_ns: 6,
            changed_ns: 7,
        };
        let bytes = filestat(1, &stat);
        for (at, value) in [(0, 1), (8, 2), (16, 4), (24, 3), (32, 4), (40, 5), (48, 6), (56, 7)] {
            assert_eq!(bytes[at], value, "byte {at}");
        }
        assert_eq!(bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>(), 32);
    }

    #[test]
    fn a_fdstat_has_its_fields_where_the_witx_says() {
        let bytes = fdstat(FileKind::Directory, FdFlags::APPEND, Rights::FD_DATASYNC, Rights::FD_READ);
        assert_eq!((bytes[0], bytes[2], bytes[8], bytes[16]), (3, 1, 1, 2));
    }

    #[test]
    fn an_event_has_its_fields_where_the_witx_says() {
        let bytes = event(9, Ok(5), EventKind::Read, true);
        assert_eq!((bytes[0], bytes[8], bytes[10], bytes[16], bytes[24]), (9, 0, 1, 5, 1));
        let bytes = event(9, Err(Errno::BADF), EventKind::Write, false);
        assert_eq!((bytes[8], bytes[10], bytes[16]), (8, 2, 0));
    }

    #[test]
    fn a_subscription_is_read_as_the_witx_lays_it_out() {
        let mut bytes = [0; SUBSCRIPTION_BYTES];
        (bytes[0], bytes[16], bytes[24], bytes[40]) = (7, 1, 99, 1);
        let wait = Wait::Clock { clock: Ok(ClockId::Monotonic), timeout_ns: 99, absolute: true };
        assert_eq!(subscription(&bytes), Ok(Subscription { userdata: 7, wait }));
        (bytes[8], bytes[16]) = (2, 4);
        assert_eq!(subscription(&bytes), Ok(Subscription { userdata: 7, wait: Wait::Write { fd: 4 } }));
        bytes[8] = 3;
        assert_eq!(subscription(&bytes), Err(Errno::INVAL));
    }
}
