//! Keeps secrets out of what is written, also where they are encoded.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Map, Value};

use crate::decoded::Decoded;

/// What stands for a secret.
const MARK: &str = "[redacted]";

/// Fields whose texts are words of this crate or digests and never anybody's, in whichever record they are:
/// a secret that is one of those words is not to make the record unreadable.
const OWN_FIELDS: [&str; 7] = ["kind", "change", "verdict", "access", "metering", "quota", "trap"];

/// Replaces secrets by `[redacted]` in every text of a record before it is written.
///
/// A secret is found as it is, percent-encoded or escaped as in JSON or Python, whichever of its characters
/// are, as hexadecimal digits, and, from six bytes on, within anything encoded as Base64. It is not found where it is cut in
/// two, compressed or encrypted.
///
/// # Examples
/// ```
/// use sandpiper_journal::Redactor;
/// let redactor = Redactor::new(["p/ss word"]);
/// assert_eq!(redactor.redact("a=p/ss word&b=p%2Fss+word"), "a=[redacted]&b=[redacted]");
/// assert_eq!(redactor.redact("password"), "password");
/// ```
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Vec<Vec<u8>>,
    /// Other texts by which a secret is told, as they are.
    encodings: Vec<Encoding>,
}

/// A text that tells a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Encoding {
    text: String,
    /// Whether the character before it tells some bits too.
    reaches_before: bool,
    /// Whether the character after it does.
    reaches_after: bool,
}

impl Encoding {
    fn whole(text: String) -> Self {
        Self { text, reaches_before: false, reaches_after: false }
    }
}

impl Redactor {
    /// Keeps these out; empty ones are nothing to keep out.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut redactor = Self::default();
        for secret in secrets {
            let secret = secret.as_ref();
            if secret.is_empty() {
                continue;
            }
            redactor.encodings.extend(encodings(secret));
            redactor.secrets.push(secret.to_vec());
        }
        redactor
    }

    /// The text without the secrets.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found = self.found(text);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_by_key(|range| range.start);
        let mut clean = String::new();
        let mut end = 0;
        for range in found {
            // What begins within the one before is a part of it.
            if range.start >= end {
                clean.push_str(text.get(end..range.start).unwrap_or_default());
                clean.push_str(MARK);
            }
            end = end.max(range.end);
        }
        clean.push_str(text.get(end..).unwrap_or_default());
        Cow::Owned(clean)
    }

    /// All texts of a record's fields without the secrets.
    pub(crate) fn redact_fields(&self, kind: &str, fields: &mut Map<String, Value>) {
        if self.secrets.is_empty() {
            return;
        }
        for (name, value) in fields {
            let is_digest = kind == "file-changed" && matches!(name.as_str(), "before" | "after");
            let is_reason = kind == "denial" && name == "reason";
            if !is_digest && !is_reason {
                self.redact_value(name, value);
            }
        }
    }

    fn redact_value(&self, name: &str, value: &mut Value) {
        match value {
            Value::String(text) if !OWN_FIELDS.contains(&name) => {
                if let Cow::Owned(clean) = self.redact(text) {
                    *text = clean;
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.redact_value("", value)),
            // Its names are the user's too.
            Value::Object(fields) if name == "metadata" => {
                let clean = std::mem::take(fields).into_iter().map(|(key, mut value)| {
                    self.redact_value("", &mut value);
                    (self.redact(&key).into_owned(), value)
                });
                *fields = clean.collect();
            }
            Value::Object(fields) => {
                // A path that is no text.
                if let Some(clean) = self.redact_bytes(fields) {
                    *value = Value::String(clean);
                    return;
                }
                fields.iter_mut().for_each(|(name, value)| self.redact_value(name, value));
            }
            _ => {}
        }
    }

    /// The text that bytes become when they tell a secret.
    fn redact_bytes(&self, fields: &Map<String, Value>) -> Option<String> {
        let bytes = STANDARD.decode(fields.get("base64")?.as_str()?).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match self.redact(&text) {
            Cow::Owned(clean) => Some(clean),
            Cow::Borrowed(_) => None,
        }
    }

    fn found(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for encoding in &self.encodings {
            find(text.as_bytes(), encoding.text.as_bytes(), |range| {
                let is_letter = |index| text.as_bytes().get(index).is_some_and(u8::is_ascii_graphic);
                let before =
                    range.start.checked_sub(1).filter(|index| encoding.reaches_before && is_letter(*index));
                let after = encoding.reaches_after && is_letter(range.end);
                found.push(before.unwrap_or(range.start)..range.end + usize::from(after));
            });
        }
        for decoded in Decoded::of(text) {
            for secret in &self.secrets {
                find(decoded.bytes(), secret, |range| found.push(decoded.source(text, range)));
            }
        }
        found
    }
}

