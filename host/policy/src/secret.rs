//! Secrets by reference: a policy says where one is found, and never what it is.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use zeroize::Zeroizing;

use crate::read::{Node, Reading, Record};
use crate::value::{Value, quoted};

/// Where a secret is found. It is looked up when it is used, and not before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretReference {
    /// An environment variable of the host.
    Environment(String),
    /// A file of the host, without the newline at its end.
    File(PathBuf),
}

/// A secret's value: never shown by `Debug`, without `Display`, overwritten when it is dropped.
///
/// What the environment itself and the reader's buffers hold is not overwritten.
pub struct Secret(Zeroizing<String>);

/// Why a secret could not be had. The value is in none of them.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable {name} is not set")]
    NotSet {
        /// The variable.
        name: String,
    },
    /// The variable or the file is empty.
    #[error("the secret of {reference} is empty")]
    Empty {
        /// Where it was looked for.
        reference: SecretReference,
    },
    /// The value is no text.
    #[error("the secret of {reference} is not UTF-8 or has NUL in it")]
    NotText {
        /// Where it was looked for.
        reference: SecretReference,
    },
    /// The file is no file, or so long that it is none of a secret.
    #[error("{} is not a file of at most 64KiB", .path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the secret in {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

impl SecretReference {
    /// The longest key file in use (RSA, 16384 bits) has 13 KiB.
    const MAX_BYTES: u64 = 64 << 10;

    /// Looks the secret up; `environment` gives the host's variables.
    ///
    /// # Errors
    /// [`SecretError`] says what is not there or no text.
    pub fn look_up(&self, environment: impl Fn(&str) -> Option<OsString>) -> Result<Secret, SecretError> {
        let not_text = || SecretError::NotText { reference: self.clone() };
        let text = match self {
            Self::Environment(name) => {
                let value = environment(name).ok_or_else(|| SecretError::NotSet { name: name.clone() })?;
                Zeroizing::new(value.into_string().map_err(|_| not_text())?)
            }
            Self::File(path) => {
                let text = Zeroizing::new(String::from_utf8(read(path)?).map_err(|_| not_text())?);
                let line = text.strip_suffix('\n').unwrap_or(&text);
                Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned())
            }
        };
        if text.contains('\0') {
            return Err(not_text());
        }
        if text.is_empty() {
            return Err(SecretError::Empty { reference: self.clone() });
        }
        Ok(Secret(text))
    }

    /// The keys of a reference in a table that may have others.
    pub(crate) fn read_from(
        record: &mut Record<'_>,
        node: &Node<'_>,
        reading: &mut Reading<'_>,
    ) -> Option<Self> {
        let name = record.node("env");
        let file = record.node("file");
        match (name, file) {
            (Some(name), None) => variable_name(&name, reading).map(Self::Environment),
            (None, Some(file)) => host_path(&file, reading).map(Self::File),
            _ => {
                reading.refuse(node, "has to name either `env` or `file`", "write { env = \"NAME\" }");
                None
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SecretError> {
    let failed = |source| SecretError::Read { path: path.to_owned(), source };
    // Asked before it is opened: opening a FIFO would wait for its writer.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(SecretError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(SecretReference::MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= SecretReference::MAX_BYTES) {
        return Ok(bytes);
    }
    Err(SecretError::NotAFile { path: path.to_owned() })
}

impl Secret {
    /// The value, for the one place that uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(formatter, "the environment variable {name}"),
            Self::File(path) => write!(formatter, "the file {}", path.display()),
        }
    }
}

impl Value for SecretReference {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(table) = node.value.get_ref().as_table() else {
            // Not shown: it may be the secret.
            reading.refuse(node, "is not a reference to a secret", REFERENCE_HINT);
            return None;
        };
        let mut record = Record::at(node, table);
        let reference = Self::read_from(&mut record, node, reading);
        record.end(reading);
        reference
    }

    fn write(&self) -> Option<String> {
        Some(match self {
            Self::Environment(name) => format!("{{ env = {} }}", quoted(name)),
            Self::File(path) => format!("{{ file = {} }}", quoted(&path.to_string_lossy())),
        })
    }

    fn schema() -> serde_json::Value {
        let one = |name: &str, schema| json!({ "type": "object", "properties": { name: schema }, "required": [name], "additionalProperties": false });
        json!({ "anyOf": [one("env", variable_schema()), one("file", path_schema())] })
    }
}

const REFERENCE_HINT: &str =
    "secrets are not written into policies; name where it is, as { env = \"NAME\" } or { file = \"path\" }";

pub(crate) fn variable_schema() -> serde_json::Value {
    json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" })
}

pub(crate) fn path_schema() -> serde_json::Value {
    json!({ "type": "string", "pattern": "^[^~\\u0000]" })
}

/// Whether a text is a portable name of a variable, by POSIX (XBD 8.1).
pub(crate) fn is_variable_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

fn variable_name(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<String> {
    let expected = "a variable's name, of letters, digits and `_`";
    let text = node.value.get_ref().as_str().filter(|text| is_variable_name(text));
    if text.is_none() {
        // Not shown: it may be the secret.
        reading.refuse(node, &format!("is not {expected}"), "write the variable's name without `$`");
    }
    text.map(ToOwned::to_owned)
}

/// A path of the host; a relative one begins at the policy's directory.
pub(crate) fn host_path(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<PathBuf> {
    let expected = "a path in quotes, absolute or from the policy's directory";
    let text = reading.text(node, expected)?;
    if text.is_empty() || text.contains('\0') {
        reading.expected(node, expected);
        return None;
    }
    if text.starts_with('~') {
        reading.refuse(
            node,
            "begins with `~`, which is not expanded",
            "write the whole path, or `./~` for the name",
        );
        return None;
    }
    Some(plain(&reading.source.directory().join(text)))
}

/// The same path without `.`; `..` stays, for it means another directory where links are.
fn plain(path: &Path) -> PathBuf {
    let plain: PathBuf =
        path.components().filter(|part| !matches!(part, std::path::Component::CurDir)).collect();
    if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain }
}
