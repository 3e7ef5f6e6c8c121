//! One record as one line of JSON, which carries its own hash and that of the line before.
//!
//! The hash is over the very bytes of the line up to the field `hash`, which is the last. So who verifies
//! need not know the fields, or how JSON was written.

use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::{Digest, Record, RunId, timestamp};

const BEFORE_HASH: &str = ",\"hash\":\"";
const AFTER_HASH: &str = "\"}";

/// The longest line, so that a reader of a file that is none of ours holds no more than this. It has room for
/// a command line of the length that Linux takes.
pub(crate) const MAX_LINE_BYTES: usize = 1 << 20;

/// A JSON object's text with its hash at the end, and the hash.
pub(crate) fn seal(object: &str) -> (String, Digest) {
    let open = object.strip_suffix('}').unwrap_or(object);
    let hash = Digest::of(open.as_bytes());
    (format!("{open}{BEFORE_HASH}{hash}{AFTER_HASH}\n"), hash)
}

/// The fields of a sealed line, and whether the hash is theirs; none where it is no sealed line.
pub(crate) fn unseal(line: &[u8]) -> Option<Unsealed> {
    let body_bytes = line.len().checked_sub(BEFORE_HASH.len() + Digest::TEXT_BYTES + AFTER_HASH.len())?;
    let (body, seal) = line.split_at_checked(body_bytes)?;
    let hash = std::str::from_utf8(seal).ok()?;
    let hash: Digest = hash.strip_prefix(BEFORE_HASH)?.strip_suffix(AFTER_HASH)?.parse().ok()?;
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(line) else { return None };
    fields.remove("hash");
    Some(Unsealed { fields, hash, is_genuine: Digest::of(body) == hash })
}

/// What a sealed line holds.
pub(crate) struct Unsealed {
    pub(crate) fields: Map<String, Value>,
    /// The hash that the line has.
    pub(crate) hash: Digest,
    /// Whether the line's bytes have this hash.
    pub(crate) is_genuine: bool,
}

/// What the first record of a run has for the hash of the one before: no other run has it.
pub(crate) fn origin(run: &RunId) -> Digest {
    Digest::of(format!("sandpiper journal of {run}").as_bytes())
}

/// The line of a record.
pub(crate) struct Header<'a> {
    pub(crate) sequence: u64,
    pub(crate) time: SystemTime,
    pub(crate) previous: Digest,
    pub(crate) kind: &'a str,
}

/// Writes a record's line; the fields come without `kind`.
pub(crate) fn write(header: &Header<'_>, fields: &Map<String, Value>) -> (String, Digest) {
    let Header { sequence, time, previous, kind } = header;
    let time = timestamp::text(*time);
    let mut object = format!(
        r#"{{"sequence":{sequence},"time":"{time}","previous":"{previous}","kind":{}"#,
        Value::from(*kind)
    );
    for (name, value) in fields {
        object.extend([",", &Value::from(name.as_str()).to_string(), ":", &value.to_string()]);
    }
    object.push('}');
    seal(&object)
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(crate) sequence: u64,
    pub(crate) time: SystemTime,
    pub(crate) previous: Digest,
    pub(crate) hash: Digest,
    pub(crate) fields: Map<String, Value>,
    pub(crate) line: String,
}

impl Entry {
    pub(crate) fn new(line: &[u8], unsealed: Unsealed) -> Option<Self> {
        let Unsealed { mut fields, hash, .. } = unsealed;
        let mut take = |name| fields.remove(name);
        let sequence = take("sequence")?.as_u64()?;
        let time = timestamp::parse(take("time")?.as_str()?)?;
        let previous = take("previous")?.as_str()?.parse().ok()?;
        fields.get("kind")?.as_str()?;
        let line = String::from_utf8(line.to_vec()).ok()?;
        Some(Self { sequence, time, previous, hash, fields, line })
    }

    /// Its number: 0 is the first.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What the host's clock said; it can go back, the sequence cannot.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// Its hash, which is over the hash of the one before too.
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// Its kind, also one that is not known here.
    pub fn kind(&self) -> &str {
        self.fields.get("kind").and_then(Value::as_str).unwrap_or_default()
    }

    /// All its fields, `kind` included, also those that are not known here.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// Its line, byte for byte, without the line's end.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The record; none where it is of a kind, or has a value, that is not known here.
    pub fn record(&self) -> Option<Record> {
        serde_json::from_value(Value::Object(self.fields.clone())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_line_tells_any_change() {
        let (line, hash) = seal(r#"{"a":1}"#);
        let line = line.strip_suffix('\n').unwrap().as_bytes();
        let unsealed = unseal(line).unwrap();
        assert!(unsealed.is_genuine);
        assert_eq!((unsealed.hash, unsealed.fields.len()), (hash, 1));
        for index in 0..line.len() {
            let mut changed = line.to_vec();
            changed[index] ^= 1;
            assert!(unseal(&changed).is_none_or(|unsealed| !unsealed.is_genuine), "{index}");
        }
        for length in 0..line.len() {
            assert!(unseal(&line[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn kinds_and_fields_that_are_not_known_are_kept() {
        let header = Header {
            sequence: 3,
            time: SystemTime::UNIX_EPOCH,
            previous: Digest::of(b""),
            kind: "from-the-future",
        };
        let fields = Map::from_iter([("x".to_owned(), Value::from(7))]);
        let (line, _) = write(&header, &fields);
        let line = line.trim_end().as_bytes();
        let entry = Entry::new(line, unseal(line).unwrap()).unwrap();
        assert_eq!((entry.kind(), entry.record()), ("from-the-future", None));
        assert_eq!(entry.fields()["x"], 7);
        assert_eq!(entry.line().as_bytes(), line);
    }

    #[test]
    fn a_known_kind_with_a_new_field_is_read() {
        let header = Header {
            sequence: 0,
            time: SystemTime::UNIX_EPOCH,
            previous: Digest::of(b""),
            kind: "limit-reached",
        };
        let fields = serde_json::json!({"limit": "fuel", "value": 5, "unit": "new"});
        let Value::Object(fields) = fields else { unreachable!() };
        let (line, _) = write(&header, &fields);
        let line = line.trim_end().as_bytes();
        let entry = Entry::new(line, unseal(line).unwrap()).unwrap();
        assert_eq!(entry.record(), Some(Record::LimitReached { limit: "fuel".to_owned(), value: 5 }));
        assert_eq!(entry.fields()["unit"], "new");
    }
}
