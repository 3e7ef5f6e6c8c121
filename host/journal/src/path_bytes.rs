//! A path as its bytes, which need not be text.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A path in bytes: in JSON a string, or `{"base64": ...}` where it is no UTF-8.
///
/// # Examples
/// ```
/// use sandpiper_journal::PathBytes;
/// let json = |path: &PathBytes| serde_json::to_string(path).unwrap();
/// assert_eq!(json(&PathBytes::from("a/b")), r#""a/b""#);
/// assert_eq!(json(&PathBytes::from(&b"a\xff"[..])), r#"{"base64":"Yf8="}"#);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Encoded", into = "Encoded")]
pub struct PathBytes(Vec<u8>);

impl PathBytes {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for PathBytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<&str> for PathBytes {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

/// On Windows, what is no Unicode in it is encoded as std encodes it.
impl From<&Path> for PathBytes {
    fn from(path: &Path) -> Self {
        Self(path.as_os_str().as_encoded_bytes().to_vec())
    }
}

/// As text, with what is no UTF-8 replaced and control characters escaped: safe for a terminal.
impl fmt::Display for PathBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in String::from_utf8_lossy(&self.0).chars() {
            if character.is_control() {
                write!(formatter, "{}", character.escape_default())?;
            } else {
                write!(formatter, "{character}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PathBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Encoded {
    Text(String),
    Bytes { base64: String },
}

impl From<Encoded> for PathBytes {
    fn from(encoded: Encoded) -> Self {
        match encoded {
            Encoded::Text(text) => Self(text.into_bytes()),
            // A path that was cut cannot be decoded: it stays what it is.
            Encoded::Bytes { base64 } => Self(STANDARD.decode(&base64).unwrap_or(base64.into_bytes())),
        }
    }
}

impl From<PathBytes> for Encoded {
    fn from(path: PathBytes) -> Self {
        match String::from_utf8(path.0) {
            Ok(text) => Self::Text(text),
            Err(err) => Self::Bytes { base64: STANDARD.encode(err.as_bytes()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back() {
        for bytes in [&b""[..], b"a b", b"\xff\xfe", b"\0\n\"", "é".as_bytes()] {
            let json = serde_json::to_string(&PathBytes::from(bytes)).unwrap();
            assert_eq!(serde_json::from_str::<PathBytes>(&json).unwrap().as_bytes(), bytes);
        }
    }

    #[test]
    fn a_path_cannot_drive_the_terminal() {
        assert_eq!(PathBytes::from("a\u{1b}[2J\u{9b}b").to_string(), "a\\u{1b}[2J\\u{9b}b");
        assert_eq!(PathBytes::from("é/ü").to_string(), "é/ü");
    }
}
