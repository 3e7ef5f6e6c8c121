//! What is said beside the policy: anybody may tighten it, only the person may widen it.

use std::time::Duration;

use sandpiper_core::{Access, Metering, Mount};
use sandpiper_policy::{Authority, Backend, Overrides, PolicyError, Resolved, Usd};

use crate::parse;

const TEXT: &str = r#"
[routing]
backends = ["wasm", "docker"]
[limits]
timeout = "10s"
[remote]
max_cost = "1"
[mounts]
"/workspace" = { host = "/src", access = "read-write", git = "hidden" }
"/data" = { host = "/data" }
[environment]
LANG = "C"
"#;

fn asked(overrides: Overrides, authority: Authority) -> Result<Resolved, PolicyError> {
    parse(TEXT).unwrap().resolve(None, overrides, authority)
}

/// A request is refused with that key, and the person is not.
#[track_caller]
fn widens(key: &str, overrides: &Overrides) -> Resolved {
    match asked(overrides.clone(), Authority::Request) {
        Err(PolicyError::Widened { key: named, .. }) => assert_eq!(named, key),
        other => panic!("{key}: {other:?}"),
    }
    asked(overrides.clone(), Authority::Person).unwrap()
}

#[track_caller]
fn tightens(overrides: &Overrides) -> Resolved {
    asked(overrides.clone(), Authority::Person).unwrap();
    asked(overrides.clone(), Authority::Request).unwrap()
}

fn mount(host: &str, guest: &str, access: Access) -> Mount {
    Mount::new(host, guest, access).unwrap()
}

#[test]
fn every_limit_may_be_tightened_by_anybody_and_widened_by_the_person() {
    let with = |timeout, size, count| Overrides {
        fuel: Some(count),
        timeout: Some(Duration::from_secs(timeout)),
        memory_bytes: Some(size),
        tmp_bytes: Some(size),
        disk_bytes: Some(size),
        processes: Some(u32::try_from(count).unwrap()),
        output_bytes: Some(size),
        max_time: Some(Duration::from_secs(timeout)),
        max_cost: Some(Usd::from_micros(count)),
        ..Overrides::default()
    };
    let limits = tightens(&with(1, 1 << 20, 1)).limits();
    assert_eq!((limits.wall.as_secs(), limits.fuel, limits.output_bytes), (1, 1, 1 << 20));
    let one = |change: fn(&mut Overrides)| {
        let mut overrides = Overrides::default();
        change(&mut overrides);
        overrides
    };
    widens("limits.timeout", &one(|asked| asked.timeout = Some(Duration::from_secs(11))));
    widens("limits.fuel", &one(|asked| asked.fuel = Some(u64::MAX)));
    widens("limits.memory", &one(|asked| asked.memory_bytes = Some(1 << 30)));
    widens("limits.tmp", &one(|asked| asked.tmp_bytes = Some(1 << 40)));
    widens("limits.disk", &one(|asked| asked.disk_bytes = Some(1 << 40)));
    widens("limits.processes", &one(|asked| asked.processes = Some(257)));
    widens("limits.output", &one(|asked| asked.output_bytes = Some(1 << 40)));
    widens("remote.max_time", &one(|asked| asked.max_time = Some(Duration::from_hours(1))));
    widens("remote.max_cost", &one(|asked| asked.max_cost = Some(Usd::from_micros(1_000_001))));
    widens("limits.metering", &one(|asked| asked.metering = Some(Metering::Deadline)));
    tightens(&one(|asked| asked.metering = Some(Metering::Fuel)));
}

#[test]
fn a_refusal_says_what_was_asked_and_what_is_allowed_where() {
    let overrides = Overrides { timeout: Some(Duration::from_mins(1)), ..Overrides::default() };
    let err = asked(overrides, Authority::Request).unwrap_err();
    assert_eq!(
        err.to_string(),
        "`limits.timeout` is asked to be \"1m\", and the policy allows \"10s\" (/p/sandpiper.toml:5:11)"
    );
    assert_eq!(err.hint(), Some("a request may only tighten; widen the policy itself"));
}

