//! The policy as its users have it: files in, messages and resolved policies out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod discovery;
mod examples;
mod keys;
mod messages;
mod overrides;
mod profiles;
mod review;
mod schema;
mod secrets;
mod unknown_keys;

use std::path::Path;

use sandpiper_policy::{Authority, Overrides, Policy, PolicyError, Resolved};

/// The policy of a text in `/p/sandpiper.toml`.
fn parse(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(Path::new("/p/sandpiper.toml"), text)
}

/// What holds by a text, without a profile.
#[track_caller]
fn resolve(text: &str) -> Resolved {
    resolve_as(text, None)
}

#[track_caller]
fn resolve_as(text: &str, profile: Option<&str>) -> Resolved {
    let policy = parse(text).unwrap_or_else(|err| panic!("{err}"));
    policy.resolve(profile, Overrides::default(), Authority::Person).unwrap()
}

/// The findings of a text that is no policy.
#[track_caller]
fn refused(text: &str) -> String {
    match parse(text) {
        Err(err @ PolicyError::Invalid { .. }) => err.to_string().replace("/p/sandpiper.toml:", ""),
        other => panic!("{text}\n{other:?}"),
    }
}

/// All keys and values, without where they come from.
fn values(resolved: &Resolved) -> Vec<(String, Option<String>)> {
    TABLES
        .iter()
        .flat_map(|table| resolved.explain(table).unwrap())
        .map(|explained| (explained.key, explained.value))
        .collect()
}

const TABLES: [&str; 10] = [
    "routing",
    "limits",
    "network",
    "uploads",
    "remote",
    "e2b",
    "daytona",
    "docker",
    "mounts",
    "environment",
];
