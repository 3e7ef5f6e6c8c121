//! The contents of files: as they are stored, as they are written into the working tree, and their ids.

use super::attributes::State;
use super::failure::{Failure, Result};
use super::ident;
use super::line_ends::LineEnds;
use super::session::{Caller, Session};
use super::work_tree::{GITLINK, Kind, LINK, Stat};
use git2::{IndexEntry, ObjectType, Oid};
use sha1::{Digest, Sha1};
use std::io::{self, Read, Write};

/// A file of the host's that is larger is not read into memory to be stored, if nothing in it changes.
const BUFFERED_BYTES: u64 = 8 * 1024 * 1024;

impl Session<'_> {
    /// The content of a stored blob.
    pub(super) fn blob(&self, id: Oid) -> Result<Vec<u8>> {
        self.check_wanted()?;
        if self.blob_size(id)? > self.tree.most_bytes {
            return Err(self.tree.too_large(id.to_string().as_bytes()));
        }
        Ok(self.odb()?.read(id)?.data().to_vec())
    }

    /// The size of a stored blob.
    pub(super) fn blob_size(&self, id: Oid) -> Result<u64> {
        match self.odb()?.read_header(id)? {
            (size, ObjectType::Blob) => Ok(size as u64),
            _ => Err(Failure::fatal(format!("object {id} is no blob"))),
        }
    }

    /// The content of a file of the working tree as it would be stored.
    pub(super) fn stored_form(&self, path: &[u8], kind: Kind, entry: Option<&IndexEntry>) -> Result<Vec<u8>> {
        let bytes = self.tree.read(path, kind)?;
        if kind == Kind::Link {
            return Ok(bytes);
        }
        self.to_store(path, bytes, entry)
    }

    fn to_store(&self, path: &[u8], bytes: Vec<u8>, entry: Option<&IndexEntry>) -> Result<Vec<u8>> {
        let attributes = self.attributes.of(path)?;
        let ends = LineEnds::of(&attributes, self.auto_crlf, self.core_eol_crlf);
        let old = || entry.filter(|entry| entry.mode != GITLINK).and_then(|entry| self.blob(entry.id).ok());
        let bytes = ends.to_store(bytes, old);
        Ok(if ident::is_asked_for(&attributes) { ident::without_id(&bytes) } else { bytes })
    }

    /// The content of a blob as it is written into the working tree.
    pub(super) fn written_form(&self, path: &[u8], mode: u32, bytes: Vec<u8>) -> Result<Vec<u8>> {
        if mode == LINK {
            return Ok(bytes);
        }
        self.refuse_filter(path)?;
        let attributes = self.attributes.of(path)?;
        let bytes = if ident::is_asked_for(&attributes) {
            ident::with_id(&bytes, Oid::hash_object(ObjectType::Blob, &bytes)?)
        } else {
            bytes
        };
        Ok(LineEnds::of(&attributes, self.auto_crlf, self.core_eol_crlf).to_work_tree(bytes))
    }

    /// Refuses a path whose content a program of the user's configuration would change.
    pub(super) fn refuse_filter(&self, path: &[u8]) -> Result<()> {
        let Some(State::Value(name)) = self.attributes.of(path)?.remove(&b"filter"[..]) else {
            return Ok(());
        };
        let name = String::from_utf8_lossy(&name).into_owned();
        let keys = ["clean", "smudge", "process"];
        if keys.iter().any(|key| self.config.get_entry(&format!("filter.{name}.{key}")).is_ok()) {
            let path = String::from_utf8_lossy(path);
            return Err(Failure::fatal(format!(
                "'{path}' goes through the filter '{name}', a program of the user's configuration"
            ))
            .hint("no program is run for a guest; the user's own git can add or check out this file"));
        }
        Ok(())
    }

    /// What the attribute `diff` says: text, binary, or nothing.
    pub(super) fn is_text_by_attribute(&self, path: &[u8]) -> Result<Option<bool>> {
        Ok(match self.attributes.of(path)?.get(&b"diff"[..]) {
            Some(State::Set) => Some(true),
            Some(State::Unset) => Some(false),
            Some(State::Value(_)) | None => None,
        })
    }

    /// The id that the content of a file of the working tree would have.
    pub(super) fn id_of_file(&self, path: &[u8], stat: &Stat, entry: Option<&IndexEntry>) -> Result<Oid> {
        if self.is_streamed(path, stat)? {
            let mut digest = Sha1::new();
            digest.update(format!("blob {}\0", stat.size));
            let mut sink = Digesting(&mut digest);
            let copied = io::copy(&mut self.tree.open_file(path)?.take(stat.size), &mut sink)?;
            return if copied == stat.size {
                Ok(Oid::from_bytes(&digest.finalize())?)
            } else {
                Err(changed_meanwhile(path))
            };
        }
        let content = self.stored_form(path, stat.kind, entry)?;
        Ok(Oid::hash_object(ObjectType::Blob, &content)?)
    }

    /// Stores the content of a file of the working tree. For the host any size goes; no filter is run.
    pub(super) fn store(&self, path: &[u8], stat: &Stat, entry: Option<&IndexEntry>) -> Result<Oid> {
        if self.is_streamed(path, stat)? {
            let odb = self.odb()?;
            let size = usize::try_from(stat.size).map_err(|_| self.tree.too_large(path))?;
            let mut writer = odb.writer(size, ObjectType::Blob)?;
            let copied = io::copy(&mut self.tree.open_file(path)?.take(stat.size), &mut writer)?;
            return if copied == stat.size { Ok(writer.finalize()?) } else { Err(changed_meanwhile(path)) };
        }
        let content = if self.caller == Caller::Host && stat.size > self.tree.most_bytes {
            let mut bytes = Vec::new();
            self.tree.open_file(path)?.read_to_end(&mut bytes)?;
            self.to_store(path, bytes, entry)?
        } else {
            self.stored_form(path, stat.kind, entry)?
        };
        self.write(ObjectType::Blob, &content)
    }

    /// Tells whether a file is stored piece by piece, because nothing in it changes on the way.
    fn is_streamed(&self, path: &[u8], stat: &Stat) -> Result<bool> {
        if self.caller == Caller::Guest || stat.kind == Kind::Link || stat.size <= BUFFERED_BYTES {
            return Ok(false);
        }
        let attributes = self.attributes.of(path)?;
        let ends = LineEnds::of(&attributes, self.auto_crlf, self.core_eol_crlf);
        Ok(ends == LineEnds::Kept && !ident::is_asked_for(&attributes))
    }
}

fn changed_meanwhile(path: &[u8]) -> Failure {
    Failure::fatal([b"'".as_slice(), path, b"' changed while it was read"].concat())
}

struct Digesting<'d>(&'d mut Sha1);

impl Write for Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