#[test]
fn a_backend_of_the_policy_may_be_chosen_by_anybody_and_another_by_the_person() {
    let backend = |backend| Overrides { backend: Some(backend), ..Overrides::default() };
    assert_eq!(tightens(&backend(Backend::Docker)).routing().backends, [Backend::Docker]);
    assert_eq!(widens("routing.backends", &backend(Backend::E2b)).routing().backends, [Backend::E2b]);
}

#[test]
fn a_request_gets_a_mount_of_the_policy_or_less_of_it() {
    let mounting = |mount| Overrides { mounts: vec![mount], ..Overrides::default() };
    tightens(&mounting(mount("/src", "/workspace", Access::ReadOnly).hiding_git()));
    tightens(&mounting(mount("/data", "/data", Access::ReadOnly)));
    tightens(&mounting(mount("/data", "/data", Access::ReadOnly).hiding_git()));
    for wider in
        [mount("/data", "/data", Access::ReadWrite), mount("/data/../etc", "/data", Access::ReadOnly)]
    {
        widens("mounts.\"/data\"", &mounting(wider));
    }
    widens("mounts.\"/workspace\"", &mounting(mount("/src", "/workspace", Access::ReadWrite)));
    let added = widens("mounts.\"/etc\"", &mounting(mount("/etc", "/etc", Access::ReadOnly)));
    assert_eq!(added.mounts().len(), 3);
    let none = Overrides { no_mounts: true, ..Overrides::default() };
    assert!(tightens(&none).mounts().is_empty());
}

#[test]
fn a_request_adds_variables_and_does_not_replace_those_of_the_policy() {
    let setting = |name: &str, value: &str| Overrides {
        variables: vec![(name.to_owned(), value.to_owned())],
        ..Overrides::default()
    };
    tightens(&setting("OTHER", "x"));
    tightens(&setting("LANG", "C"));
    widens("environment.LANG", &setting("LANG", "de_DE"));
    for authority in [Authority::Person, Authority::Request] {
        let err = asked(setting("A-B", "x"), authority).unwrap_err();
        assert_eq!(err.to_string(), "`A-B` is not a variable's name, expected letters, digits and `_`");
    }
}

#[test]
fn what_cannot_be_enforced_is_refused_on_the_command_line_too() {
    let overrides = Overrides { memory_bytes: Some(1), ..Overrides::default() };
    let err = asked(overrides, Authority::Person).unwrap_err();
    assert_eq!(err.to_string(), "`limits.memory` is 1 bytes, expected 64KiB to 4GiB");
}

#[test]
fn the_memory_of_a_container_is_what_is_said_and_the_less_of_two() {
    let of = |text: &str, memory_bytes| {
        let overrides = Overrides { memory_bytes, ..Overrides::default() };
        let run = parse(text).unwrap().resolve(None, overrides, Authority::Person).unwrap();
        (run.limits_of(Backend::Docker).memory_bytes >> 20, run.limits_of(Backend::Wasm).memory_bytes >> 20)
    };
    let docker = "[docker]\nmemory = \"700MiB\"\n";
    assert_eq!(of("", None), (512, 256));
    assert_eq!(of(docker, None), (700, 256));
    assert_eq!(of("[limits]\nmemory = \"1GiB\"\n", None), (1024, 1024));
    assert_eq!(of(&format!("{docker}[limits]\nmemory = \"1GiB\"\n"), None), (700, 1024));
    assert_eq!(of(docker, Some(100 << 20)), (100, 100));
}

#[test]
fn a_backend_is_named_by_the_person_alone() {
    let docker = Overrides { backend: Some(Backend::Docker), ..Overrides::default() };
    assert!(asked(docker.clone(), Authority::Person).unwrap().is_backend_named());
    assert!(!asked(docker, Authority::Request).unwrap().is_backend_named());
    assert!(!asked(Overrides::default(), Authority::Person).unwrap().is_backend_named());
}
