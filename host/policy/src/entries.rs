//! Mounts and variables: the tables whose keys a person chooses.

use std::path::PathBuf;

use sandpiper_core::{Access, GitDirectory, GuestPath};
use serde_json::json;

use crate::backend::Backend;
use crate::read::{Node, Reading, Record};
use crate::secret::{SecretReference, host_path, is_variable_name, path_schema, variable_schema};
use crate::value::{Value, quoted};

/// A key of such a table.
pub(crate) trait EntryKey: Ord + Clone {
    /// Parses a key.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(text: &str) -> Result<Self, String>;
    fn as_text(&self) -> &str;
    fn schema() -> serde_json::Value;
}

impl EntryKey for GuestPath {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|err: sandpiper_core::GuestPathError| err.to_string())
    }

    fn as_text(&self) -> &str {
        self.as_str()
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^/[^/]" })
    }
}

/// The name of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VariableName(String);

impl EntryKey for VariableName {
    fn parse(text: &str) -> Result<Self, String> {
        if is_variable_name(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("`{}` is not a variable's name, expected letters, digits and `_`", text.escape_debug()))
    }

    fn as_text(&self) -> &str {
        &self.0
    }

    fn schema() -> serde_json::Value {
        variable_schema()
    }
}

/// What is mounted at a guest path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MountSource {
    pub(crate) host: PathBuf,
    pub(crate) access: Access,
    pub(crate) git: GitDirectory,
}

impl Value for MountSource {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let mut record =
            Record::of(node, reading, "a table such as { host = \"src\" }, or false for no mount")?;
        let host = record.node("host");
        if host.is_none() {
            reading.refuse(node, "has no `host`", "name the directory of the host: { host = \"src\" }");
        }
        let host = host.and_then(|host| host_path(&host, reading));
        let access = record.optional("access", reading).unwrap_or(Access::ReadOnly);
        let git = record.optional("git", reading).unwrap_or_default();
        record.end(reading);
        Some(Self { host: host?, access, git })
    }

    fn write(&self) -> Option<String> {
        Some(format!(
            "{{ host = {}, access = {}, git = {} }}",
            quoted(&self.host.to_string_lossy()),
            self.access.write()?,
            self.git.write()?
        ))
    }

    fn schema() -> serde_json::Value {
        json!({
            "type": "object",
            "properties": { "host": path_schema(), "access": Access::schema(), "git": GitDirectory::schema() },
            "required": ["host"],
            "additionalProperties": false,
        })
    }
}

/// The value of a variable of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    /// A text.
    Text(String),
    /// A secret, and the backends whose guests get it.
    Secret { reference: SecretReference, backends: Vec<Backend> },
}

impl Value for Variable {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let expected =
            "a text in quotes, or { env = \"NAME\" }, { file = \"path\" }, or false for no variable";
        if let Some(text) = node.value.get_ref().as_str() {
            if text.contains('\0') {
                reading.refuse(node, "has NUL in it", "leave it out");
                return None;
            }
            return Some(Self::Text(text.to_owned()));
        }
        let mut record = Record::of(node, reading, expected)?;
        let reference = SecretReference::read_from(&mut record, node, reading);
        // A secret goes where it is said to go: a guest elsewhere is another machine.
        let backends = record.optional("backends", reading).unwrap_or_else(|| vec![Backend::Wasm]);
        record.end(reading);
        Some(Self::Secret { reference: reference?, backends })
    }

    fn write(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(quoted(text)),
            Self::Secret { reference, backends } => {
                let reference = reference.write()?;
                let reference = reference.strip_suffix(" }").unwrap_or(&reference);
                Some(format!("{reference}, backends = {} }}", backends.write()?))
            }
        }
    }

    fn schema() -> serde_json::Value {
        let one = |name: &str, schema| {
            json!({
                "type": "object",
                "properties": { name: schema, "backends": Vec::<Backend>::schema() },
                "required": [name],
                "additionalProperties": false,
            })
        };
        json!({ "anyOf": [{ "type": "string" }, one("env", variable_schema()), one("file", path_schema())] })
    }
}
