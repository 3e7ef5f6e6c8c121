//! A record as the fields of its line: without secrets, and with no text longer than a line can hold.

use serde_json::{Map, Value};

use crate::{JournalError, Record, Redactor};

/// The longest text of a record; longer ones are cut, and the field `shortened` of the line says how many.
/// Longer than any path.
const MAX_TEXT_BYTES: usize = 16 << 10;
/// The same for the last record, which has three texts at most and always finds room.
const MAX_END_TEXT_BYTES: usize = 2 << 10;

/// What a line says of a record.
pub(crate) struct Encoded {
    pub(crate) kind: String,
    pub(crate) fields: Map<String, Value>,
}

impl Encoded {
    pub(crate) fn new(record: &Record, redactor: &Redactor) -> Result<Self, JournalError> {
        let value = serde_json::to_value(record).map_err(|source| JournalError::Encode { source })?;
        let mut fields = match value {
            Value::Object(fields) => fields,
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        let kind = match fields.remove("kind") {
            Some(Value::String(kind)) => kind,
            _ => String::new(),
        };
        redactor.redact_fields(&kind, &mut fields);
        // Afterwards, or the rest of a secret that was cut would stay.
        let most = if matches!(record, Record::RunEnded(_)) { MAX_END_TEXT_BYTES } else { MAX_TEXT_BYTES };
        let shortened: u64 = fields.values_mut().map(|value| shorten(value, most)).sum();
        if shortened > 0 {
            fields.insert("shortened".to_owned(), Value::from(shortened));
        }
        Ok(Self { kind, fields })
    }
}

fn shorten(value: &mut Value, most: usize) -> u64 {
    match value {
        Value::String(text) if text.len() > most => {
            text.truncate(text.floor_char_boundary(most));
            1
        }
        Value::Array(values) => values.iter_mut().map(|value| shorten(value, most)).sum(),
        Value::Object(fields) => fields.values_mut().map(|value| shorten(value, most)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunEnded;

    #[test]
    fn a_long_text_is_cut_on_a_character_and_said_to_be() {
        let record = Record::Operation { operation: "é".repeat(20_000), subject: "short".to_owned() };
        let encoded = Encoded::new(&record, &Redactor::default()).unwrap();
        assert_eq!(encoded.fields["operation"].as_str().unwrap().len(), MAX_TEXT_BYTES);
        assert_eq!((&encoded.fields["subject"], &encoded.fields["shortened"]), (&"short".into(), &1.into()));
    }

    #[test]
    fn a_text_that_fits_is_not_cut() {
        let record = Record::Operation { operation: "a".repeat(MAX_TEXT_BYTES), subject: String::new() };
        let encoded = Encoded::new(&record, &Redactor::default()).unwrap();
        assert!(!encoded.fields.contains_key("shortened"));
        let end = Record::RunEnded(RunEnded::failed("a".repeat(MAX_TEXT_BYTES)));
        let encoded = Encoded::new(&end, &Redactor::default()).unwrap();
        assert_eq!(encoded.fields["error"].as_str().unwrap().len(), MAX_END_TEXT_BYTES);
    }

    #[test]
    fn a_secret_at_the_cut_leaves_nothing() {
        let secret = "swordfish";
        let operation = "a".repeat(MAX_TEXT_BYTES - 4) + secret;
        let record = Record::Operation { operation, subject: String::new() };
        let encoded = Encoded::new(&record, &Redactor::new([secret])).unwrap();
        assert!(!encoded.fields["operation"].as_str().unwrap().contains("swor"));
    }
}
