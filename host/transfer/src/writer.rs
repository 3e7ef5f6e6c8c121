//! Writing a tar archive in which the same directory always gives the same bytes.

use bytes::Bytes;
use tar::{EntryType, Header};

use crate::digest::Digest;
use crate::look::ReadFault;

/// The unit of the format.
pub(crate) const BLOCK_BYTES: usize = 512;

/// What a header says of an entry.
pub(crate) struct Written<'a> {
    pub(crate) kind: EntryType,
    /// Ends with `/` for a directory.
    pub(crate) name: &'a [u8],
    pub(crate) target: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) size: u64,
    /// Seconds since 1970.
    pub(crate) modified: u64,
}

/// A tar archive that is written to memory: ustar, and pax where a name is too long for that.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Adds an entry; `fill` reads its content into the sink, as many bytes as the header says.
    pub(crate) fn add(
        &mut self,
        entry: &Written,
        fill: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<Digest, ReadFault>,
    ) -> Result<Digest, ReadFault> {
        self.extended(entry);
        self.header(entry);
        let digest = fill(&mut |piece| self.0.extend_from_slice(piece))?;
        self.pad();
        Ok(digest)
    }

    /// Adds an entry that has no content.
    pub(crate) fn add_empty(&mut self, entry: &Written) {
        self.extended(entry);
        self.header(entry);
    }

    pub(crate) fn finish(mut self) -> Bytes {
        self.0.resize(self.0.len() + 2 * BLOCK_BYTES, 0);
        self.0.into()
    }

    /// The names that do not fit, before the entry; see pax(1), "pax Extended Header".
    fn extended(&mut self, entry: &Written) {
        let old = Header::new_ustar();
        let (name_room, target_room) = (old.as_old().name.len(), old.as_old().linkname.len());
        let mut records = Vec::new();
        let mut record = |key: &str, value: &[u8]| {
            if std::str::from_utf8(value).is_err() {
                records.extend_from_slice(&pax_record("hdrcharset", b"BINARY"));
            }
            records.extend_from_slice(&pax_record(key, value));
        };
        if entry.name.len() > name_room {
            record("path", entry.name);
        }
        if entry.target.len() > target_room {
            record("linkpath", entry.target);
        }
        if records.is_empty() {
            return;
        }
        let size = u64::try_from(records.len()).unwrap_or(u64::MAX);
        self.header(&Written {
            kind: EntryType::XHeader,
            name: b"PaxHeaders/x",
            target: b"",
            mode: 0o644,
            size,
            modified: entry.modified,
        });
        self.0.extend_from_slice(&records);
        self.pad();
    }

    fn header(&mut self, entry: &Written) {
        let mut header = Header::new_ustar();
        put(&mut header.as_old_mut().name, entry.name);
        put(&mut header.as_old_mut().linkname, entry.target);
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(entry.size);
        header.set_mtime(entry.modified);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(BLOCK_BYTES), 0);
    }
}

/// As much as there is room for; the whole is in the extended header then.
fn put(room: &mut [u8], text: &[u8]) {
    for (to, from) in room.iter_mut().zip(text) {
        *to = *from;
    }
}

/// `length key=value\n`, where the length counts its own digits.
fn pax_record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        assert_eq!(pax_record("path", b"a"), b"9 path=a\n");
        for size in 0..1200 {
            let record = pax_record("path", &vec![b'x'; size]);
            let said: usize =
                std::str::from_utf8(&record).unwrap().split(' ').next().unwrap().parse().unwrap();
            assert_eq!(said, record.len());
        }
    }
}
