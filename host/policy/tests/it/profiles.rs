//! Profiles begin with the top level, or with the profile that they extend.

use insta::assert_snapshot;
use sandpiper_policy::{Authority, Overrides};

use crate::{parse, refused, resolve_as};

const TEXT: &str = r#"
[limits]
timeout = "1s"
memory = "64MiB"
[mounts]
"/workspace" = { host = "." }
"/data" = { host = "data" }
[environment]
A = "top"
B = "top"
[daytona]
snapshot = "small"

[profile.slow]
extends = "base"
limits.timeout = "3s"
mounts."/data" = false

[profile.base.limits]
timeout = "2s"
processes = 2
[profile.base.environment]
B = "base"
[profile.base.daytona]
snapshot = false
image = "debian"
"#;

#[test]
fn a_profile_changes_what_it_names_and_keeps_the_rest() {
    let limits = |profile| {
        let limits = resolve_as(TEXT, profile).limits();
        (limits.wall.as_secs(), limits.memory_bytes >> 20, limits.processes)
    };
    assert_eq!(limits(None), (1, 64, 256));
    assert_eq!(limits(Some("base")), (2, 64, 2));
    assert_eq!(limits(Some("slow")), (3, 64, 2));
}

#[test]
fn entries_are_inherited_one_by_one_and_taken_away_by_false() {
    let mounts = |profile| -> Vec<String> {
        resolve_as(TEXT, profile).mounts().iter().map(|mount| mount.guest.to_string()).collect()
    };
    assert_eq!(mounts(Some("base")), ["/data", "/workspace"]);
    assert_eq!(mounts(Some("slow")), ["/workspace"]);
    let value = |key| resolve_as(TEXT, Some("slow")).explain(key).unwrap()[0].value.clone();
    assert_eq!(value("environment.A").as_deref(), Some("\"top\""));
    assert_eq!(value("environment.B").as_deref(), Some("\"base\""));
    assert_eq!(value("daytona.snapshot"), None);
}

#[test]
fn an_unknown_profile_is_refused_with_the_nearest_one() {
    let policy = parse(TEXT).unwrap();
    assert_eq!(policy.profiles().collect::<Vec<_>>(), ["base", "slow"]);
    let err = policy.resolve(Some("slwo"), Overrides::default(), Authority::Person).unwrap_err();
    assert_eq!(err.to_string(), "there is no profile `slwo` in /p/sandpiper.toml");
    assert_eq!(err.hint(), Some("did you mean `slow`?"));
}

#[test]
fn profiles_that_extend_each_other_in_a_circle_are_refused() {
    let text = "[profile.a]\nextends = \"b\"\n[profile.b]\nextends = \"c\"\n[profile.c]\nextends = \"b\"\n";
    assert_snapshot!(refused(text), @"6:11: `profile.c.extends` leads back to where it began: b -> c -> b");
    assert_snapshot!(refused("[profile.a]\nextends = \"a\"\n"), @"2:11: `profile.a.extends` leads back to where it began: a -> a");
}

#[test]
fn a_profile_that_is_not_there_cannot_be_extended() {
    let text = "[profile.release]\n[profile.a]\nextends = \"relase\"\n[profile.\"b c\"]\n";
    assert_snapshot!(refused(text), @r#"
3:11: `profile.a.extends` is `relase`, which is no profile
  hint: did you mean `release`?
4:10: `profile."b c"` is not a name for a profile
  hint: use letters, digits, `-` and `_`
"#);
}

#[test]
fn a_mistake_that_profiles_inherit_is_found_once() {
    let text = "limits.processes = 0\n[profile.a]\n[profile.b]\nextends = \"a\"\n";
    assert_snapshot!(refused(text), @"1:20: `limits.processes` is 0, expected at least 1");
}

#[test]
fn there_are_as_many_profiles_as_a_person_tells_apart() {
    let text =
        |count: usize| (0..count).map(|index| format!("[profile.p{index}]")).collect::<Vec<_>>().join("\n");
    assert_eq!(parse(&text(100)).unwrap().profiles().count(), 100);
    assert!(refused(&text(101)).ends_with("there are more than 100 profiles"));
}
