//! What is noted on a container: that it is a sandbox, its limits, variables and metadata, and when it ends.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sandpiper_core::{Limits, Spec};

/// The label that all sandboxes have, and nothing else: the id of their creation.
pub(super) const SANDBOX: &str = "sandpiper.sandbox";
/// The label of the limits, as JSON.
const LIMITS: &str = "sandpiper.limits";
/// The label of the variables of commands, as JSON. They are not the container's own, so that its keeper, and what
/// is done with its files, does not go by them.
const ENVIRONMENT: &str = "sandpiper.environment";
/// What the labels of metadata begin with.
const METADATA: &str = "sandpiper.metadata.";
/// What the names of containers begin with.
const NAME: &str = "sandpiper-";

/// A number that no other creation has, by which a container is found whose making was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CreationId(String);

/// 128 bits that nobody guesses, in hexadecimal.
pub(super) fn random() -> String {
    let half = || RandomState::new().hash_one(());
    format!("{:016x}{:016x}", half(), half())
}

impl CreationId {
    pub(super) fn random() -> Self {
        Self(random())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The container's name. It has the end in it, because a name is what can be changed of a container.
    pub(super) fn container_name(&self, expires: SystemTime) -> String {
        let seconds = expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        format!("{NAME}{}-{seconds}", self.0)
    }
}

/// When the container of this name ends.
pub(super) fn expires(container_name: &str) -> Option<SystemTime> {
    let name = container_name.trim_start_matches('/').strip_prefix(NAME)?;
    let (_, seconds) = name.rsplit_once('-')?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))
}

pub(super) fn labels(
    creation: &CreationId,
    spec: &Spec,
) -> Result<HashMap<String, String>, serde_json::Error> {
    let noted = spec.metadata.iter().map(|(key, value)| (format!("{METADATA}{key}"), value.clone()));
    let mut labels: HashMap<_, _> = noted.collect();
    labels.insert(SANDBOX.to_owned(), creation.0.clone());
    labels.insert(LIMITS.to_owned(), serde_json::to_string(&spec.limits)?);
    labels.insert(ENVIRONMENT.to_owned(), serde_json::to_string(&spec.env)?);
    Ok(labels)
}

/// What the labels of a sandbox say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) creation: CreationId,
    pub(super) limits: Limits,
    pub(super) env: Vec<(String, String)>,
}

/// What the labels of a container say; `None` for a container that is no sandbox.
pub(super) fn read(labels: &HashMap<String, String>) -> Option<Noted> {
    let creation = CreationId(labels.get(SANDBOX)?.clone());
    let limits = serde_json::from_str(labels.get(LIMITS)?).ok()?;
    let env = serde_json::from_str(labels.get(ENVIRONMENT)?).ok()?;
    Some(Noted { creation, limits, env })
}

pub(super) fn metadata(labels: &HashMap<String, String>) -> BTreeMap<String, String> {
    let noted = labels.iter().filter_map(|(key, value)| Some((key.strip_prefix(METADATA)?, value)));
    noted.map(|(key, value)| (key.to_owned(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again() {
        let creation = CreationId::random();
        let spec = Spec {
            limits: Limits { output_bytes: 7, ..Limits::default() },
            env: vec![("A".to_owned(), "b=c".to_owned())],
            metadata: BTreeMap::from([("a=b".to_owned(), "c".to_owned())]),
            ..Spec::default()
        };
        let labels = labels(&creation, &spec).unwrap();
        assert_eq!(metadata(&labels), spec.metadata);
        let noted = Noted { creation, limits: spec.limits, env: spec.env };
        assert_eq!(read(&labels), Some(noted));
    }

    #[test]
    fn a_container_of_somebody_else_is_no_sandbox() {
        let labels = HashMap::from([("com.example".to_owned(), "1".to_owned())]);
        assert_eq!(read(&labels), None);
        assert_eq!(metadata(&labels), BTreeMap::new());
    }

    #[test]
    fn a_name_has_the_end_in_it() {
        let end = UNIX_EPOCH + Duration::from_hours(500_000);
        let name = CreationId::random().container_name(end);
        assert_eq!(expires(&name), Some(end));
        assert_eq!(expires(&format!("/{name}")), Some(end));
        assert_eq!(expires("/amazing_tesla"), None);
        assert_eq!(expires("/sandpiper-x-y"), None);
    }
}
