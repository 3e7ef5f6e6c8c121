//! What a run began with: the first record of its journal.

use sandpiper_core::{Access, Exec, Image, Limits, Spec};
use serde::{Deserialize, Serialize};

use crate::PathBytes;

/// What a run began with. Of the environment the names only; of standard input nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The format of the journal; [`RunStarted::FORMAT`] is this one.
    pub format: u32,
    /// The command and its arguments.
    pub argv: Vec<String>,
    /// The working directory in the guest, if one was given.
    pub cwd: Option<String>,
    /// The names of the variables given to the guest.
    pub environment: Vec<String>,
    /// The backend's name.
    pub backend: String,
    /// The image: its name, or the file's path on the host.
    pub image: PathBytes,
    /// The host directories that the guest sees.
    pub mounts: Vec<MountSummary>,
    /// The limits.
    pub limits: Limits,
    /// The seed of the guest's randomness, if one was given.
    pub seed: Option<u64>,
    /// The policy profile's name, if there is one.
    pub policy: Option<String>,
    /// The task that the run belongs to, if it has one.
    pub task: Option<String>,
}

impl RunStarted {
    /// The format that is written here.
    pub const FORMAT: u32 = 1;

    /// The start of a command in a sandbox, with no policy and no task.
    pub fn of(spec: &Spec, exec: &Exec, backend: &str) -> Self {
        let mut environment: Vec<String> = exec.env.iter().map(|(name, _)| name.clone()).collect();
        environment.sort();
        environment.dedup();
        Self {
            format: Self::FORMAT,
            argv: exec.argv.clone(),
            cwd: exec.cwd.clone(),
            environment,
            backend: backend.to_owned(),
            image: match &spec.image {
                Image::Named(name) => PathBytes::from(name.as_str()),
                Image::File(path) => PathBytes::from(path.as_path()),
            },
            mounts: spec
                .mounts
                .iter()
                .map(|mount| MountSummary {
                    host: PathBytes::from(mount.host.as_path()),
                    guest: mount.guest.to_string(),
                    access: mount.access,
                })
                .collect(),
            limits: spec.limits.clone(),
            seed: spec.seed,
            policy: None,
            task: None,
        }
    }
}

/// A host directory that the guest sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountSummary {
    /// The directory on the host.
    pub host: PathBytes,
    /// Where the guest sees it.
    pub guest: String,
    /// What the guest may do in it.
    pub access: Access,
}

#[cfg(test)]
mod tests {
    use sandpiper_core::Mount;

    use super::*;

    #[test]
    fn the_values_of_variables_are_not_in_it() {
        let mut spec = Spec::default();
        spec.mounts.push(Mount::new("/srv/p", "/workspace", Access::ReadOnly).unwrap());
        let exec =
            Exec::new(["sh"]).env("TOKEN", "swordfish").env("A", "swordfish").env("TOKEN", "swordfish");
        let started = RunStarted::of(&spec, &exec, "wasm");
        assert_eq!(started.environment, ["A", "TOKEN"]);
        let json = serde_json::to_string(&started).unwrap();
        assert!(!json.contains("swordfish"), "{json}");
        assert!(json.contains(r#""guest":"/workspace","access":"read-only""#), "{json}");
    }
}