/// Tells how many there are, and not which.
impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Redactor({} secrets)", self.secrets.len())
    }
}

/// All places of a needle, also those that overlap.
fn find(haystack: &[u8], needle: &[u8], mut found: impl FnMut(Range<usize>)) {
    for (start, window) in haystack.windows(needle.len()).enumerate() {
        if window == needle {
            found(start..start + needle.len());
        }
    }
}

/// Texts that mean a secret and cannot be found by decoding a whole text.
fn encodings(secret: &[u8]) -> Vec<Encoding> {
    let mut encodings: Vec<Encoding> = [STANDARD, URL_SAFE]
        .iter()
        .flat_map(|alphabet| (0..3).filter_map(|offset| base64_at(alphabet, secret, offset)))
        .collect();
    // Two digits say nothing.
    if secret.len() > 1 {
        let digits = hexadecimal(secret);
        encodings.push(Encoding::whole(digits.to_uppercase()));
        encodings.push(Encoding::whole(digits));
    }
    // A text that comes from bytes may have been made one so.
    if std::str::from_utf8(secret).is_err() {
        encodings.push(Encoding::whole(String::from_utf8_lossy(secret).into_owned()));
    }
    encodings.sort();
    encodings.dedup();
    encodings
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a string does not fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// The characters of Base64 that only the secret decides, where it begins so many bytes after a multiple of
/// three.
fn base64_at(alphabet: &impl Engine, secret: &[u8], offset: usize) -> Option<Encoding> {
    // Fewer would be found where no secret is.
    const LEAST_CHARACTERS: usize = 4;
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(secret);
    // Six bits a character.
    let (start_bit, end_bit) = (offset * 8, bytes.len() * 8);
    let encoded = alphabet.encode(&bytes);
    let text = encoded.get(start_bit.div_ceil(6)..end_bit / 6)?;
    (text.len() >= LEAST_CHARACTERS).then(|| Encoding {
        text: text.to_owned(),
        reaches_before: start_bit % 6 != 0,
        reaches_after: end_bit % 6 != 0,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const SECRET: &str = "s3cr&t \"wörd\"/+\n";

    fn percent_encoded(text: &str) -> String {
        text.bytes().flat_map(|byte| ["%".to_owned(), hexadecimal(&[byte])]).collect()
    }

    #[test]
    fn a_secret_is_found_in_each_form() {
        let redactor = Redactor::new([SECRET]);
        let digits = hexadecimal(SECRET.as_bytes());
        let forms = [
            SECRET.to_owned(),
            serde_json::to_string(SECRET).unwrap().trim_matches('"').to_owned(),
            "s3cr\\u0026t \\x22w\\u00f6rd\\\"\\/\\u002B\\u000a".to_owned(),
            "s3cr%26t%20%22w%C3%B6rd%22%2f%2b%0A".to_owned(),
            "s3cr%26t+%22w%c3%b6rd%22/%2B%0a".to_owned(),
            percent_encoded(SECRET),
            digits.to_uppercase(),
            digits,
        ];
        for form in forms {
            assert_eq!(redactor.redact(&format!("x{form}y")), "x[redacted]y", "{form:?}");
        }
    }

    #[test]
    fn a_secret_that_is_no_text_is_found() {
        let redactor = Redactor::new([b"\xff\xfe\x00\x80abc"]);
        assert_eq!(redactor.redact("a%ff%fe%00%80abcd"), "a[redacted]d");
        assert_eq!(redactor.redact("\u{fffd}\u{fffd}\0\u{fffd}abc"), "[redacted]");
        assert_eq!(redactor.redact("fffe0080616263"), "[redacted]");
    }

    #[test]
    fn what_is_no_secret_stays() {
        let redactor = Redactor::new(["swordfish", ""]);
        for text in ["", "sword fish", "SWORDFISH", "100%", "%zz\\", "\\u12", "ä%C3"] {
            assert_eq!(redactor.redact(text), text);
        }
        assert_eq!(Redactor::default().redact("swordfish"), "swordfish");
    }

    #[test]
    fn secrets_that_overlap_leave_nothing() {
        let redactor = Redactor::new(["abcd", "cdef", "a"]);
        assert_eq!(redactor.redact("xabcdefx"), "x[redacted]x");
        assert_eq!(Redactor::new(["aa"]).redact("aaa"), "[redacted]");
    }

    #[test]
    fn words_of_the_format_are_not_taken_for_secrets() {
        let redactor = Redactor::new(["created", "read-only", "a"]);
        let Value::Object(mut fields) = json!({
            "change": "created", "before": "aa", "path": "created",
            "nested": [{"kind": "a", "x": "a"}],
        }) else {
            unreachable!()
        };
        redactor.redact_fields("file-changed", &mut fields);
        assert_eq!(
            Value::Object(fields),
            json!({
                "change": "created", "before": "aa", "path": "[redacted]",
                "nested": [{"kind": "a", "x": "[redacted]"}],
            })
        );
    }

    #[test]
    fn it_does_not_tell_its_secrets() {
        assert_eq!(format!("{:?}", Redactor::new(["swordfish"])), "Redactor(1 secrets)");
    }

    proptest! {
        #[test]
        fn a_secret_within_base64_is_found(
            secret in prop::collection::vec(any::<u8>(), 6..40),
            before in prop::collection::vec(any::<u8>(), 0..8),
            after in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            let redactor = Redactor::new([&secret]);
            let bytes = [&before[..], &secret, &after].concat();
            for alphabet in [STANDARD, URL_SAFE] {
                let text = alphabet.encode(&bytes);
                let clean = redactor.redact(&text).into_owned();
                prop_assert!(clean.contains(MARK), "{text}");
                // Of what is around it, at most the bytes that share a character with it are hidden too.
                let kept = before.len() / 3 * 4;
                prop_assert_eq!(clean.get(..kept), text.get(..kept));
            }
        }

        #[test]
        fn percent_encoding_of_any_characters_hides_nothing(
            secret in "[ -~é]{1,20}",
            choices in prop::collection::vec(any::<bool>(), 60),
        ) {
            let redactor = Redactor::new([&secret]);
            let mut text = String::new();
            for (character, encode) in secret.chars().zip(choices) {
                if encode || matches!(character, '%' | '+') {
                    text.push_str(&percent_encoded(&character.to_string()));
                } else {
                    text.push(character);
                }
            }
            prop_assert_eq!(redactor.redact(&text), MARK);
        }

        #[test]
        fn any_text_is_redacted_without_panic(text in any::<String>(), secret in any::<String>()) {
            let redactor = Redactor::new([&secret]);
            let clean = redactor.redact(&format!("{text}{secret}{text}")).into_owned();
            prop_assert!(secret.is_empty() || clean.contains(MARK));
            prop_assert!(clean.split(MARK).all(|part| secret.is_empty() || !part.contains(&secret)));
        }
    }
}
